"""Resources with a scope: what a request finds and may write, and what OpenAPI says of it (P29)."""

from __future__ import annotations

from typing import Annotated, Any

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from sqlmodel import col, select

from fieldstone import Model, Resource, count, partial, within
from fieldstone.fastapi import AsyncReadSession, ReadSession, install, routes
from tests.faces import Face
from tests.serving import client_of
from tests.tenants import METADATA, Area, Job, JobRead, stock


class JobCreate(Model):
    title: str
    area_id: int | None = None


class JobCreateFull(JobCreate):
    owner_id: int


@partial
class JobUpdate(JobCreateFull):
    points: int


class AreaRead(Model):
    id: int
    slug: str


def owner(token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> int:
    if not token.credentials.isdigit():
        raise HTTPException(401, "Who are you?")
    return int(token.credentials)


def of_owner(owner_id: Annotated[int, Depends(owner)]) -> dict[str, int] | None:
    """An administrator, who is 0, may touch all rows."""
    return {"owner_id": owner_id} if owner_id else None


async def above(least: Annotated[int, Header()] = 0) -> Any:
    return Area.id > least  # type: ignore[operator]


jobs = Resource(
    Job,
    read=JobRead,
    create=JobCreate,
    update=JobUpdate,
    filters=["title", "area.slug"],
    search=["title"],
    sort=["title"],
    exports=["ndjson"],
    scope=of_owner,
)
full = Resource(Job, read=JobRead, create=JobCreateFull, name="full_jobs", subject="full_job", scope=of_owner)
areas = Resource(Area, read=AreaRead, scope=above)


def application(face: Face) -> FastAPI:
    app = FastAPI(title="Tenants")
    install(app, face.database)
    for resource in (jobs, full, areas):
        app.include_router(routes(resource, sync=not face.is_async))

    @app.get("/counted")
    async def counted(session: AsyncReadSession, owner_id: Annotated[int, Depends(owner)]) -> int:
        within(session, Job, {"owner_id": owner_id})
        return await count(session, select(Job))

    @app.get("/counted-in-a-thread")
    def counted_in_a_thread(session: ReadSession, owner_id: Annotated[int, Depends(owner)]) -> int:
        within(session, Job, col(Job.owner_id) == owner_id)
        return count(session, select(Job))

    return app


def as_owner(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {number}"}


@pytest.fixture
async def tenants(face: Face) -> Face:
    await face.create_all(METADATA)
    await stock(face)
    return face


def titles(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return sorted(one["title"] for one in response.json()["items"])


async def test_a_list_shows_the_rows_of_the_request(tenants: Face) -> None:
    async with client_of(application(tenants)) as client:
        assert titles(await client.get("/jobs", headers=as_owner(7))) == ["first", "fourth", "second"]
        assert titles(await client.get("/jobs", headers=as_owner(8))) == ["third"]
        assert titles(await client.get("/jobs", headers=as_owner(9))) == []
        assert len(titles(await client.get("/jobs", headers=as_owner(0)))) == 4
        counted = await client.get("/jobs?total=true&q=ir", headers=as_owner(8))
        assert (titles(counted), counted.json()["total"]) == (["third"], 1)
        assert titles(await client.get("/jobs?area.slug=mine&sort=title", headers=as_owner(7))) == ["first"]
        exported = await client.get("/jobs.ndjson", headers=as_owner(8))
        assert exported.text == '{"id":3,"title":"third"}\n'
        assert (await client.get("/jobs", headers={"Authorization": "Bearer x"})).status_code == 401
        shown = await client.get("/areas", headers={"least": "1"})
        assert [one["id"] for one in shown.json()["items"]] == [2]


async def test_a_row_outside_is_not_found(tenants: Face) -> None:
    async with client_of(application(tenants)) as client:
        calls = [
            client.get("/jobs/3", headers=as_owner(7)),
            client.head("/jobs/3", headers=as_owner(7)),
            client.patch("/jobs/3", json={"points": 9}, headers=as_owner(7)),
            client.delete("/jobs/3", headers=as_owner(7)),
        ]
        assert [(await call).status_code for call in calls] == [404, 404, 404, 404]
        refused = await client.get("/jobs/3", headers=as_owner(7))
        assert refused.json()["detail"] == "No Job with key 3 was found."
        assert (await client.get("/jobs/3", headers=as_owner(8))).json()["title"] == "third"
        assert (await client.patch("/jobs/3", json={"points": 9}, headers=as_owner(0))).status_code == 200


async def test_a_new_row_gets_what_the_scope_says_and_nothing_else(tenants: Face) -> None:
    async with client_of(application(tenants)) as client:
        made = await client.post("/jobs", json={"title": "mine"}, headers=as_owner(7))
        assert made.status_code == 201, made.text
        assert titles(await client.get("/jobs?title=mine", headers=as_owner(7))) == ["mine"]
        assert (
            await client.post("/full_jobs", json={"title": "x", "owner_id": 7}, headers=as_owner(7))
        ).is_success
        for call in (
            client.post("/full_jobs", json={"title": "y", "owner_id": 8}, headers=as_owner(7)),
            client.patch("/jobs/1", json={"owner_id": 8}, headers=as_owner(7)),
        ):
            refused = await call
            assert refused.status_code == 403
            assert refused.headers["content-type"] == "application/problem+json"
            problem = refused.json()
            assert problem["type"] == "urn:problem-type:fieldstone:out-of-scope"
            assert problem["detail"] == (
                "Job refuses owner_id: the row would lie outside what may be touched here. "
                "Send values that lie within, or leave them out."
            )
            [error] = problem["errors"]
            assert (error["in"], error["pointer"], error["rule"]) == ("body", "/owner_id", "out_of_scope")
        missing = await client.post("/jobs", json={"title": "z"}, headers=as_owner(0))
        assert missing.status_code == 422
        assert missing.json()["errors"][0]["field"] == "owner_id"
        assert titles(await client.get("/jobs", headers=as_owner(8))) == ["third"]


async def test_an_endpoint_of_ones_own_says_the_same(tenants: Face) -> None:
    async with client_of(application(tenants)) as client:
        for path in ("/counted", "/counted-in-a-thread"):
            counts = [(await client.get(path, headers=as_owner(one))).json() for one in (7, 8, 9)]
            assert counts == [3, 1, 0]


async def test_openapi_tells_what_the_scope_asks_for(face: Face) -> None:
    described = application(face).openapi()
    listed, created = described["paths"]["/jobs"]["get"], described["paths"]["/jobs"]["post"]
    assert listed["security"] == created["security"] == [{"HTTPBearer": []}]
    assert "403" in created["responses"]
    assert "403" not in listed["responses"]
    assert not {"scope", "_scope"} & {one["name"] for one in listed["parameters"]}
    [least] = [one for one in described["paths"]["/areas"]["get"]["parameters"] if one["in"] == "header"]
    assert least["name"] == "least"
