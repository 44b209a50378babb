"""One hop into SQLite's thread for each statement of an async session, instead of four.

aiosqlite runs each call on a connection in a thread of its own, and SQLAlchemy makes four for a statement:
open a cursor, execute, fetch, close. Each costs more than reading a row. Here they are one call. A BEGIN that
takes no lock waits for the statement that comes next, and goes along with it.

Cursors that stream stay as they are, since their rows must not all be fetched at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

from sqlalchemy import Engine, event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor

BEGIN = "BEGIN"


def prepare(engine: Engine) -> None:
    """Give an engine's connections cursors of one hop."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        adapted = dialect.connect(*arguments, **options)
        return HopConnection(adapted.dbapi, adapted.driver_connection)


class HopCursor(AsyncAdapt_aiosqlite_cursor):
    """SQLAlchemy's cursor over aiosqlite, made of one that needs no hop to be opened."""

    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return _Cursor(connection, self._adapt_connection)


class HopConnection(AsyncAdapt_aiosqlite_connection):
    """SQLAlchemy's connection over aiosqlite, with statements that wait for the next one.

    `unsettled`: a call may still be waiting in the thread, so nobody knows whether a transaction is open.
    """

    __slots__ = ("postponed", "unsettled")

    _cursor_cls = HopCursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self.postponed: list[str] = []
        self.unsettled = False

    def postpone(self, *statements: str) -> None:
        """Run statements that cannot fail together with the next one, or not at all where none comes."""
        self.postponed += statements

    def cursor(self, server_side: bool = False) -> Any:
        if server_side and self.postponed:
            super().cursor().execute(self.postponed.pop())
        self.unsettled = self.unsettled or server_side
        return super().cursor(server_side)

    def commit(self) -> None:
        if not self._has_nothing_to_end():
            super().commit()
            self.unsettled = False

    def rollback(self) -> None:
        if not self._has_nothing_to_end():
            super().rollback()
            self.unsettled = False

    def _has_nothing_to_end(self) -> bool:
        if BEGIN in self.postponed:
            self.postponed.remove(BEGIN)
        return not self.unsettled and not self.driver_connection.in_transaction


class _Cursor:
    """What a statement left behind: its rows are fetched and its cursor is closed."""

    def __init__(self, connection: Any, adapted: Any) -> None:
        self._connection = connection
        self._adapted = adapted
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> Self:
        return await self._run(_executed, statement, parameters)

    async def executemany(self, statement: str, parameters: Any) -> Self:
        return await self._run(_executed_many, statement, parameters)

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        self._rows = []

    async def _run(self, work: Any, statement: str, parameters: Any) -> Self:
        before, self._adapted.postponed = self._adapted.postponed, []
        self._adapted.unsettled, earlier = True, self._adapted.unsettled
        # what each method of aiosqlite's connection is made of: a function that is run in its thread
        found = await self._connection._execute(
            work, self._connection._conn, before, statement, () if parameters is None else parameters
        )
        self._adapted.unsettled = earlier
        self.description, self._rows, self.rowcount, self.lastrowid = found
        return self


Before = Sequence[str]


def _executed(connection: sqlite3.Connection, before: Before, statement: str, parameters: Any) -> Any:
    cursor = connection.cursor()
    try:
        for one in before:
            cursor.execute(one)
        cursor.execute(statement, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return cursor.description, rows, cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()


def _executed_many(connection: sqlite3.Connection, before: Before, statement: str, parameters: Any) -> Any:
    cursor = connection.cursor()
    try:
        for one in before:
            cursor.execute(one)
        cursor.executemany(statement, parameters)
        return cursor.description, [], cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()
