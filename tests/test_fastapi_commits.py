"""A change is stored before it is answered, or it is refused and nothing of it is seen."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2 as httpx
import psycopg
import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy import event

from fieldstone import create
from fieldstone.fastapi import AsyncWriteSession, WriteSession
from tests import serving
from tests.faces import Face, face_name
from tests.serving import Team, TeamCreate, TeamRead, application, client_of, stored_teams, url_of

BLUE = TeamCreate(name="Blue")


@pytest.fixture
async def app(face: Face) -> FastAPI:
    await face.create_all(serving.METADATA)
    return application(face.database, sync=not face.is_async)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


# What fails at COMMIT


async def test_a_post_whose_commit_fails_is_no_2xx_and_leaves_no_row(client: httpx.AsyncClient) -> None:
    refused = await client.post("/jobs", json={"title": "Write", "checked_late_id": 99})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert (await client.get("/jobs")).json()["items"] == []
    assert (await client.post("/jobs", json={"title": "Write"})).status_code == 201


async def test_a_patch_whose_commit_fails_is_no_2xx_and_changes_nothing(client: httpx.AsyncClient) -> None:
    before = (await client.post("/jobs", json={"title": "Write"})).json()
    refused = await client.patch("/jobs/1", json={"title": "Rewrite", "checked_late_id": 99})
    assert refused.status_code == 409
    assert (await client.get("/jobs/1")).json() == before


async def test_a_delete_whose_commit_fails_is_no_2xx_and_deletes_nothing(client: httpx.AsyncClient) -> None:
    await client.post("/teams", json={"name": "Blue"})
    await client.post("/jobs", json={"title": "Write", "checked_late_id": 1})
    refused = await client.delete("/teams/1")
    assert refused.status_code == 409
    assert (await client.get("/teams/1")).status_code == 200


@pytest.mark.parametrize("face", [(False, "postgresql"), (True, "postgresql")], indirect=True, ids=face_name)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_connection_lost_before_commit_is_no_2xx_and_stores_nothing(
    face: Face, client: httpx.AsyncClient, method: str
) -> None:
    await client.post("/teams", json={"name": "Blue"})
    before = await stored_teams(face)
    with connection_lost_at_commit(face):
        path = "/teams" if method == "POST" else "/teams/1"
        failed = await client.request(method, path, json=None if method == "DELETE" else {"name": "Red"})
    assert (failed.status_code, failed.headers["content-type"]) == (503, "application/problem+json")
    assert failed.json()["type"].endswith(":commit-outcome-unknown")
    assert await stored_teams(face) == before
    assert (await client.post("/teams", json={"name": "Green"})).status_code == 201


@contextlib.contextmanager
def connection_lost_at_commit(face: Face) -> Iterator[None]:
    """Kill the connection's server process when COMMIT is due."""
    engine = face.database.async_engine.sync_engine if face.is_async else face.database.engine

    def cut(connection: Any) -> None:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with psycopg.connect(url_of(face.database), autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])

    event.listen(engine, "commit", cut)
    try:
        yield
    finally:
        event.remove(engine, "commit", cut)


# What raises in the endpoint


@pytest.mark.parametrize("error", [HTTPException(403, "no"), RuntimeError("no"), ValueError("no")])
async def test_whatever_is_raised_after_a_write_undoes_it(
    face: Face, app: FastAPI, client: httpx.AsyncClient, error: Exception
) -> None:
    @app.post("/sync")
    def write_sync(session: WriteSession) -> None:
        create(session, Team, BLUE)
        raise error

    @app.post("/async")
    async def write_async(session: AsyncWriteSession) -> None:
        await create(session, Team, BLUE)
        raise error

    failed = await client.post("/async" if face.is_async else "/sync")
    assert failed.status_code == (403 if isinstance(error, HTTPException) else 500)
    assert await stored_teams(face) == []


async def test_an_answer_that_does_not_fit_its_schema_undoes_the_write(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.post("/sync", response_model=TeamRead)
    def write_sync(session: WriteSession) -> Any:
        create(session, Team, BLUE)
        return {"name": 5}

    @app.post("/async", response_model=TeamRead)
    async def write_async(session: AsyncWriteSession) -> Any:
        await create(session, Team, BLUE)
        return {"name": 5}

    assert (await client.post("/async" if face.is_async else "/sync")).status_code == 500
    assert await stored_teams(face) == []


async def test_a_failed_flush_that_the_endpoint_hides_is_no_2xx(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.post("/sync")
    def write_sync(session: WriteSession) -> None:
        create(session, Team, BLUE)
        with contextlib.suppress(Exception):
            create(session, Team, BLUE)

    @app.post("/async")
    async def write_async(session: AsyncWriteSession) -> None:
        await create(session, Team, BLUE)
        with contextlib.suppress(Exception):
            await create(session, Team, BLUE)

    assert (await client.post("/async" if face.is_async else "/sync")).status_code >= 400
    assert await stored_teams(face) == []


async def test_a_request_cancelled_after_a_write_undoes_it(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    written = threading.Event()

    @app.post("/sync")
    def write_sync(session: WriteSession) -> None:
        create(session, Team, BLUE)
        written.set()
        time.sleep(0.3)

    @app.post("/async")
    async def write_async(session: AsyncWriteSession) -> None:
        await create(session, Team, BLUE)
        written.set()
        await asyncio.sleep(30)

    request = asyncio.create_task(client.post("/async" if face.is_async else "/sync"))
    await asyncio.to_thread(written.wait, 10)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert await stored_teams(face) == []
    assert (await client.post("/teams", json={"name": "Red"})).status_code == 201


async def test_the_row_is_stored_before_the_answer_begins(face: Face, app: FastAPI) -> None:
    seen: list[list[str]] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def observe(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append(await stored_teams(face))
            await send(message)

        await app(scope, receive, observe)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(watched), base_url="http://test") as client:
        assert (await client.post("/teams", json={"name": "Blue"})).status_code == 201
    assert seen == [["Blue"]]
