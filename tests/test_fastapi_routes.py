"""The generated routes, as a client meets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from openapi_spec_validator import validate
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from fieldstone import DesignError, Resource, get, patch
from fieldstone.fastapi import AsyncWriteSession, install, problem_responses, routes
from fieldstone.testing import count_statements
from tests import serving
from tests.faces import Face
from tests.serving import application, client_of, client_on


class PlainModel(SQLModel, registry=registry(metadata=MetaData())):
    """Stand beside no other table."""


class Hero(PlainModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


class HeroRead(SQLModel):
    id: int
    name: str


class HeroCreate(SQLModel):
    name: str


@pytest.fixture
async def client(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    await face.create_all(serving.METADATA)
    async with client_on(face, application) as client:
        yield client


async def test_a_created_row_is_answered_201_with_its_location(client: httpx.AsyncClient) -> None:
    created = await client.post("/jobs", json={"title": "Write"})
    assert (created.status_code, created.headers["location"]) == (201, "/jobs/1")
    assert created.json() == {
        "title": "Write",
        "status": "open",
        "points": 0,
        "weight": 1.0,
        "team_id": None,
        "id": 1,
        "details": None,
        "team": None,
    }
    assert (await client.get(created.headers["location"])).json() == created.json()


async def test_a_location_stands_below_the_root_path_of_a_proxy(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = application(face.database, sync=not face.is_async)
    transport = httpx.ASGITransport(app, root_path="/v1")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for number, path in ((1, "/teams"), (2, "/v1/teams")):  # from a proxy that strips the root, or not
            created = await client.post(path, json={"name": f"Team {number}"})
            assert created.headers["location"] == f"/v1/teams/{number}"


async def test_a_patch_changes_the_sent_fields_and_answers_the_fresh_row(client: httpx.AsyncClient) -> None:
    await client.post("/teams", json={"name": "Blue"})
    await client.post("/jobs", json={"title": "Write", "points": 3})
    changed = await client.patch("/jobs/1", json={"team_id": 1})
    assert changed.status_code == 200
    assert changed.json() == (await client.get("/jobs/1")).json()
    assert (changed.json()["points"], changed.json()["team"]) == (3, {"name": "Blue", "id": 1})


async def test_an_empty_patch_changes_nothing(client: httpx.AsyncClient) -> None:
    created = (await client.post("/jobs", json={"title": "Write"})).json()
    unchanged = await client.patch("/jobs/1", json={})
    assert (unchanged.status_code, unchanged.json()) == (200, created)


async def test_a_deleted_row_is_answered_204_without_a_body_and_is_gone(client: httpx.AsyncClient) -> None:
    await client.post("/jobs", json={"title": "Write"})
    deleted = await client.delete("/jobs/1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await client.get("/jobs/1")).status_code == 404


async def test_a_list_is_a_page(client: httpx.AsyncClient) -> None:
    for name in ("Red", "Green", "Blue"):
        await client.post("/teams", json={"name": name})
    assert (await client.get("/teams", params={"size": 1, "offset": 1})).json() == {
        "items": [{"name": "Green", "id": 2}],
        "size": 1,
        "offset": 1,
        "has_more": True,
        "total": None,
        "total_capped": False,
        "links": {
            "first": "/teams?size=1",
            "prev": "/teams?size=1&offset=0",
            "next": "/teams?size=1&offset=2",
            "last": None,
        },
    }
    assert (await client.get("/teams?total=true")).json()["total"] == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "statements"),
    [
        ("GET", "/jobs", None, serving.jobs.plan.budget),
        ("GET", "/jobs?total=true", None, serving.jobs.plan.budget + 1),
        ("GET", "/jobs/1", None, serving.jobs.plan.budget),
        ("POST", "/jobs", {"title": "Write"}, 1 + serving.jobs.plan.budget),
        ("PATCH", "/jobs/1", {"title": "Rewrite"}, 2 + serving.jobs.plan.budget),
        ("PATCH", "/jobs/1", {}, 1 + serving.jobs.plan.budget),
        ("DELETE", "/jobs/1", None, 2),
    ],
)
async def test_a_route_runs_no_statement_too_many(
    face: Face, client: httpx.AsyncClient, method: str, path: str, body: Any, statements: int
) -> None:
    await client.post("/teams", json={"name": "Blue"})
    for _ in range(3):
        await client.post("/jobs", json={"title": "Write", "team_id": 1})
    with count_statements(face.database) as ran:
        assert (await client.request(method, path, json=body)).is_success
    if method == "DELETE" and face.dialect == "postgresql":
        statements -= 1  # SQLite does with one as well where nobody counts, and is in a session here
    assert len(ran) == statements, ran


async def test_of_two_who_create_the_same_at_once_one_is_refused(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/teams", json={"name": "Blue"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
    assert (await client.get("/teams?total=true")).json()["total"] == 1


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("size=51", "size", "less_than_equal"),
        ("size=0", "size", "greater_than_equal"),
        ("offset=-1", "offset", "greater_than_equal"),
        ("offset=99999999999", "offset", "less_than_equal"),
        ("size=many", "size", "int_parsing"),
        ("pagesize=5", "pagesize", "unknown_parameter"),
    ],
)
async def test_a_query_outside_its_bounds_is_refused_by_name(
    client: httpx.AsyncClient, query: str, field: str, rule: str
) -> None:
    refused = await client.get(f"/jobs?{query}")
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert (error["in"], error["field"], error["rule"]) == ("query", field, rule)


async def test_an_unknown_parameter_is_answered_with_those_that_are_known(client: httpx.AsyncClient) -> None:
    refused = await client.get("/jobs?colour=red&size=2")
    assert refused.json()["errors"][0]["message"] == "Unknown parameter. Known are: size, offset, total"


def by_language(language: str = "en") -> None:
    """Stand for a dependency with a parameter of its own."""


async def test_a_parameter_of_a_dependency_is_known_to_a_list(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(serving.teams, sync=not face.is_async), dependencies=[Depends(by_language)])
    async with client_of(app) as client:
        assert (await client.get("/teams?language=fr&size=1")).status_code == 200
        refused = await client.get("/teams?langauge=fr")
    assert (
        refused.json()["errors"][0]["message"]
        == "Unknown parameter. Known are: size, offset, total, language"
    )


async def test_a_text_key_works_percent_encoded_or_not(client: httpx.AsyncClient) -> None:
    agent = {"id": "@claude-code/été", "name": "Claude"}
    created = await client.post("/agents", json={**agent, "id": "@claude-code", "password": "long enough"})
    assert (created.status_code, created.headers["location"]) == (201, "/agents/%40claude-code")
    for path in ("/agents/@claude-code", "/agents/%40claude-code"):
        assert (await client.get(path)).json() == {"id": "@claude-code", "name": "Claude"}


async def test_a_composite_key_is_one_segment_for_each_part(client: httpx.AsyncClient) -> None:
    await client.post("/jobs", json={"title": "Write"})
    await client.post("/agents", json={"id": "@ada", "name": "Ada", "password": "long enough"})
    created = await client.post("/duties", json={"job_id": 1, "agent_id": "@ada"})
    assert (created.status_code, created.headers["location"]) == (201, "/duties/1/%40ada")
    assert (await client.patch("/duties/1/@ada", json={"role": "lead"})).json()["role"] == "lead"
    assert (await client.delete("/duties/1/@ada")).status_code == 204


@pytest.mark.parametrize("key", ["abc", "1.5", "99999999999", "1" + "0" * 400, "%00", "-99999999999"])
async def test_a_key_that_no_row_can_have_is_refused(client: httpx.AsyncClient, key: str) -> None:
    for method in ("GET", "DELETE"):
        refused = await client.request(method, f"/jobs/{key}")
        assert refused.status_code == 422, key
        assert [(error["in"], error["field"]) for error in refused.json()["errors"]] == [("path", "id")]


@pytest.mark.parametrize("key", ["%00", "a%00b", "%ff%fe", "x" * 5000, "%ed%a0%80"])
async def test_no_text_key_is_an_error_of_the_server(client: httpx.AsyncClient, key: str) -> None:
    assert (await client.get(f"/agents/{key}")).status_code in (404, 422)


async def test_a_private_column_never_leaves(client: httpx.AsyncClient) -> None:
    created = await client.post("/agents", json={"id": "@ada", "name": "Ada", "password": "long enough"})
    assert created.json() == {"id": "@ada", "name": "Ada"}
    assert "secret" not in (await client.get("/jobs")).text


async def test_a_resource_without_update_has_no_patch(client: httpx.AsyncClient) -> None:
    refused = await client.patch("/agents/@ada", json={"name": "x"})
    assert (refused.status_code, refused.headers["content-type"]) == (405, "application/problem+json")
    assert refused.headers["allow"] == "DELETE, GET, HEAD"


async def test_a_hand_written_endpoint_takes_the_place_of_a_generated_one(face: Face) -> None:
    await face.create_all(serving.METADATA)
    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(serving.jobs, exclude=("patch",)))

    @app.patch("/jobs/{id}", responses=problem_responses(404, 409, 422))
    async def patch_job(
        id: int,  # noqa: A002
        data: serving.JobUpdate,
        session: AsyncWriteSession,
    ) -> serving.JobRead:
        await patch(session, serving.Job, id, data)
        return await get(session, serving.Job, id, serving.JobRead)

    async with client_of(app) as client:
        await client.post("/jobs", json={"title": "Write"})
        assert (await client.patch("/jobs/1", json={"title": "Rewrite"})).json()["title"] == "Rewrite"
        assert (await client.patch("/jobs/2", json={"title": "Rewrite"})).status_code == 404
        assert (await client.get("/jobs/1")).json()["title"] == "Rewrite"


async def test_dependencies_of_the_router_guard_every_route(face: Face) -> None:
    def refuse() -> None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})

    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(serving.jobs, sync=not face.is_async, dependencies=[Depends(refuse)]))
    async with client_of(app) as client:
        for method, path in [("GET", "/jobs"), ("POST", "/jobs"), ("GET", "/jobs/1"), ("PATCH", "/jobs/1")]:
            refused = await client.request(
                method, path, json={"title": "x"} if method in ("POST", "PATCH") else None
            )
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_plain_sqlmodel_table_can_be_served(face: Face) -> None:
    await face.create_all(PlainModel.metadata)
    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(Resource(Hero, read=HeroRead, create=HeroCreate), sync=not face.is_async))
    async with client_of(app) as client:
        assert (await client.post("/heros", json={"name": "Deadpond"})).status_code == 201
        assert (await client.get("/heros/1")).json() == {"id": 1, "name": "Deadpond"}
        assert (await client.get("/heros/99999999999")).status_code == 422


def test_only_and_exclude_choose_the_routes() -> None:
    assert _operations(routes(serving.jobs, only=("list", "get"))) == {"list_jobs", "get_job"}
    assert _operations(routes(serving.jobs, exclude=("delete", "patch"))) == {
        "list_jobs",
        "get_job",
        "create_job",
    }


def test_a_name_that_is_no_operation_is_refused() -> None:
    with pytest.raises(
        DesignError, match=r"'remove' is no operation of a resource\. Choose from: list, create, get"
    ):
        routes(serving.jobs, exclude=("remove",))  # type: ignore[arg-type]  # the mistake is the test


def test_an_operation_without_its_schema_is_refused() -> None:
    with pytest.raises(DesignError, match="'agents' cannot patch: it has no update schema"):
        routes(serving.agents, only=("patch",))


@pytest.mark.parametrize("sync", [True, False])
def test_the_schema_of_the_api_is_valid_and_its_operation_ids_are_stable(database: Any, sync: bool) -> None:
    document = application(database, sync=sync).openapi()
    validate(document)
    assert {
        operation["operationId"]: sorted(operation["responses"])
        for path in document["paths"].values()
        for operation in path.values()
        if operation["tags"] == ["jobs"]
    } == {
        "list_jobs": ["200", "422", "503"],
        "create_job": ["201", "400", "409", "415", "422", "503"],
        "get_job": ["200", "304", "404", "422", "503"],
        "patch_job": ["200", "400", "404", "409", "412", "415", "422", "503"],
        "delete_job": ["204", "400", "404", "409", "412", "422", "503"],
    }
    assert sorted(document["components"]["schemas"]) == [
        "AgentCreate",
        "AgentRead",
        "DutyCreate",
        "DutyRead",
        "DutyUpdate",
        "FieldProblem",
        "JobCreate",
        "JobRead",
        "JobUpdate",
        "LinkedPage_AgentRead_",
        "LinkedPage_DutyRead_",
        "LinkedPage_JobRead_",
        "LinkedPage_TeamRead_",
        "PageLinks",
        "ProblemDetails",
        "TeamCreate",
        "TeamRead",
        "TeamUpdate",
    ]


def test_the_schema_of_the_api_says_where_a_new_row_is_told(database: Any) -> None:
    created = application(database, sync=False).openapi()["paths"]["/jobs"]["post"]["responses"]["201"]
    assert set(created["headers"]) == {"Location", "ETag"}


def test_the_schema_of_the_api_tells_what_a_key_and_a_query_may_be(database: Any) -> None:
    paths = application(database, sync=False).openapi()["paths"]
    key, header = paths["/jobs/{id}"]["get"]["parameters"]
    assert (header["name"], header["in"]) == ("If-None-Match", "header")
    assert (key["name"], key["in"], key["schema"]["type"], key["schema"]["maximum"]) == (
        "id",
        "path",
        "integer",
        2**31 - 1,
    )
    listing = {parameter["name"]: parameter["schema"] for parameter in paths["/jobs"]["get"]["parameters"]}
    assert sorted(listing) == ["offset", "size", "total"]
    assert (listing["size"]["maximum"], listing["size"]["default"]) == (50, 20)


def test_a_hand_written_endpoint_documents_problems_too(database: Any) -> None:
    app = FastAPI()
    install(app, database)

    @app.get("/double/{number}")
    def double(number: int) -> int:
        return 2 * number

    document = app.openapi()
    validate(document)
    assert list(document["paths"]["/double/{number}"]["get"]["responses"]["422"]["content"]) == [
        "application/problem+json"
    ]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def _operations(router: Any) -> set[str]:
    return {route.operation_id for route in router.routes}
