"""One request, one session, one transaction.

A session here begins when the endpoint first uses it and ends before the response begins
(`Depends(..., scope="function")`): COMMIT when the endpoint returns, ROLLBACK when anything raises,
an HTTPException included. So a 2xx is sent only for what is stored.

What asks for a session later in the same request gets the one that is there. Where a dependency
has read (say, who is calling) before the endpoint asks to write, the reading session ends first:
a request never holds two connections, which is how pools starve, and what it read is free to be
added to the writing one.

Sync sessions work in threads, and a request that waits for a connection holds its thread. When all
threads wait, those that have a connection get no thread to finish on. So no more sync sessions are
open at once than the pool has connections; the others wait here, where waiting costs nothing.

An endpoint that does all its work by one verb needs no session: `Autocommit` stands in its place, and the
verb is a transaction of its own, over when it returns.

A streamed body is made while it is sent, so the session that it reads from ends after the response
(`scope="request"`): at the end of the body, at an error within it, and when the client goes away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

from anyio import Semaphore, fail_after
from anyio.lowlevel import RunVar
from fastapi import Depends
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import HTTPConnection

from fieldstone.autocommit import AsyncAutocommit as AsyncOneVerb
from fieldstone.autocommit import Autocommit as OneVerb
from fieldstone.database import Database
from fieldstone.errors import ConfigurationError, Unavailable

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


async def _write_session(connection: HTTPConnection, current: CurrentDatabase) -> AsyncIterator[Session]:
    async with _session(connection, current, _SYNC, writes=True) as session:
        yield session


async def _read_session(connection: HTTPConnection, current: CurrentDatabase) -> AsyncIterator[Session]:
    async with _session(connection, current, _SYNC, writes=False) as session:
        yield session


async def _async_write_session(
    connection: HTTPConnection, current: CurrentDatabase
) -> AsyncIterator[AsyncSession]:
    async with _session(connection, current, _ASYNC, writes=True) as session:
        yield session


async def _async_read_session(
    connection: HTTPConnection, current: CurrentDatabase
) -> AsyncIterator[AsyncSession]:
    async with _session(connection, current, _ASYNC, writes=False) as session:
        yield session


async def _stream_session(connection: HTTPConnection, current: CurrentDatabase) -> AsyncIterator[Session]:
    async with _streaming(connection, current, _SYNC) as session:
        yield session
        await run_in_threadpool(session.rollback)


async def _async_stream_session(
    connection: HTTPConnection, current: CurrentDatabase
) -> AsyncIterator[AsyncSession]:
    async with _streaming(connection, current, _ASYNC) as session:
        yield session
        await session.rollback()


WriteSession = Annotated[Session, Depends(_write_session, scope="function")]
ReadSession = Annotated[Session, Depends(_read_session, scope="function")]
AsyncWriteSession = Annotated[AsyncSession, Depends(_async_write_session, scope="function")]
AsyncReadSession = Annotated[AsyncSession, Depends(_async_read_session, scope="function")]

StreamSession = Annotated[Session, Depends(_stream_session, scope="request")]
"""For an endpoint whose body is streamed: it reads only, and ends after the body."""

AsyncStreamSession = Annotated[AsyncSession, Depends(_async_stream_session, scope="request")]
"""As StreamSession, in async code."""


async def _autocommit(current: CurrentDatabase) -> OneVerb:
    return current.autocommit


async def _async_autocommit(current: CurrentDatabase) -> AsyncOneVerb:
    return current.async_autocommit


Autocommit = Annotated[OneVerb, Depends(_autocommit)]
"""For an endpoint that calls one verb: no session is opened, and nothing is left to end after it."""

AsyncAutocommit = Annotated[AsyncOneVerb, Depends(_async_autocommit)]
"""As Autocommit, in async code."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation of a resource does its work: in the session of the request, or in none yet."""

    database: Database
    session: Any = None


async def _read_place(connection: HTTPConnection, current: CurrentDatabase) -> Place:
    return await _place_of(connection, current, _SYNC, writes=False)


async def _write_place(connection: HTTPConnection, current: CurrentDatabase) -> Place:
    return await _place_of(connection, current, _SYNC, writes=True)


async def async_place(connection: HTTPConnection, current: Database, *, writes: bool) -> Place:
    """Give the place of an operation in async code, which needs no dependency of its own for it."""
    return await _place_of(connection, current, _ASYNC, writes=writes)


ReadPlace = Annotated[Place, Depends(_read_place)]
WritePlace = Annotated[Place, Depends(_write_place)]


