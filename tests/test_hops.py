"""An async session on SQLite enters the thread of its connection once for each statement, or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import func, insert, literal, update
from sqlmodel import col, select

from fieldstone import Database, ReadOnlyTransaction, fetch, get, stream
from fieldstone.database import breathing
from fieldstone.database.hops import HopConnection
from tests import domain
from tests.domain import Project, ProjectRead, TagRead, Task, TaskFull


@pytest.fixture
async def database(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(f"sqlite:///{tmp_path}/hops.db", lock_timeout=0.5) as database:
        await database.create_all_async(domain.METADATA)
        async with database.async_transaction() as session:
            session.add_all(domain.sample())
        yield database


@pytest.fixture
def hops(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect what enters a connection's thread."""
    entered: list[Any] = []
    enter: Any = aiosqlite.Connection._execute

    def counted(connection: Any, *work: Any, **options: Any) -> Any:
        entered.append(work)
        return enter(connection, *work, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return entered


async def test_short_reads_take_no_hop_at_all(database: Database, hops: list[Any]) -> None:
    async with database.async_transaction(read_only=True) as session:
        assert len(await fetch(session, select(Task), TaskFull)) == 5
    async with database.async_transaction(read_only=True) as session:
        assert len(await fetch(session, select(Project), ProjectRead)) == 2
    assert hops == []


async def test_a_read_stays_short_however_often_it_runs(database: Database, hops: list[Any]) -> None:
    async with database.async_transaction(read_only=True) as session:
        for _ in range(2_000):
            await fetch(session, select(Project), ProjectRead)
    assert hops == []


async def test_a_long_read_runs_in_the_thread(database: Database, hops: list[Any]) -> None:
    numbers = select(literal(1).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.number + 1).where(numbers.c.number < 50_000))
    async with database.async_transaction(read_only=True) as session:
        for _ in range(2):
            hops.clear()
            found = await session.exec(select(func.sum(numbers.c.number)))
            assert found.one() == 50_000 * 50_001 // 2
            assert [work[0].__name__ for work in hops] == ["_executed"]
        assert len(await fetch(session, select(Project), ProjectRead)) == 2


@pytest.mark.parametrize("alone", [False, True], ids=["in a session", "alone"])
async def test_a_task_that_reads_on_and_on_lets_others_run(
    database: Database, alone: bool, hops: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breathing, "LONGEST", 0.0)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(turn())
    async with database.async_transaction(read_only=True) as session:
        for _ in range(50):
            await get(database.async_autocommit if alone else session, Project, 1, ProjectRead)
    assert hops == []
    assert turns > 20, "each second read lets the other task run"
    other.cancel()


async def test_where_readers_may_wait_they_wait_in_the_thread(anyio_backend: str) -> None:
    async with Database("sqlite:///:memory:") as database:
        await database.create_all_async(domain.METADATA)
        async with database.async_transaction(read_only=True) as session:
            connection = await session.connection()
            raw = await connection.get_raw_connection()
            driven: Any = raw.dbapi_connection
            assert isinstance(driven, HopConnection)
            assert not driven.brief
            assert await fetch(session, select(Project), ProjectRead) == []


async def test_a_transaction_without_statements_takes_none(database: Database, hops: list[Any]) -> None:
    async with database.async_transaction(read_only=True) as session:
        await session.connection()
    assert hops == []
    async with database.async_transaction() as session:  # what was put off does not stay with the connection
        session.add(Project(id=9, name="Later", slug="later"))
    async with database.async_transaction(read_only=True) as session:
        with pytest.raises(ReadOnlyTransaction):
            async with database.async_transaction(read_only=True) as other:
                other.add(Project(id=10, name="Never", slug="never"))
        assert len(await fetch(session, select(Project), ProjectRead)) == 3


async def test_a_write_after_a_read_waits_in_the_thread(database: Database, hops: list[Any]) -> None:
    for read in (True, False):
        async with database.async_transaction(read_only=True) as session:
            await (fetch(session, select(Project), ProjectRead) if read else session.connection())
        hops.clear()
        async with database.async_transaction() as session:
            await session.connection()
        assert [work[0].__name__ for work in hops] == ["_executed", "commit"]


async def test_a_write_takes_one_hop_to_begin_one_for_each_statement_and_one_to_end(
    database: Database, hops: list[Any]
) -> None:
    async with database.async_transaction() as session:
        session.add(Project(id=9, name="New", slug="new"))
    assert len(hops) == 3


async def test_a_stream_reads_within_its_transaction(database: Database) -> None:
    async with database.async_transaction(read_only=True) as session:
        rows = stream(session, select(domain.Tag).order_by(col(domain.Tag.id)), TagRead, batch=1)
        assert (await anext(rows)).label == "urgent"
        async with database.async_transaction() as other:
            await other.exec(update(domain.Tag).values(label="changed"))
        assert (await anext(rows)).label == "later"
        await rows.aclose()


async def test_rows_and_counts_of_writes_come_back(database: Database) -> None:
    async with database.async_transaction() as session:
        connection = await session.connection()
        rows = [{"label": f"tag {number}", "secret": ""} for number in range(3)]
        many = await connection.execute(insert(domain.Tag), rows)
        assert many.rowcount == 3
        one = await connection.execute(insert(domain.Tag).values(label="one", secret=""))
        assert one.inserted_primary_key == (6,)
        changed = await connection.execute(
            update(domain.Tag).where(col(domain.Tag.id) > 2).values(label="x").returning(col(domain.Tag.id))
        )
        assert set(changed.scalars()) == {3, 4, 5, 6}


async def test_a_cancelled_begin_leaves_nothing_open(database: Database, hops: list[Any]) -> None:
    """The thread begins the transaction after the task that asked for it is gone."""
    path = str(database.url.database)
    with closing(sqlite3.connect(path, isolation_level=None)) as process:  # in this one there is a line
        process.execute("BEGIN IMMEDIATE")
        hops.clear()
        waiting = asyncio.create_task(add_project(database))
        while not any("BEGIN IMMEDIATE" in work for work in hops):  # noqa: ASYNC110 - nobody could set an event
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    for number in range(10, 13):
        await add_project(database, number)


async def add_project(database: Database, number: int = 9) -> None:
    async with database.async_transaction() as session:
        session.add(Project(id=number, name="New", slug=f"new {number}"))
