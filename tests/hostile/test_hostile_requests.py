"""Bodies that are none, addresses that nothing has, parameters, methods and keys that are wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from fieldstone import Database, Field, Model, Resource, partial
from fieldstone.fastapi import install, routes
from tests.hostile.attack import JSON, MEGABYTES_10, WRITES, Attacked
from tests.serving import client_of

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "field"),
    [
        (b'{"title": ', JSON, 400, None),
        (b'{"title": }', JSON, 400, None),
        (b"\xff", JSON, 400, None),
        (b'{"name": "\xff", "title": "\xff"}', JSON, 400, None),
        (b"\x00", JSON, 400, None),
        (b"[" * 100_000, JSON, 400, None),
        (b'{"a":' * 100_000, JSON, 400, None),
        (b'{"progress_percent": ' + b"1" * 5_000 + b"}", JSON, 400, None),
        (b"", JSON, 422, ""),
        (b"null", JSON, 422, ""),
        (b"[]", JSON, 422, ""),
        (b"[{}]", JSON, 422, ""),
        (b'"title"', JSON, 422, ""),
        (b"1e999", JSON, 422, ""),
        (b"{}", {}, 415, None),
        (b"{}", {"content-type": "text/plain"}, 415, None),
        (b"{}", {"content-type": ""}, 415, None),
        (b"{}", {"content-type": "application/jsonp"}, 415, None),
        (b"title=x&name=x", FORM, 415, None),
        (b"--x--", {"content-type": "multipart/form-data; boundary=x"}, 415, None),
        (b"<title/>", {"content-type": "application/xml; charset=nothing"}, 415, None),
        (b"{}", {"content-type": ";;=,/"}, 415, None),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    attacked: Attacked, content: bytes, headers: dict[str, str], status: int, field: str | None
) -> None:
    async with attacked.unharmed():
        for method, path in WRITES:
            await attacked.refused(method, path, content, headers, status=status, field=field)


@pytest.mark.parametrize(
    ("start", "filling", "end", "status", "field"),
    [
        (b'{"name": "', b"x", b'"}', 422, "name"),
        (b'{"nope": "', b"x", b'"}', 422, "nope"),
        (b'{"', b"x", b'": 1}', 422, "x" * 100),
        (b"[", b"1,", b"1]", 422, ""),
        (b"", b"[", b"", 400, None),
        (b"", b" ", b"", 400, None),
        (b'"', b"\x80", b'"', 400, None),
    ],
)
async def test_ten_megabytes_are_answered_in_a_few_words(
    attacked: Attacked, start: bytes, filling: bytes, end: bytes, status: int, field: str | None
) -> None:
    content = start + filling * (MEGABYTES_10 // len(filling)) + end
    async with attacked.unharmed():
        for method, path in (("POST", "/api/projects"), ("PATCH", "/api/workers/@busy")):
            answer = await attacked.refused(method, path, content, status=status, field=field)
            assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    ("method", "path", "sent", "fields"),
    [
        ("POST", "/api/tasks", {"title": "x", "project_id": 4711}, ["project_id"]),
        ("POST", "/api/tasks", {"title": "x", "project_id": -1}, ["project_id"]),
        ("POST", "/api/tasks", {"title": "x", "parent_id": 4711}, ["parent_id"]),
        ("PATCH", "/api/tasks/1", {"project_id": 2**31 - 1}, ["project_id"]),
        ("POST", "/api/tasks/1/assignments", {"worker_id": "@nobody"}, ["worker_id"]),
        ("POST", "/api/projects", {"name": "x", "slug": "shop"}, ["slug"]),
        ("PATCH", "/api/projects/1", {"slug": "other"}, ["slug"]),
        ("POST", "/api/workers", {"id": "@busy", "name": "x", "type": "human"}, ["id"]),
        ("POST", "/api/tasks/1/assignments", {"worker_id": "@busy"}, ["task_id", "worker_id"]),
    ],
)
async def test_a_key_that_is_taken_or_leads_nowhere_is_a_conflict_that_names_it(
    attacked: Attacked, method: str, path: str, sent: dict[str, object], fields: list[str]
) -> None:
    async with attacked.unharmed():
        for field in fields:
            await attacked.refused(method, path, json.dumps(sent).encode(), status=409, field=field)


DIGITS = "9" * 5_000
NO_NUMBERS = ["x", "%00", "1.5", "1e3", "NaN", "%ff", "%ED%A0%80", "0x1", "1,2", "true", DIGITS]
TOO_LARGE = ["2147483648", "-2147483649", "9223372036854775808", "9" * 400]
NOT_THERE = ["4711", "0", "-1", "2147483647"]
NO_WORKERS = ["%00", "%ff", "%ED%A0%80", "no-at", "@", "@UPPER", "@a%0A", "x" * 10_000]
UNASSIGN = "/api/tasks/{}/assignments/@busy"

# An address, what stands in it, the status and the field. All are asked for with every method there.
ADDRESSES: list[tuple[list[str], str, list[str], int, str | None]] = [
    (["GET", "PATCH", "DELETE"], "/api/projects/{}", NO_NUMBERS + TOO_LARGE, 422, "id"),
    (["GET", "PATCH", "DELETE"], "/api/tasks/{}", NO_NUMBERS + TOO_LARGE, 422, "id"),
    (["GET", "PATCH", "DELETE"], "/api/workers/{}", NO_WORKERS, 422, "id"),
    (["POST"], "/api/tasks/{}/assignments", NO_NUMBERS + TOO_LARGE, 422, "task_id"),
    (["DELETE"], UNASSIGN, NO_NUMBERS + TOO_LARGE, 422, "task_id"),
    (["DELETE"], "/api/tasks/1/assignments/{}", NO_WORKERS, 422, "worker_id"),
    (["GET", "PATCH", "DELETE"], "/api/projects/{}", NOT_THERE, 404, None),
    (["GET", "PATCH", "DELETE"], "/api/tasks/{}", NOT_THERE, 404, None),
    (["DELETE"], UNASSIGN, NOT_THERE, 404, None),
    (["POST"], "/api/tasks/{}/assignments", NOT_THERE, 404, None),
    (["POST"], "/api/tasks/{}/restore", NOT_THERE, 404, None),
    (["POST"], "/api/tasks/{}/restore", NO_NUMBERS + TOO_LARGE, 422, "task_id"),
    (["GET"], "/api/tasks/{}/tree", NOT_THERE, 404, None),
    (["GET"], "/api/tasks/{}/tree", NO_NUMBERS + TOO_LARGE, 422, "task_id"),
    (["GET"], "/api/tasks/{}/history", NO_NUMBERS + TOO_LARGE, 422, "task_id"),
    (["GET", "PATCH", "DELETE"], "/api/workers/{}", ["@nobody", "%40nobody"], 404, None),
    (["DELETE"], "/api/tasks/1/assignments/{}", ["@nobody", "@idle"], 404, None),
    (["GET", "POST", "PATCH"], "/api/{}", ["nothing", "%00", "%ff", "tasks/1/nothing"], 404, None),
]


@pytest.mark.parametrize(("methods", "address", "keys", "status", "field"), ADDRESSES)
async def test_a_key_that_no_row_has_is_refused(
    attacked: Attacked, methods: list[str], address: str, keys: list[str], status: int, field: str | None
) -> None:
    async with attacked.unharmed():
        for method in methods:
            body = {"PATCH": b"{}", "POST": b'{"worker_id": "@idle"}'}.get(method)
            for key in keys:
                await attacked.refused(method, address.format(key), body, status=status, field=field)


LISTS = ["/api/projects", "/api/tasks", "/api/workers"]
SIZES = ["0", "-1", "101", "2147483648", DIGITS, "x", "", "1.5", "NaN", "1e1", "%00", "%ff", "null", "[]"]
OFFSETS = ["-1", "-9223372036854775809", "10000001", DIGITS, "x", "", "1.5", "NaN", "Infinity", "%00"]
UNKNOWN = ["nope", "Size", "limit", "size[]", "__class__", "%00", "%ff", "%ED%A0%80", "status__", "__in", "*"]
BOARD = ["/api/board"]
PARAMETERS: list[tuple[list[str], str, list[str]]] = [
    (LISTS, "size", SIZES),
    (LISTS, "offset", OFFSETS),
    (LISTS, "total", ["maybe", "", "2", "%00", "[]"]),
    (BOARD, "offset", [*OFFSETS, "100001"]),
    (BOARD, "status", ["x", "", "Pending", "%00", "%ff", "[]"]),
    (BOARD, "priority", ["x", "", "urgent", "%00", "[]"]),
    (BOARD, "project.slug", ["%00", "%ff", "%ED%A0%80", "a b", "'", "%25", "x" * 41, "x" * 10_000]),
    (BOARD, "assignments.worker_id", ["%00", "%ff", "no-at", "@%00", "@a%0A", "@" + "x" * 40]),
]


@pytest.mark.parametrize(("paths", "name", "values"), PARAMETERS)
async def test_a_parameter_that_takes_no_such_value_is_named(
    attacked: Attacked, paths: list[str], name: str, values: list[str]
) -> None:
    for path in paths:
        for value in values:
            await attacked.refused("GET", f"{path}?{name}={value}", status=422, field=name)


@pytest.mark.parametrize("name", UNKNOWN)
async def test_a_parameter_that_nobody_declared_is_named(attacked: Attacked, name: str) -> None:
    field = str(httpx.QueryParams(f"{name}=1").multi_items()[0][0])
    for path in LISTS + BOARD:
        await attacked.refused("GET", f"{path}?{name}=1", status=422, field=field)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/projects", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "GARBAGE"]),
        ("/api/tasks", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]),
        ("/api/tasks/1", ["PUT", "POST", "OPTIONS", "TRACE", "GARBAGE"]),
        ("/api/workers/@busy", ["PUT", "POST", "OPTIONS", "TRACE"]),
        ("/api/tasks/1/assignments", ["GET", "PUT", "PATCH", "DELETE", "TRACE"]),
        ("/api/tasks/1/assignments/@busy", ["GET", "PUT", "PATCH", "POST"]),
        ("/api/board", ["PUT", "POST", "PATCH", "DELETE"]),
    ],
)
async def test_a_method_that_an_address_does_not_have_is_refused_with_one_that_it_has(
    attacked: Attacked, path: str, methods: list[str]
) -> None:
    async with attacked.unharmed():
        for method in methods:
            refused = await attacked.refused(method, path, b"{}", status=405, field=None)
            assert refused.headers["allow"]


class HostileModel(Model, registry=registry(metadata=MetaData())):
    """Keep this table apart from those of other test modules."""


class BadgeBase(Model):
    serial: str | None = Field(default=None, max_length=10, unique=True)


class Badge(BadgeBase, HostileModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


class BadgeRead(BadgeBase):
    id: int


class BadgeCreate(BadgeBase): ...


@partial
class BadgeUpdate(BadgeBase): ...


badges = Resource(Badge, read=BadgeRead, create=BadgeCreate, update=BadgeUpdate)


@pytest.fixture
async def badge_client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await database.create_all_async(HostileModel.metadata)
    app = FastAPI()
    install(app, database)
    app.include_router(routes(badges))
    async with client_of(app) as client:
        yield client


async def test_a_unique_column_refuses_a_value_twice_and_takes_null_as_often_as_it_comes(
    badge_client: httpx.AsyncClient,
) -> None:
    for serial, status in [
        ("a", 201),
        ("a", 409),
        (None, 201),
        (None, 201),
        ("A", 201),
        ("", 201),
        ("", 409),
    ]:
        made = await badge_client.post("/badges", json={"serial": serial})
        assert made.status_code == status, serial
        if status == 409:
            assert [entry["pointer"] for entry in made.json()["errors"]] == ["/serial"]
    assert (await badge_client.patch("/badges/1", json={"serial": "A"})).status_code == 409
    assert (await badge_client.patch("/badges/1", json={"serial": None})).status_code == 200
    listed = (await badge_client.get("/badges")).json()["items"]
    assert [badge["serial"] for badge in listed] == [None, None, None, "A", ""]
