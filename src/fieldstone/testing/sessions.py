"""The sessions that a test is given, on the database that it has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.database import Database
from fieldstone.errors import ConfigurationError

_UNSHARED_MEMORY = {"NullPool", "QueuePool", "SingletonThreadPool"}


@contextmanager
def session_on(db: Database) -> Iterator[Session]:
    """Yield a session of the test, which begins when it is first used and is rolled back at the end."""
    session = checked(db)._open(False)
    _refuse_loops_of_others(session)
    with session:
        yield session


@asynccontextmanager
async def async_session_on(db: Database) -> AsyncIterator[AsyncSession]:
    """Yield an asynchronous session of the test."""
    async with await checked(db)._open_async(False) as session:
        yield session


def checked(db: object) -> Database:
    """Refuse what a fixture 'db' of the project gives if the other fixtures cannot work on it."""
    if isinstance(db, Database):
        return db
    given = f"The fixture 'db' of this project gives an object of type {type(db).__name__}"
    if isinstance(db, Engine) and _is_unshared_memory(db):
        raise ConfigurationError(
            f"{given}, for a SQLite database in memory of which every connection has its own: tables that "
            "one creates do not exist for another. Return fieldstone.Database('sqlite://'), which shares "
            "it, or remove that fixture, and Fieldstone's takes its place."
        )
    raise ConfigurationError(
        f"{given}; 'session', 'client' and the others need a fieldstone.Database. Return one, or give your "
        "fixture another name, and Fieldstone's takes its place."
    )


def check_backend(backend: Any) -> None:
    """Refuse to run SQLAlchemy's asynchronous engines on anything but asyncio."""
    name = backend[0] if isinstance(backend, tuple) else backend
    if name != "asyncio":
        raise ConfigurationError(
            f"This test runs on {name}, and SQLAlchemy's asynchronous engines know only asyncio. Put into "
            "conftest.py: @pytest.fixture def anyio_backend(): return 'asyncio'."
        )


def _is_unshared_memory(engine: Engine) -> bool:
    in_memory = engine.dialect.name == "sqlite" and engine.url.database in {None, "", ":memory:"}
    return in_memory and type(engine.pool).__name__ in _UNSHARED_MEMORY


def _refuse_loops_of_others(session: Session) -> None:
    """Say what is wrong where an asynchronous endpoint was given the test's own session."""
    thread = threading.get_ident()

    @event.listens_for(session, "after_begin")
    def began(_session: SQLAlchemySession, _transaction: SessionTransaction, _connection: Connection) -> None:
        if threading.get_ident() != thread and _has_running_loop():
            raise ConfigurationError(
                "An asynchronous endpoint uses the test's Session, which is synchronous: it was given away "
                "in place of the application's AsyncSession. Remove that override, name the dependency "
                "instead (fieldstone_session), and take 'async_session' and 'async_client'."
            )


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
