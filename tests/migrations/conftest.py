"""A bench and a plain Alembic project over the same kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstone import Database

pytest.register_assert_rewrite("tests.migrations.workbench")

from tests.conftest import FreshUrl  # noqa: E402  # the workbench asserts, so it is rewritten like a test
from tests.faces import DIALECTS, Dialect  # noqa: E402
from tests.migrations.workbench import Bench, Plain  # noqa: E402


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Name the kind of database: SQLite in one run of the test, PostgreSQL in another."""
    found: Dialect = request.param
    return found


@pytest.fixture
def bench(dialect: Dialect, fresh_url: FreshUrl, tmp_path: Path) -> Iterator[Bench]:
    """Give a project with an empty database."""
    with Database(fresh_url(dialect)) as database:
        yield Bench(database, tmp_path)


@pytest.fixture
def plain(dialect: Dialect, fresh_url: FreshUrl, tmp_path: Path) -> Plain:
    """Give a project of Alembic's own with an empty database of the same kind."""
    return Plain(fresh_url(dialect), tmp_path)
