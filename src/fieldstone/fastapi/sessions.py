"""One request, one session, one transaction.

A session here begins when the endpoint first uses it and ends before the response begins
(`Depends(..., scope="function")`): COMMIT when the endpoint returns, ROLLBACK when anything raises,
an HTTPException included. So a 2xx is sent only for what is stored.

What asks for a session later in the same request gets the one that is there. Where a dependency
has read (say, who is calling) before the endpoint asks to write, the reading transaction ends
first: a request never holds two connections, which is how pools starve.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Generic, NamedTuple, TypeVar

from fastapi import Depends
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import HTTPConnection

from fieldstone.database import Database
from fieldstone.errors import ConfigurationError

_KEY = "fieldstone.session"


async def database(connection: HTTPConnection) -> Database:
    """Give the application's database.

    It is the one dependency that a test overrides:
    `app.dependency_overrides[database] = lambda: test_database`.
    """
    found = getattr(connection.app.state, "database", None)
    if not isinstance(found, Database):
        raise ConfigurationError(
            f"The application {connection.app.title!r} has no database: install(app, db) was not called on "
            "it. Call it where the application is made; a mounted application needs its own call."
        )
    return found


CurrentDatabase = Annotated[Database, Depends(database)]


def _write_session(connection: HTTPConnection, current: CurrentDatabase) -> Iterator[Session]:
    earlier = _earlier(connection, Session)
    if earlier is not None and earlier.writes:
        yield earlier.session
        return
    if earlier is not None:
        earlier.session.commit()
    with current.transaction() as session:
        connection.scope[_KEY] = _Opened(session, writes=True)
        yield session


def _read_session(connection: HTTPConnection, current: CurrentDatabase) -> Iterator[Session]:
    earlier = _earlier(connection, Session)
    if earlier is not None:
        yield earlier.session
        return
    with current.transaction(read_only=True) as session:
        connection.scope[_KEY] = _Opened(session, writes=False)
        yield session


async def _async_write_session(
    connection: HTTPConnection, current: CurrentDatabase
) -> AsyncIterator[AsyncSession]:
    earlier = _earlier(connection, AsyncSession)
    if earlier is not None and earlier.writes:
        yield earlier.session
        return
    if earlier is not None:
        await earlier.session.commit()
    async with current.async_transaction() as session:
        connection.scope[_KEY] = _Opened(session, writes=True)
        yield session


async def _async_read_session(
    connection: HTTPConnection, current: CurrentDatabase
) -> AsyncIterator[AsyncSession]:
    earlier = _earlier(connection, AsyncSession)
    if earlier is not None:
        yield earlier.session
        return
    async with current.async_transaction(read_only=True) as session:
        connection.scope[_KEY] = _Opened(session, writes=False)
        yield session


WriteSession = Annotated[Session, Depends(_write_session, scope="function")]
ReadSession = Annotated[Session, Depends(_read_session, scope="function")]
AsyncWriteSession = Annotated[AsyncSession, Depends(_async_write_session, scope="function")]
AsyncReadSession = Annotated[AsyncSession, Depends(_async_read_session, scope="function")]


SessionT = TypeVar("SessionT", Session, AsyncSession)


class _Opened(NamedTuple, Generic[SessionT]):
    session: SessionT
    writes: bool


def _earlier(connection: HTTPConnection, face: type[SessionT]) -> _Opened[SessionT] | None:
    """Find the session that this request already has, and refuse one where none can be right."""
    if connection.scope["type"] == "websocket":
        raise ConfigurationError(
            "A websocket has no session of its own: it would hold one transaction for as long as it is open. "
            "Depend on database, and open a transaction for each message."
        )
    earlier: _Opened[SessionT] | None = connection.scope.get(_KEY)
    if earlier is not None and not isinstance(earlier.session, face):
        raise ConfigurationError(
            f"One request asks for a {type(earlier.session).__name__} and for a {face.__name__}, which "
            "cannot share a transaction. Declare the sessions of an endpoint and of its dependencies all "
            "with Async, or all without."
        )
    return earlier
