"""Make SQLite keep every acknowledged write.

Left alone, Python's driver opens transactions late and some not at all, so two units that read and
then write overwrite each other. Here each unit opens its own: writing units take the write lock
at their first statement (BEGIN IMMEDIATE), so that what they read is still true when they write;
read-only units share (BEGIN, with query_only on).

Source: sqlite.org, "Transaction", "Write-Ahead Logging", "PRAGMA Statements".
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.util.concurrency import await_

from fieldstone.database.hops import BEGIN, HopConnection
from fieldstone.database.turns import TurnConnection, Turns, stand, turns_at
from fieldstone.database.urls import DatabaseUrl
from fieldstone.errors import Unavailable
from fieldstone.violations.failures import failure_of

READ_ONLY = "fieldstone_read_only"
_WRITE_AHEAD = "fieldstone_write_ahead"

# Connections share a memory database through the memdb VFS since 3.36.
OLDEST_FOR_MEMORY = (3, 36, 0)


def prepare(engine: Engine, url: DatabaseUrl, *, lock_timeout: float) -> None:
    """Set up every connection that the engine opens, and every transaction."""
    in_file = not url.in_memory and not url.read_only
    always_deferred = url.read_only
    turns = None if always_deferred else turns_at(str(engine.url.database))
    if turns is not None:
        stand(engine, turns)

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, record: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(lock_timeout * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        if in_file:
            record.info[_WRITE_AHEAD] = _write_ahead(cursor, lock_timeout)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        driven: Any = connection.connection.dbapi_connection
        if isinstance(driven, HopConnection):
            driven.brief = False
        if options.get("isolation_level") == "AUTOCOMMIT":
            return
        read_only = bool(options.get(READ_ONLY))
        writes = not (read_only or always_deferred)
        statements = list(permission(connection.info, not read_only))
        if isinstance(driven, HopConnection):
            driven.postpone(*statements)
            statements = []
            if not writes:  # it takes no lock, so nobody need wait for it
                driven.postpone(BEGIN)
                driven.brief = is_write_ahead(connection.info)
                return
        if writes:
            take_turn(driven, turns, lock_timeout)
        cursor = connection.connection.cursor()
        try:
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("BEGIN IMMEDIATE" if writes else BEGIN)
        except sqlite3.OperationalError as error:
            failure = failure_of(error)
            if failure is None or not failure.locked:
                raise
            raise stayed_locked(lock_timeout) from error
        finally:
            cursor.close()
            driver_connection(driven).hand_over()

    @event.listens_for(engine, "checkin")
    def returned(dbapi_connection: Any, record: Any) -> None:
        if dbapi_connection is not None:
            driver_connection(dbapi_connection).hand_over()


def driver_connection(dbapi_connection: Any) -> TurnConnection:
    """Give sqlite3's own connection, on either face."""
    if isinstance(dbapi_connection, HopConnection):
        dbapi_connection = dbapi_connection.driver_connection._conn
    found: TurnConnection = dbapi_connection
    return found


def take_turn(driven: Any, turns: Turns | None, lock_timeout: float) -> None:
    """Wait for the turn to write, for as long as for a lock. It is handed over with the transaction's end."""
    if turns is None:  # it can only be read
        return
    if isinstance(driven, HopConnection):
        await_(take_turn_async(driven, turns, lock_timeout))
        return
    if not (turns.take_at_once() or turns.take(lock_timeout)):
        raise stayed_locked(lock_timeout) from _busy()
    driver_connection(driven).turns = turns


async def take_turn_async(driven: HopConnection, turns: Turns | None, lock_timeout: float) -> None:
    """Wait like `take_turn`, in a task."""
    if turns is None:
        return
    if not (turns.take_at_once() or await turns.take_async(lock_timeout)):
        raise stayed_locked(lock_timeout) from _busy()
    driver_connection(driven).turns = turns


def _busy() -> sqlite3.OperationalError:
    """Make the error that SQLite would have given, which says that the unit may be repeated."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def open_memory(name: str) -> sqlite3.Connection:
    """Open the connection that keeps a shared memory database alive."""
    return sqlite3.connect(f"file:/{name}?vfs=memdb", uri=True, isolation_level=None, check_same_thread=False)


def permission(info: dict[Any, Any], allowed: bool) -> Iterator[str]:
    """Turn query_only off or on; it stays with the connection, so it is remembered there."""
    if info.get(READ_ONLY, False) != (not allowed):
        yield f"PRAGMA query_only = {'OFF' if allowed else 'ON'}"
        info[READ_ONLY] = not allowed


def is_write_ahead(info: Any) -> bool:
    """Tell by what is known of a connection whether its readers wait for nobody."""
    return bool(info.get(_WRITE_AHEAD, False))


def stayed_locked(lock_timeout: float) -> Unavailable:
    """Say that another transaction wrote for longer than was waited."""
    return Unavailable(
        f"The database stayed locked for {lock_timeout:g} s: another transaction is writing. Keep "
        "writing transactions short, and inside one pass its session on instead of opening another."
    )


def _write_ahead(cursor: Any, patience: float) -> bool:
    """Switch to write-ahead logging, where readers and the writer do not wait; tell whether it is on."""
    deadline = time.monotonic() + patience
    mode = ""
    while not mode:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            mode = str(cursor.fetchone()[0])
        except sqlite3.OperationalError:
            # The switch needs the file alone and does not heed busy_timeout.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    # NORMAL is safe with WAL only; elsewhere (network drives) a power cut could corrupt the file.
    cursor.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
    return mode == "wal"
