"""One request is one session: who shares it, when it ends, and where there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2 as httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from sqlalchemy import QueuePool, event
from sqlalchemy.exc import InvalidRequestError
from sqlmodel import select
from starlette.websockets import WebSocketDisconnect

from fieldstone import ConfigurationError, Database, count, create, exists, get
from fieldstone.fastapi import (
    AsyncAutocommit,
    AsyncReadSession,
    AsyncWriteSession,
    Autocommit,
    CurrentDatabase,
    ReadSession,
    WriteSession,
    database,
    install,
)
from tests import serving
from tests.conftest import FreshUrl
from tests.faces import Face
from tests.serving import Team, TeamCreate, TeamRead, application, client_of, stored_teams

BLUE = TeamCreate(name="Blue")


@pytest.fixture
async def app(face: Face) -> FastAPI:
    await face.create_all(serving.METADATA)
    return application(face.database, sync=not face.is_async)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


# One session for one request


def first_write(session: WriteSession) -> int:
    create(session, Team, BLUE)
    return id(session)


async def first_async_write(session: AsyncWriteSession) -> int:
    await create(session, Team, BLUE)
    return id(session)


async def test_dependencies_of_one_request_share_its_session(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.post("/sync")
    def second(
        first: Annotated[int, Depends(first_write)], session: WriteSession, reading: ReadSession
    ) -> bool:
        return first == id(session) == id(reading) and exists(reading, select(Team))

    @app.post("/async")
    async def second_async(
        first: Annotated[int, Depends(first_async_write)],
        session: AsyncWriteSession,
        reading: AsyncReadSession,
    ) -> bool:
        return first == id(session) == id(reading) and await exists(reading, select(Team))

    assert (await client.post("/async" if face.is_async else "/sync")).json() is True


async def test_an_endpoint_of_one_verb_needs_no_session(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.post("/sync")
    def write(db: Autocommit) -> int:
        create(db, Team, BLUE)
        return count(db, select(Team))

    @app.post("/async")
    async def write_async(db: AsyncAutocommit) -> int:
        await create(db, Team, BLUE)
        return await count(db, select(Team))

    address = "/async" if face.is_async else "/sync"
    assert (await client.post(address)).json() == 1
    assert (await client.post(address)).status_code == 409  # its name is taken, and the first stays stored
    assert await stored_teams(face) == ["Blue"]
    assert connections_in_use(face) == 0


def counted(session: ReadSession) -> int:
    return count(session, select(Team))


async def counted_async(session: AsyncReadSession) -> int:
    return await count(session, select(Team))


async def test_a_dependency_may_read_before_the_endpoint_writes(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.post("/sync")
    def write(before: Annotated[int, Depends(counted)], session: WriteSession) -> list[int]:
        create(session, Team, BLUE)
        return [before, connections_in_use(face)]

    @app.post("/async")
    async def write_async(
        before: Annotated[int, Depends(counted_async)], session: AsyncWriteSession
    ) -> list[int]:
        await create(session, Team, BLUE)
        return [before, connections_in_use(face)]

    assert (await client.post("/async" if face.is_async else "/sync")).json() == [0, 1]
    assert await stored_teams(face) == ["Blue"]
    assert connections_in_use(face) == 0


def found_team(session: ReadSession) -> Team:
    return session.exec(select(Team)).one()


async def found_team_async(session: AsyncReadSession) -> Team:
    return (await session.exec(select(Team))).one()


async def test_what_a_dependency_read_can_be_written_to_by_the_endpoint(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.post("/sync")
    def write(team: Annotated[Team, Depends(found_team)], session: WriteSession) -> None:
        session.add(serving.Job(title="Write", team=team))

    @app.post("/async")
    async def write_async(
        team: Annotated[Team, Depends(found_team_async)], session: AsyncWriteSession
    ) -> None:
        session.add(serving.Job(title="Write", team=team))

    await client.post("/teams", json={"name": "Blue"})
    assert (await client.post("/async" if face.is_async else "/sync")).status_code == 200
    assert (await client.get("/jobs/1")).json()["team"]["name"] == "Blue"


async def test_a_reading_session_is_over_when_the_writing_one_begins(face: Face, app: FastAPI) -> None:
    @app.post("/sync")
    def write(reading: ReadSession, session: WriteSession) -> int:
        return count(reading, select(Team))

    @app.post("/async")
    async def write_async(reading: AsyncReadSession, session: AsyncWriteSession) -> int:
        return await count(reading, select(Team))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        with pytest.raises(InvalidRequestError, match="permanently closed"):
            await client.post("/async" if face.is_async else "/sync")


def connections_in_use(face: Face) -> int:
    pool = (face.database.async_engine if face.is_async else face.database.engine).pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def test_a_request_cannot_have_both_faces(face: Face, app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.post("/both")
    async def both(one: ReadSession, two: AsyncWriteSession) -> None: ...

    assert (await client.post("/both")).status_code == 500
    with pytest.raises(ConfigurationError, match="asks for both Session and AsyncSession"):
        await httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test").post("/both")


async def test_twenty_requests_at_once_have_a_session_each(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.get("/sync")
    def session_sync(session: ReadSession) -> int:
        count(session, select(Team))
        alive.append(session)
        return id(session)

    @app.get("/async")
    async def session_async(session: AsyncReadSession) -> int:
        await count(session, select(Team))
        alive.append(session)
        return id(session)

    alive: list[Any] = []
    path = "/async" if face.is_async else "/sync"
    answers = await asyncio.gather(*(client.get(path) for _ in range(20)))
    assert len({answer.json() for answer in answers}) == 20
    assert connections_in_use(face) == 0


async def test_twenty_writes_at_once_are_all_stored(face: Face, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/teams", json={"name": f"Team {n}"}) for n in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 20
    assert len(await stored_teams(face)) == 20


async def test_more_requests_than_threads_and_connections_are_all_answered(fresh_url: FreshUrl) -> None:
    async with Database(fresh_url("sqlite"), pool_size=2, max_overflow=0, pool_timeout=60) as small:
        small.create_all(serving.METADATA)
        app = application(small, sync=True)

        @app.get("/")
        def read(before: Annotated[int, Depends(counted)], session: ReadSession) -> bool:
            return before == count(session, select(Team))

        async with client_of(app) as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(120)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_request_that_waits_too_long_for_a_connection_is_503(fresh_url: FreshUrl) -> None:
    async with Database(fresh_url("sqlite"), pool_size=1, max_overflow=0, pool_timeout=0.1) as small:
        small.create_all(serving.METADATA)
        app = application(small, sync=True)

        @app.get("/slow")
        def slow(session: ReadSession) -> int:
            time.sleep(0.5)
            return count(session, select(Team))

        async with client_of(app) as client:
            answers = await asyncio.gather(client.get("/slow"), client.get("/slow"))
    assert sorted(answer.status_code for answer in answers) == [200, 503]


async def test_a_refused_request_takes_no_connection(face: Face, client: httpx.AsyncClient) -> None:
    taken = []
    engine = face.database.async_engine.sync_engine if face.is_async else face.database.engine
    event.listen(engine, "checkout", lambda *_: taken.append(1))
    assert (await client.post("/teams", json={})).status_code == 422
    assert taken == []


# Past the answer


async def test_what_was_read_can_be_used_in_a_background_task(
    face: Face, app: FastAPI, client: httpx.AsyncClient
) -> None:
    told: list[str] = []

    @app.post("/sync")
    def write_sync(session: WriteSession, later: BackgroundTasks) -> None:
        team = create(session, Team, BLUE)
        later.add_task(lambda: told.append(f"{team.id} {team.name}"))

    @app.post("/async")
    async def write_async(session: AsyncWriteSession, later: BackgroundTasks) -> None:
        team = await create(session, Team, BLUE)
        later.add_task(lambda: told.append(f"{team.id} {team.name}"))

    await client.post("/async" if face.is_async else "/sync")
    assert told == ["1 Blue"]


async def test_a_session_used_after_the_answer_says_that_it_is_over(face: Face, app: FastAPI) -> None:
    """It would begin a transaction that nobody ends."""

    @app.post("/sync")
    def read_later(session: ReadSession, later: BackgroundTasks) -> None:
        later.add_task(lambda: count(session, select(Team)))

    @app.post("/async")
    async def read_later_async(session: AsyncReadSession, later: BackgroundTasks) -> None:
        async def task() -> None:
            await count(session, select(Team))

        later.add_task(task)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        with pytest.raises(InvalidRequestError, match="permanently closed"):
            await client.post("/async" if face.is_async else "/sync")
    assert connections_in_use(face) == 0


# Where there can be no session


def test_an_application_without_a_database_says_so(database: Database) -> None:
    app, mounted = FastAPI(title="Outer"), FastAPI(title="Inner")
    install(app, database)
    app.mount("/inner", mounted)

    @mounted.get("/")
    async def read(session: AsyncReadSession) -> None: ...

    with pytest.raises(
        ConfigurationError, match=r"'Inner' has no database: install\(app, db\) was not called on it"
    ):
        TestClient(app).get("/inner/")


async def test_a_mounted_application_has_its_own_install(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = FastAPI()
    install(app, face.database)
    app.mount("/inner", application(face.database, sync=not face.is_async))
    async with client_of(app) as client:
        created = await client.post("/inner/teams", json={"name": "Blue"})
        assert (created.status_code, created.headers["location"]) == (201, "/inner/teams/1")
        assert (await client.get(created.headers["location"])).status_code == 200


async def test_a_websocket_opens_a_transaction_for_each_message(face: Face, app: FastAPI) -> None:
    @app.websocket("/held")
    async def held(socket: WebSocket, session: AsyncReadSession) -> None: ...

    @app.websocket("/each")
    async def each(socket: WebSocket, db: CurrentDatabase) -> None:
        await socket.accept()
        async for name in socket.iter_text():
            with db.transaction() as session:
                team = create(session, Team, TeamCreate(name=name))
            await socket.send_json(team.id)

    client = TestClient(app)
    refused = pytest.raises(ConfigurationError, match="A websocket has no session of its own")
    with refused, client.websocket_connect("/held"):
        pass
    with client.websocket_connect("/each") as socket:
        socket.send_text("Red")
        assert socket.receive_json() == 1


async def test_an_error_on_an_open_websocket_closes_it_with_a_reason(face: Face, app: FastAPI) -> None:
    @app.websocket("/")
    async def fail(socket: WebSocket, db: CurrentDatabase) -> None:
        await socket.accept()
        with db.transaction(read_only=True) as session:
            get(session, Team, 7, TeamRead)

    with TestClient(app).websocket_connect("/") as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()
    assert (closed.value.code, closed.value.reason) == (1008, "Nothing was found")


# In tests


async def test_a_test_replaces_the_database_in_one_line(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = application(Database("sqlite:////nowhere/at/all.db"), sync=not face.is_async)
    app.dependency_overrides[database] = lambda: face.database
    async with client_of(app) as client:
        assert (await client.post("/teams", json={"name": "Blue"})).status_code == 201
    assert await stored_teams(face) == ["Blue"]


async def test_a_database_that_cannot_be_reached_is_503(face: Face) -> None:
    if face.dialect == "sqlite":
        unreachable = Database("sqlite:////nowhere/at/all.db")
    else:
        unreachable = Database("postgresql://nobody@127.0.0.1:1/none", connect_attempts=1)
    async with client_of(application(unreachable, sync=not face.is_async)) as client:
        failed = await client.get("/teams")
    assert (failed.status_code, failed.headers["retry-after"]) == (503, "5")
    assert "127.0.0.1" not in failed.text
    assert "nowhere" not in failed.text
    await unreachable.aclose()
