"""Every error as problem+json: its status, the field it names, and what it must not say."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2 as httpx
import pytest
from fastapi import Body, FastAPI, Header, HTTPException
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import text

from fieldstone import (
    CommitOutcomeUnknown,
    Database,
    DataError,
    MultipleFound,
    ReadOnlyTransaction,
    StaleVersion,
    TransactionConflict,
    Unavailable,
    create,
)
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession, ReadSession, WriteSession, install
from tests import serving
from tests.faces import Face
from tests.serving import application, client_of, client_on

PROBLEM = "urn:problem-type:fieldstone:"


@pytest.fixture
async def client(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    await face.create_all(serving.METADATA)
    async with client_on(face, application) as client:
        yield client


async def test_a_missing_row_is_404(client: httpx.AsyncClient) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        missing = await client.request(method, "/jobs/7", json={} if method == "PATCH" else None)
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        assert missing.json() == {
            "type": PROBLEM + "not-found",
            "title": "Nothing was found",
            "status": 404,
            "detail": "No Job with key 7 was found.",
        } | {"detail": missing.json()["detail"]}
        assert "Job" in missing.json()["detail"]


async def test_invalid_values_are_422_with_one_entry_for_each_field(client: httpx.AsyncClient) -> None:
    refused = await client.post(
        "/jobs", json={"title": "", "status": "lost", "points": -1, "colour": "hunter2"}
    )
    assert refused.status_code == 422
    document = refused.json()
    assert (document["type"], document["title"]) == (PROBLEM + "invalid-values", "Some values were refused")
    assert {
        (error["in"], error["pointer"], error["field"], error["rule"]) for error in document["errors"]
    } >= {
        ("body", "/title", "title", "string_too_short"),
        ("body", "/status", "status", "literal_error"),
        ("body", "/points", "points", "greater_than_equal"),
    }
    assert "hunter2" not in refused.text
    assert "lost" not in refused.text


async def test_a_missing_field_is_named(client: httpx.AsyncClient) -> None:
    [error] = (await client.post("/jobs", json={})).json()["errors"]
    assert error == {
        "in": "body",
        "pointer": "/title",
        "field": "title",
        "rule": "missing",
        "message": "Field required",
    }


async def test_null_is_refused_where_the_column_is_not_null(client: httpx.AsyncClient) -> None:
    await client.post("/jobs", json={"title": "Write"})
    refused = await client.patch("/jobs/1", json={"title": None})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/title")


async def test_a_duplicate_is_409_and_names_its_field(client: httpx.AsyncClient) -> None:
    await client.post("/teams", json={"name": "Blue"})
    refused = await client.post("/teams", json={"name": "Blue"})
    assert (refused.status_code, refused.json()["type"]) == (409, PROBLEM + "conflict")
    assert refused.json()["errors"] == [
        {
            "in": "body",
            "pointer": "/name",
            "field": "name",
            "rule": "unique",
            "message": "Another row already has this value",
        }
    ]
    assert not any(word in refused.text for word in ("INSERT", "team (", "Blue", "uq_"))


async def test_a_duplicate_made_by_a_patch_is_409_too(client: httpx.AsyncClient) -> None:
    await client.post("/teams", json={"name": "Blue"})
    await client.post("/teams", json={"name": "Red"})
    refused = await client.patch("/teams/2", json={"name": "Blue"})
    assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (409, "unique")
    assert (await client.get("/teams/2")).json()["name"] == "Red"


async def test_a_foreign_key_to_nothing_is_409(client: httpx.AsyncClient) -> None:
    refused = await client.post("/jobs", json={"title": "Write", "team_id": 99})
    assert (refused.status_code, refused.json()["type"]) == (409, PROBLEM + "conflict")


async def test_deleting_what_others_point_to_is_409(client: httpx.AsyncClient) -> None:
    await client.post("/teams", json={"name": "Blue"})
    await client.post("/jobs", json={"title": "Write", "team_id": 1})
    refused = await client.delete("/teams/1")
    assert (refused.status_code, refused.json()["type"]) == (409, PROBLEM + "conflict")
    assert (await client.get("/teams/1")).status_code == 200


async def test_a_path_that_is_not_there_is_a_problem_too(client: httpx.AsyncClient) -> None:
    missing = await client.get("/nowhere")
    assert missing.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }


def app_raising(database: Database, error: Exception) -> FastAPI:
    app = FastAPI()
    install(app, database)

    @app.get("/")
    async def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry_after"),
    [
        (MultipleFound("Job"), 409, "multiple-found", None),
        (StaleVersion("Job", key=1), 409, "stale-version", None),
        (TransactionConflict("met 5 times at 10.0.0.1"), 503, "transaction-conflict", "1"),
        (Unavailable("The database at 10.0.0.1 cannot be reached"), 503, "unavailable", "5"),
        (CommitOutcomeUnknown("lost at 10.0.0.1"), 503, "commit-outcome-unknown", None),
    ],
)
async def test_each_error_has_its_status_and_type(
    database: Database, error: Exception, status: int, kind: str, retry_after: str | None
) -> None:
    async with client_of(app_raising(database, error)) as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["type"]) == (status, PROBLEM + kind)
    assert answer.headers.get("retry-after") == retry_after
    assert "10.0.0.1" not in answer.text


async def test_an_unknown_outcome_tells_the_client_to_look_first(database: Database) -> None:
    async with client_of(app_raising(database, CommitOutcomeUnknown("x"))) as client:
        assert "Read the data before you send the request again" in (await client.get("/")).json()["detail"]


async def test_an_error_of_the_server_is_logged_with_its_cause(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(app_raising(database, Unavailable("at 10.0.0.1"))) as client:
        with caplog.at_level(logging.ERROR, logger="fieldstone"):
            await client.get("/")
    assert "GET /: at 10.0.0.1" in caplog.text


@pytest.mark.parametrize(
    "error", [RuntimeError("secret"), ReadOnlyTransaction("secret"), AttributeError("secret")]
)
async def test_a_mistake_in_the_program_is_500_without_details_and_reaches_the_log(
    database: Database, error: Exception
) -> None:
    app = app_raising(database, error)
    async with client_of(app) as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    with pytest.raises(type(error), match="secret"):
        TestClient(app).get("/")


async def test_a_write_in_a_reading_request_is_500_and_stores_nothing(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = application(face.database, sync=not face.is_async)
    team = serving.TeamCreate(name="Blue")

    @app.get("/sync")
    def write_sync(session: ReadSession) -> None:
        create(session, serving.Team, team)

    @app.get("/async")
    async def write_async(session: AsyncReadSession) -> None:
        await create(session, serving.Team, team)

    async with client_of(app) as client:
        assert (await client.get("/async" if face.is_async else "/sync")).status_code == 500
        assert (await client.get("/teams")).json()["items"] == []


async def test_a_database_error_past_the_verbs_is_explained(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = application(face.database, sync=not face.is_async)

    @app.post("/sync")
    def insert_sync(session: WriteSession) -> None:
        session.connection().execute(text("INSERT INTO team (id, name) VALUES (1, 'Blue'), (2, 'Blue')"))

    @app.post("/async")
    async def insert_async(session: AsyncWriteSession) -> None:
        await (await session.connection()).execute(
            text("INSERT INTO team (id, name) VALUES (1, 'Blue'), (2, 'Blue')")
        )

    async with client_of(app) as client:
        refused = await client.post("/async" if face.is_async else "/sync")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "name")
        assert "INSERT" not in refused.text
        assert "Blue" not in refused.text


async def test_a_database_error_nobody_can_explain_is_500(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = application(face.database, sync=not face.is_async)

    @app.get("/sync")
    def select_sync(session: WriteSession) -> None:
        session.connection().execute(text("SELECT secret FROM nowhere"))

    @app.get("/async")
    async def select_async(session: AsyncWriteSession) -> None:
        await (await session.connection()).execute(text("SELECT secret FROM nowhere"))

    async with client_of(app) as client:
        failed = await client.get("/async" if face.is_async else "/sync")
    assert (failed.status_code, failed.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in failed.text
    assert "nowhere" not in failed.text


class Address(BaseModel):
    street: str


class Order(BaseModel):
    lines: list[Address | int]
    by_name: dict[str, int] = {}


async def test_a_pointer_leads_through_lists_and_unions(database: Database) -> None:
    app = FastAPI()
    install(app, database)

    @app.post("/orders")
    async def order(data: Order) -> None: ...

    async with client_of(app) as client:
        refused = await client.post("/orders", json={"lines": [1, {"street": 5}], "by_name": {"a/b~c": "x"}})
    pointers = {error["pointer"] for error in refused.json()["errors"]}
    assert pointers == {"/lines/1/street", "/lines/1", "/by_name/a~1b~0c"}


async def test_parameters_are_named_where_they_stand(database: Database) -> None:
    app = FastAPI()
    install(app, database)

    @app.post("/things/{id}")
    async def thing(
        id: int,  # noqa: A002
        size: int,
        x_count: Annotated[int, Header()],
        amount: Annotated[int, Body(embed=True)],
    ) -> None: ...

    async with client_of(app) as client:
        refused = await client.post("/things/x?size=y", json={"amount": "z"}, headers={"x-count": "w"})
    assert [(error["in"], error["field"], error.get("pointer")) for error in refused.json()["errors"]] == [
        ("path", "id", None),
        ("query", "size", None),
        ("header", "x-count", None),
        ("body", "amount", "/amount"),
    ]


async def test_the_details_of_an_http_exception_become_members_of_the_problem(database: Database) -> None:
    app = app_raising(
        database, HTTPException(403, {"balance": 30, "detail": "Too little"}, {"X-Reason": "money"})
    )
    async with client_of(app) as client:
        refused = await client.get("/")
    assert refused.headers["x-reason"] == "money"
    assert refused.json() == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Too little",
        "balance": 30,
    }


async def test_a_status_without_a_body_stays_without(database: Database) -> None:
    async with client_of(app_raising(database, HTTPException(304))) as client:
        assert (await client.get("/")).content == b""


async def test_a_status_nobody_registered_is_passed_on(database: Database) -> None:
    async with client_of(app_raising(database, HTTPException(499, "Gone away"))) as client:
        assert (await client.get("/")).json()["status"] == 499


@pytest.mark.parametrize("handled", [StaleVersion, DataError])
async def test_a_handler_that_the_application_adds_before_or_after_wins(
    database: Database, handled: type[Exception]
) -> None:
    async def mine(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("mine", status_code=418)

    before, after = FastAPI(), FastAPI()
    before.add_exception_handler(handled, mine)
    for app in (before, after):
        install(app, database)
        app.get("/")(stale)
    after.add_exception_handler(handled, mine)
    for app in (before, after):
        async with client_of(app) as client:
            assert (await client.get("/")).status_code == 418


async def stale() -> None:
    raise StaleVersion("Job")


async def test_a_handler_for_500_stays(database: Database) -> None:
    async def mine(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("mine", status_code=500)

    app = FastAPI(exception_handlers={500: mine})
    install(app, database)

    @app.get("/")
    async def fail() -> None:
        raise RuntimeError

    async with client_of(app) as client:
        assert (await client.get("/")).text == "mine"
