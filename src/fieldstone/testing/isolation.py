"""A database of one test, whose units are savepoints: what a test commits is undone when it ends.

All units of the test share one connection, with one transaction around them that is never committed.
A unit opens a savepoint there (SQLAlchemy's `join_transaction_mode="create_savepoint"`), so COMMIT
releases it, ROLLBACK goes back to it, and hooks after the commit run. Nobody outside sees anything.

Sync and async code share it as well. A connection of a synchronous driver serves both, for nothing
obliges an AsyncSession to await: its calls only must not be waited for in the wrong loop. So a
synchronous test, whose client runs the application in another thread, has such a connection. An
asynchronous test has one of the asynchronous driver, and there no sync session can join.

What follows from one connection is said, not suffered: units that overlap, and a sync session that
comes too late, get an error that names the way out, which is to commit for real.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, NestedTransaction, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.autocommit import GiveWay, Work
from fieldstone.database import Database
from fieldstone.errors import ConfigurationError
from fieldstone.guard.sites import here
from fieldstone.testing.loops import Ending, close_with_its_loop

REMEDY = "mark the test with @pytest.mark.real_commits"

_OPTIONS: Any = {"expire_on_commit": False, "join_transaction_mode": "create_savepoint"}
_READ_ONLY = {
    "postgresql": ("SET TRANSACTION READ ONLY", None),  # it ends with the savepoint
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
}


class IsolatedDatabase(Database):
    """Give one test a database that others have prepared, and keep nothing of what it does."""

    def __init__(
        self,
        kept: Database,
        *,
        begin: Callable[[Connection], None] | None = None,
        synchronous: bool = True,
    ) -> None:
        super().__init__(kept.url)
        self._engine = kept.engine
        self._memory_name = kept._memory_name
        self._begin = begin
        self._synchronous = synchronous
        self._connection: Connection | None = None
        self._async_connection: AsyncConnection | None = None
        self._endings: list[Ending] = []
        self._first_line = ""
        self._opening = threading.Lock()

    def connection(self) -> Connection:
        """Give the connection of the synchronous driver, inside the transaction that is never committed."""
        if self._async_connection is not None and self._connection is None:
            raise ConfigurationError(
                f"A synchronous session is used ({here().place}) in an asynchronous test that has used its "
                f"database asynchronously ({self._first_line}): the one cannot see what the other wrote "
                "before it is really committed. Use 'async_session' and 'async_client' throughout; or "
                f"write the test with 'def' and use 'session' and 'client'; or {REMEDY}."
            )
        with self._opening:
            if self._connection is None:
                self._connection = self.engine.connect()
                self._connection.begin()
                self._started(self._connection)
            return self._connection

    async def async_connection(self) -> AsyncConnection:
        """Give the connection of the async face: the synchronous one where there is such, or its own."""
        if self._async_connection is None:
            self._first_line = here().place
            if self._synchronous or self._connection is not None:
                self._async_connection = _awaited(self.connection())
            else:
                self._async_connection = await self._open_async_connection()
        if self._endings and self._endings[0].loop is not asyncio.get_running_loop():
            raise ConfigurationError(
                "This test uses its database asynchronously in two event loops, and a connection belongs "
                "to the one that opened it. Let the test and its client share a loop ('async_client'), or "
                f"{REMEDY}."
            )
        return self._async_connection

    async def _open_async_connection(self) -> AsyncConnection:
        engine = self.async_engine
        self._endings = close_with_its_loop(engine, self._end_async)
        connection = await engine.connect()
        await connection.begin()
        await connection.run_sync(self._started)
        return connection

    def close(self) -> None:
        """Leave it open: whoever lent the database to the test ends it."""

    async def aclose(self) -> None:
        """Leave it open, as `close()` does."""

    def end(self) -> None:
        """Undo everything."""
        for ending in self._endings:
            ending.now()
        if self._connection is not None:
            self._connection.close()
        self._forget_memory()

    def _started(self, connection: Connection) -> None:
        if self._begin is not None:
            self._begin(connection)

    async def _end_async(self) -> None:
        if self._async_connection is not None:
            await self._async_connection.close()
        await self.async_engine.dispose()

    def directly(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Leave every verb to a unit: a bare connection would be another one, and would really commit."""
        raise GiveWay

    async def directly_async(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Leave every verb to a unit."""
        raise GiveWay

    def _open(self, read_only: bool) -> Session:
        session = Session(self.connection(), close_resets_only=False, **_OPTIONS)
        self._join(session, read_only)
        return session

    async def _open_async(self, read_only: bool) -> AsyncSession:
        session = AsyncSession(await self.async_connection(), close_resets_only=False, **_OPTIONS)
        self._join(session.sync_session, read_only)
        return session

    def _join(self, session: SQLAlchemySession, read_only: bool) -> None:
        join(session)
        if read_only:
            _hold_to_reading(session, self.dialect)


def _awaited(connection: Connection) -> AsyncConnection:
    """Give a connection of a synchronous driver to code that awaits; while it works, it blocks the loop."""
    dialect = copy.copy(connection.dialect)
    dialect.is_async = True
    engine = Engine(connection.engine.pool, dialect, connection.engine.url, hide_parameters=True)
    return AsyncConnection(AsyncEngine(engine), connection)


def join(session: SQLAlchemySession) -> None:
    """Refuse a commit of this session while a transaction that began later is still open."""
    mine: dict[SessionTransaction, NestedTransaction | None] = {}

    @event.listens_for(session, "after_begin")
    def began(_session: SQLAlchemySession, transaction: SessionTransaction, connection: Connection) -> None:
        if transaction.parent is None:
            mine[transaction] = connection.get_nested_transaction()

    @event.listens_for(session, "before_commit")
    def committing(session: SQLAlchemySession) -> None:
        transaction = session.get_transaction()
        savepoint = mine.get(transaction) if transaction is not None else None
        if savepoint is not None and savepoint.connection.get_nested_transaction() is not savepoint:
            raise ConfigurationError(
                "Two transactions of this test overlap: one commits while another that began later is open, "
                "or was ended by it. They share one connection, where only the later can end first. "
                f"End the one before the other begins, or {REMEDY}."
            )

    @event.listens_for(session, "after_transaction_end")
    def ended(_session: SQLAlchemySession, transaction: SessionTransaction) -> None:
        mine.pop(transaction, None)


def _hold_to_reading(session: SQLAlchemySession, dialect: str) -> None:
    """Have the database refuse writes, as it does in read-only units of an ordinary Database."""
    begin, end = _READ_ONLY[dialect]
    reading: list[Connection] = []

    @event.listens_for(session, "after_begin")
    def began(_session: SQLAlchemySession, transaction: SessionTransaction, connection: Connection) -> None:
        if transaction.parent is None:
            connection.exec_driver_sql(begin)
            reading.append(connection)

    @event.listens_for(session, "after_transaction_end")
    def ended(_session: SQLAlchemySession, transaction: SessionTransaction) -> None:
        if transaction.parent is None and reading:
            connection = reading.pop()
            if end is not None:
                connection.exec_driver_sql(end)
