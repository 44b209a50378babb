"""The tables of tasks, empty; and plain databases, to show what happens without Fieldstone."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from tests.documents import tasks
from tests.documents.plain import Plain
from tests.faces import Face

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


@pytest.fixture
async def empty(face: Face) -> Face:
    """Have the tables of tasks.py, without rows."""
    await face.create_all(tasks.METADATA)
    return face
