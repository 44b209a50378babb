"""Addresses and methods as HTTP means them: HEAD, Allow, and an address that no route can read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
from fastapi import APIRouter, FastAPI

from fieldstone import Model, create, get, patch
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession, install, routes
from tests import serving
from tests.faces import Face
from tests.serving import Agent, AgentRead, Job, Team, application, client_of, client_on


class TeamNew(Model):
    name: str


class JobNew(Model):
    title: str


@pytest.fixture
async def client(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    await face.create_all(serving.METADATA)
    async with client_on(face, application) as client:
        yield client


@pytest.fixture
async def by_hand(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    """Give an application whose endpoints are written by hand."""
    await face.create_all(serving.METADATA)
    app = FastAPI()
    install(app, face.database)

    @app.post("/teams/{team_id}/jobs", status_code=201)
    async def add_job(team_id: int, data: JobNew, session: AsyncWriteSession) -> None:
        await create(session, Job, {"title": data.title, "team_id": team_id})

    @app.get("/agents/{id}")
    async def show_agent(id: str, session: AsyncReadSession) -> AgentRead:  # noqa: A002
        return await get(session, Agent, id, AgentRead)

    @app.patch("/teams/{name}")
    async def rename(name: str, data: TeamNew, session: AsyncWriteSession) -> None:
        await patch(session, Team, int(name), {"name": data.name})

    @app.get("/pages/{number:int}")
    async def show_page(number: int) -> int:
        return number

    @app.get("/fails")
    async def fail() -> int:
        return int("9" * 5000)

    async with client_of(app) as client:
        yield client


async def test_head_answers_as_get_does(client: httpx.AsyncClient) -> None:
    await client.post("/teams", json={"name": "A"})
    for address in ("/teams", "/teams/1", "/teams/7", "/teams?colour=red", "/duties/1/@ada"):
        asked, head = await client.get(address), await client.head(address)
        assert (head.status_code, dict(head.headers)) == (asked.status_code, dict(asked.headers)), address


async def test_head_stands_in_no_description(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert not any("head" in path for path in paths.values())


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("/teams", "GET, HEAD, POST"),
        ("/teams/1", "DELETE, GET, HEAD, PATCH"),
        ("/agents/@a", "DELETE, GET, HEAD"),
    ],
)
async def test_a_refused_method_is_told_all_that_the_address_takes(
    client: httpx.AsyncClient, address: str, allowed: str
) -> None:
    for method in ("PUT", "OPTIONS"):
        refused = await client.request(method, address)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert refused.headers["content-type"] == "application/problem+json"


async def test_routes_below_a_prefix_and_in_a_mounted_application_count_too(face: Face) -> None:
    await face.create_all(serving.METADATA)
    outer, inner = FastAPI(), FastAPI()
    nested = APIRouter(prefix="/v1")
    nested.include_router(routes(serving.teams))
    install(inner, face.database)
    inner.include_router(nested)
    outer.mount("/inner", inner)
    async with client_of(outer) as client:
        refused = await client.put("/inner/v1/teams")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_what_came_in_the_address_is_said_to_be_there(by_hand: httpx.AsyncClient) -> None:
    missing = await by_hand.post("/teams/7/jobs", json={"title": "Write"})
    assert missing.status_code == 409
    assert [(one["in"], one["field"]) for one in missing.json()["errors"]] == [("path", "team_id")]
    assert "pointer" not in missing.json()["errors"][0]
    broken = await by_hand.get("/agents/%00")
    assert (broken.status_code, [one["in"] for one in broken.json()["errors"]]) == (422, ["path"])


async def test_a_name_that_is_taken_came_in_the_body(face: Face, by_hand: httpx.AsyncClient) -> None:
    async with face.transaction() as session:
        session.add_all([Team(id=1, name="A"), Team(id=2, name="B")])
    taken = await by_hand.patch("/teams/1", json={"name": "B"})
    assert taken.status_code == 409
    assert [(one["in"], one["pointer"]) for one in taken.json()["errors"]] == [("body", "/name")]


async def test_a_member_whose_name_is_no_text_is_named_in_ascii(by_hand: httpx.AsyncClient) -> None:
    refused = await by_hand.patch(
        "/teams/1", content=rb'{"name": "A", "b\ud800": 1}', headers={"Content-Type": "application/json"}
    )
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["b\\ud800"]


async def test_a_number_of_too_many_digits_is_no_address(by_hand: httpx.AsyncClient) -> None:
    assert (await by_hand.get("/pages/12")).json() == 12
    lost = await by_hand.get("/pages/" + "9" * 5000)
    assert (lost.status_code, lost.headers["content-type"]) == (404, "application/problem+json")


async def test_the_same_error_of_an_endpoint_stays_its_own(by_hand: httpx.AsyncClient) -> None:
    assert (await by_hand.get("/fails")).status_code == 500
