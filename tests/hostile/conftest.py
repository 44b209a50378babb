"""The task app over a few known rows, on SQLite and PostgreSQL, for requests that must not change them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fieldstone import Database
from fieldstone.template.app import create_app
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import EMPTY
from tests.faces import DIALECTS
from tests.hostile.attack import Attacked, plant
from tests.serving import client_of
from tests.template.migrated import migrated


@pytest.fixture(scope="module", params=DIALECTS)
async def attacked(
    anyio_backend: str, request: pytest.FixtureRequest, fieldstone_lender: Lender
) -> AsyncIterator[Attacked]:
    """The app and its database, shared by the tests of a module: what is refused changes nothing."""
    with fieldstone_lender.templates(request.param).lend(EMPTY) as url:
        async with Database(url) as database:
            migrated(database)
            plant(database)
            async with client_of(create_app(database)) as client:
                yield Attacked(database, client)
