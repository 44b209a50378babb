"""Both faces and both databases, so that a test is written once and run four times.

A `Face` is a fresh, empty database together with the way it is spoken to: through a Session, or
through an AsyncSession. Its methods are all awaited; on the sync face they just run.

SQLite databases are files, since locks and the write-ahead log are real there. PostgreSQL
databases are lent from a pool of each test process: dropping what a test left behind takes 4 ms,
while making a new database takes 30.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url
from sqlmodel import Session, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Database

Dialect = Literal["sqlite", "postgresql"]
AnySession = Session | AsyncSession
P = ParamSpec("P")
R = TypeVar("R")

DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgresql")
FACES: tuple[tuple[bool, Dialect], ...] = tuple(
    (is_async, dialect) for dialect in DIALECTS for is_async in (False, True)
)


def face_name(face: tuple[bool, Dialect]) -> str:
    is_async, dialect = face
    return f"{'async' if is_async else 'sync'}-{dialect}"


@dataclass(frozen=True)
class Face:
    """Speak to a database synchronously or asynchronously, in the same words."""

    database: Database
    is_async: bool

    @property
    def dialect(self) -> Dialect:
        return self.database.dialect

    async def __call__(
        self, verb: Callable[..., Any], session: AnySession, /, *args: Any, **kwargs: Any
    ) -> Any:
        """Call a verb, and await its result where the session is asynchronous."""
        outcome = verb(session, *args, **kwargs)
        return await outcome if self.is_async else outcome

    async def run(
        self,
        session: AnySession,
        work: Callable[Concatenate[Session, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Run a function over the sync session, within the bridge on the async face."""
        if isinstance(session, AsyncSession):
            return await session.run_sync(work, *args, **kwargs)  # type: ignore[arg-type]  # typed for SQLAlchemy's Session
        return work(session, *args, **kwargs)

    async def exec(self, session: AnySession, statement: Any, **options: Any) -> Any:
        result: Any = session.exec(statement, **options)
        return await result if self.is_async else result

    async def flush(self, session: AnySession) -> None:
        await self.run(session, lambda s: s.flush())

    async def commit(self, session: AnySession) -> None:
        await self.run(session, lambda s: s.commit())

    async def rollback(self, session: AnySession) -> None:
        await self.run(session, lambda s: s.rollback())

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncIterator[Any]:
        """Open a transaction of the database on this face."""
        if self.is_async:
            async with self.database.async_transaction(read_only=read_only) as asynchronous:
                yield asynchronous
        else:
            with self.database.transaction(read_only=read_only) as session:
                yield session

    async def create_all(self, tables: MetaData | Iterable[type[SQLModel]] | None = None) -> None:
        """Create the tables of the metadata, or of the models given."""
        if tables is None or isinstance(tables, MetaData):
            if self.is_async:
                await self.database.create_all_async(tables)
            else:
                self.database.create_all(tables)
            return
        models = list(tables)

        def create(connection: Connection) -> None:
            models[0].metadata.create_all(connection, tables=[vars(model)["__table__"] for model in models])

        if self.is_async:
            async with self.database.async_engine.begin() as asynchronous:
                await asynchronous.run_sync(create)
        else:
            with self.database.engine.begin() as connection:
                create(connection)


class PostgresDatabases:
    """Lend empty databases on one server, to one test at a time, and drop them all at the end."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._idle: list[str] = []
        self._all: dict[str, psycopg.Connection] = {}
        self._prefix = f"fieldstone_{os.getpid()}_{secrets.token_hex(3)}"

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Yield the URL of a database that is empty and nobody else's."""
        name = self._idle.pop() if self._idle else self._make()
        try:
            yield make_url(self._server).set(database=name).render_as_string(hide_password=False)
        finally:
            self._empty(name)
            self._idle.append(name)

    def close(self) -> None:
        for connection in self._all.values():
            connection.close()
        with self._connect(make_url(self._server).database) as server:
            for name in self._all:
                server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        self._all.clear()

    def _make(self) -> str:
        name = f"{self._prefix}_{len(self._all)}"
        with self._connect(make_url(self._server).database) as server:
            server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        self._all[name] = self._connect(name)
        return name

    def _empty(self, name: str) -> None:
        """Drop everything in a database, past connections that a failed test left open."""
        connection = self._all[name]
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        schemas = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall()
        for (schema,) in schemas:
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))
        connection.execute("CREATE SCHEMA public")

    def _connect(self, name: str | None) -> psycopg.Connection:
        return psycopg.connect(
            make_conninfo(_libpq(self._server), dbname=name or "postgres"), autocommit=True
        )


def _libpq(url: str) -> str:
    """Return the URL as libpq reads it, without the name of a driver."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
