"""How processes that start at once take turns, and how a revision waits for locks.

PostgreSQL: an advisory lock of the session, which the server drops with the connection, however a
process ends. It is asked for again and again, never waited for: a session that waits inside a
statement holds a snapshot, and CREATE INDEX CONCURRENTLY would wait for that one in turn. A lock
on a table is given up after some seconds and tried again later, because everybody else queues up
behind a waiting ALTER TABLE.

SQLite: each revision takes the write lock of the file first, and reads under it what is left to do.

Source: PostgreSQL documentation, 13.3.5 "Advisory Locks" and 13.3.1 "Table-Level Locks".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from fieldstone.errors import Unavailable
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.violations.failures import failure_of

# Any number serves, as long as all who migrate one database agree on it.
LOCK = 0x6D696772617465

TABLE_LOCK_SECONDS = 4
_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"


def pause(connection: Connection | None, seconds: float) -> None:
    """Sleep; on an asynchronous engine, without stopping the event loop."""
    if connection is not None and connection.dialect.is_async:
        import asyncio

        await_only(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)


@contextmanager
def turn(connection: Connection, *, patience: float, notify: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to migrate this database; on SQLite each revision takes the write lock instead."""
    if connection.dialect.name != "postgresql":
        yield
        return
    _take_lock(connection, patience, notify)
    connection.execute(text(f"SET lock_timeout = '{TABLE_LOCK_SECONDS}s'"))
    connection.commit()
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.rollback()
            connection.execute(text("RESET lock_timeout"))
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()


def _take_lock(connection: Connection, patience: float, notify: Callable[[str], None]) -> None:
    deadline = time.monotonic() + patience
    told = False
    while True:
        taken = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        if taken:
            return
        if not told:
            notify("Another process is migrating this database; waiting for it.")
            told = True
        if time.monotonic() > deadline:
            raise MigrationRefused(
                f"Another process has been migrating this database for {patience:g} s. Look whether "  # noqa: S608  # of a revision
                ""  # no word from a client
                "it still runs "
                "(SELECT * FROM pg_locks WHERE locktype = 'advisory'), then try again, or wait longer."
            )
        pause(connection, 0.1)


def begin(connection: Connection, *, patience: float) -> None:
    """Begin a transaction; on SQLite, wait for the write lock longer than one statement would."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.begin()
            return
        except Unavailable:
            if time.monotonic() > deadline:
                raise


def should_wait(error: BaseException) -> bool:
    """Say whether a revision met a lock and may be run again from its start."""
    failure = failure_of(error)
    return failure is not None and (failure.sqlstate in (_LOCK_NOT_AVAILABLE, _DEADLOCK) or failure.locked)