@dataclass(frozen=True)
class _Face:
    """What a session of one face is, and how its transaction begins."""

    session: type[Any]
    begin: Callable[[Database, bool], AbstractAsyncContextManager[Any]]


class _Opened(NamedTuple):
    session: Any
    writes: bool
    ending: AsyncExitStack
    streams: bool = False


@asynccontextmanager
async def _session(
    connection: HTTPConnection, current: Database, face: _Face, *, writes: bool
) -> AsyncIterator[Any]:
    earlier = _earlier(connection, face)
    if earlier is not None and (earlier.writes or not writes):
        yield earlier.session
        return
    if earlier is not None and earlier.streams:
        raise _streams_and_writes(connection)
    if earlier is not None:
        await earlier.ending.aclose()
    async with AsyncExitStack() as ending:
        session = await ending.enter_async_context(face.begin(current, not writes))
        connection.scope[_KEY] = _Opened(session, writes, ending)
        yield session


async def _place_of(connection: HTTPConnection, current: Database, face: _Face, *, writes: bool) -> Place:
    """Give the session that the request already has; one that only read ends before somebody writes."""
    earlier = _earlier(connection, face)
    if earlier is None:
        return Place(current)
    if earlier.writes or not writes:
        return Place(current, earlier.session)
    if earlier.streams:
        raise _streams_and_writes(connection)
    await earlier.ending.aclose()
    del connection.scope[_KEY]
    return Place(current)


@asynccontextmanager
async def _streaming(connection: HTTPConnection, current: Database, face: _Face) -> AsyncIterator[Any]:
    earlier = _earlier(connection, face)
    if earlier is not None and earlier.writes:
        raise _streams_and_writes(connection)
    if earlier is not None and earlier.streams:
        yield earlier.session
        return
    if earlier is not None:
        await earlier.ending.aclose()
    async with AsyncExitStack() as ending:
        session = await ending.enter_async_context(face.begin(current, True))
        connection.scope[_KEY] = _Opened(session, False, ending, streams=True)
        yield session


def _streams_and_writes(connection: HTTPConnection) -> ConfigurationError:
    return ConfigurationError(
        f"{connection.url.path} asks for a session that streams and for one that writes. The one would keep "
        "its connection until the body ends, and the other commit before it begins. Write in a transaction "
        "of its own: depend on CurrentDatabase, and open database.transaction()."
    )


def _earlier(connection: HTTPConnection, face: _Face) -> _Opened | None:
    """Find the session that this request already has, and refuse one where none can be right."""
    if connection.scope["type"] == "websocket":
        raise ConfigurationError(
            "A websocket has no session of its own: it would hold one transaction for as long as it is "
            "open. Depend on database, and open a transaction for each message."
        )
    earlier: _Opened | None = connection.scope.get(_KEY)
    if earlier is not None and not isinstance(earlier.session, face.session):
        raise ConfigurationError(
            f"One request asks for both {type(earlier.session).__name__} and {face.session.__name__}, "
            "which cannot share a transaction. Declare the sessions of an endpoint and of its dependencies "
            "all with Async, or all without."
        )
    return earlier


@asynccontextmanager
async def _begin_in_thread(current: Database, read_only: bool) -> AsyncIterator[Session]:
    async with (
        _place(current),
        contextmanager_in_threadpool(current.transaction(read_only=read_only)) as session,
    ):
        yield session


@asynccontextmanager
async def _place(current: Database) -> AsyncIterator[None]:
    """Wait for one of the places, as long as the pool would wait for a connection."""
    places = _places_of(current)
    if places is None:
        yield
        return
    try:
        with fail_after(current.settings.pool_timeout):
            await places.acquire()
    except TimeoutError as error:
        raise Unavailable(
            "No connection became free in time. Raise pool_size, or keep transactions shorter."
        ) from error
    try:
        yield
    finally:
        places.release()


_places: RunVar[WeakKeyDictionary[Database, Semaphore]] = RunVar("fieldstone_places")


def _places_of(current: Database) -> Semaphore | None:
    """Give the places for sync sessions in this event loop; None where connections have no limit."""
    settings = current.settings
    if settings.serverless or settings.max_overflow < 0 or settings.pool_size == 0:
        return None
    known = _places.get(None)
    if known is None:
        known = WeakKeyDictionary()
        _places.set(known)
    if current not in known:
        known[current] = Semaphore(settings.pool_size + settings.max_overflow)
    return known[current]


_SYNC = _Face(Session, begin=_begin_in_thread)
_ASYNC = _Face(AsyncSession, begin=lambda current, read_only: current.async_transaction(read_only=read_only))
