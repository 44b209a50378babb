"""A database, sync and async: where transactions begin and the one place where they end.

`transaction()` and `async_transaction()` commit when their block ends well and roll back when it
does not, also when the commit itself fails or the task is cancelled. Nothing else commits.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal, Self, TypeVar

from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Session, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.autocommit import AT_ONCE, AsyncAutocommit, Autocommit, Work
from fieldstone.database import engines, retry, sqlite, talking
from fieldstone.database.bare import Bare
from fieldstone.database.settings import JsonBy, load
from fieldstone.database.urls import DatabaseUrl, parse
from fieldstone.errors import ConfigurationError, TransactionConflict, Unavailable
from fieldstone.violations import explained

R = TypeVar("R")
EngineT = TypeVar("EngineT", Engine, AsyncEngine)

# Any number serves, as long as all who create tables agree on it.
_CREATION_LOCK = 0x6669656C64

_CLOSING_SECONDS = 5

# Objects stay readable after a commit, and a session that is over stays over: used again, it would
# begin a transaction that nobody ends.
SESSION_OPTIONS: Any = {"expire_on_commit": False, "close_resets_only": False}

_READ_ONLY: Mapping[str, dict[str, Any]] = {
    "postgresql": {"postgresql_readonly": True},
    "sqlite": {sqlite.READ_ONLY: True},
}


class Database:
    """Open transactions on one database, sync and async.

    Without a URL, `DATABASE_URL` names it. `serverless=True` keeps no connections, for processes
    that are frozen between requests. What is None is taken from `FIELDSTONE_...` in the
    environment, then from the defaults of `Settings`; times are in seconds.
    """

    def __init__(
        self,
        url: str | DatabaseUrl | None = None,
        *,
        serverless: bool | None = None,
        echo: bool | None = None,
        pool_size: int | None = None,
        max_overflow: int | None = None,
        pool_timeout: float | None = None,
        pool_recycle: int | None = None,
        ping_after: float | None = None,
        lock_timeout: float | None = None,
        connect_attempts: int | None = None,
        connect_patience: float | None = None,
        json_by: JsonBy | None = None,
    ) -> None:
        self.settings = load(
            serverless=serverless,
            echo=echo,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout,
            pool_recycle=pool_recycle,
            ping_after=ping_after,
            lock_timeout=lock_timeout,
            connect_attempts=connect_attempts,
            connect_patience=connect_patience,
            json_by=json_by,
        )
        self.url = url if isinstance(url, DatabaseUrl) else parse(url or self.settings.required_url)
        self._memory_name = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._async_engine: AsyncEngine | None = None
        self._bare: Bare | None = None
        self._async_bare: Bare | None = None
        self._read_only: dict[Any, Any] = {}
        self._memory: weakref.finalize[..., Database] | None = None
        self._other: Database | None = None

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Name the database system."""
        return self.url.dialect if self._other is None else self._other.dialect

    @property
    def engine(self) -> Engine:
        """Give the engine of the sync face, made when first asked for."""
        if self._other is not None:
            return self._other.engine
        with self._lock:
            if self._engine is None:
                self._keep_memory()
                self._engine = engines.make_engine(self.url, self.settings, memory_name=self._memory_name)
            return self._engine

    @property
    def async_engine(self) -> AsyncEngine:
        """Give the engine of the async face, made when first asked for."""
        if self._other is not None:
            return self._other.async_engine
        with self._lock:
            if self._async_engine is None:
                self._keep_memory()
                self._async_engine = engines.make_async_engine(
                    self.url, self.settings, memory_name=self._memory_name
                )
            return self._async_engine

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Session]:
        """Open a session whose work is committed when the block ends, or rolled back if it raises.

        Objects stay readable afterwards. A write inside a read-only unit raises
        ReadOnlyTransaction; database errors arrive as Fieldstone's.
        """
        with explained():
            session = self._open(read_only)
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise
            finally:
                session.close()

    @asynccontextmanager
    async def async_transaction(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """Open an async session; like `transaction()`, and a cancelled task rolls back too."""
        with explained():
            session = await self._open_async(read_only)
            try:
                yield session
                await session.commit()
            except BaseException:
                await _to_the_end(session.rollback())
                raise
            finally:
                if session.in_transaction():
                    await _to_the_end(session.close())
                else:
                    session.sync_session.close()  # it holds no connection, so there is nothing to wait for

    @property
    def autocommit(self) -> Autocommit:
        """Give what stands in a session's place for a single verb: each call is a transaction of its own."""
        return Autocommit(self)

    @property
    def async_autocommit(self) -> AsyncAutocommit:
        """Give what stands in an async session's place for a single verb."""
        return AsyncAutocommit(self)

    def directly(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Run the direct body of a verb on a bare connection. Raises GiveWay where that may not be."""
        if self._other is not None:
            return self._other.directly(work, arguments, options)
        bare = self._bare
        if bare is None:
            bare = self._bare = self._made_bare(self.engine)
        return talking.perform(bare, work, arguments, options)

    async def directly_async(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Run the direct body of a verb on a bare connection of the async face."""
        if self._other is not None:
            return await self._other.directly_async(work, arguments, options)
        bare = self._async_bare
        if bare is None:
            bare = self._async_bare = self._made_bare(self.async_engine.sync_engine)
        return await talking.perform_async(bare, work, arguments, options)

    def run(self, unit: Callable[[Session], R], *, attempts: int = 5) -> R:
        """Run a unit in its own transaction, again from its start where it met another.

        That is: a serialization failure (SQLSTATE 40001), a deadlock (40P01) or a locked SQLite
        file. The unit may run several times, so what it does besides the database must bear
        that. Raises TransactionConflict when the last attempt fails too.
        """
        waits = retry.delays(attempts)
        while True:
            try:
                with self.transaction() as session:
                    return unit(session)
            except (TransactionConflict, Unavailable) as error:
                wait = _wait_or_raise(error, waits, attempts)
            time.sleep(wait)

    async def run_async(self, unit: Callable[[AsyncSession], Awaitable[R]], *, attempts: int = 5) -> R:
        """Run a unit like `run()`, asynchronously."""
        waits = retry.delays(attempts)
        while True:
            try:
                async with self.async_transaction() as session:
                    return await unit(session)
            except (TransactionConflict, Unavailable) as error:
                wait = _wait_or_raise(error, waits, attempts)
            await asyncio.sleep(wait)

    def create_all(self, metadata: MetaData | None = None) -> None:
        """Create the tables that are missing, for tests and demos; several processes may do so at once."""
        with self.transaction() as session:
            _create_within(session.connection(), metadata)

    async def create_all_async(self, metadata: MetaData | None = None) -> None:
        """Create the tables that are missing, asynchronously."""
        async with self.async_transaction() as session:
            await (await session.connection()).run_sync(_create_within, metadata)

    @contextmanager
    def answered_by(self, other: Database) -> Iterator[None]:
        """Let another database answer for this one while the block lasts.

        So a test reaches code that holds a Database of its own, such as an application's module. What
        closes this one meanwhile leaves the other open. Only `url` and `settings` stay its own.
        """
        before, self._other = self._other, other
        try:
            yield
        finally:
            self._other = before

    def close(self) -> None:
        """Close the sync face; raise if the async face is open, since closing that must be awaited."""
        if self._other is not None:
            return
        if self._engine is not None:
            self._engine.dispose()
            self._engine = self._bare = None
        if self._async_engine is not None:
            raise ConfigurationError(
                "The asynchronous side of this Database is open, and close() cannot await. "
                "Use 'await db.aclose()'."
            )
        self._read_only.clear()
        self._forget_memory()

    async def aclose(self) -> None:
        """Close both faces; a memory database is gone after this."""
        if self._other is None and self._async_engine is not None:
            await _to_the_end(_dispose(self._async_engine))
            self._async_engine = self._async_bare = None
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Database({str(self.url)!r})"

    def _open(self, read_only: bool) -> Session:
        """Make the session of one unit. This and `_open_async` are where tests put theirs."""
        if self._other is not None:
            return self._other._open(read_only)
        return Session(self._reading(self.engine) if read_only else self.engine, **SESSION_OPTIONS)

    async def _open_async(self, read_only: bool) -> AsyncSession:
        if self._other is not None:
            return await self._other._open_async(read_only)
        engine = self._reading(self.async_engine) if read_only else self.async_engine
        return AsyncSession(engine, **SESSION_OPTIONS)

    def _reading(self, engine: EngineT) -> EngineT:
        """Give an engine with the options of read-only units; made once, as it looks up who listens anew."""
        found: EngineT | None = self._read_only.get(engine)
        if found is None:
            # Without a transaction, a statement of asyncpg may meet two servers behind a pooler.
            at_once = {AT_ONCE: not self.url.pooled or engine.dialect.driver != "asyncpg"}
            options = _READ_ONLY[self.dialect] | at_once
            found = self._read_only[engine] = engine.execution_options(**options)
        return found

    def _made_bare(self, engine: Engine) -> Bare:
        patience = engines.lock_timeout(self.url, self.settings)
        return Bare(engine, lock_timeout=patience, pooler=self.url.pooled)

    def _keep_memory(self) -> None:
        if self.url.in_memory and self._memory is None:
            if sqlite3.sqlite_version_info < sqlite.OLDEST_FOR_MEMORY:
                raise ConfigurationError(
                    "A memory database that threads share needs SQLite 3.36, and this is "
                    f"{sqlite3.sqlite_version}. Use a newer Python build, or a file."
                )
            self._memory = weakref.finalize(self, sqlite.open_memory(self._memory_name).close)

    def _forget_memory(self) -> None:
        if self._memory is not None:
            self._memory()
            self._memory = None


def _create_within(connection: Connection, metadata: MetaData | None) -> None:
    if connection.dialect.name == "postgresql":
        # Two CREATE TABLE IF NOT EXISTS at once fail on PostgreSQL's own catalog.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CREATION_LOCK})
    (SQLModel.metadata if metadata is None else metadata).create_all(connection)


def _wait_or_raise(error: Exception, waits: Iterator[float], attempts: int) -> float:
    if not retry.repeatable(error):
        raise error
    wait = next(waits, None)
    if wait is None:
        raise TransactionConflict(
            f"The unit met another transaction {attempts} times and was rolled back each time. "
            "Make it shorter, let it lock its rows in one order, or allow more attempts."
        ) from error
    return wait


async def _dispose(engine: AsyncEngine) -> None:
    """Close an async engine's connections; one whose server is gone is dropped instead of waited for."""
    try:
        async with asyncio.timeout(_CLOSING_SECONDS):
            await engine.dispose()
    except TimeoutError:
        await engine.dispose(close=False)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that must finish even while the task is being cancelled, then let the cancellation go on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
