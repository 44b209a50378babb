"""Runs a case on an empty database with the sample in it, and says what the guard found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, event, insert, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.guard import Finding, GuardMiddleware, watch
from tests.guard.corpus.cases import Case
from tests.guard.corpus.models import METADATA, sample

_ASYNC = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_SYNC = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


class Bench:
    """A database that each case finds in the same state."""

    def __init__(self, url: str) -> None:
        given = make_url(url)
        self.dialect = given.get_backend_name()
        self._url = given.set(drivername=_ASYNC[self.dialect])
        self.engine = _with_foreign_keys(create_engine(given.set(drivername=_SYNC[self.dialect])))
        self.async_engine: AsyncEngine = None  # type: ignore[assignment]  # each event loop has its own
        with self.engine.begin() as connection:
            METADATA.drop_all(connection)
            METADATA.create_all(connection)

    def session(self, **options: Any) -> Session:
        return Session(self.engine, **options)

    def async_session(self, **options: Any) -> AsyncSession:
        return AsyncSession(self.async_engine, **options)

    def run(self, case: Case) -> list[Finding]:
        """Run a case and give what was found; an error is part of some mistakes, and of nothing else."""
        self._fill()
        try:
            return self._served(case) if case.is_web else self._watched(case)
        except Exception as error:
            raise AssertionError(f"{case.name} failed by itself: {error!r}") from error

    def close(self) -> None:
        self.engine.dispose()

    def _watched(self, case: Case) -> list[Finding]:
        if case.is_async:
            return asyncio.run(self._awaited(case))
        seen = watch("record")
        with _failing(case), seen:
            case.program(self)
        return seen.findings

    async def _awaited(self, case: Case) -> list[Finding]:
        self.async_engine = create_async_engine(self._url, poolclass=NullPool)
        seen = watch("record")
        try:
            with _failing(case):
                async with seen:
                    await case.program(self)
        finally:
            await self.async_engine.dispose()
        return seen.findings

    def _served(self, case: Case) -> list[Finding]:
        self.async_engine = create_async_engine(self._url, poolclass=NullPool)
        web = Web(self)
        with _failing(case):
            case.program(web)
        asyncio.run(self.async_engine.dispose())
        return web.found

    def _fill(self) -> None:
        tables = METADATA.sorted_tables
        with self.engine.begin() as connection:
            for table in reversed(tables):
                connection.execute(table.delete())
            for row in sample():
                connection.execute(insert(type(row)).values(row.model_dump(exclude_none=True)))
            if self.dialect == "postgresql":
                for table in tables:
                    if "id" in table.columns:
                        connection.execute(text(f"SELECT setval('{table.name}_id_seq', 100)"))


class Web:
    """Serves the applications of a case, and collects what the middleware found."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.found: list[Finding] = []

    def client(self, app: FastAPI, **options: Any) -> TestClient:
        app.add_middleware(
            GuardMiddleware,
            mode="record",
            keep=lambda seen: self.found.extend(seen.findings),
            **options,
        )
        return TestClient(app, raise_server_exceptions=False)


@contextmanager
def _failing(case: Case) -> Iterator[None]:
    try:
        yield
    except Exception:
        if case.kind is None:
            raise


def _with_foreign_keys(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA foreign_keys=ON")

    return engine


def mistakes(case: Case, found: list[Finding]) -> list[str]:
    """Say where what was found is not what should be."""
    if case.kind is None:
        return [f"{case.name}: nothing is wrong, and this was found: {finding}" for finding in found]
    if len(found) != 1:
        return [f"{case.name}: one finding was expected, not {len(found)}: {[str(one) for one in found]}"]
    finding = found[0]
    pairs = [
        ("kind", case.kind, finding.kind),
        ("subject", case.subject, finding.subject),
        ("remedy", case.remedy, finding.remedy),
        ("line", case.line("# trap"), finding.site.line if finding.site else None),
    ]
    if (cause := case.line("# cause")) is not None:
        pairs.append(("cause", cause, finding.cause.line if finding.cause else None))
    return [
        f"{case.name}: the {what} is {is_!r} and should be {should!r}: {finding}"
        for what, should, is_ in pairs
        if should != is_
    ] + [f"{case.name}: the remedy is not in the message: {finding}"] * (
        finding.remedy.split("\n")[0] not in finding.message
    )
