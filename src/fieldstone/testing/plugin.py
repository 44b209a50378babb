"""The pytest plugin: options, a marker and fixtures.

pytest loads it through the package's entry point, in every run of an environment that has
Fieldstone. So nothing is imported but pytest until a test asks for one of the fixtures, and what they
do stands in the other modules of this room. A project's own fixture of the same name simply takes the
place of the one here.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from sqlalchemy import MetaData
    from sqlmodel import Session
    from sqlmodel.ext.asyncio.session import AsyncSession

    from fieldstone.database import Database
    from fieldstone.guard import Watch
    from fieldstone.testing.histories import MigrationsCheck
    from fieldstone.testing.lending import Lender
    from fieldstone.testing.making import AsyncMake, Make
    from fieldstone.testing.queries import Budgeted
    from fieldstone.testing.snapshots import SchemaSnapshot
    from fieldstone.testing.templates import Dialect, Schema

_RUN = pytest.StashKey[Path]()
_WORKER_INPUT = "fieldstone_test_run"
_DIALECTS: dict[str, tuple[Dialect, ...]] = {
    "sqlite": ("sqlite",),
    "postgres": ("postgresql",),
    "all": ("sqlite", "postgresql"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of databases, and what a project says about its application."""
    group = parser.getgroup("fieldstone")
    group.addoption("--db", choices=list(_DIALECTS), default="sqlite", help="which databases tests run on")
    group.addoption(
        "--update-schema-snapshot", action="store_true", help="write the files of schema_snapshot"
    )
    parser.addini("fieldstone_app", "the application under test: package.module:app")
    parser.addini("fieldstone_models", "modules that define tables, imported before they are created", "args")
    parser.addini("fieldstone_session", "dependencies that give sessions: package.module:get_session", "args")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker, and have the asynchronous fixtures run by pytest-asyncio where that is active."""
    config.addinivalue_line(
        "markers",
        "real_commits: give the test a database of its own, where what it commits is really committed",
    )
    if config.pluginmanager.hasplugin("asyncio"):
        from fieldstone.testing import asyncio_fixtures

        config.pluginmanager.register(asyncio_fixtures, "fieldstone_asyncio")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that uses the database once for each kind that was asked for."""
    if "fieldstone_dialect" in metafunc.fixturenames:
        dialects = _chosen(metafunc.config)
        if len(dialects) > 1:
            metafunc.parametrize("fieldstone_dialect", dialects, indirect=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have the rows of a test that runs again be the same again."""
    if (factories := sys.modules.get("fieldstone.testing.factories")) is not None:
        factories.begin()


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> str:
    """Return the URL of a real PostgreSQL server, found or started for this run.

    Where none can be had, the tests that need it fail and say what to do; they are skipped only
    when FIELDSTONE_NO_POSTGRES=1 asks for it.
    """
    from fieldstone.testing import postgres

    if os.environ.get("FIELDSTONE_NO_POSTGRES", "") not in {"", "0"}:
        pytest.skip("FIELDSTONE_NO_POSTGRES is set: NOT tested on PostgreSQL")
    try:
        return postgres.postgres_url(_test_run(pytestconfig))
    except postgres.PostgresUnavailable as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def fieldstone_lender(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lender]:
    """Lend prepared databases to the tests of this process."""
    from fieldstone.testing import postgres
    from fieldstone.testing.lending import Lender

    directory = tmp_path_factory.mktemp("fieldstone", numbered=True)
    lender = Lender(
        directory,
        lambda: str(request.getfixturevalue("postgres_url")),
        lasts=lambda url: not postgres.is_of_the_run(url, _test_run(request.config)),
    )
    yield lender
    lender.close()


@pytest.fixture
def fieldstone_dialect(request: pytest.FixtureRequest) -> Dialect:
    """Name the kind of database that this run of the test is for: what --db says."""
    chosen: Dialect = getattr(request, "param", _chosen(request.config)[0])
    return chosen


@pytest.fixture
def fieldstone_metadata(pytestconfig: pytest.Config) -> MetaData:
    """Give the tables that the test database has. Override it where they are not SQLModel.metadata."""
    from fieldstone.testing import naming

    return naming.known_tables(
        pytestconfig.getini("fieldstone_app"), pytestconfig.getini("fieldstone_models")
    )


@pytest.fixture
def fieldstone_prepare() -> Callable[[Database], None] | None:
    """Give what fills an empty database once; None creates the tables. Override it for migrations or rows."""
    return None


@pytest.fixture
def fieldstone_app(pytestconfig: pytest.Config) -> FastAPI:
    """Give the application under test. Override it where a function makes it."""
    from fieldstone.testing import applications

    return applications.named_application(pytestconfig.getini("fieldstone_app"))


@pytest.fixture
def fieldstone_schema(
    fieldstone_metadata: MetaData, fieldstone_prepare: Callable[[Database], None] | None
) -> Schema:
    """Say what the test database holds before the test."""
    from fieldstone.testing.templates import schema_of

    return schema_of(fieldstone_metadata, fieldstone_prepare)


@pytest.fixture
def db(
    request: pytest.FixtureRequest,
    fieldstone_lender: Lender,
    fieldstone_dialect: Dialect,
    fieldstone_schema: Schema,
) -> Iterator[Database]:
    """Give a database with the tables, of which nothing is left after the test.

    Commits are savepoints. With @pytest.mark.real_commits they are real, in a database of the test's own.
    """
    if request.node.get_closest_marker("real_commits"):
        lent: Any = fieldstone_lender.committed(fieldstone_dialect, fieldstone_schema)
    else:
        synchronous = not _is_asynchronous(request)
        lent = fieldstone_lender.isolated(fieldstone_dialect, fieldstone_schema, synchronous=synchronous)
    with lent as database:
        yield database


@pytest.fixture
def session(db: Database) -> Iterator[Session]:
    """Give a Session on the test database. What it does not commit, it rolls back."""
    from fieldstone.testing import sessions

    with sessions.session_on(db) as session:
        yield session


@pytest.fixture
def client(fieldstone_app: FastAPI, db: Database, pytestconfig: pytest.Config) -> Iterator[TestClient]:
    """Give a client of the application, which runs on the test database and has started."""
    from fieldstone.testing import clients

    with clients.client_of(fieldstone_app, db, pytestconfig.getini("fieldstone_session")) as client:
        yield client


@pytest.fixture
def async_session(request: pytest.FixtureRequest, db: Database) -> AsyncSession:
    """Give an AsyncSession on the test database. What it does not commit, it rolls back."""
    found: AsyncSession = _run_by_the_tests_plugin(request, "async_session")
    return found


@pytest.fixture
def async_client(request: pytest.FixtureRequest, fieldstone_app: FastAPI, db: Database) -> httpx2.AsyncClient:
    """Give a client of the application in the event loop of the test; the application has started there."""
    found: httpx2.AsyncClient = _run_by_the_tests_plugin(request, "async_client")
    return found


@pytest.fixture
async def _anyio_async_session(anyio_backend: Any, db: Database) -> AsyncIterator[AsyncSession]:
    from fieldstone.testing import sessions

    sessions.check_backend(anyio_backend)
    async with sessions.async_session_on(db) as session:
        yield session


@pytest.fixture
async def _anyio_async_client(
    anyio_backend: Any, fieldstone_app: FastAPI, db: Database, pytestconfig: pytest.Config
) -> AsyncIterator[httpx2.AsyncClient]:
    from fieldstone.testing import clients, sessions

    sessions.check_backend(anyio_backend)
    async with clients.async_client_of(
        fieldstone_app, db, pytestconfig.getini("fieldstone_session")
    ) as client:
        yield client


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make | AsyncMake:
    """Give what stores rows on the session of the test: `session`, or `async_session` in an async test."""
    from fieldstone.testing.making import AsyncMake, Make

    if _is_asynchronous(request):
        return AsyncMake(request.getfixturevalue("async_session"))
    return Make(request.getfixturevalue("session"))


@pytest.fixture
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    """Fail the test if anything in it is one of the mistakes that the guard knows."""
    from fieldstone.testing import queries

    for name in ("session", "async_session", "make"):  # what these end with is no part of the test
        if name in request.fixturenames:
            request.getfixturevalue(name)
    with queries.watch() as watched:
        yield watched


@pytest.fixture
def max_queries() -> Budgeted:
    """Give a block that may send so many statements, or as many as a plan says."""
    from fieldstone.testing import queries

    return queries.max_queries


@pytest.fixture
def exact_queries() -> Budgeted:
    """Give a block that must send so many statements, or as many as a plan says."""
    from fieldstone.testing import queries

    return queries.exact_queries


@pytest.fixture
def no_n_plus_one() -> Iterator[Watch]:
    """Fail the test if anything in it sends one statement for each of many rows."""
    from fieldstone.testing import queries

    with queries.no_n_plus_one() as watched:
        yield watched


@pytest.fixture
def schema_snapshot(request: pytest.FixtureRequest, fieldstone_metadata: MetaData) -> SchemaSnapshot:
    """Give what compares the tables with files beside the test, one for each kind of database."""
    from fieldstone.testing.snapshots import OPTION, SchemaSnapshot

    update = bool(request.config.getoption(OPTION))
    return SchemaSnapshot(fieldstone_metadata, request.path.parent, update)


@pytest.fixture
def check_migrations(fieldstone_lender: Lender, fieldstone_dialect: Dialect) -> MigrationsCheck:
    """Give what tries the project's migrations on an empty database."""
    from fieldstone.testing.histories import MigrationsCheck

    return MigrationsCheck(fieldstone_lender.templates(fieldstone_dialect))


def _is_asynchronous(request: pytest.FixtureRequest) -> bool:
    return inspect.iscoroutinefunction(getattr(request.node, "obj", None))


def _run_by_the_tests_plugin(request: pytest.FixtureRequest, name: str) -> Any:
    """Ask for the fixture in the form that the plugin runs which will run the test."""
    if "anyio_backend" in request.fixturenames:
        return request.getfixturevalue(f"_anyio_{name}")
    if _is_run_by_pytest_asyncio(request):
        return request.getfixturevalue(f"_asyncio_{name}")
    pytest.fail(
        f"The fixture {name!r} needs an event loop, and no plugin runs this test in one. Write the test "
        "with 'async def', mark it with @pytest.mark.anyio, and have a fixture 'anyio_backend' that "
        "returns 'asyncio'; or install pytest-asyncio and mark it with @pytest.mark.asyncio.",
        pytrace=False,
    )


def _is_run_by_pytest_asyncio(request: pytest.FixtureRequest) -> bool:
    config = request.config
    if not config.pluginmanager.hasplugin("asyncio"):
        return False
    mode = config.getoption("asyncio_mode") or config.getini("asyncio_mode")
    return mode == "auto" or request.node.get_closest_marker("asyncio") is not None


def _chosen(config: pytest.Config) -> tuple[Dialect, ...]:
    return _DIALECTS[str(config.getoption("--db"))]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each process of pytest-xdist which run it belongs to."""
    node.workerinput[_WORKER_INPUT] = str(_test_run(node.config))


def _test_run(config: pytest.Config) -> Path:
    """Return the directory of the run, made by the process that began it and kept until it ends."""
    if (given := getattr(config, "workerinput", None)) is not None:
        return Path(given[_WORKER_INPUT])
    if _RUN not in config.stash:
        from fieldstone.testing import postgres

        lifetime = ExitStack()
        config.stash[_RUN] = lifetime.enter_context(postgres.run_directory())
        config.add_cleanup(lifetime.close)
    return config.stash[_RUN]
