"""Writers of one SQLite database, and whoever waits for a connection, are served in the order they came."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import col, select

from fieldstone import Database, Model, Unavailable, create, fetch, json_create
from fieldstone.database.hops import HopConnection
from fieldstone.database.turns import Turns, turns_of
from tests import domain
from tests.domain import Project, ProjectRead
from tests.faces import Face

MANY = 6


class Slug(Model):
    slug: str


@pytest.fixture(params=[False, True], ids=["sync", "async"])
async def face(anyio_backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Face]:
    async with Database(f"sqlite:///{tmp_path}/turns.db", lock_timeout=30) as database:
        database.create_all(domain.METADATA)
        yield Face(database, request.param)


def line_of(face: Face) -> Turns:
    engine = face.database.async_engine.sync_engine if face.is_async else face.database.engine
    turns = turns_of(engine)
    assert turns is not None
    return turns


async def start(face: Face, work: Callable[[], Any]) -> Any:
    """Start work in a task, or in a thread on the sync face; give what waits for its end."""
    if face.is_async:
        return asyncio.create_task(work())
    return asyncio.create_task(asyncio.to_thread(work))


async def until(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110 - nobody could set an event
        await asyncio.sleep(0.001)


def unit(face: Face, number: int, done: list[int]) -> Callable[[], Any]:
    """Give a writing unit that notes when it is its turn."""

    def work() -> None:
        with face.database.transaction() as session:
            session.add(Project(name="New", slug=f"new {number}"))
            session.flush()
            done.append(number)

    async def work_async() -> None:
        async with face.database.async_transaction() as session:
            session.add(Project(name="New", slug=f"new {number}"))
            await session.flush()
            done.append(number)

    return work_async if face.is_async else work


def single(face: Face, number: int, done: list[int]) -> Callable[[], Any]:
    """Give a write without a session that notes when it is done."""
    values = {"name": "New", "slug": f"new {number}"}

    def work() -> None:
        json_create(face.database.autocommit, Project, values, ProjectRead)
        done.append(number)

    async def work_async() -> None:
        await json_create(face.database.async_autocommit, Project, values, ProjectRead)
        done.append(number)

    return work_async if face.is_async else work


@pytest.mark.parametrize("kind", [unit, single])
async def test_writers_go_in_the_order_they_came(face: Face, kind: Any) -> None:
    done: list[int] = []
    line = line_of(face)
    waiting = []
    async with face.transaction() as session:
        await face.run(session, lambda inner: inner.connection())
        for number in range(MANY):
            waiting.append(await start(face, kind(face, number, done)))
            await until(lambda: len(line._waiting) == len(waiting))
        assert done == []
    await asyncio.gather(*waiting)
    assert await stored(face) == [f"new {number}" for number in range(MANY)]


async def stored(face: Face) -> list[str]:
    """Give the slugs of what was written, in that order, since the database counts the keys."""
    async with face.transaction(read_only=True) as session:
        return [
            row.slug for row in await face(fetch, session, select(Project).order_by(col(Project.id)), Slug)
        ]


async def test_threads_and_tasks_stand_in_one_line(face: Face) -> None:
    done: list[int] = []
    line, other = line_of(face), Face(face.database, not face.is_async)
    assert line_of(other) is line
    waiting = []
    async with face.transaction() as session:
        await face.run(session, lambda inner: inner.connection())
        for number in range(MANY):
            waiting.append(
                await start((face, other)[number % 2], unit((face, other)[number % 2], number, done))
            )
            await until(lambda: len(line._waiting) == len(waiting))
    await asyncio.gather(*waiting)
    assert done == list(range(MANY))


async def test_whoever_is_cancelled_in_the_line_leaves_it(face: Face) -> None:
    face = Face(face.database, True)  # threads are not cancelled
    done: list[int] = []
    line = line_of(face)
    async with face.transaction() as session:
        await face.run(session, lambda inner: inner.connection())
        waiting = []
        for number in range(3):
            waiting.append(await start(face, unit(face, number, done)))
            await until(lambda: len(line._waiting) == len(waiting))
        waiting[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
    await asyncio.gather(*waiting[1:])
    assert done == [1, 2]
    assert line.take_at_once()
    line.give()


@pytest.mark.parametrize("kind", [unit, single])
async def test_whoever_waits_too_long_is_told_why_and_leaves_the_line(face: Face, kind: Any) -> None:
    done: list[int] = []
    async with Database(face.database.url, lock_timeout=0.05) as hasty:
        other = Face(hasty, face.is_async)
        assert line_of(other) is line_of(face)
        async with face.transaction() as session:
            await face.run(session, lambda inner: inner.connection())
            with pytest.raises(Unavailable, match=r"stayed locked for 0.05 s: another transaction"):
                await (await start(other, kind(other, 1, done)))
        await (await start(other, kind(other, 2, done)))
    assert done == [2]


async def test_a_writer_within_a_writer_waits_in_vain_and_harms_nobody(face: Face) -> None:
    done: list[int] = []
    async with Database(face.database.url, lock_timeout=0.05) as hasty:
        other = Face(hasty, face.is_async)
        async with other.transaction() as session:
            session.add(Project(id=1, name="New", slug="new"))
            await other.flush(session)
            with pytest.raises(Unavailable, match="inside one pass its session on"):
                await (await start(other, unit(other, 2, done)))
        await (await start(other, unit(other, 3, done)))
    assert done == [3]


async def test_a_connection_that_is_kept_hands_over_with_each_transaction(face: Face) -> None:
    line = line_of(face)
    with face.database.engine.connect() as connection:
        for end in ("commit", "rollback"):
            connection.execute(text("SELECT 1"))
            assert not line.take_at_once()
            getattr(connection, end)()
            assert line.take_at_once()
            line.give()


async def test_a_transaction_that_could_not_begin_hands_over(face: Face, tmp_path: Path) -> None:
    done: list[int] = []
    async with Database(face.database.url, lock_timeout=0.05) as hasty:
        other = Face(hasty, face.is_async)
        with closing(sqlite3.connect(tmp_path / "turns.db", isolation_level=None)) as process:
            process.execute("BEGIN IMMEDIATE")
            for kind in (unit, single):
                with pytest.raises(Unavailable, match=r"stayed locked for 0.05 s"):
                    await (await start(other, kind(other, 1, done)))
        assert line_of(other).take_at_once()
        line_of(other).give()
        await (await start(other, unit(other, 2, done)))
    assert done == [2]


def test_a_connection_that_was_lost_hands_over(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/lost.db") as database:
        database.create_all(domain.METADATA)
        turns = turns_of(database.engine)
        assert turns is not None
        lost = database.engine.connect()
        lost.execute(text("SELECT 1"))
        lost.detach()
        assert not turns.take_at_once()
        del lost
        gc.collect()
        assert turns.take_at_once()


def test_a_waiter_whose_loop_has_gone_is_passed_over() -> None:
    turns, loop = Turns(), asyncio.new_event_loop()
    assert turns.take_at_once()
    gone, there = turns._stand(loop), turns._stand(None)
    loop.close()
    turns.give()
    assert turns._has(there)
    assert not gone.served


def test_whoever_is_late_is_handed_the_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for late in (False, True):
        monkeypatch.setattr("fieldstone.database.turns.LATE", -1.0 if late else 1e9)
        line = Turns()
        assert line.take_at_once()
        first, second = line._stand(None), line._stand(None)
        line.give()
        assert first.woken.done()
        assert line.take_at_once() is not late
        assert line._has(first) is late
        line.give()
        assert line._has(second) is late
        assert line._has(first)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_connections_are_given_in_the_order_they_were_asked_for(tmp_path: Path, is_async: bool) -> None:
    url = f"sqlite:///{tmp_path}/pool.db"
    async with Database(url, pool_size=1, max_overflow=0) as database:
        database.create_all(domain.METADATA)
        face, done = Face(database, is_async), []
        pool: Any = (database.async_engine if is_async else database.engine).pool

        def read(number: int) -> Callable[[], Any]:
            def work() -> None:
                with database.transaction(read_only=True) as session:
                    session.connection()
                    done.append(number)

            async def work_async() -> None:
                async with database.async_transaction(read_only=True) as session:
                    await session.connection()
                    done.append(number)

            return work_async if is_async else work

        waiting = []
        async with face.transaction(read_only=True) as session:
            await face.run(session, lambda inner: inner.connection())
            for number in range(MANY):
                waiting.append(await start(face, read(number)))
                await until(lambda: len(pool._line._waiting) == len(waiting))
        await asyncio.gather(*waiting)
        assert done == list(range(MANY))
        assert len(pool._line._free) == 1


def test_a_pool_that_could_not_connect_keeps_its_places(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/none/none.db", pool_size=1, max_overflow=0) as database:
        for _ in range(3):
            with pytest.raises(Exception, match="unable to open database file"):
                database.engine.connect()
        (tmp_path / "none").mkdir()
        with database.engine.connect(), pytest.raises(PoolTimeout):
            database.engine.pool._timeout = 0.01  # type: ignore[attr-defined]  # a queue pool
            database.engine.connect()


# Writes in the event loop


@pytest.fixture
async def loop_database(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(f"sqlite:///{tmp_path}/loop.db", pool_size=1, max_overflow=0) as database:
        await database.create_all_async(domain.METADATA)
        yield database


@pytest.fixture
def hops(loop_database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what enters a connection's thread."""
    entered: list[str] = []
    enter: Any = aiosqlite.Connection._execute

    def counted(connection: Any, *work: Any, **options: Any) -> Any:
        entered.append(work[0].__name__)
        return enter(connection, *work, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    monkeypatch.setattr(HopConnection, "_long", {})  # what another test has found to be long
    return entered


async def add(database: Database, number: int) -> bytes:
    values = {"id": number, "name": "New", "slug": f"new {number}"}
    return await json_create(database.async_autocommit, Project, values, ProjectRead)


async def setting(database: Database, name: str) -> Any:
    async with database.async_transaction(read_only=True) as session:
        return (await session.exec(text(f"PRAGMA {name}"))).scalar_one()  # type: ignore[call-overload]  # not typed for text


async def test_a_short_write_takes_no_hop_and_one_in_many_does(
    loop_database: Database, hops: list[str]
) -> None:
    for number in range(1, 400):
        await add(loop_database, number)
    assert hops == ["_executed"], "its commit may move the log into the database"
    names = ("busy_timeout", "wal_autocheckpoint")
    assert [await setting(loop_database, name) for name in names] == [10_000, 1000]


async def test_a_write_waits_for_another_process_in_the_thread(
    loop_database: Database, hops: list[str], tmp_path: Path
) -> None:
    await add(loop_database, 1)
    hops.clear()
    with closing(sqlite3.connect(tmp_path / "loop.db", isolation_level=None)) as process:
        process.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(add(loop_database, 2))
        await until(lambda: hops == ["_executed"])
        process.execute("COMMIT")
    assert b'"id":2' in await waiting
    await add(loop_database, 3)
    assert hops == ["_executed"]


async def test_a_long_write_is_stored_once_from_the_thread(loop_database: Database, hops: list[str]) -> None:
    busy = (
        "CREATE TRIGGER busy AFTER INSERT ON project BEGIN UPDATE project SET name = (WITH RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT 'after ' || max(i) FROM n) "
        "WHERE id = NEW.id; END"
    )
    async with loop_database.async_transaction() as session:
        await (await session.connection()).exec_driver_sql(busy)
    hops.clear()
    for number in (1, 2):
        await add(loop_database, number)
    assert hops == ["_executed", "_executed"]
    async with loop_database.async_transaction(read_only=True) as session:
        rows = await session.exec(text("SELECT id, name FROM project ORDER BY id"))  # type: ignore[call-overload]  # not typed for text
        assert [tuple(row) for row in rows] == [(1, "after 50000"), (2, "after 50000")]


async def test_a_write_that_waits_for_the_disk_runs_in_the_thread(
    anyio_backend: str, loop_database: Database, hops: list[str]
) -> None:
    engine = loop_database.async_engine.sync_engine
    await loop_database.async_engine.dispose()
    event.listen(engine, "connect", lambda driven, _: driven.cursor().execute("PRAGMA synchronous = FULL"))
    await add(loop_database, 1)
    hops.clear()
    await add(loop_database, 2)
    assert hops == ["_executed"]


async def test_what_fails_at_the_commit_is_not_stored(loop_database: Database, hops: list[str]) -> None:
    deferred = (
        "CREATE TABLE other (id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL "
        "REFERENCES project (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    spoiling = (
        "CREATE TRIGGER spoiling AFTER INSERT ON project BEGIN INSERT INTO other VALUES (NEW.id, 99); END"
    )
    async with loop_database.async_transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(deferred)
        await connection.exec_driver_sql(spoiling)
    with pytest.raises(Exception, match=r"(?i)foreign key|does not exist"):
        await add(loop_database, 1)
    async with loop_database.async_transaction() as session:
        await (await session.connection()).exec_driver_sql("DROP TRIGGER spoiling")
    hops.clear()
    await add(loop_database, 1)
    assert hops == []
    async with loop_database.async_transaction() as session:
        made = await create(session, Project, {"id": 2, "name": "New", "slug": "two"}, into=ProjectRead)
    assert made.id == 2
