"""Generated routes that answer with bytes answer as FastAPI would have, and leave the rest of it alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import JSONResponse

from fieldstone import get, json_get
from fieldstone.fastapi import AsyncReadSession, ETag, ReadSession, install, routes
from fieldstone.fastapi import bodies as bodies_room
from tests import serving
from tests.faces import Face
from tests.serving import Job, JobRead, client_of, client_on


class Envelope(JSONResponse):
    """Wrap every answer, as some applications do."""

    def render(self, content: Any) -> bytes:
        return super().render({"data": content})


async def remembered(response: Response) -> None:
    response.headers["X-Seen"] = "yes"
    response.set_cookie("seen", "yes")


async def accepted(response: Response) -> None:
    response.status_code = 202


@pytest.fixture
async def filled(face: Face) -> Face:
    await face.create_all(serving.METADATA)
    async with client_on(face, serving.application) as client:
        await client.post("/teams", json={"name": "Blue ☂ \u2028 <&>"})
        for number in range(3):
            body = {"title": f"Job {number}", "team_id": 1, "weight": 1e20, "details": {"b": [1, None]}}
            assert (await client.post("/jobs", json=body)).status_code == 201
    return face


def application(face: Face, **included: Any) -> FastAPI:
    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(serving.jobs, sync=not face.is_async), **included)
    return app


@pytest.mark.parametrize(
    "path", ["/jobs/1", "/jobs", "/jobs?size=1&offset=1", "/jobs?total=true", "/jobs?offset=9"]
)
async def test_bytes_and_objects_are_answered_alike(
    filled: Face, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    plainly = bodies_room._answers_plainly

    def noted(app: Any, endpoint: Any) -> bool:
        asked.append(plainly(app, endpoint))
        return asked[-1]

    monkeypatch.setattr(bodies_room, "_answers_plainly", noted)
    async with client_of(application(filled)) as client:
        in_bytes = await client.get(path)
    assert asked == [True]
    monkeypatch.setattr(bodies_room, "_answers_plainly", lambda app, endpoint: False)
    async with client_of(application(filled)) as client:
        in_objects = await client.get(path)
    assert (in_bytes.status_code, in_bytes.content) == (200, in_objects.content)
    assert sorted(in_bytes.headers.multi_items()) == sorted(in_objects.headers.multi_items())


async def test_what_dependencies_say_of_the_response_is_sent(filled: Face) -> None:
    app = application(filled, dependencies=[Depends(remembered), Depends(accepted)])
    async with client_of(app) as client:
        for answer in (await client.get("/jobs/1"), await client.get("/jobs"), await created(client)):
            assert answer.status_code == 202
            assert (answer.headers["x-seen"], answer.cookies["seen"]) == ("yes", "yes")


async def created(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/jobs", json={"title": "Another"})


@pytest.mark.parametrize("where", ["application", "router", "inclusion"])
async def test_a_response_class_that_somebody_names_gets_the_objects(filled: Face, where: str) -> None:
    wrapping: Any = {"default_response_class": Envelope}
    app = FastAPI(**(wrapping if where == "application" else {}))
    install(app, filled.database)
    router = APIRouter(**(wrapping if where == "router" else {}))
    router.include_router(routes(serving.jobs, sync=not filled.is_async))
    app.include_router(router, **(wrapping if where == "inclusion" else {}))
    async with client_of(app) as client:
        assert (await client.get("/jobs/1")).json()["data"]["title"] == "Job 0"
        assert (await client.get("/jobs")).json()["data"]["items"][0]["title"] == "Job 0"
        assert (await created(client)).json()["data"]["title"] == "Another"


async def test_a_route_included_again_with_a_class_of_its_own_gets_the_objects(filled: Face) -> None:
    router = routes(serving.jobs, sync=not filled.is_async)
    app = FastAPI()
    install(app, filled.database)
    app.include_router(router)
    async with client_of(app) as client:
        assert (await client.get("/jobs/1")).json()["title"] == "Job 0"
        app.include_router(router, prefix="/wrapped", default_response_class=Envelope)
        assert (await client.get("/wrapped/jobs/1")).json()["data"]["title"] == "Job 0"
        assert (await client.get("/jobs/1")).json()["title"] == "Job 0"


@pytest.fixture
async def by_hand(filled: Face) -> AsyncIterator[httpx.AsyncClient]:
    """Serve one job by hand, as an object and as bytes."""
    app = FastAPI()
    install(app, filled.database)
    if filled.is_async:

        @app.get("/object", dependencies=[Depends(remembered)])
        async def as_object(session: AsyncReadSession, etag: ETag) -> JobRead:
            return etag(await get(session, Job, 1, JobRead), version=7)

        @app.get("/bytes", dependencies=[Depends(remembered)])
        async def as_bytes(session: AsyncReadSession, etag: ETag) -> Response:
            return etag.send(await json_get(session, Job, 1, JobRead), version=7)
    else:

        @app.get("/object", dependencies=[Depends(remembered)])
        def as_object_in_thread(session: ReadSession, etag: ETag) -> JobRead:
            return etag(get(session, Job, 1, JobRead), version=7)

        @app.get("/bytes", dependencies=[Depends(remembered)])
        def as_bytes_in_thread(session: ReadSession, etag: ETag) -> Response:
            return etag.send(json_get(session, Job, 1, JobRead), version=7)

    async with client_of(app) as client:
        yield client


async def test_a_tag_names_the_same_content_in_either_form(by_hand: httpx.AsyncClient) -> None:
    as_object, as_bytes = await by_hand.get("/object"), await by_hand.get("/bytes")
    assert as_bytes.content == as_object.content
    assert sorted(as_bytes.headers.multi_items()) == sorted(as_object.headers.multi_items())
    tag = as_object.headers["etag"]
    for path in ("/object", "/bytes"):
        unchanged = await by_hand.get(path, headers={"If-None-Match": tag})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["x-seen"]) == (304, b"", "yes")
