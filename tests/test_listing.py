"""Filters, search and sort of a list, as a client meets them: over HTTP, and in the schema of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI
from openapi_spec_validator import validate

from fieldstone import Database
from fieldstone.fastapi import install, routes
from fieldstone.fastapi.listing import OWN
from fieldstone.filters.grammar import RESERVED
from fieldstone.testing import count_statements
from tests import domain, filtered
from tests.faces import Face
from tests.filtered import plains, samples, tasks
from tests.serving import client_of, client_on

pytestmark = pytest.mark.usefixtures("by_rows")


def application(database: Database, *, sync: bool) -> FastAPI:
    app = FastAPI()
    install(app, database)
    for resource in (tasks, samples(), plains):
        app.include_router(routes(resource, sync=sync))
    return app


@pytest.fixture
async def client(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    await face.create_all(domain.METADATA)
    await face.create_all(filtered.METADATA)
    await face.create_all(filtered.PlainModel.metadata)
    async with face.transaction() as session:
        session.add_all(
            [*domain.sample(), filtered.Sample(id=1, name="One"), filtered.Plain(id=1, name="One")]
        )
    async with client_on(face, application) as client:
        yield client


async def keys(client: httpx.AsyncClient, query: str) -> list[int]:
    answer = await client.get(f"/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


async def test_a_list_is_narrowed_searched_and_ordered(client: httpx.AsyncClient) -> None:
    for query, expected in [
        ("", [1, 2, 3, 4, 5]),
        ("status=pending&sort=-title", [1, 5, 2, 4]),
        ("status__in=pending&status__in=completed&size=2", [1, 2]),
        ("project.slug=apollo&assignments.worker_id=@claude-code", [1, 2]),
        ("assignments.worker_id=%40ada", [1]),
        ("assignments__is_null=true", [3, 4, 5]),
        ("title__icontains=LE", [2, 4]),
        ("q=root%20apollo", [1]),
        ("q=", [1, 2, 3, 4, 5]),
        ("created_at__gt=2020-01-01T00:00:00Z&sort=-project.name,title", [4, 5, 3, 2, 1]),
    ]:
        assert await keys(client, query) == expected, query


async def test_a_filtered_list_counts_what_it_found_and_takes_its_plan(
    client: httpx.AsyncClient, face: Face
) -> None:
    with count_statements(face.database) as statements:
        answer = await client.get("/tasks?assignments.worker_id__ne=@ada&tags.label__in=later&total=true")
    assert (answer.json()["total"], len(answer.json()["items"])) == (2, 2)
    assert len(statements) == tasks.plan.budget + 1


@pytest.mark.parametrize(
    ("query", "field", "rule", "message"),
    [
        (
            "status=waiting",
            "status",
            "literal_error",
            "Input should be 'pending', 'in_progress' or 'completed'",
        ),
        (
            "status__in=x",
            "status__in.0",
            "literal_error",
            "Input should be 'pending', 'in_progress' or 'completed'",
        ),
        ("progress_percent__ge=x", "progress_percent__ge", "int_parsing", "Input should be a valid integer"),
        (
            "created_at__lt=2026-01-01T00:00",
            "created_at__lt",
            "timezone_aware",
            "Input should have a UTC offset",
        ),
        ("sort=secret", "sort", "unknown_sort", "Input should name some of: title, status, created_at"),
        ("status__near=x", "status__near", "unknown_parameter", "Known for status are: status, status__ne"),
        ("secret=x", "secret", "unknown_parameter", "Known are: size, offset, total"),
        (
            "status=pending&status=pending",
            "status",
            "sent_twice",
            "takes one value. For one of several values send",
        ),
        ("size=1&size=2", "size", "sent_twice", "was sent more than once and takes one value"),
    ],
)
async def test_what_is_not_allowed_is_refused_by_name(
    client: httpx.AsyncClient, query: str, field: str, rule: str, message: str
) -> None:
    refused = await client.get(f"/tasks?{query}")
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert (error["in"], error["field"], error["rule"]) == ("query", field, rule)
    assert message in error["message"]


VALUES = [
    "",
    "%00",
    "a%00b",
    "%ff%fe",
    "%ed%a0%80",
    "%F0%9F%92%A9",
    "x" * 5000,
    "%25",
    "%25_%5B*%3F/%5C",
    "'; DROP TABLE task; --",
    "0",
    "-0",
    "-1",
    "99999999999999999999",
    "9" * 500,
    "1e999",
    "-1e308",
    "1e-400",
    "1e300",
    "NaN",
    "Infinity",
    "true",
    "null",
    "None",
    "[]",
    "{}",
    "0001-01-01",
    "9999-12-31",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "2026-01-31T09:30:00",
    "2026-01-31T24:00:00Z",
    "1e18",
    "253402300800",
    "id,name",
    "-id,-id",
    "red",
    "00000000-0000-0000-0000-000000000000",
]


@pytest.mark.parametrize("path", ["/samples", "/plains", "/tasks"])
async def test_no_value_is_an_error_of_the_server(client: httpx.AsyncClient, path: str) -> None:
    resource: Any = {"/samples": samples(), "/plains": plains, "/tasks": tasks}[path]
    chosen = ("eq", "in", "icontains", "contains", "lt")
    names = [one.name for one in resource.grammar.parameters if one.operator.name in chosen]
    if path == "/tasks":
        names = [name for name in names if "." in name][::5]
    for name in [*names, "q", "sort"]:
        for value in VALUES if name.count("__") == 0 else VALUES[:: len(VALUES) // 6]:
            answer = await client.get(f"{path}?{name}={value}")
            assert answer.status_code in (200, 422), f"{name}={value}"
            assert answer.status_code == 200 or answer.json()["errors"][0]["field"].startswith(name)


@pytest.mark.parametrize(
    "query",
    [
        "%00=1",
        "%ff=1",
        "=1",
        "&&&",
        "status[]=x",
        "a" * 3000 + "=1",
        "__class__=x",
        "sort[]=x",
        "size__ne=%00",
    ],
)
async def test_no_name_is_an_error_of_the_server(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/tasks?{query}")).status_code in (200, 422)


async def test_an_answer_to_unknown_names_is_not_much_longer_than_the_request(
    client: httpx.AsyncClient,
) -> None:
    query = "&".join(f"a{number}=1" for number in range(400))
    assert len((await client.get(f"/tasks?{query}")).content) < 120_000


def by_colour(colour: str = "red") -> None:
    """Stand for a dependency with a parameter of its own."""


async def test_a_parameter_of_a_dependency_is_known_beside_the_filters(face: Face) -> None:
    await face.create_all(domain.METADATA)
    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(tasks, sync=not face.is_async), dependencies=[Depends(by_colour)])
    async with client_of(app) as client:
        assert (await client.get("/tasks?colour=blue&status=pending")).status_code == 200
        refused = await client.get("/tasks?shade=dark")
    assert "total, colour, q, sort, status" in refused.json()["errors"][0]["message"]


def documented(database: Any, path: str) -> dict[str, Any]:
    app = FastAPI()
    install(app, database)
    for resource in (tasks, samples()):
        app.include_router(routes(resource))
    document = app.openapi()
    validate(document)
    operation = document["paths"][path]["get"]
    assert operation["operationId"] == f"list_{path[1:]}"
    return {parameter["name"]: parameter for parameter in operation["parameters"]}


def test_every_parameter_stands_in_openapi_with_type_description_and_example(database: Any) -> None:
    for path, resource in (("/tasks", tasks), ("/samples", samples())):
        parameters = documented(database, path)
        assert parameters.keys() >= {"q", "sort", *(one.name for one in resource.grammar.parameters)}
        for name, parameter in parameters.items():
            schema = parameter["schema"]
            assert (parameter["in"], parameter["required"]) == ("query", False), name
            assert schema.keys() & {"type", "enum", "$ref", "anyOf"}, name
            assert parameter["description"], name
            assert name in ("size", "offset", "total") or schema.get("examples"), name


def test_openapi_says_what_each_parameter_takes(database: Any) -> None:
    parameters = {name: one["schema"] for name, one in documented(database, "/tasks").items()}
    assert parameters["status"]["enum"] == ["pending", "in_progress", "completed"]
    assert parameters["status__in"]["items"]["enum"] == ["pending", "in_progress", "completed"]
    assert (parameters["status__in"]["type"], parameters["status__in"]["maxItems"]) == ("array", 100)
    assert (parameters["progress_percent__ge"]["minimum"], parameters["progress_percent__ge"]["maximum"]) == (
        0,
        100,
    )
    assert (parameters["created_at__ge"]["type"], parameters["created_at__ge"]["format"]) == (
        "string",
        "date-time",
    )
    assert parameters["assignments__is_null"]["type"] == "boolean"
    assert parameters["sort"]["examples"] == ["-title,status"]
    assert parameters["sort"]["pattern"] == (
        r"^-?(title|status|created_at|project\.name|parent\.project\.slug|reviewer_id)"
        r"(,-?(title|status|created_at|project\.name|parent\.project\.slug|reviewer_id))*$"
    )
    described = documented(database, "/tasks")
    assert described["status__ne"]["description"] == "status is not, or has no value."
    assert described["q"]["description"].endswith(
        "somewhere in: title, project.name, assignments.worker.name."
    )


def test_a_column_named_as_a_parameter_of_the_list_is_written_with_its_operator(database: Any) -> None:
    parameters = documented(database, "/samples")
    assert parameters["size"]["description"] == "The most results to return."
    assert {"size__eq", "total__eq", "total__is_null"} <= parameters.keys()


def test_the_names_of_a_lists_own_parameters_are_reserved() -> None:
    assert set(OWN) <= RESERVED
