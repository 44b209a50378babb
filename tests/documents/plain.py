"""Plain SQLModel, set up as one does without Fieldstone.

The tests named test_as_printed_*.py keep the claims of docs/from-the-documents.md true: each is our
own smallest reproduction of what one of the documents' blocks does on today's versions. When one
of them fails, SQLModel or SQLAlchemy has changed, and the page must change with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from sqlalchemy import MetaData, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


@dataclass(frozen=True)
class Plain:
    """A database as the documents connect to it: one URL for each face, and no other setting."""

    url: str
    async_url: str

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @contextmanager
    def engine(self, metadata: MetaData) -> Iterator[Engine]:
        """Make an engine and the tables."""
        engine = create_engine(self.url)
        try:
            metadata.create_all(engine)
            yield engine
        finally:
            engine.dispose()

    @asynccontextmanager
    async def async_engine(self, metadata: MetaData) -> AsyncIterator[AsyncEngine]:
        """Make an asynchronous engine and the tables."""
        engine = create_async_engine(self.async_url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
            yield engine
        finally:
            await engine.dispose()


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Record what is sent to the database."""
    sent: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", record)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", record)
