"""install(app, db): start-up, shutdown, and what it refuses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from fieldstone import ConfigurationError, Database
from fieldstone.fastapi import install
from tests import serving
from tests.faces import Face
from tests.serving import application, client_of


def test_the_lifespan_of_the_application_is_kept_and_the_database_closed_after_it(tmp_path: Path) -> None:
    events: list[str] = []
    db = Database(f"sqlite:///{tmp_path / 'a.db'}")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        db.create_all(serving.METADATA)
        events.append("start")
        yield {"motto": "kept"}
        with db.transaction() as session:
            events.append(f"stop with {len(session.exec(serving.teams.select()).all())} teams")

    app = FastAPI(lifespan=lifespan)
    install(app, db)

    @app.get("/motto")
    async def motto() -> dict[str, str]:
        return {"motto": events[-1]}

    with TestClient(app) as client:
        assert client.get("/motto").json() == {"motto": "start"}
        pool = db.engine.pool
    assert events == ["start", "stop with 0 teams"]
    assert db.engine.pool is not pool


def test_an_application_can_start_again(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'a.db'}")
    db.create_all(serving.METADATA)
    app = application(db, sync=False)
    for number in (1, 2):
        with TestClient(app) as client:
            assert client.post("/teams", json={"name": f"Team {number}"}).status_code == 201


def test_the_database_is_closed_when_start_up_fails(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'a.db'}")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await db.create_all_async(serving.METADATA)
        if app.title == "Jobs":
            raise RuntimeError("no start")
        yield

    app = FastAPI(title="Jobs", lifespan=lifespan)
    install(app, db)
    with pytest.raises(RuntimeError, match="no start"), TestClient(app):
        pass
    db.close()  # raises where the asynchronous face is still open


def test_the_lifespan_of_a_router_runs_inside_the_databases() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        events.append("start")
        yield
        events.append("stop")

    app = FastAPI()
    install(app, Database("sqlite://"))
    app.include_router(APIRouter(lifespan=lifespan))
    with TestClient(app):
        assert events == ["start"]
    assert events == ["start", "stop"]


def test_starting_does_not_connect() -> None:
    app = FastAPI()
    install(app, Database("postgresql://nobody@127.0.0.1:1/none"))

    @app.get("/alive")
    async def alive() -> bool:
        return True

    with TestClient(app) as client:
        assert client.get("/alive").json() is True


def test_without_fastapi_the_error_says_what_to_install() -> None:
    program = "import sys; sys.modules['fastapi'] = None; import fieldstone.fastapi"
    failed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert failed.stderr.rstrip().endswith("Install it with: pip install 'fieldstone[fastapi]'")


def test_a_second_install_is_refused() -> None:
    app = FastAPI(title="Jobs")
    install(app, Database("sqlite://"))
    with pytest.raises(
        ConfigurationError, match=r"'Jobs' already has a database. Call install\(app, db\) once"
    ):
        install(app, Database("sqlite://"))


def test_an_install_after_the_start_is_refused() -> None:
    app = FastAPI(title="Jobs")
    TestClient(app).get("/")
    with pytest.raises(ConfigurationError, match="'Jobs' has already started"):
        install(app, Database("sqlite://"))


def test_an_extended_schema_of_the_api_stays_extended(database: Database) -> None:
    app = application(database, sync=False)
    own = app.openapi

    def extended() -> dict[str, object]:
        return {**own(), "x-mine": True}

    app.openapi = extended  # type: ignore[method-assign]  # as FastAPI's documentation does
    document = TestClient(app).get("/openapi.json").json()
    assert document["x-mine"] is True
    assert document["components"]["schemas"]["ProblemDetails"]["required"] == ["title", "status"]


async def test_routes_added_later_are_documented_too(face: Face) -> None:
    app = application(face.database, sync=not face.is_async)
    app.openapi()

    @app.get("/later/{number}")
    async def later(number: int) -> int:
        return number

    async with client_of(app) as client:
        document = (await client.get("/openapi.json")).json()
    assert list(document["paths"]["/later/{number}"]["get"]["responses"]["422"]["content"]) == [
        "application/problem+json"
    ]
    assert "ProblemDetails" in document["components"]["schemas"]


SERVED = """
from contextlib import asynccontextmanager

from fastapi import FastAPI

from fieldstone import Database
from fieldstone.fastapi import install, routes
from tests import serving

db = Database()


@asynccontextmanager
async def lifespan(app):
    await db.create_all_async(serving.METADATA)
    yield


app = FastAPI(lifespan=lifespan)
install(app, db)
app.include_router(routes(serving.teams))
"""


def test_two_workers_that_start_at_once_both_serve(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(SERVED)
    base = f"http://127.0.0.1:{free_port()}"
    with served_by_two_workers(base, database_url, tmp_path) as server, httpx.Client(base_url=base) as client:
        until_served(client, server)
        created = {client.post("/teams", json={"name": f"Team {n}"}).status_code for n in range(10)}
        assert created == {201}
        assert client.get("/teams?total=true").json()["total"] == 10


@contextmanager
def served_by_two_workers(base: str, url: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    path = os.pathsep.join([str(directory), str(Path(__file__).parents[1])])
    port = base.rpartition(":")[2]
    command = [sys.executable, "-m", "uvicorn", "served:app", "--workers", "2", "--port", port]
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": path}
    server = subprocess.Popen(
        [*command, "--log-level", "warning"],
        cwd=directory,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield server
    finally:
        server.terminate()
        _, said = server.communicate(timeout=20)
    assert "Traceback" not in said, said
    assert "died" not in said, said


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def until_served(client: httpx.Client, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert client.get("/teams").status_code == 200
            return
        except httpx.TransportError:
            assert server.poll() is None, "the server did not start"
            if time.monotonic() > deadline:
                server.terminate()
                pytest.fail(f"the server did not answer: {server.communicate()[1]}")
            time.sleep(0.2)
