"""The fixtures that every test may use; faces.py says what a face is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from fieldstone import Database
from tests import domain
from tests.faces import DIALECTS, FACES, Dialect, Face, PostgresDatabases, face_name

FreshUrl = Callable[[Dialect], str]

# The same examples in every run, however busy the machine: what fails once fails always. To look for
# new ones: HYPOTHESIS_PROFILE=default.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run on asyncio alone: SQLAlchemy's asynchronous engines know no other."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_databases(postgres_url: str) -> Iterator[PostgresDatabases]:
    databases = PostgresDatabases(postgres_url)
    yield databases
    databases.close()


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FreshUrl]:
    """Give URLs of new, empty databases of a dialect, as many as are asked for; gone after the test."""
    with ExitStack() as lent:
        made: list[str] = []

        def fresh(dialect: Dialect) -> str:
            if dialect == "sqlite":
                url = f"sqlite:///{tmp_path}/fresh_{len(made)}.db"
            else:
                url = lent.enter_context(request.getfixturevalue("postgres_databases").lend())
            made.append(url)
            return url

        yield fresh


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
async def face(
    anyio_backend: str, request: pytest.FixtureRequest, fresh_url: FreshUrl
) -> AsyncIterator[Face]:
    """Give an empty database on each face in turn: sync and async, on SQLite and PostgreSQL."""
    is_async, dialect = request.param
    async with Database(fresh_url(dialect)) as database:
        yield Face(database, is_async)


@pytest.fixture
async def stored(face: Face) -> Face:
    """Give a database that holds the sample of tests/domain.py, on each face in turn."""
    await face.create_all(domain.METADATA)
    async with face.transaction() as session:
        session.add_all(domain.sample())
    return face
