"""Transactions end in one place, and end well: committed, or gone without a trace (P21-P23)."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as AnySession
from sqlmodel import Session, select

from fieldstone import Database
from fieldstone.errors import (
    Conflict,
    ReadOnlyTransaction,
    TransactionConflict,
)
from tests.accounts import Account, Transfer, balances, tables
from tests.faces import Face


@pytest.fixture
async def ready(face: Face) -> Face:
    face.database.create_all(tables())
    return face


async def test_block_that_ends_well_is_committed(ready: Face) -> None:
    async with ready.transaction() as session:
        session.add(account := Account(balance=1))
    assert await balances(ready) == [1]
    assert account.id is not None
    assert account.balance == 1, "objects stay readable after commit"


async def test_block_that_raises_is_rolled_back(ready: Face) -> None:
    with pytest.raises(ZeroDivisionError):
        async with ready.transaction() as session:
            session.add(Account(balance=1))
            await ready.flush(session)
            raise ZeroDivisionError
    assert await balances(ready) == []


async def test_write_in_a_read_only_unit_is_refused(ready: Face) -> None:
    with pytest.raises(ReadOnlyTransaction, match=r"declared read-only, and it writes\. Open it without"):
        async with ready.transaction(read_only=True) as session:
            session.add(Account(balance=1))
    async with ready.transaction() as session:
        session.add(Account(balance=2))
    assert await balances(ready) == [2]


async def test_savepoint_takes_back_only_its_own_work(ready: Face) -> None:
    def work(session: AnySession) -> None:
        session.add(Account(balance=1))
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            session.add(Account(balance=2))
            session.flush()
            raise ZeroDivisionError

    async with ready.transaction() as session:
        await ready.run(session, work)
    assert await balances(ready) == [1]


async def test_failed_commit_leaves_no_row_and_no_lock(ready: Face) -> None:
    with pytest.raises(Conflict, match="points to"):
        async with ready.transaction() as session:
            session.add_all([Account(balance=1), Transfer(account_id=999)])
    assert await balances(ready) == []
    # The connection that failed is the pool's next: it must see nothing and hold nothing.
    async with ready.transaction() as session:
        assert (await ready.exec(session, select(Account))).all() == []
    with Database(ready.database.url, lock_timeout=0.5) as other, other.transaction() as second:
        second.add(Account(balance=2))
    assert await balances(ready) == [2]


async def test_failed_commit_of_a_plain_session_leaves_no_lock(ready: Face) -> None:
    """The rollback is the engine's, so that sessions made by hand have it too."""
    with Session(ready.database.engine) as session:
        session.add(Transfer(account_id=999))
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            session.commit()
        with Database(ready.database.url, lock_timeout=0.5) as other, other.transaction() as second:
            second.add(Account(balance=2))


async def test_cancelled_task_rolls_back_and_returns_its_connection(database: Database) -> None:
    database.create_all(tables())
    began = asyncio.Event()

    async def unit() -> None:
        async with database.async_transaction() as session:
            session.add(Account(balance=1))
            await session.flush()
            began.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(unit())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert database.async_engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a queue pool
    async with database.async_transaction() as session:
        assert (await session.exec(select(Account))).all() == []
        session.add(Account(balance=2))


async def test_task_cancelled_inside_a_statement_leaves_a_working_pool(
    fresh_url: Callable[[str], str],
) -> None:
    async with Database(fresh_url("postgresql"), pool_size=1, max_overflow=0) as database:

        async def unit() -> None:
            async with database.async_transaction() as session:
                await (await session.connection()).execute(text("SELECT pg_sleep(60)"))

        task = asyncio.create_task(unit())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with database.async_transaction() as session:
            assert (await (await session.connection()).execute(text("SELECT 1"))).scalar_one() == 1


async def add_one_slowly(session: Any) -> None:
    account = await session.get_one(Account, 1)
    await asyncio.sleep(0.01)
    account.balance += 1


async def test_run_repeats_units_that_met_until_none_is_lost(fresh_url: Callable[[str], str]) -> None:
    async with Database(fresh_url("postgresql")) as database:
        database.create_all(tables())
        with database.transaction() as session:
            session.add(Account(id=1))
        attempts = 0

        async def unit(session: Any) -> None:
            nonlocal attempts
            attempts += 1
            await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
            await add_one_slowly(session)

        await asyncio.gather(*(database.run_async(unit, attempts=50) for _ in range(10)))
        with database.transaction() as session:
            assert session.get_one(Account, 1).balance == 10
        assert attempts > 10, "no unit met another, so this test has shown nothing"


def test_run_locks_rows_and_loses_none_in_threads(fresh_url: Callable[[str], str]) -> None:
    with Database(fresh_url("postgresql")) as database:
        database.create_all(tables())
        with database.transaction() as session:
            session.add(Account(id=1))

        def unit(session: Session) -> None:
            session.get_one(Account, 1, with_for_update=True).balance += 1

        def work() -> None:
            for _ in range(25):
                database.run(unit)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with database.transaction() as session:
            assert session.get_one(Account, 1).balance == 100


def test_run_gives_up_after_its_attempts(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/busy.db"
    with Database(url) as database, Database(url, lock_timeout=0.02) as other:
        database.create_all(tables())
        calls = 0

        def unit(session: Session) -> None:
            nonlocal calls
            calls += 1
            session.add(Account())
            session.flush()

        with database.transaction() as session:
            session.add(Account())
            session.flush()
            with pytest.raises(
                TransactionConflict, match="met another transaction 3 times and was rolled back"
            ):
                other.run(unit, attempts=3)
        assert calls == 3
        other.run(unit)
        with database.transaction() as session:
            assert len(session.exec(select(Account)).all()) == 2


def test_run_does_not_repeat_what_would_fail_again(database: Database) -> None:
    database.create_all(tables())
    calls = 0

    def unit(session: Session) -> None:
        nonlocal calls
        calls += 1
        session.add_all([Transfer(account_id=999)])

    with pytest.raises(Conflict):
        database.run(unit)
    assert calls == 1


def create(url: str) -> None:
    with Database(url) as database:
        database.create_all(tables())


def test_processes_that_create_tables_at_once_do_not_crash(database_url: str) -> None:
    processes = multiprocessing.get_context("spawn")
    workers = [processes.Process(target=create, args=(database_url,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]


def write_and_die(path: str) -> None:
    with Database(f"sqlite:///{path}").transaction() as session:
        session.add(Account(balance=1))
        session.flush()
        os._exit(9)


def test_killed_process_leaves_no_row_and_no_lock(tmp_path: Path) -> None:
    path = f"{tmp_path}/killed.db"
    with Database(f"sqlite:///{path}", lock_timeout=0.5) as database:
        database.create_all(tables())
        worker = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(path,))
        worker.start()
        worker.join()
        assert worker.exitcode == 9
        with database.transaction() as session:
            assert session.exec(select(Account)).all() == []
            session.add(Account(balance=2))
