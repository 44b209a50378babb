"""Preconditions in endpoints written by hand, and in the schema of the API."""

from __future__ import annotations

import re
from typing import Any

import httpx2 as httpx
from fastapi import Depends, FastAPI, Response
from openapi_spec_validator import validate

from fieldstone import create, delete, get, patch
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession, ETag, IfMatch, RequiredIfMatch, install
from tests import edited
from tests.edited import Card, CardRead, Sheet, SheetUpdate, application
from tests.faces import Face
from tests.serving import client_of

TAG = re.compile(r'"(?P<version>\d+)-[0-9a-f]{24}"')


async def tag_of(client: httpx.AsyncClient, path: str) -> str:
    tag: str = (await client.get(path)).headers["etag"]
    return tag


def by_hand(face: Face) -> FastAPI:
    app = FastAPI()
    install(app, face.database)

    async def cookie(response: Response) -> None:
        response.set_cookie("seen", "yes")

    @app.get("/sheets/{number}", dependencies=[Depends(cookie)])
    async def read(number: int, session: AsyncReadSession, etag: ETag) -> Any:
        sheet = await session.get_one(Sheet, number)
        return etag({"title": sheet.title}, version=sheet.version)

    @app.get("/cards/{number}")
    async def card(number: int, session: AsyncReadSession, etag: ETag) -> CardRead:
        return etag(await get(session, Card, number, CardRead))

    @app.patch("/sheets/{number}")
    async def change(number: int, data: SheetUpdate, session: AsyncWriteSession, version: IfMatch) -> int:
        return (await patch(session, Sheet, number, data, version=version)).version

    @app.delete("/sheets/{number}", status_code=204)
    async def remove(number: int, session: AsyncWriteSession, version: RequiredIfMatch) -> None:
        await delete(session, Sheet, number, version=version)

    return app


async def test_hand_written_endpoints_take_the_same_conditions(face: Face) -> None:
    await face.create_all(edited.METADATA)
    async with face.transaction() as session:
        await face(create, session, Sheet, {"title": "First"})
        await face(create, session, Card, {"title": "First"})
    app = by_hand(face)
    validate(app.openapi())
    async with client_of(app) as client:
        for path in ("/sheets/1", "/cards/1"):
            tag = await tag_of(client, path)
            assert (await client.get(path, headers={"If-None-Match": '"other"'})).json()["title"] == "First"
            unchanged = await client.get(path, headers={"If-None-Match": tag})
            assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
        tag = await tag_of(client, "/sheets/1")
        unchanged = await client.get("/sheets/1", headers={"If-None-Match": tag})
        assert unchanged.headers["set-cookie"].startswith("seen=yes")
        assert (await client.patch("/sheets/1", json={"count": 1}, headers={"If-Match": tag})).json() == 2
        assert (
            await client.patch("/sheets/1", json={"count": 1}, headers={"If-Match": tag})
        ).status_code == 412
        assert (await client.patch("/sheets/1", json={"count": 2})).json() == 3
        assert (await client.delete("/sheets/1")).status_code == 428
        assert (await client.delete("/sheets/1", headers={"If-Match": tag})).status_code == 412
        assert (await client.delete("/sheets/1", headers={"If-Match": "*"})).status_code == 204


def test_the_schema_of_the_api_tells_the_conditions(database: Any) -> None:
    document = application(database, sync=False).openapi()
    validate(document)
    for path, required in (("/sheets", False), ("/strict", True), ("/cards", False)):
        for method, name in (("get", "If-None-Match"), ("patch", "If-Match"), ("delete", "If-Match")):
            operation = document["paths"][f"{path}/{{id}}"][method]
            _, header = operation["parameters"]
            assert (header["name"], header["in"], header["required"]) == (name, "header", False)
            assert header["description"].startswith("The ETag")
            assert TAG.fullmatch(header["schema"]["examples"][0])
            assert ("428" in operation["responses"]) == (required and method != "get")
            for status in {"412", "428", "304"} & operation["responses"].keys():
                content = operation["responses"][status].get("content", {})
                assert list(content) == ([] if status == "304" else ["application/problem+json"])
        for method, status in (("get", "200"), ("get", "304"), ("patch", "200")):
            response = document["paths"][f"{path}/{{id}}"][method]["responses"][status]
            assert list(response["headers"]) == ["ETag"]
        assert "ETag" in document["paths"][path]["post"]["responses"]["201"]["headers"]
