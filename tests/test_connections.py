"""Connections break, sleep and run out, and what happened is told apart (P19)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as AnySession

from fieldstone import Database
from fieldstone.database.urls import parse
from fieldstone.errors import (
    CommitOutcomeUnknown,
    Unavailable,
)
from tests.accounts import Account, balances, tables
from tests.faces import Face
from tests.wire import Wire, over, wire_to


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
            with pytest.raises(
                CommitOutcomeUnknown, match="lost during COMMIT, so the work may or may not be stored"
            ):
                async with face.transaction() as session:
                    session.add(Account(balance=1))
                    await face.flush(session)
                    wire.cut_at = b"COMMIT"
            async with face.transaction() as session:
                session.add(Account(balance=2))
        stored = set(await balances(Face(direct, is_async=False)))
        assert stored == ({1, 2} if delivered else {2}), "both outcomes happen, and look alike from here"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_backend_ended_within_a_unit_leaves_nothing(
    fresh_url: Callable[[str], str], is_async: bool
) -> None:
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
async def test_idle_connections_that_died_are_replaced(
    fresh_url: Callable[[str], str], is_async: bool
) -> None:
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
                await Face(database, is_async).run(
                    session, lambda s: s.connection().execute(text("SELECT 1"))
                )


def answer(port: int, wire: Wire) -> None:
    """Begin to listen on a port that refused until now, and let the first client through."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        wire.carry(listener.accept()[0])


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    yield port


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_absent_server_is_given_up_on_with_a_reason(is_async: bool) -> None:
    with closed_port() as port:
        url = f"postgresql://app:secret@127.0.0.1:{port}/app"
        async with Database(url, connect_attempts=2) as database:
            with pytest.raises(
                Unavailable, match=rf"at 127.0.0.1:{port} cannot be reached.*Start it"
            ) as refusal:
                async with Face(database, is_async).transaction() as session:
                    await Face(database, is_async).run(session, lambda s: s.connection())
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("user", "database_name", "words"),
    [
        ("fieldstone_nobody", "postgres", "Correct the user"),
        (None, "no_such_database", "Create the database"),
    ],
)
async def test_refused_login_is_not_repeated(
    postgres_url: str, user: str | None, database_name: str, words: str, is_async: bool
) -> None:
    parts = parse(postgres_url)
    with wire_to(postgres_url) as (wire, _):
        login = f"{user or parts.username}:{parts.password}"
        url = f"postgresql://{login}@127.0.0.1:{wire.port}/{database_name}?sslmode=disable"
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
            with pytest.raises(
                Unavailable, match=r"all are in use\. Keep transactions short, or raise pool_size"
            ):
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
