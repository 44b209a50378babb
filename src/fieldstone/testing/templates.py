"""Prepared databases: made once by each process of a test run, and lent to its tests.

A `Schema` says what is in them. It is made once, as a template, and a test gets a copy. On SQLite a
copy is a file, written in a fraction of a millisecond; on PostgreSQL it is a database, made by
postgres_templates.py.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from sqlalchemy import MetaData

from fieldstone.database import Database
from fieldstone.errors import ConfigurationError

Dialect = Literal["sqlite", "postgresql"]


@dataclass(frozen=True)
class Schema:
    """What a prepared database holds: equal keys mean equal content, and no work an empty database."""

    key: Hashable
    prepare: Callable[[Database], None] | None = field(default=None, compare=False)
    tables: tuple[str, ...] = field(default=(), compare=False)


EMPTY = Schema("")


def schema_of(metadata: MetaData, prepare: Callable[[Database], None] | None = None) -> Schema:
    """Return the schema that has the tables of a metadata, as they are now, or what a function makes.

    The same function counts as the same content, also where a fixture defines it anew for each test.
    """
    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            f"The fixture 'fieldstone_metadata' gives {type(metadata).__name__}, and must give a MetaData, "
            "such as SQLModel.metadata or Task.metadata. Return that."
        )
    key = (id(metadata), frozenset(metadata.tables), getattr(prepare, "__code__", prepare))
    return Schema(key, prepare or (lambda db: db.create_all(metadata)), tuple(metadata.tables))


class Templates(Protocol):
    """Databases of one kind."""

    def lend(self, schema: Schema) -> AbstractContextManager[str]:
        """Yield the URL of a database that holds the schema, and is nobody else's until the block ends."""
        ...

    def close(self) -> None:
        """Throw away what was made."""
        ...


class SqliteTemplates:
    """Lend SQLite files, written into a directory that others clean up."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[Schema, Path] = {}
        self._lent = 0

    @contextmanager
    def lend(self, schema: Schema) -> Iterator[str]:
        """Yield the URL of a file of its own."""
        self._lent += 1
        file = self._directory / f"database_{self._lent}.db"
        if schema.prepare is None:
            file.touch()
        else:  # forty times as fast as SQLite's own copying, which waits for the disk
            shutil.copyfile(self._template(schema, schema.prepare), file)
        yield f"sqlite:///{file}"
        for left in self._directory.glob(f"{file.name}*"):
            left.unlink()

    def fill(self, schema: Schema, memory: Database) -> None:
        """Write the schema into a database in memory, over whatever it holds."""
        if schema.prepare is None:
            return
        file = self._directory / f"unlogged_{len(self._made)}.db"
        shutil.copyfile(self._template(schema, schema.prepare), file)
        with (
            closing(memory.engine.raw_connection()) as connection,
            closing(sqlite3.connect(file)) as template,
        ):
            copy = connection.driver_connection
            assert isinstance(copy, sqlite3.Connection)
            # A database in memory cannot have write-ahead logging.
            template.execute("PRAGMA journal_mode = DELETE")
            template.backup(copy)
        file.unlink()

    def close(self) -> None:
        """Keep the files: they go with their directory."""

    def _template(self, schema: Schema, prepare: Callable[[Database], None]) -> Path:
        """Give a file that is whole by itself: nothing of it is left in the log beside it."""
        if schema not in self._made:
            file = self._directory / f"template_{len(self._made)}.db"
            with Database(f"sqlite:///{file}") as database:
                prepare(database)
            with closing(sqlite3.connect(file)) as template:
                template.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._made[schema] = file
        return self._made[schema]
