"""Transactions end in one place, and end well: committed, or gone without a trace (P19, P21-P23)."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ForeignKeyConstraint, MetaData, text
from sqlalchemy.orm import Session as AnySession
from sqlmodel import Field, Session, SQLModel, select

from fieldstone import Database
from fieldstone.errors import (
    CommitOutcomeUnknown,
    ConfigurationError,
    Conflict,
    MissingExtra,
    ReadOnlyTransaction,
    TransactionConflict,
    Unavailable,
    UrlError,
)
from fieldstone.urls import parse
from tests.faces import Face
from tests.wire import Wire, over, wire_to


class Account(SQLModel, table=True):
    __tablename__ = "database_account"
    id: int | None = Field(default=None, primary_key=True)
    balance: int = 0


class Transfer(SQLModel, table=True):
    """Its foreign key is checked at COMMIT only, so that a commit can be made to fail."""

    __tablename__ = "database_transfer"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["database_account.id"], deferrable=True, initially="DEFERRED"),
    )
    id: int | None = Field(default=None, primary_key=True)
    account_id: int


TABLES = [Account.__table__, Transfer.__table__]  # type: ignore[attr-defined]  # made by SQLModel's metaclass


def tables() -> MetaData:
    metadata = MetaData()
    for table in TABLES:
        table.to_metadata(metadata)
    return metadata


@pytest.fixture
async def ready(face: Face) -> Face:
    face.database.create_all(tables())
    return face


async def balances(face: Face) -> list[int]:
    async with face.transaction(read_only=True) as session:
        return list((await face.exec(session, select(Account.balance).order_by(Account.balance))).all())  # type: ignore[arg-type]  # a column at run time


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
    with pytest.raises(ReadOnlyTransaction, match="declared read-only, and it writes. Open it without"):
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


async def test_task_cancelled_inside_a_statement_leaves_a_working_pool(fresh_url: Callable[[str], str]) -> None:
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
            with pytest.raises(TransactionConflict, match="met another transaction 3 times and was rolled back"):
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


@pytest.mark.parametrize("delivered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_connection_lost_during_commit_is_an_unknown_outcome(
    fresh_url: Callable[[str], str], is_async: bool, delivered: bool
) -> None:
    url = fresh_url("postgresql")
    with wire_to(url) as (wire, through), Database(url) as direct:
        direct.create_all(tables())
        async with Database(through) as database:
            face = Face(database, is_async)
            wire.deliver = delivered
            with pytest.raises(CommitOutcomeUnknown, match="lost during COMMIT, so the work may or may not be stored"):
                async with face.transaction() as session:
                    session.add(Account(balance=1))
                    await face.flush(session)
                    wire.cut_at = b"COMMIT"
            async with face.transaction() as session:
                session.add(Account(balance=2))
        stored = set(await balances(Face(direct, is_async=False)))
        assert stored == ({1, 2} if delivered else {2}), "both outcomes happen, and look alike from here"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_backend_ended_within_a_unit_leaves_nothing(fresh_url: Callable[[str], str], is_async: bool) -> None:
    async with Database(fresh_url("postgresql")) as database:
        database.create_all(tables())
        face = Face(database, is_async)
        with pytest.raises(Unavailable):
            async with face.transaction() as session:
                session.add(Account(balance=1))
                await face.flush(session)
                await face.run(session, end_backend)
        assert await balances(face) == []


def end_backend(session: AnySession) -> None:
    connection = session.connection()
    connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_idle_connections_that_died_are_replaced(fresh_url: Callable[[str], str], is_async: bool) -> None:
    url = fresh_url("postgresql")
    mine = f"{url}{'&' if '?' in url else '?'}application_name=idle_connections"
    async with Database(mine) as database:
        database.create_all(tables())
        face = Face(database, is_async)
        assert await balances(face) == []
        with Database(url) as other, other.transaction() as session:
            session.connection().execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'idle_connections'"
                )
            )
        assert await balances(face) == []


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_sleeping_server_is_asked_again_until_it_wakes(
    fresh_url: Callable[[str], str], is_async: bool
) -> None:
    url = fresh_url("postgresql")
    with wire_to(url) as (wire, _), closed_port() as port:
        waker = threading.Timer(0.3, answer, args=(port, wire))
        async with Database(over(url, port), connect_attempts=50) as database:
            waker.start()
            async with Face(database, is_async).transaction() as session:
                await Face(database, is_async).run(session, lambda s: s.connection().execute(text("SELECT 1")))


def answer(port: int, wire: Wire) -> None:
    """Begin to listen on a port that refused until now, and let the first client through."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        wire.carry(listener.accept()[0])


