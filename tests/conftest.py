"""The fixtures that every test may use; faces.py says what a face is."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest
from hypothesis import settings
from sqlalchemy import MetaData

from fieldstone import Database
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import EMPTY, Dialect, Schema, schema_of
from tests import domain
from tests.faces import DIALECTS, FACES, Face, Lend, LentFace, face_name

FreshUrl = Callable[[Dialect], str]

# The same examples in every run, however busy the machine: what fails once fails always. To look for
# new ones: HYPOTHESIS_PROFILE=default.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let collections of garbage pass by what stays, half a second each, and compile no more to files.

    A module that a test writes twice within a second would stay the first.
    """
    gc.collect()
    gc.freeze()
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run on asyncio alone: SQLAlchemy's asynchronous engines know no other."""
    return "asyncio"


@pytest.fixture
def by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let JSON be written from rows, so that reads take the statements that their plan says."""
    monkeypatch.setenv("FIELDSTONE_JSON_BY", "rows")


@pytest.fixture
def lend(fieldstone_lender: Lender) -> Iterator[Lend]:
    """Lend databases of a dialect, empty or with tables, as many as are asked for; gone after the test."""
    with ExitStack() as lent:

        def one(dialect: Dialect, *tables: MetaData) -> str:
            return lent.enter_context(fieldstone_lender.templates(dialect).lend(_schema_of(tables)))

        yield one


def _schema_of(tables: Sequence[MetaData]) -> Schema:
    """Say that a database has the tables of several metadata, or none."""
    if len(tables) < 2:
        return schema_of(tables[0]) if tables else EMPTY

    def prepare(database: Database) -> None:
        for metadata in tables:
            database.create_all(metadata)

    return Schema(tuple(schema_of(metadata).key for metadata in tables), prepare)


@pytest.fixture
def fresh_url(lend: Lend) -> FreshUrl:
    """Give URLs of new, empty databases of a dialect, as many as are asked for; gone after the test."""
    return lambda dialect: lend(dialect)


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, fresh_url: FreshUrl) -> str:
    """Give the URL of an empty database: SQLite in one run of the test, PostgreSQL in another."""
    return fresh_url(request.param)


@pytest.fixture
async def database(anyio_backend: str, database_url: str) -> AsyncIterator[Database]:
    """Give an empty Database: SQLite in one run of the test, PostgreSQL in another."""
    async with Database(database_url) as database:
        yield database


@pytest.fixture(params=FACES, ids=face_name)
async def face(anyio_backend: str, request: pytest.FixtureRequest, lend: Lend) -> AsyncIterator[Face]:
    """Give an empty database on each face in turn: sync and async, on SQLite and PostgreSQL."""
    is_async, dialect = request.param
    face = LentFace(lend, dialect, is_async=is_async)
    yield face
    await face.aclose()


@pytest.fixture
async def stored(face: Face) -> Face:
    """Give a database that holds the sample of tests/domain.py, on each face in turn."""
    await face.create_all(domain.METADATA)
    async with face.transaction() as session:
        session.add_all(domain.sample())
    return face
