"""What a block of code asked the database, as SQL text.

The statements that open, close and set up transactions and connections are left out: a test
counts what its code asked for, and that must be the same number on both databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldstone.errors import MissingExtra

if TYPE_CHECKING:
    from fieldstone.database import Database

_SETUP = {"BEGIN", "COMMIT", "PRAGMA", "RELEASE", "ROLLBACK", "SAVEPOINT", "SET"}


@contextmanager
def count_statements(source: Database | Engine | AsyncEngine) -> Iterator[list[str]]:
    """Collect the statements that run within the block, on either engine of a Database.

    A statement that is executed with many rows at once stands in the list once.
    """
    statements: list[str] = []

    def collect(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.split(None, 1)[0].rstrip(";").upper() not in _SETUP:
            statements.append(statement)

    engines = _engines(source)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", collect)
    try:
        yield statements
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", collect)


def _engines(source: Database | Engine | AsyncEngine) -> list[Engine]:
    if isinstance(source, Engine):
        return [source]
    if isinstance(source, AsyncEngine):
        return [source.sync_engine]
    found = []
    for face in ("engine", "async_engine"):
        try:
            engine = getattr(source, face)
        except MissingExtra:
            continue  # a face without its driver runs no statements
        found.append(engine.sync_engine if isinstance(engine, AsyncEngine) else engine)
    return list(dict.fromkeys(found))
