"""What a block of code asked the database, as SQL text.

The statements that open, close and set up transactions and connections are left out: a test
counts what its code asked for, and that must be the same number on both databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldstone.database import Database
from fieldstone.guard import recording


@contextmanager
def count_statements(source: Database | Engine | AsyncEngine) -> Iterator[list[str]]:
    """Collect the statements that run within the block, on either engine of a Database.

    A statement that is executed with many rows at once stands in the list once.
    """

    def hears(connection: Connection) -> bool:
        return any(connection.engine.pool is engine.pool for engine in _engines(source))

    with recording(everywhere=True, hears=hears) as seen:
        yield seen.texts


def _engines(source: Database | Engine | AsyncEngine) -> Iterator[Engine]:
    """Yield the engines that exist: asking a Database for one would open that face of it."""
    if isinstance(source, Database) and source._other is not None:
        source = source._other
    found = (source._engine, source._async_engine) if isinstance(source, Database) else (source,)
    for engine in found:
        if engine is not None:
            yield engine.sync_engine if isinstance(engine, AsyncEngine) else engine
