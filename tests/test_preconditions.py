"""A change that says which version it is based on is made on that version, or not at all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import Session, col, select

from fieldstone import (
    InvalidValues,
    ModelError,
    NotFound,
    StaleVersion,
    count,
    create,
    delete,
    patch,
    patch_where,
)
from fieldstone.testing import count_statements
from tests.edited import METADATA, Card, Machine, Robot, Script, Sheet
from tests.faces import Face

STALE = (
    "Sheet was changed by someone else since it was read: its version is 2 now. "
    "Read it again, then repeat the change."
)
RACED = "Sheet was changed by someone else since it was read. Read it again, then repeat the change."


@pytest.fixture
async def ready(face: Face) -> Face:
    """Give a sheet whose version is 2, and rows of the other models."""
    await face.create_all(METADATA)
    async with face.transaction() as session:
        await face(create, session, Sheet, {"title": "First"})
        await face(patch, session, Sheet, 1, {"title": "Second"})
        await face(create, session, Card, {"title": "Card"})
        await face(create, session, Robot, {})
        await face(create, session, Script, {"title": "Script"})
    return face


async def stored(face: Face) -> tuple[str, int]:
    async with face.transaction(read_only=True) as session:
        sheet = (await face.exec(session, select(Sheet))).one()
        return sheet.title, sheet.version


async def test_a_change_of_the_stored_version_is_made(ready: Face) -> None:
    named: list[Any] = [2, "3", (1, 4), {"7", "5"}, frozenset({6})]
    for stored_now, version in enumerate(named, start=2):
        async with ready.transaction() as session:
            sheet = await ready(patch, session, Sheet, 1, {"title": f"From {version}"}, version=version)
            assert sheet.version == stored_now + 1
    assert await stored(ready) == (f"From {frozenset({6})}", 7)


@pytest.mark.parametrize("verb", [patch, delete])
async def test_a_change_of_another_version_is_refused(ready: Face, verb: Any) -> None:
    data = ({"title": "Third"},) if verb is patch else ()
    others: list[Any] = [1, 3, "1", "", "02", (1, 3), [], frozenset({"22"}), 2**70, 10**5000]
    for version in others:
        async with ready.transaction() as session:
            with pytest.raises(StaleVersion) as refusal:
                await ready(verb, session, Sheet, 1, *data, version=version)
            assert await ready(count, session, select(Sheet)) == 1  # the transaction goes on
        assert str(refusal.value) == STALE
        assert (refusal.value.subject, refusal.value.key) == ("Sheet", 1)
        assert (refusal.value.version, refusal.value.current) == (version, 2)
    assert await stored(ready) == ("Second", 2)


async def test_a_row_is_deleted_in_the_stored_version(ready: Face) -> None:
    async with ready.transaction() as session:
        await ready(delete, session, Sheet, 1, version=2)
        assert await ready(count, session, select(Sheet)) == 0


async def test_a_version_costs_no_statement(ready: Face) -> None:
    for arguments in ({}, {"version": 2}, {"version": 3}):
        with count_statements(ready.database) as statements:
            async with ready.transaction() as session:
                await ready(patch, session, Sheet, 1, {"title": f"Other {arguments}"}, **arguments)
        assert len(statements) == 2
        if not arguments:
            async with ready.transaction() as session:
                await ready.run(session, _set_version, 2)


async def test_an_empty_change_is_refused_too_and_counts_nothing(ready: Face) -> None:
    async with ready.transaction() as session:
        await ready(patch, session, Sheet, 1, {}, version=2)
        with pytest.raises(StaleVersion):
            await ready(patch, session, Sheet, 1, {}, version=1)
    assert await stored(ready) == ("Second", 2)


async def test_a_missing_row_and_a_wrong_value_are_told_before_a_stale_version(ready: Face) -> None:
    async with ready.transaction() as session:
        with pytest.raises(NotFound):
            await ready(patch, session, Sheet, 99, {"title": "Third"}, version=1)
        with pytest.raises(NotFound):
            await ready(delete, session, Sheet, 99, version=1)
        with pytest.raises(InvalidValues, match="a key stays"):
            await ready(patch, session, Sheet, 1, {"id": 5}, version=1)


@pytest.mark.parametrize("verb", [patch, delete])
async def test_a_version_that_changes_between_check_and_write_is_caught_by_the_write(
    ready: Face, verb: Any
) -> None:
    data = ({"title": "Third"},) if verb is patch else ()
    with pytest.raises(StaleVersion) as refusal:
        async with ready.transaction() as session:
            held = (await ready.exec(session, select(Sheet))).one()  # in the session, as the check finds it
            await ready.run(session, _set_version, 7)
            assert held.version == 2
            await ready(verb, session, Sheet, 1, *data, version=2)
    assert str(refusal.value) == RACED
    assert (refusal.value.key, refusal.value.version, refusal.value.current) == (1, 2, None)
    assert await stored(ready) == ("Second", 2)


async def test_a_stale_row_of_another_model_keeps_its_own_name(ready: Face) -> None:
    def work(session: Session) -> None:
        robot = session.exec(select(Robot)).one()
        session.connection().execute(text("UPDATE machine SET version = 7"))
        robot.arms = 3
        with session.no_autoflush:
            patch(session, Sheet, 1, {"title": "Third"}, version=2)

    with pytest.raises(StaleVersion, match="Machine was changed") as refusal:
        async with ready.transaction() as session:
            await ready.run(session, work)
    assert refusal.value.version is None


async def test_a_model_without_versions_says_so(ready: Face) -> None:
    lacking = re.escape(
        "Card keeps no version, so version= cannot be checked. "
        "Derive it from Versioned: class Card(..., Versioned, table=True)."
    )
    async with ready.transaction() as session:
        with pytest.raises(ModelError, match=lacking):
            await ready(patch, session, Card, 1, {"title": "Third"}, version=1)
        await ready(patch, session, Card, 1, {"title": "Third"}, version=None)


async def test_a_part_of_an_inherited_model_has_the_version_of_the_whole(ready: Face) -> None:
    async with ready.transaction() as session:
        assert (await ready(patch, session, Robot, 1, {"arms": 3}, version=1)).version == 2
        with pytest.raises(StaleVersion, match=r"Robot was changed .* its version is 2 now"):
            await ready(patch, session, Robot, 1, {"arms": 4}, version=1)
        assert (await ready(patch, session, Machine, 1, {}, version=2)).version == 2


async def test_a_version_may_be_a_text(ready: Face) -> None:
    async with ready.transaction() as session:
        first = (await ready.exec(session, select(Script))).one().revision
        await ready(patch, session, Script, 1, {"title": "Next"}, version=first)
        with pytest.raises(StaleVersion):
            await ready(patch, session, Script, 1, {"title": "Last"}, version=first)


async def test_a_change_of_many_rows_makes_older_versions_stale(ready: Face) -> None:
    async with ready.transaction() as session:
        chosen = select(Sheet).where(col(Sheet.title) == "Second")
        assert await ready(patch_where, session, chosen, {"title": "Many"}) == 1
    async with ready.transaction() as session:
        with pytest.raises(StaleVersion, match="its version is 3 now"):
            await ready(patch, session, Sheet, 1, {"title": "Third"}, version=2)
        counting = update(Sheet).values(title="Bare", version=col(Sheet.version) + 1)
        await ready.exec(session, counting)
        with pytest.raises(StaleVersion, match="its version is 4 now"):
            await ready(patch, session, Sheet, 1, {"title": "Third"}, version=3)


def _set_version(session: Session, version: int) -> None:
    session.connection().execute(text(f"UPDATE sheet SET version = {version}"))
