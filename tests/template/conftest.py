"""The task app over a fresh database, SQLite and PostgreSQL in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2 as httpx
import pytest

from fieldstone import Database
from fieldstone.template.app import create_app
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import EMPTY
from tests.faces import DIALECTS
from tests.serving import served
from tests.template.migrated import TABLES, demo
from tests.template.visitor import Visitor


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, fieldstone_lender: Lender) -> Iterator[str]:
    """A database of the test's own, with what the test's other fixtures say is in it."""
    content = demo() if "planted" in request.fixturenames else EMPTY
    if content is EMPTY and "client" in request.fixturenames:
        content = TABLES
    with fieldstone_lender.templates(request.param).lend(content) as url:
        yield url


@pytest.fixture
def planted(database: Database) -> Database:
    """A database with the app's tables and its demo data."""
    return database


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A program that talks to the app over tables without rows, or over the planted ones."""
    # An error that becomes a 500 is answered, as a server would, and not raised into the test.
    with served(create_app, database) as app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://app.test") as client:
            yield client


@pytest.fixture
def visitor(client: httpx.AsyncClient) -> Visitor:
    """A person who uses the app with a browser."""
    return Visitor(client)
