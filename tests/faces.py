"""Both faces and both databases, so that a test is written once and run four times.

A `Face` is a database of the test's own together with the way it is spoken to: through a Session, or
through an AsyncSession. Its methods are all awaited; on the sync face they just run.

The databases come from the kit that users test with (fieldstone.testing). They are really committed
to, since transactions, locks and connections are what most of these tests are about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, MetaData
from sqlmodel import Session, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Database
from fieldstone.testing.templates import Dialect as Dialect

AnySession = Session | AsyncSession
Lend = Callable[..., str]
P = ParamSpec("P")
R = TypeVar("R")

DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgresql")
FACES: tuple[tuple[bool, Dialect], ...] = tuple(
    (is_async, dialect) for dialect in DIALECTS for is_async in (False, True)
)


def face_name(face: tuple[bool, Dialect]) -> str:
    is_async, dialect = face
    return f"{'async' if is_async else 'sync'}-{dialect}"


@dataclass
class Face:
    """Speak to a database synchronously or asynchronously, in the same words."""

    database: Database
    is_async: bool

    @property
    def dialect(self) -> Dialect:
        return self.database.dialect

    @property
    def alone(self) -> Any:
        """Give what stands in a session's place for a verb that is a transaction of its own."""
        return self.database.async_autocommit if self.is_async else self.database.autocommit

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


class LentFace(Face):
    """A face whose database is lent when first asked for: with the tables, if they are created first."""

    def __init__(self, lend: Lend, dialect: Dialect, *, is_async: bool) -> None:
        self._lend = lend
        self._dialect: Dialect = dialect
        self._database: Database | None = None
        self._tables: list[MetaData] = []
        self.is_async = is_async

    @property
    def database(self) -> Database:  # type: ignore[override]  # it is only read
        if self._database is None:
            self._database = Database(self._lend(self._dialect, *self._tables))
        return self._database

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    async def create_all(self, tables: MetaData | Iterable[type[SQLModel]] | None = None) -> None:
        """Have the tables in the database from the start, where nothing has asked for it yet."""
        if self._database is None and (tables is None or isinstance(tables, MetaData)):
            self._tables.append(SQLModel.metadata if tables is None else tables)
        else:
            await super().create_all(tables)

    async def aclose(self) -> None:
        if self._database is not None:
            await self._database.aclose()
