"""S7's own code behind FastAPI's routes: what FastAPI takes of a request, whoever reads the rows.

No stack with FastAPI can be faster. Nothing is checked but the path and the query, and nothing is injected.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from benchmarks.stacks.driver import Driver

Key = Annotated[int | None, Query(alias="id")]


class DriverBehindFastApi(Driver):
    """The driver's code, each work a route."""

    title = "S7 behind FastAPI"

    async def open(self, url: str) -> None:
        await super().open(url)
        self.app = FastAPI()
        self.serve(self.app)

    def serve(self, app: FastAPI) -> None:
        @app.get("/tasks")
        async def list_tasks(offset: int = 0) -> Response:
            return answer(await self.hand.flat(offset))

        @app.get("/tasks/full")
        async def list_full(offset: int = 0) -> Response:
            return answer(await self.hand.full(offset))

        @app.get("/tasks/{key}")
        async def get_task(key: int) -> Response:
            return answer(await self.hand.one(key))

        @app.get("/events")
        async def list_events(at: int | None = None, key: Key = None) -> Response:
            return answer(await self.hand.events(0 if at is None else (at, key)))

        @app.post("/tasks", status_code=201)
        async def create_task(request: Request) -> Response:
            return answer(await self.hand.create(await request.body()), status=201)

        @app.patch("/tasks/{key}")
        async def change_task(key: int, request: Request) -> Response:
            return answer(await self.hand.change((key, await request.body())))

        @app.post("/tasks/bulk", status_code=201)
        async def create_tasks(request: Request) -> Response:
            return answer(await self.hand.bulk(await request.body()), status=201)


def answer(content: bytes, *, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")
