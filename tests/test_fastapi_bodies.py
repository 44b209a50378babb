"""Whatever bytes a client sends as a body, it gets a 2xx or a 4xx."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest

from tests import serving
from tests.faces import Face
from tests.serving import application, client_on


@pytest.fixture
async def client(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    await face.create_all(serving.METADATA)
    async with client_on(face, application) as client:
        yield client


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"title": ', JSON, 400),
        (b"", JSON, 422),
        (b"\xff\xfe", JSON, 400),
        (b'{"title": "\xff"}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b'{"title": "x", "points": ' + b"1" * 5000 + b"}", JSON, 400),
        (b'{"title": "x", "points": ' + b"1" * 400 + b"}", JSON, 422),
        (b'{"title": "x", "team_id": 9223372036854775808}', JSON, 422),
        (b'{"title": "x", "team_id": 2147483648}', JSON, 422),
        (b'{"title": "x", "weight": NaN}', JSON, 422),
        (b'{"title": "x", "weight": -Infinity}', JSON, 422),
        (b'{"title": "x", "weight": 1e400}', JSON, 422),
        (b'{"title": "\\ud800"}', JSON, 422),
        (b'{"title": "a\\u0000b"}', JSON, 422),
        (b'{"title": "x", "\\ud800": 1}', JSON, 422),
        (b'{"title": "x", "details": {"deep": "a\\u0000b"}}', JSON, 422),
        (b'{"title": "x", "details": {"\\ud800": 1}}', JSON, 422),
        (b'{"title": "x", "details": {"n": NaN}}', JSON, 422),
        (b'"title"', JSON, 422),
        (b"null", JSON, 422),
        (b"[]", JSON, 422),
        (b'{"title": "x"}', {"content-type": "text/plain"}, 415),
        (b'{"title": "x"}', {}, 415),
        (b"title=x", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b'{"title": "x"}', {"content-type": "application/merge-patch+json"}, None),
    ],
)
async def test_no_body_is_an_error_of_the_server(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int | None
) -> None:
    await client.post("/jobs", json={"title": "Write"})
    created = await client.post("/jobs", content=body, headers=headers)
    changed = await client.patch("/jobs/1", content=body, headers=headers)
    assert (created.status_code, changed.status_code) == ((status, status) if status else (201, 200))
    if status:
        assert created.headers["content-type"] == "application/problem+json"
        assert created.json()["status"] == status


@pytest.mark.parametrize("depth", [10, 198])
async def test_a_deep_document_is_stored_and_listed(client: httpx.AsyncClient, depth: int) -> None:
    created = await client.post("/jobs", content=deep(depth), headers=JSON)
    assert created.status_code == 201
    assert (await client.get("/jobs")).json()["items"] == [created.json()]


@pytest.mark.parametrize("depth", [201, 300, 700, 900, 990, 1100, 5000])
async def test_a_document_too_deep_to_be_written_is_refused(client: httpx.AsyncClient, depth: int) -> None:
    refused = await client.post("/jobs", content=deep(depth), headers=JSON)
    assert refused.status_code in (400, 422)
    assert (await client.get("/jobs")).json()["items"] == []


def deep(depth: int) -> bytes:
    return b'{"title": "x", "details": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


async def test_a_name_no_encoding_can_spell_is_answered(client: httpx.AsyncClient) -> None:
    refused = await client.post("/jobs", content=b'{"title": "x", "\\ud800": 1}', headers=JSON)
    assert refused.status_code == 422
    assert refused.content.isascii()


async def test_a_body_of_many_mistakes_is_answered_with_a_bounded_number(client: httpx.AsyncClient) -> None:
    refused = await client.post("/teams", json={f"unknown{n}" * 20: n for n in range(3000)})
    assert refused.status_code == 422
    assert len(refused.json()["errors"]) == 100
    assert len(refused.content) < 60_000
