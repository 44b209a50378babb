"""Cursors come back as what went in, tell nothing, and refuse whatever else they are given."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fieldstone import ConfigurationError, Cursors, InvalidValues, PlanError
from fieldstone.paging.cursors import Position, dump, fingerprint_of, load, standard

CURSORS = Cursors("a secret that is long enough for cursors")
LIST = fingerprint_of("Task", "SELECT ...", "[1]")


class Color(Enum):
    RED = "red"
    GREEN = 2


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.uuids(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(
        # whole minutes, as offsets are: Python 3.11 does not read back one of a few microseconds
        timezones=st.integers(-1380, 1380).map(lambda minutes: timezone(timedelta(minutes=minutes))),
        min_value=datetime(2, 1, 1),  # noqa: DTZ001  # hypothesis wants it naive
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    ),
    st.decimals(allow_nan=False),
)
SIDES = st.sampled_from(["after", "before", "from", "until"])
POSITIONS = st.builds(Position, SIDES, st.lists(SCALARS, min_size=1).map(tuple))


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(unfolded(one)) == repr(unfolded(other))


def unfolded(value: Any) -> Any:
    """Leave out which of two equal wall clock times is meant: no database keeps it."""
    return value.replace(fold=0) if isinstance(value, datetime | time) else value


@given(SCALARS)
@example(Decimal("1.10"))
@example(float("inf"))
@example(-0.0)
@example("\ud800")
@example(2**70)
@example(datetime(2026, 1, 31, 9, 30, 0, 123456, UTC))
def test_a_value_comes_back_exactly(value: Any) -> None:
    assert same(load(dump(value)), value)


@given(POSITIONS)
def test_a_cursor_comes_back_exactly(position: Position) -> None:
    read = CURSORS.read(CURSORS.write(position, LIST), LIST)
    assert read.side == position.side
    assert all(same(*pair) for pair in zip(read.values, position.values, strict=True))


@pytest.mark.parametrize("member", Color)
def test_a_member_of_an_enum_comes_back_as_it(member: Color) -> None:
    cursor = CURSORS.write(Position("after", (member, 1)), LIST)
    assert CURSORS.read(cursor, LIST, [Color, None]).values == (member, 1)


def test_a_member_that_is_gone_is_refused() -> None:
    class Fewer(Enum):
        RED = "red"

    cursor = CURSORS.write(Position("after", (Color.GREEN,)), LIST)
    with pytest.raises(InvalidValues, match="was made for an earlier form of this list"):
        CURSORS.read(cursor, LIST, [Fewer])


def test_a_type_that_no_cursor_holds_is_refused() -> None:
    with pytest.raises(PlanError, match=r"A cursor cannot hold a value of type dict\. Order by columns"):
        CURSORS.write(Position("after", ({},)), LIST)


def test_equal_positions_give_equal_cursors() -> None:
    values = (None, True, date(2026, 1, 1), time(1), UUID(int=7))
    assert CURSORS.write(Position("after", values), LIST) == CURSORS.write(Position("after", values), LIST)


def test_a_cursor_stands_in_a_url_as_it_is_and_shows_no_value() -> None:
    cursor = CURSORS.write(Position("after", ("a private value",)), LIST)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    raw = base64.urlsafe_b64decode(cursor + "==")
    assert b"private" not in raw
    assert LIST not in raw


def refusal(cursor: str, fingerprint: bytes = LIST, cursors: Cursors = CURSORS) -> InvalidValues:
    with pytest.raises(InvalidValues) as caught:
        cursors.read(cursor, fingerprint)
    problem = caught.value.problems[0]
    assert (problem.path, problem.rule) == (("cursor",), "cursor")
    assert cursor not in str(caught.value) or len(cursor) < 10
    return caught.value


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
@example("")
@example("\x00")
@example("é" * 100)
@example("A" * 100_000)
def test_any_other_text_is_refused(text: str) -> None:
    refusal(text)


@given(POSITIONS, st.data())
def test_a_part_of_a_cursor_is_refused(position: Position, data: st.DataObject) -> None:
    cursor = CURSORS.write(position, LIST)
    refusal(cursor[: data.draw(st.integers(0, len(cursor) - 1))])
    refusal(cursor + data.draw(st.sampled_from(["=", "A", "==", "\n", " ", "!", cursor])))


@given(POSITIONS, st.data())
def test_a_cursor_with_one_bit_changed_is_refused(position: Position, data: st.DataObject) -> None:
    cursor = CURSORS.write(position, LIST)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    refusal(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


@given(POSITIONS, st.data())
def test_a_cursor_with_one_character_changed_is_refused(position: Position, data: st.DataObject) -> None:
    cursor = CURSORS.write(position, LIST)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters().filter(lambda one: one != cursor[place]))
    refusal(cursor[:place] + other + cursor[place + 1 :])


@given(POSITIONS)
def test_a_cursor_of_another_list_is_refused_and_says_so(position: Position) -> None:
    error = refusal(CURSORS.write(position, LIST), fingerprint_of("Project", "SELECT ...", "[1]"))
    assert str(error) == (
        "A page refuses cursor: belongs to another list: its filters or its order are others. "
        "Begin without a cursor"
    )


@given(POSITIONS)
def test_a_cursor_made_with_another_secret_is_refused(position: Position) -> None:
    error = refusal(Cursors("another secret that is long enough").write(position, LIST))
    assert str(error) == (
        "A page refuses cursor: was not made by this service, or was changed on the way. "
        "Begin without a cursor"
    )


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"has 6 characters of at least 32\. Make one") as caught:
        Cursors("swordfish"[:6])
    assert "swordf" not in str(caught.value)
    assert "secret" not in repr(CURSORS)


@pytest.fixture
def fresh() -> Any:
    standard.cache_clear()  # type: ignore[attr-defined]  # cached() hides what functools adds
    yield
    standard.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("fresh")
def test_the_secret_of_the_environment_serves_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDSTONE_CURSOR_SECRET", str(CURSORS.secret))
    position = Position("after", (1,))
    assert standard().write(position, LIST) == CURSORS.write(position, LIST)


@pytest.mark.usefixtures("fresh")
def test_without_a_secret_each_process_makes_its_own_and_tells_when_that_hurts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("FIELDSTONE_CURSOR_SECRET", raising=False)
    position = Position("after", (1,))
    mine = standard()
    assert mine.read(mine.write(position, LIST), LIST) == position
    standard.cache_clear()  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, logger="fieldstone"):
        refusal(mine.write(position, LIST), cursors=standard())
    (message,) = caplog.messages
    assert message == (
        "A cursor was refused, and the secret of cursors is this process's own: "
        "set FIELDSTONE_CURSOR_SECRET, the same for all processes."
    )
