"""Plain databases for the tests that show what happens without Fieldstone."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from tests.documents.plain import Plain

DRIVERS = {
    "sqlite": ("sqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+asyncpg"),
}


@pytest.fixture
def plain(database_url: str) -> Plain:
    """Name a fresh database of either kind, without the settings that Fieldstone would give it."""
    url = make_url(database_url)
    return Plain(
        *(
            url.set(drivername=driver).render_as_string(hide_password=False)
            for driver in DRIVERS[url.drivername]
        )
    )