class closed_port:
    """Reserve a port on which nobody listens."""

    def __enter__(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return int(listener.getsockname()[1])

    def __exit__(self, *error: object) -> None:
        pass


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_absent_server_is_given_up_on_with_a_reason(is_async: bool) -> None:
    with closed_port() as port:
        url = f"postgresql://app:secret@127.0.0.1:{port}/app"
        async with Database(url, connect_attempts=2) as database:
            with pytest.raises(Unavailable, match=rf"at 127.0.0.1:{port} cannot be reached.*Start it") as refusal:
                async with Face(database, is_async).transaction() as session:
                    await Face(database, is_async).run(session, lambda s: s.connection())
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("user", "database_name", "words"),
    [("fieldstone_nobody", "postgres", "Correct the user"), (None, "no_such_database", "Create the database")],
)
async def test_refused_login_is_not_repeated(
    postgres_url: str, user: str | None, database_name: str, words: str, is_async: bool
) -> None:
    parts = parse(postgres_url)
    with wire_to(postgres_url) as (wire, _):
        url = f"postgresql://{user or parts.username}:{parts.password}@127.0.0.1:{wire.port}/{database_name}?sslmode=disable"
        async with Database(url) as database:
            with pytest.raises(Unavailable, match=words):
                async with Face(database, is_async).transaction() as session:
                    await Face(database, is_async).run(session, lambda s: s.connection())
        assert wire.connections == 1


async def test_exhausted_pool_is_told_from_a_lost_database(face: Face) -> None:
    async with Database(face.database.url, pool_size=1, max_overflow=0, pool_timeout=0.1) as small:
        one = Face(small, face.is_async)
        async with one.transaction(read_only=True) as session:
            await one.run(session, lambda s: s.connection())
            with pytest.raises(Unavailable, match="all are in use. Keep transactions short, or raise pool_size"):
                async with one.transaction(read_only=True) as second:
                    await one.run(second, lambda s: s.connection())


async def test_serverless_keeps_no_connection(face: Face) -> None:
    async with Database(face.database.url, serverless=True) as database:
        database.create_all(tables())
        one = Face(database, face.is_async)
        async with one.transaction() as session:
            session.add(Account(balance=3))
        assert await balances(one) == [3]
        assert type(database.engine.pool).__name__ == "NullPool"


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


@pytest.mark.parametrize("module", ["asyncpg", "psycopg", "aiosqlite"])
def test_missing_driver_names_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = "sqlite" if module == "aiosqlite" else "postgres"
    database = Database("sqlite://" if extra == "sqlite" else "postgresql://h/d")
    with pytest.raises(MissingExtra, match=rf"'{module}', which is not installed.*fieldstone\[{extra}\]"):
        _ = database.engine if module == "psycopg" else database.async_engine
    database.close()


def test_unset_url_says_what_to_set(clean_environment: None) -> None:
    with pytest.raises(UrlError, match=r"DATABASE_URL is not set. Set it to sqlite:///app.db .* for Neon"):
        Database()


def test_environment_names_the_database_and_its_pool(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("FIELDSTONE_POOL_SIZE", "3")
    assert Database().url.database == "x.db"
    assert Database().settings.pool_size == 3
    assert Database(pool_size=4).settings.pool_size == 4


def test_wrong_setting_is_named_without_its_value(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDSTONE_POOL_SIZE", "many")
    with pytest.raises(ConfigurationError, match=r"pool_size \(FIELDSTONE_POOL_SIZE\): Input should be") as refusal:
        Database("sqlite://")
    assert "many" not in str(refusal.value)


async def test_close_does_not_leave_the_async_face_open_in_silence() -> None:
    database = Database("sqlite://")
    async with database.async_transaction() as session:
        await session.connection()
    with pytest.raises(ConfigurationError, match=r"await db\.aclose\(\)"):
        database.close()
    await database.aclose()


def test_representation_hides_the_password() -> None:
    assert repr(Database("postgresql://u:secret@h/d")) == "Database('postgresql://u:***@h/d')"


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no settings, neither in the environment nor in a `.env` file beside the program."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name == "DATABASE_URL" or name.startswith("FIELDSTONE_"):
            monkeypatch.delenv(name)
