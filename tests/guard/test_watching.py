"""What a watch does with what it finds: raise, warn or record; and what it lets pass."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlmodel import Session, col, select

from fieldstone import Database, MistakesFound, NotLoaded, fetch, plan
from fieldstone.guard import (
    DetachedAccess,
    GuardWarning,
    LazyLoadInAsync,
    Statement,
    exact_queries,
    max_queries,
    no_n_plus_one,
    recording,
    report,
    watch,
)
from tests.guard.shop import METADATA, Item, Shelf, ShelfRead, sample

HERE = Path(__file__).name


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path}/shop.db") as database:
        database.create_all(METADATA)
        with database.transaction() as session:
            session.add_all(sample())
        yield database


def count_items(session: Session) -> list[int]:
    return [len(shelf.items) for shelf in session.exec(select(Shelf)).all()]


def test_a_mistake_is_raised_where_the_block_ends(shop: Database) -> None:
    with pytest.raises(MistakesFound) as raised, watch(), shop.transaction() as session:
        assert count_items(session) == [2, 2, 2]
    (finding,) = raised.value.findings
    assert str(finding) == str(raised.value)
    line = count_items.__code__.co_firstlineno + 1
    assert str(finding).replace("tests/guard/", "") == (
        f"Shelf.items was loaded 3 times, by a statement for each Shelf, at {HERE}:{line} in <listcomp>: "
        f"each Shelf came from the query at {HERE}:{line} in count_items, without it. "
        "Add .options(selectinload(Shelf.items)) to that query, or read into a schema that has 'items'.\n"
        "    return [len(shelf.items) for shelf in session.exec(select(Shelf)).all()]"
    )


def test_several_mistakes_are_numbered(shop: Database) -> None:
    numbered = pytest.raises(MistakesFound, match=r"^2 mistakes\.\n1\. Shelf")
    with numbered as raised, watch(), shop.transaction() as session:
        count_items(session)
        for number in (1, 2):
            session.exec(select(Item).where(Item.id == number)).all()
    assert [finding.kind for finding in raised.value.findings] == ["n_plus_one", "repeated_query"]  # type: ignore[attr-defined]  # they are Findings


def test_a_warning_points_to_the_line(shop: Database) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with watch("warn"), shop.transaction() as session:
            count_items(session)
    (warning,) = caught
    assert warning.category is GuardWarning
    assert Path(warning.filename).name == HERE
    assert warning.lineno == count_items.__code__.co_firstlineno + 1


def test_a_record_lists_statements_with_their_lines(shop: Database) -> None:
    with watch("record") as seen, shop.transaction() as session:
        count_items(session)
    assert [statement.purpose for statement in seen.statements] == ["query", *["lazy load"] * 3]
    assert {statement.site.function for statement in seen.statements if statement.site} == {
        "count_items",
        "<listcomp>",
    }
    assert all(statement.seconds is not None for statement in seen.statements)
    assert "   3x tests/guard/test_watching.py:" in seen.report()
    assert "(lazy load of Shelf.items)" in seen.report()


def test_no_parameter_is_shown(shop: Database) -> None:
    secret = "a secret"
    with watch("record") as seen, shop.transaction() as session:
        session.exec(select(Item).where(Item.name == secret)).all()
        session.exec(select(Item).where(col(Item.name).in_([secret]))).all()
    assert secret not in repr(seen.statements) + seen.report()


def test_reads_by_a_plan_are_seen_with_the_users_line(shop: Database) -> None:
    with watch("record") as seen, shop.transaction() as session:
        fetch(session, select(Shelf), ShelfRead)
    assert [one.site.code for one in seen.statements if one.site] == [
        "fetch(session, select(Shelf), ShelfRead)"
    ] * 2
    assert not seen.findings


def test_a_function_is_watched_in_each_of_its_calls(shop: Database) -> None:
    @watch()
    def count() -> list[int]:
        """Count items."""
        with shop.transaction() as session:
            return count_items(session)

    assert count.__doc__ == "Count items."
    for _ in range(2):
        with pytest.raises(MistakesFound, match=r"Shelf\.items was loaded 3 times"):
            count()


async def test_a_coroutine_function_is_watched_too(shop: Database) -> None:
    @watch()
    async def read() -> Any:
        async with shop.async_transaction() as session:
            return (await session.exec(select(Shelf))).all()[0].items

    with pytest.raises(LazyLoadInAsync, match=r"Shelf\.items was read and is not loaded"):
        await read()
    with pytest.raises(MissingGreenlet):
        await read()
    await shop.aclose()


def test_a_generator_function_is_refused() -> None:
    with pytest.raises(TypeError, match="numbers is a generator"):

        @watch()
        def numbers() -> Iterator[int]:
            yield 1


def test_a_detached_access_is_still_what_it_was(shop: Database) -> None:
    with pytest.raises(DetachedInstanceError) as raised, watch():
        with shop.transaction() as session:
            shelf = session.exec(select(Shelf)).first()
        assert shelf is not None
        shelf.items  # noqa: B018  # reading it is the mistake
    assert isinstance(raised.value, DetachedAccess)
    assert "Add .options(selectinload(Shelf.items)) to the query at tests/guard" in str(raised.value)


def test_an_error_that_is_only_recorded_keeps_its_type_and_says_more(shop: Database) -> None:
    with pytest.raises(DetachedInstanceError) as raised, watch("record"):
        with shop.transaction() as session:
            shelf = session.exec(select(Shelf)).first()
        assert shelf is not None
        shelf.items  # noqa: B018  # reading it is the mistake
    assert not isinstance(raised.value, DetachedAccess)
    assert raised.value.__notes__[0].startswith("Shelf.items was read and cannot be loaded")


def test_an_error_of_the_block_is_not_hidden(shop: Database) -> None:
    with pytest.raises(KeyError, match="its own"), watch(), shop.transaction() as session:
        count_items(session)
        raise KeyError("its own")


def test_a_dump_of_an_expired_model_names_the_line_that_expired_it(shop: Database) -> None:
    with (
        watch("record") as seen,
        pytest.raises(NotLoaded, match=r"commit\(\) at tests/guard/.* expired them"),
        Session(shop.engine) as session,
    ):
        shelf = session.exec(select(Shelf)).first()
        session.commit()
        assert shelf is not None
        shelf.model_dump()
    assert not seen.findings  # it was caught within the block


def test_a_dump_that_leaves_the_block_is_a_finding(shop: Database) -> None:
    refused = pytest.raises(MistakesFound, match="Shelf was dumped, at tests/guard")
    with refused, watch(), Session(shop.engine) as session:
        shelf = session.exec(select(Shelf)).first()
        session.commit()
        assert shelf is not None
        shelf.model_dump()


@pytest.mark.parametrize(
    "allowed", [Shelf.items, "Shelf.items", f"*/{HERE}", f"tests/guard/{HERE}", str(Path(__file__))]
)
def test_what_is_allowed_is_no_finding(shop: Database, allowed: Any) -> None:
    with watch(allow=[allowed]), shop.transaction() as session:
        count_items(session)


@pytest.mark.parametrize("allowed", [Shelf.name, "Item.shelf", "items.py"])
def test_what_is_not_allowed_is_found(shop: Database, allowed: Any) -> None:
    with pytest.raises(MistakesFound), watch(allow=[allowed]), shop.transaction() as session:
        count_items(session)


def test_kinds_may_be_left_out(shop: Database) -> None:
    with watch(ignore=["n_plus_one"]), shop.transaction() as session:
        count_items(session)


def test_an_unknown_mode_or_kind_is_refused() -> None:
    with pytest.raises(Exception, match=r"no mode 'shout'\. The modes are: 'raise', 'warn', 'record'"):
        watch("shout")  # type: ignore[arg-type]  # it is what must be refused
    with pytest.raises(Exception, match=r"no findings of the kind 'n\+1'\. The kinds are: n_plus_one, "):
        watch(ignore=["n+1"])  # type: ignore[list-item]  # it is what must be refused


def test_a_watch_is_for_one_block() -> None:
    seen = watch()
    with seen:
        pass
    with pytest.raises(Exception, match="Each block needs its own"), seen:
        pass


def test_a_watch_within_a_watch_tells_both(shop: Database) -> None:
    with watch("record") as outer, watch("record") as inner, shop.transaction() as session:
        count_items(session)
    assert len(outer.statements) == len(inner.statements) == 4


def test_tasks_and_threads_do_not_mix(shop: Database) -> None:
    def read(number: int, found: dict[int, list[Statement]]) -> None:
        with watch("record") as seen, shop.transaction(read_only=True) as session:
            session.exec(select(Item).where(Item.id == number)).all()
            barrier.wait(10)
            session.exec(select(Item).where(Item.id == number)).all()
        found[number] = seen.statements

    barrier = threading.Barrier(2)
    found: dict[int, list[Statement]] = {}
    threads = [threading.Thread(target=read, args=(number, found)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: {one.picked() for one in sent} for number, sent in found.items()} == {
        1: {("1",)},
        2: {("2",)},
    }


async def test_what_a_block_starts_is_heard(shop: Database) -> None:
    def count() -> list[int]:
        with shop.transaction() as session:
            return count_items(session)

    async with watch("record", ignore=["n_plus_one"]) as seen:
        await asyncio.create_task(asyncio.to_thread(count))
    assert len(seen.statements) == 4


def test_a_thread_that_was_there_before_is_heard_only_everywhere(shop: Database) -> None:
    def read(started: threading.Event) -> None:
        started.wait(10)
        with shop.transaction() as session:
            session.exec(select(Item)).all()

    for everywhere in (False, True):
        started = threading.Event()
        thread = threading.Thread(target=read, args=(started,))
        thread.start()
        with watch("record", everywhere=everywhere) as seen:
            started.set()
            thread.join()
        assert len(seen.statements) == int(everywhere)


# Budgets


def test_more_statements_than_a_number_are_refused_with_their_lines(shop: Database) -> None:
    with pytest.raises(MistakesFound) as raised, max_queries(2), shop.transaction() as session:
        count_items(session)
    first, *lines = str(raised.value).splitlines()
    assert first == "4 statements were sent where at most 2 statements may be:"
    assert lines[0].startswith(f"   1x tests/guard/{HERE}:")
    assert lines[3].endswith("(lazy load of Shelf.items)")


def test_a_number_may_be_exact(shop: Database) -> None:
    with exact_queries(4), shop.transaction() as session:
        count_items(session)
    with pytest.raises(MistakesFound, match="No statement was sent"), exact_queries(1):
        pass


def test_a_plan_knows_its_number(shop: Database) -> None:
    with exact_queries(plan(Shelf, ShelfRead)), shop.transaction() as session:
        fetch(session, select(Shelf), ShelfRead)
    refused = pytest.raises(MistakesFound, match="3 statements were sent where at most 2")
    with refused, max_queries(plan(Shelf, ShelfRead)), shop.transaction() as session:
        fetch(session, select(Shelf), ShelfRead)
        session.exec(select(Item)).all()


def test_no_n_plus_one_shows_all_statements(shop: Database) -> None:
    refused = pytest.raises(MistakesFound, match=r"Shelf\.items was loaded 3[\s\S]*All statements:\n   1x ")
    with refused, no_n_plus_one(), shop.transaction() as session:
        count_items(session)
    with no_n_plus_one(allow=["Shelf.items"]), shop.transaction() as session:
        count_items(session)


def test_a_recording_takes_what_it_is_told_to_hear(shop: Database) -> None:
    deaf = recording(hears=lambda connection: False)
    with deaf as nothing, recording() as seen, shop.transaction() as session:
        session.exec(select(Item)).all()
    assert not nothing.statements
    assert seen.texts == [seen.statements[0].sql]
    assert report([]) == "No statement was sent."
