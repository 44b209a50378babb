"""A pytest plugin that runs SQLModel's own tests on Fieldstone's engines and sessions.

It is loaded before upstream's conftest, so that `from sqlmodel import create_engine, Session`
brings ours to the tests and to the examples they run alike. Whatever URL upstream names, the
engine is that of a Database on the database of this run: in memory, or a PostgreSQL that is
emptied between tests. So also what upstream runs on SQLite alone is tried on both.

The environment tells it what to do: DATABASE_URL, whether Model takes SQLModel's place, which tests
deviate, and the file that gets the outcome. A pytest that upstream starts inside a test inherits
the first two only: it is a part of that test, with no deviations and no report of its own.

It imports nothing from beside it, since here `tests` is upstream's package.
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.ext.asyncio
import sqlalchemy.orm
import sqlmodel
import sqlmodel.ext.asyncio.session
from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Mapper

from fieldstone import Database, Model
from fieldstone.database.database import SESSION_OPTIONS

DATABASE_URL = os.environ["DATABASE_URL"]
WITH_MODEL = os.environ["CONFORMANCE_WITH_MODEL"] == "1"
DECLARED: dict[str, str] = json.loads(os.environ.pop("CONFORMANCE_DECLARED", "{}"))
REPORT = os.environ.pop("CONFORMANCE_REPORT", None)

_databases: list[Database] = []  # upstream keeps engines only, and a memory database ends with its Database
_ours: set[Engine] = set()
_used: set[Engine] = set()


def create_engine(url: str | URL, *, echo: bool = False, **_decided_by_us: Any) -> Engine:
    """Take the place of SQLModel's; pool and connect arguments are Fieldstone's business."""
    engine = _database(echo).engine
    _ours.add(engine)
    return engine


def create_async_engine(url: str | URL, *, echo: bool = False, **_decided_by_us: Any) -> AsyncEngine:
    """Take the place of SQLAlchemy's."""
    engine = _database(echo).async_engine
    _ours.add(engine.sync_engine)
    return engine


def _database(echo: bool) -> Database:
    _databases.append(Database(DATABASE_URL, echo=echo))
    return _databases[-1]


class Session(sqlmodel.Session):
    """Have the options of the sessions that a Database makes."""

    def __init__(self, bind: Engine, **options: Any) -> None:
        super().__init__(bind, **{**SESSION_OPTIONS, **options})


class AsyncSession(sqlmodel.ext.asyncio.session.AsyncSession):
    """Have the options of the sessions that a Database makes."""

    def __init__(self, bind: AsyncEngine, **options: Any) -> None:
        super().__init__(bind, **{**SESSION_OPTIONS, **options})


def substitute() -> None:
    """Put Fieldstone's in the places from which upstream imports, and refuse what goes past them."""
    replacements: list[tuple[Any, Any, str]] = [
        (sqlmodel, create_engine, "create_engine"),
        (sqlmodel, Session, "Session"),
        (sqlmodel.ext.asyncio.session, AsyncSession, "AsyncSession"),
        (sqlalchemy.ext.asyncio, create_async_engine, "create_async_engine"),
    ]
    if WITH_MODEL:
        replacements.append((sqlmodel, Model, "SQLModel"))
    for module, ours, name in replacements:
        setattr(module, name, ours)
    event.listen(Engine, "engine_connect", _only_our_engines)
    event.listen(sqlalchemy.orm.Session, "after_begin", _only_our_sessions)
    event.listen(Mapper, "instrument_class", _only_our_models)


def _only_our_engines(connection: Connection) -> None:
    assert connection.engine in _ours, "upstream made an engine that is not Fieldstone's"
    _used.add(connection.engine)


def _only_our_sessions(session: sqlalchemy.orm.Session, *_: Any) -> None:
    assert session.expire_on_commit == SESSION_OPTIONS["expire_on_commit"], "this session is not Fieldstone's"


def _only_our_models(_mapper: Any, model: type[Any]) -> None:
    assert not WITH_MODEL or issubclass(model, Model), f"{model.__name__} is not a Model"


# As soon as pytest has imported this file: upstream's conftest comes before any hook.
substitute()


@pytest.fixture(autouse=True)
def emptied() -> Iterator[None]:
    """Leave no connection and, on PostgreSQL, no table to the next test."""
    yield
    for engine in _used:
        engine.dispose()
    if _used and make_url(DATABASE_URL).get_backend_name() == "postgresql":
        _empty_postgresql()
    _used.clear()


def _empty_postgresql() -> None:
    # A session that upstream left open would hold its locks, and we would wait for ever.
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
    )
    with _broom().begin() as connection:
        for statement in (others, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            connection.execute(text(statement))


@functools.cache
def _broom() -> Engine:
    return create_engine(DATABASE_URL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect every declared deviation to fail, and to be a test that exists."""
    for item in items:
        if item.nodeid in DECLARED:
            item.add_marker(pytest.mark.xfail(reason=DECLARED[item.nodeid], strict=True))
    strangers = DECLARED.keys() - {item.nodeid for item in items}
    if strangers:
        raise pytest.UsageError(f"Declared deviations that are not tests: {', '.join(sorted(strangers))}")


_outcomes: Counter[str] = Counter()
_failures: dict[str, str] = {}


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _failures[report.nodeid] = report.longreprtext


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _failures[report.nodeid] = report.longreprtext
    elif report.skipped:
        _outcomes["deviated" if hasattr(report, "wasxfail") else "skipped"] += 1
    elif report.when == "call":
        _outcomes["passed"] += 1


def pytest_sessionfinish() -> None:
    if REPORT is not None:
        Path(REPORT).write_text(json.dumps({"outcomes": _outcomes, "failures": _failures}))
