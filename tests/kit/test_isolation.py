"""What a test commits is there for the rest of the test, and gone after it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from fieldstone import (
    ConfigurationError,
    Database,
    Model,
    ReadOnlyTransaction,
    after_commit,
    create,
    fetch,
)
from fieldstone.testing.isolation import IsolatedDatabase
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import Dialect, schema_of
from tests.kit.shop import METADATA, Item

Isolated = Callable[..., AbstractContextManager[IsolatedDatabase]]


@pytest.fixture
def isolated(fieldstone_lender: Lender, fieldstone_dialect: Dialect) -> Isolated:
    """Give a test as many databases as it wants, one after the other, as if each were for another test."""

    @contextmanager
    def one(*, synchronous: bool = True) -> Iterator[IsolatedDatabase]:
        schema = schema_of(METADATA)
        with fieldstone_lender.isolated(fieldstone_dialect, schema, synchronous=synchronous) as database:
            yield database

    return one


class ItemRead(Model):
    id: int
    name: str


def names(db: Database) -> list[str]:
    with db.transaction(read_only=True) as session:
        return list(session.exec(select(Item.name).order_by(Item.name)).all())


async def names_async(db: Database) -> list[str]:
    async with db.async_transaction(read_only=True) as session:
        return list((await session.exec(select(Item.name).order_by(Item.name))).all())


async def add_async(db: Database, name: str) -> None:
    async with db.async_transaction() as session:
        session.add(Item(name=name))


def test_commits_last_as_long_as_the_test(isolated: Isolated) -> None:
    for _ in range(2):
        with isolated() as db:
            with db.transaction() as session:
                session.add(item := Item(name="nail"))
            assert item.id == 1  # sequences start anew as well
            assert names(db) == ["nail"]


async def test_a_verb_by_itself_commits_into_the_test_as_well(isolated: Isolated) -> None:
    for _ in range(2):
        with isolated(synchronous=False) as db:
            made = await create(db.async_autocommit, Item, {"name": "nail"}, into=ItemRead)
            assert made.id == 1
            assert await names_async(db) == ["nail"]
            await db._endings[0].here()


def test_a_database_that_is_answered_for_is_left_alone_by_single_verbs_too(
    isolated: Isolated, lend: Callable[..., str]
) -> None:
    with isolated() as db, Database(lend(db.dialect, METADATA)) as own:
        with own.answered_by(db):
            create(own.autocommit, Item, {"name": "nail"}, into=ItemRead)
            assert fetch(own.autocommit, select(Item), ItemRead)[0].name == "nail"
        assert (names(db), names(own)) == (["nail"], [])


def test_a_rollback_undoes_its_own_transaction_only(isolated: Isolated) -> None:
    with isolated() as db:
        with db.transaction() as session:
            session.add(Item(name="nail"))
        with pytest.raises(RuntimeError), db.transaction() as session:
            session.add(Item(name="screw"))
            session.flush()
            raise RuntimeError
        assert names(db) == ["nail"]


def test_a_refused_row_leaves_the_test_usable(isolated: Isolated) -> None:
    with isolated() as db, db._open(False) as session:
        for name in ("nail", "nail", "screw"):
            session.add(Item(name=name))
            try:
                session.commit()
            except IntegrityError:
                session.rollback()
        assert names(db) == ["nail", "screw"]


def test_hooks_after_the_commit_run(isolated: Isolated) -> None:
    ran: list[list[str]] = []
    with isolated() as db, db.transaction() as session:
        session.add(Item(name="nail"))
        after_commit(session, lambda: ran.append(names(db)))
        session.commit()
        assert ran == [["nail"]]


def test_read_only_units_refuse_writes_and_later_ones_do_not(isolated: Isolated) -> None:
    with isolated() as db:
        with pytest.raises(ReadOnlyTransaction), db.transaction(read_only=True) as session:
            session.add(Item(name="nail"))
            session.flush()
        with db.transaction() as session:
            session.add(Item(name="screw"))
        assert names(db) == ["screw"]


def test_sync_and_async_code_of_a_sync_test_see_each_other(isolated: Isolated) -> None:
    with isolated() as db:
        asyncio.run(add_async(db, "nail"))
        with db.transaction() as session:
            session.add(Item(name="screw"))
        assert asyncio.run(names_async(db)) == names(db) == ["nail", "screw"]
    with isolated() as db:
        assert asyncio.run(names_async(db)) == []


async def test_an_async_test_has_the_async_driver(isolated: Isolated) -> None:
    drivers = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}
    for _ in range(2):
        with isolated(synchronous=False) as db:
            await add_async(db, "nail")
            async with db.async_transaction() as session:
                assert (await session.connection()).dialect.driver == drivers[db.dialect]
                with pytest.raises(ReadOnlyTransaction):
                    async with db.async_transaction(read_only=True) as reading:
                        reading.add(Item(name="screw"))
                        await reading.flush()
            assert await names_async(db) == ["nail"]
            await db._endings[0].here()


def test_a_loop_that_ends_first_closes_the_connection(isolated: Isolated) -> None:
    with isolated(synchronous=False) as db:
        asyncio.run(add_async(db, "nail"))  # left open, the connection would warn, and warnings are errors
    with isolated() as db:
        assert names(db) == []


def test_an_application_that_closes_its_database_leaves_the_tests_open(isolated: Isolated) -> None:
    with isolated() as db:
        with db, db.transaction() as session:
            session.add(Item(name="nail"))
        asyncio.run(db.aclose())
        assert names(db) == ["nail"]


def test_a_database_of_a_module_answers_with_the_tests(isolated: Isolated) -> None:
    module = Database("sqlite:////nonexistent/directory/module.db")
    with isolated() as db, module.answered_by(db):
        with module.transaction() as session:
            session.add(Item(name="nail"))
        asyncio.run(add_async(module, "screw"))
        assert names(db) == names(module) == ["nail", "screw"]
        assert module.dialect == db.dialect
        module.create_all(METADATA)
        module.close()
        assert module.engine is db.engine
    assert module.engine is not db.engine


def test_what_was_really_committed_is_replaced(isolated: Isolated) -> None:
    with isolated() as db, Session(db.engine) as session:
        session.add(Item(name="nail"))
        session.commit()
    with isolated() as db:
        assert names(db) == []


def test_transactions_that_overlap_are_refused_with_the_way_out(isolated: Isolated) -> None:
    with isolated() as db, db._open(False) as first, db._open(False) as second:
        first.add(Item(name="nail"))
        first.flush()
        second.add(Item(name="screw"))
        second.flush()
        with pytest.raises(
            ConfigurationError,
            match=r"Two transactions of this test overlap: .* or mark the test with "
            r"@pytest\.mark\.real_commits\.",
        ):
            first.commit()
        second.rollback()


async def test_a_sync_session_that_comes_too_late_is_refused_with_both_lines(isolated: Isolated) -> None:
    with isolated(synchronous=False) as db:
        await add_async(db, "nail")
        with pytest.raises(
            ConfigurationError,
            match=r"A synchronous session is used \(.*test_isolation\.py:\d+ in names\) in an "
            r"asynchronous test "
            r"that has used its database asynchronously \(.*test_isolation\.py:\d+ in add_async\): .* "
            r"write the test with 'def' and use 'session' and 'client'; or mark the test with",
        ):
            names(db)
        await db._endings[0].here()


async def test_async_code_joins_a_sync_session_that_came_first(isolated: Isolated) -> None:
    with isolated(synchronous=False) as db:
        assert names(db) == []
        await add_async(db, "nail")
        assert names(db) == ["nail"]


def test_a_second_event_loop_is_refused(isolated: Isolated) -> None:
    with isolated(synchronous=False) as db:
        asyncio.run(add_async(db, "nail"))
        with pytest.raises(ConfigurationError, match=re.escape("asynchronously in two event loops")):
            asyncio.run(names_async(db))
