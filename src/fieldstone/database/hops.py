"""One hop into SQLite's thread for each async statement instead of four, and none for a short read.

aiosqlite runs each call on a connection in a thread of its own, and SQLAlchemy makes four for a statement:
open a cursor, execute, fetch, close. Each costs more than reading a row. Here they are one call. A BEGIN that
takes no lock waits for the statement that comes next, and goes along with it.

A hop still costs several times what a row by its key does. So in a read-only transaction, where a write-ahead
log lets nobody wait, a statement first runs right in the event loop, and is stopped after `STEPS` steps of
SQLite's virtual machine: a fraction of a millisecond. One that was stopped runs in the thread, and so do the
next ones like it, until one is tried again: its values may ask for less. Connections that have a progress
handler of their own lose it.

A write that is a transaction of its own does the same, where it has to wait neither for another process nor
for a disk; one in `_CHECKPOINT` runs in the thread, where its commit may move the log into the database.

Cursors that stream stay as they are, since their rows must not all be fetched at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from sqlalchemy import Engine, event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor

from fieldstone.database.breathing import breathe

BEGIN = "BEGIN"

STEPS = 10_000
_AT_ONCE = 1_000
_LONG_ONES = 1_000
_TRIED_AGAIN = 64
_CHECKPOINT = 200


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
        return _Cursor(self._adapt_connection)


class HopConnection(AsyncAdapt_aiosqlite_connection):
    """SQLAlchemy's connection over aiosqlite, with statements that wait for the next one.

    `unsettled`: a call may still be waiting in the thread, so nobody knows whether a transaction is open.
    `brief`: until the transaction ends, what is short may run in the event loop.
    `frame`: what is run before and after a write in the event loop; empty where none may run there.
    `stores`: how many writes of their own there were.
    """

    __slots__ = ("brief", "frame", "postponed", "stores", "unsettled")

    _cursor_cls = HopCursor
    # Statements that were stopped, and how many like each run in the thread before one is tried again.
    _long: ClassVar[dict[str, int]] = {}

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self.postponed: list[str] = []
        self.unsettled = False
        self.brief = False
        self.frame: tuple[str, str] | tuple[()] | None = None
        self.stores = 0

    def postpone(self, *statements: str) -> None:
        """Run statements that cannot fail together with the next one, or not at all where none comes."""
        self.postponed += statements

    async def run(self, statement: str, parameters: Any) -> Any:
        """Run a statement here where it may be, else in the thread: description, rows, count, last key."""
        found = self.at_once(statement, parameters)
        return await self.hop(_executed, statement, parameters) if found is None else found

    async def hop(self, work: Any, statement: str, parameters: Any) -> Any:
        """Run a statement in the thread, behind those that wait for it."""
        before, self.postponed = self.postponed, []
        self.unsettled, earlier = True, self.unsettled
        driven = self.driver_connection
        # what each method of aiosqlite's connection is made of: a function that is run in its thread
        found = await driven._execute(work, driven._conn, before, statement, parameters)
        self.unsettled = earlier
        return found

    def at_once(self, statement: str, parameters: Any) -> Any:
        """Run a statement here and now; None where that may not be, or takes too long."""
        if not self.brief or self.unsettled or self._is_long(statement):
            return None
        before, self.postponed = self.postponed, []
        return self._unless_long(
            statement, _executed_briefly(self.driver_connection._conn, before, statement, parameters)
        )

    async def store(self, statement: str, parameters: Any) -> Any:
        """Run a write as a transaction of its own: here where it may be, else in the thread."""
        found = self._store_at_once(statement, parameters)
        return await self.hop(_executed, statement, parameters) if found is None else found

    def _store_at_once(self, statement: str, parameters: Any) -> Any:
        self.stores += 1
        if self.unsettled or self._is_long(statement) or self.stores % _CHECKPOINT == 0:
            return None
        connection = self.driver_connection._conn
        if self.frame is None:
            self.frame = _frame(connection)
        if not self.frame:
            return None
        before, self.postponed = self.postponed, []
        try:
            found = _stored_briefly(connection, before, self.frame, statement, parameters)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return None  # another process writes, and is waited for in the thread
        return self._unless_long(statement, found)

    def _unless_long(self, statement: str, found: Any) -> Any:
        if found is None:
            if len(self._long) >= _LONG_ONES:
                self._long.clear()
            self._long[statement] = _TRIED_AGAIN
        return found

    def _is_long(self, statement: str) -> bool:
        left = self._long.get(statement)
        if left is None:
            return False
        if left:
            self._long[statement] = left - 1
        else:
            self._long.pop(statement, None)
        return left > 0

    def cursor(self, server_side: bool = False) -> Any:
        if server_side and self.postponed:
            super().cursor().execute(self.postponed.pop())
        self.unsettled = self.unsettled or server_side
        return super().cursor(server_side)

    def commit(self) -> None:
        if not self._has_nothing_to_end():
            if self.brief and not self.unsettled:
                self.driver_connection._conn.commit()  # it ends a read, and so has nothing to write
            else:
                super().commit()
        self.brief = self.unsettled = False

    def rollback(self) -> None:
        if not self._has_nothing_to_end():
            super().rollback()
        self.brief = self.unsettled = False

    def _has_nothing_to_end(self) -> bool:
        if BEGIN in self.postponed:
            self.postponed.remove(BEGIN)
        return not self.unsettled and not self.driver_connection.in_transaction


class _Cursor:
    """What a statement left behind: its rows are fetched and its cursor is closed."""

    def __init__(self, adapted: Any) -> None:
        self._adapted = adapted
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> Self:
        await breathe()
        return self._told(await self._adapted.run(statement, () if parameters is None else parameters))

    async def executemany(self, statement: str, parameters: Any) -> Self:
        return self._told(await self._adapted.hop(_executed_many, statement, parameters))

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        self._rows = []

    def _told(self, found: Any) -> Self:
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


def _executed_briefly(connection: sqlite3.Connection, before: Before, statement: str, parameters: Any) -> Any:
    # SQLite counts on from where the same statement stood when it ran before, so the first call says nothing
    left = iter(range(STEPS // _AT_ONCE))
    connection.set_progress_handler(lambda: next(left, None) is None, _AT_ONCE)
    try:
        return _executed(connection, before, statement, parameters)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return None
    finally:
        connection.set_progress_handler(None, _AT_ONCE)


def _frame(connection: sqlite3.Connection) -> tuple[str, str] | tuple[()]:
    """Say what goes around a write in the event loop, where nothing may wait: for a lock, or for a disk.

    Only a write-ahead log is written without waiting for the disk, by commits that make no checkpoint.
    """
    names = ("journal_mode", "synchronous", "busy_timeout", "wal_autocheckpoint")
    mode, synchronous, patience, pages = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names
    ]
    if mode != "wal" or synchronous > 1:
        return ()
    settings = "PRAGMA busy_timeout = {}; PRAGMA wal_autocheckpoint = {};"
    return settings.format(0, 0) + "BEGIN IMMEDIATE", settings.format(patience, pages)


def _stored_briefly(
    connection: sqlite3.Connection, before: Before, frame: tuple[str, str], statement: str, parameters: Any
) -> Any:
    """Run a write in the event loop; None, and nothing stored, where it takes long.

    A transaction is around it because a statement that was stopped on its own may have been stored.
    The settings go as a script: SQLite heeds them when it reads them, not when a kept statement runs again.
    """
    first, last = frame
    try:
        connection.executescript("; ".join([*before, first]))
        found = _executed_briefly(connection, (), statement, parameters)
        if found is not None:
            connection.execute("COMMIT")
        return found
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.executescript(last)


def _executed_many(connection: sqlite3.Connection, before: Before, statement: str, parameters: Any) -> Any:
    cursor = connection.cursor()
    try:
        for one in before:
            cursor.execute(one)
        cursor.executemany(statement, parameters)
        return cursor.description, [], cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()
