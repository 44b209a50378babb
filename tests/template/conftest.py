"""The task app over a fresh database, SQLite and PostgreSQL in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest

from fieldstone import Database
from fieldstone.template.app import create_app
from fieldstone.template.seed import seed
from tests.serving import served
from tests.template.migrated import migrated
from tests.template.visitor import Visitor


@pytest.fixture
def planted(database: Database) -> Database:
    """A database with the app's tables and its demo data."""
    migrated(database)
    assert seed(database)
    return database


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A program that talks to the app over an empty database, or the planted one."""
    migrated(database)
    # An error that becomes a 500 is answered, as a server would, and not raised into the test.
    with served(create_app, database) as app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://app.test") as client:
            yield client


@pytest.fixture
def visitor(client: httpx.AsyncClient) -> Visitor:
    """A person who uses the app with a browser."""
    return Visitor(client)
