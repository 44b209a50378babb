"""Clients of the application under test: in a thread of its own, or in the event loop of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI

from fieldstone.database import Database
from fieldstone.errors import MissingExtra
from fieldstone.testing.applications import override
from fieldstone.testing.lifespans import started
from fieldstone.testing.naming import load
from fieldstone.testing.sessions import checked

try:
    import httpx2
    from fastapi.testclient import TestClient
except ModuleNotFoundError as error:
    raise MissingExtra("A client of the application", module="httpx2", extra="testing") from error

BASE_URL = "http://testserver"


@contextmanager
def client_of(app: FastAPI, db: Database, sessions: Sequence[str] = ()) -> Iterator[TestClient]:
    """Yield a client of an application that runs on the database and has started."""
    with override(app, checked(db), *_named(sessions)), TestClient(app, base_url=BASE_URL) as client:
        yield client


@asynccontextmanager
async def async_client_of(
    app: FastAPI, db: Database, sessions: Sequence[str] = ()
) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client whose requests run in the loop of the caller, as the application's startup did."""
    with override(app, checked(db), *_named(sessions)):
        async with started(app) as serving:
            transport = httpx2.ASGITransport(serving)
            async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as client:
                yield client


def _named(sessions: Sequence[str]) -> list[Callable[..., Any]]:
    return [load(path, "fieldstone_session") for path in sessions]
