"""The kit's own fixtures, as a project sets them up: on the tables of shop.py, on both databases in turn."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData

from fieldstone.testing.templates import Dialect
from tests.faces import DIALECTS
from tests.kit import shop


@pytest.fixture(params=DIALECTS)
def fieldstone_dialect(request: pytest.FixtureRequest) -> Dialect:
    """Name the kind of database: SQLite in one run of the test, PostgreSQL in another."""
    found: Dialect = request.param
    return found


@pytest.fixture
def fieldstone_metadata() -> MetaData:
    """Give the tables of the shop."""
    return shop.METADATA


@pytest.fixture
def fieldstone_app() -> FastAPI:
    """Give the application into which a Database was installed."""
    return shop.installed
