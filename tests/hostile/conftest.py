"""The task app over a few known rows, on SQLite and PostgreSQL, for requests that must not change them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from fieldstone import Database
from fieldstone.template.app import create_app
from tests.faces import DIALECTS
from tests.hostile.attack import Attacked, plant
from tests.serving import client_of
from tests.template.migrated import migrated


@pytest.fixture(scope="module", params=DIALECTS)
async def attacked(
    anyio_backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Attacked]:
    """The app and its database, shared by the tests of a module: what is refused changes nothing."""
    with ExitStack() as lent:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/tasks.db"
        else:
            url = lent.enter_context(request.getfixturevalue("postgres_databases").lend())
        async with Database(url) as database:
            migrated(database)
            plant(database)
            async with client_of(create_app(database)) as client:
                yield Attacked(database, client)
