"""The asynchronous fixtures as pytest-asyncio runs them, registered where that is active.

In its strict mode it leaves every fixture alone that it did not make itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI
    from sqlmodel.ext.asyncio.session import AsyncSession

    from fieldstone.database import Database


@pytest_asyncio.fixture(name="_asyncio_async_session")
async def asyncio_async_session(db: Database) -> AsyncIterator[AsyncSession]:
    """Give an AsyncSession on the test database."""
    from fieldstone.testing.sessions import async_session_on

    async with async_session_on(db) as session:
        yield session


@pytest_asyncio.fixture(name="_asyncio_async_client")
async def asyncio_async_client(
    fieldstone_app: FastAPI, db: Database, pytestconfig: pytest.Config
) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of the application in the event loop of the test."""
    from fieldstone.testing.clients import async_client_of

    async with async_client_of(fieldstone_app, db, pytestconfig.getini("fieldstone_session")) as client:
        yield client
