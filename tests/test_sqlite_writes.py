"""SQLite keeps every acknowledged write (P20), whoever writes at the same time."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Field, Session, SQLModel, select

from fieldstone import Database
from fieldstone.errors import ReadOnlyTransaction, Unavailable


class Counter(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    value: int = 0


def new_counter(url: str) -> Database:
    database = Database(url)
    database.create_all()
    with database.transaction() as session:
        session.add(Counter(id=1, value=0))
    return database


def increment(session: Session) -> None:
    """Read, then write what was read plus one: the pattern that loses writes."""
    counter = session.get_one(Counter, 1)
    counter.value += 1


def increment_often(url: str, times: int) -> None:
    with Database(url) as database:
        for _ in range(times):
            with database.transaction() as session:
                increment(session)


def stored(database: Database) -> int:
    with database.transaction(read_only=True) as session:
        return session.exec(select(Counter.value)).one()


def test_eight_threads_then_four_processes_lose_none_of_10_000_increments(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/counter.db"
    with new_counter(url) as database:

        def work() -> None:
            for _ in range(625):
                with database.transaction() as session:
                    increment(session)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stored(database) == 5_000

        processes = multiprocessing.get_context("spawn")
        workers = [processes.Process(target=increment_often, args=(url, 1250)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
        assert stored(database) == 10_000


async def test_concurrent_tasks_lose_no_increment(tmp_path: Path) -> None:
    async with new_counter(f"sqlite:///{tmp_path}/tasks.db") as database:

        async def work() -> None:
            for _ in range(50):
                async with database.async_transaction() as session:
                    await session.run_sync(increment)  # type: ignore[arg-type]  # typed for SQLAlchemy's Session

        await asyncio.gather(*(work() for _ in range(8)))
        assert stored(database) == 400


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_every_connection_is_set_up(tmp_path: Path, is_async: bool) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 10_000}
    async with Database(f"sqlite:///{tmp_path}/setup.db") as database:

        def read(session: Session) -> dict[str, object]:
            return {
                name: session.connection().execute(text(f"PRAGMA {name}")).scalar_one() for name in wanted
            }

        if is_async:
            async with database.async_transaction() as session:
                found = await session.run_sync(read)  # type: ignore[arg-type]  # typed for SQLAlchemy's Session
        else:
            with database.transaction() as plain:
                found = read(plain)
    assert found == wanted


def test_timeout_in_the_url_is_the_lock_timeout(tmp_path: Path) -> None:
    with (
        Database(f"sqlite:///{tmp_path}/timeout.db?timeout=2.5") as database,
        database.transaction() as session,
    ):
        assert session.connection().execute(text("PRAGMA busy_timeout")).scalar_one() == 2500


def test_reader_sees_its_own_snapshot_and_does_not_stop_the_writer(tmp_path: Path) -> None:
    with (
        new_counter(f"sqlite:///{tmp_path}/snapshot.db") as database,
        database.transaction(read_only=True) as reader,
    ):
        assert reader.exec(select(Counter.value)).one() == 0
        with database.transaction() as writer:
            increment(writer)
        assert reader.exec(select(Counter.value)).one() == 0
    assert stored_again(tmp_path / "snapshot.db") == 1


def stored_again(path: Path) -> int:
    with Database(f"sqlite:///{path}") as database:
        return stored(database)


def test_second_writer_waits_its_time_and_is_told_why(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/locked.db"
    with new_counter(url) as database, Database(url, lock_timeout=0.1) as other:
        with database.transaction() as session:
            increment(session)
            session.flush()
            waited = pytest.raises(
                Unavailable, match=r"stayed locked for 0.1 s: another transaction is writing"
            )
            with waited, other.transaction() as second:
                increment(second)
        with other.transaction() as second:
            increment(second)
        assert stored(database) == 2


def test_connection_that_was_read_only_writes_again(tmp_path: Path) -> None:
    with new_counter(f"sqlite:///{tmp_path}/again.db") as database:
        refused = pytest.raises(ReadOnlyTransaction, match="declared read-only")
        with refused, database.transaction(read_only=True) as session:
            increment(session)
        with database.transaction() as session:
            increment(session)
        assert stored(database) == 1


def test_file_that_the_url_opens_read_only_can_be_read(tmp_path: Path) -> None:
    with new_counter(f"sqlite:///{tmp_path}/fixed.db"):
        pass
    with Database(f"sqlite:///file:{tmp_path}/fixed.db?mode=ro&uri=true") as database:
        assert stored(database) == 0
        with pytest.raises(ReadOnlyTransaction), database.transaction() as session:
            increment(session)


def test_savepoint_takes_back_only_its_own_work(tmp_path: Path) -> None:
    with new_counter(f"sqlite:///{tmp_path}/savepoint.db") as database:
        with database.transaction() as session:
            increment(session)
            with pytest.raises(RuntimeError), session.begin_nested():
                increment(session)
                session.flush()
                raise RuntimeError
        assert stored(database) == 1


def test_memory_database_is_shared_by_threads_and_lost_by_nobody() -> None:
    with new_counter("sqlite://") as database:

        def work() -> None:
            for _ in range(100):
                with database.transaction() as session:
                    increment(session)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stored(database) == 400


async def test_memory_database_is_one_for_both_faces() -> None:
    async with new_counter("sqlite://") as database:
        async with database.async_transaction() as session:
            (await session.get_one(Counter, 1)).value = 7
        assert stored(database) == 7


def test_memory_databases_of_two_databases_are_two() -> None:
    with new_counter("sqlite://"), Database("sqlite://") as other, other.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one() == 0


def test_python_driver_alone_would_have_lost_writes(tmp_path: Path) -> None:
    """Show that the tests above can fail: two units that interleave, as SQLAlchemy sets SQLite up."""
    path = tmp_path / "plain.db"
    first, second = sqlite3.connect(path), sqlite3.connect(path)
    first.execute("CREATE TABLE counter (value INTEGER)")
    first.execute("INSERT INTO counter VALUES (0)")
    first.commit()
    seen = [one.execute("SELECT value FROM counter").fetchone()[0] for one in (first, second)]
    for connection, value in zip((first, second), seen, strict=True):
        connection.execute("UPDATE counter SET value = ?", (value + 1,))
        connection.commit()
    assert first.execute("SELECT value FROM counter").fetchone()[0] == 1
    first.close()
    second.close()
