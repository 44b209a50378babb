"""The databases of one test process: what a test is lent, by kind of database and of isolation.

An isolated database is one prepared copy that every test of the process uses in turn, because none
leaves anything behind. A committed one is a copy of the test's own: there everything is real, locks,
other connections and other processes included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from fieldstone.database import Database
from fieldstone.errors import ConfigurationError
from fieldstone.testing.isolation import IsolatedDatabase
from fieldstone.testing.loops import Ending, close_with_its_loop
from fieldstone.testing.postgres_templates import PostgresTemplates, sequence_settings
from fieldstone.testing.templates import Dialect, Schema, SqliteTemplates, Templates


class CommittedDatabase(Database):
    """A test's own database, whose asynchronous connections are closed in the loop that opened them."""

    _endings: list[Ending] | None = None

    @property
    def async_engine(self) -> AsyncEngine:
        """Give the engine of the async face, made when first asked for."""
        engine = super().async_engine
        if self._endings is None:
            self._endings = close_with_its_loop(engine, engine.dispose)
        return engine

    async def aclose(self) -> None:
        """Close both faces; the next use opens them again."""
        self._endings = None
        await super().aclose()

    def end(self) -> None:
        """Close both faces from outside any event loop."""
        for ending in self._endings or ():
            ending.now()
        self._async_engine = self._endings = None
        self.close()


@dataclass
class _Kept:
    """The copy behind the isolated databases of a process."""

    database: Database
    begin: Callable[[Connection], None] | None = None
    committed: bool = False


class Lender:
    """Lend databases to the tests of a process; `server` gives the URL of a PostgreSQL server.

    `lasts` says whether the server at a URL outlives the run, so that nothing may be left there.
    """

    def __init__(
        self, directory: Path, server: Callable[[], str], *, lasts: Callable[[str], bool] = lambda _url: True
    ) -> None:
        self._server = server
        self._lasts = lasts
        self._ending = ExitStack()
        self._sqlite = SqliteTemplates(directory)
        self._postgres: PostgresTemplates | None = None
        self._kept: dict[tuple[Dialect, Schema], _Kept] = {}

    def templates(self, dialect: Dialect) -> Templates:
        """Give what lends plain URLs."""
        if dialect == "sqlite":
            return self._sqlite
        if self._postgres is None:
            url = self._server()
            self._postgres = PostgresTemplates(url, lasting=self._lasts(url))
            self._ending.callback(self._postgres.close)
        return self._postgres

    @contextmanager
    def isolated(
        self, dialect: Dialect, schema: Schema, *, synchronous: bool = True
    ) -> Iterator[IsolatedDatabase]:
        """Yield a database whose content is undone when the block ends."""
        kept = self._kept.get((dialect, schema))
        if kept is None:
            kept = self._kept[dialect, schema] = self._keep(dialect, schema)
        database = IsolatedDatabase(kept.database, begin=kept.begin, synchronous=synchronous)
        try:
            yield database
        finally:
            database.end()
            if kept.committed:
                self._renew(dialect, schema)

    @contextmanager
    def committed(self, dialect: Dialect, schema: Schema) -> Iterator[CommittedDatabase]:
        """Yield a database that is the block's alone."""
        with self.templates(dialect).lend(schema) as url:
            database = CommittedDatabase(url)
            try:
                yield database
            finally:
                database.end()

    def close(self) -> None:
        """Close and throw away everything."""
        self._kept.clear()
        self._ending.close()

    def _keep(self, dialect: Dialect, schema: Schema) -> _Kept:
        if dialect == "sqlite":
            kept = _Kept(Database("sqlite://"))
            self._sqlite.fill(schema, kept.database)
        else:
            kept = _Kept(
                Database(self._ending.enter_context(self.templates(dialect).lend(schema)), pool_size=2)
            )
            kept.begin = _sequences_from_here(kept.database)
        self._ending.callback(kept.database.close)
        _note_commits(kept.database.engine, kept)
        _name_missing_tables(kept.database.engine, schema)
        return kept

    def _renew(self, dialect: Dialect, schema: Schema) -> None:
        """Replace a copy into which something was committed after all."""
        kept = self._kept.pop((dialect, schema))
        kept.database.close()


def _note_commits(engine: Engine, kept: _Kept) -> None:
    @event.listens_for(engine, "commit")
    def committed(_connection: Connection) -> None:
        kept.committed = True


def _name_missing_tables(engine: Engine, schema: Schema) -> None:
    """Say where a model came too late, instead of what the database says: that there is no such table."""

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> Exception | None:
        found = _MISSING.search(str(context.original_exception))
        name = found and (found[1] or found[2])
        if not name or name in schema.tables or name not in SQLModel.metadata.tables:
            return None
        made = ", ".join(schema.tables) or "no tables"
        return ConfigurationError(
            f"The test database has no table {name!r}. It was made with: {made}. Import the module that "
            "defines it before the test asks for its database (fieldstone_models), or have the fixture "
            "'fieldstone_metadata' return the MetaData that has it."
        )


_MISSING = re.compile(r'no such table: (\w+)|relation "(\w+)" does not exist')


def _sequences_from_here(database: Database) -> Callable[[Connection], None] | None:
    """Have sequences start where the template left them in each test: no rollback sets them back."""
    with database.transaction(read_only=True) as session:
        settings = sequence_settings(session.connection())
    if not settings:
        return None

    def begin(connection: Connection) -> None:
        cursor = connection.connection.cursor()  # past the events by which tests count statements
        cursor.execute(f"SELECT {', '.join(settings)}")
        cursor.close()

    return begin
