"""Endpoints and calls with asynchronous sessions: bytes, or objects that FastAPI dumps."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

from benchmarks.stacks.fieldstone.application import Fieldstone, answer
from benchmarks.stacks.fieldstone.models import (
    CURSORS,
    EVENTS,
    FLAT,
    FULL,
    MANY,
    ONE,
    EventRead,
    Task,
    TaskCreate,
    TaskFull,
    TaskRead,
    TaskUpdate,
    latest,
    listed,
    written,
)
from benchmarks.workload import PAGE
from fieldstone import (
    KeysetPage,
    create,
    create_many,
    fetch,
    get,
    json,
    json_get,
    json_seek,
    patch,
    seek,
    stream,
)
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession


class Writes(Fieldstone):
    """What bytes and objects write alike."""

    envelope = "items"

    def serve(self, app: FastAPI) -> None:
        @app.post("/tasks", status_code=201, response_model=TaskRead)
        async def create_task(data: TaskCreate, session: AsyncWriteSession) -> Task:
            return await create(session, Task, data)

        @app.patch("/tasks/{key}", response_model=TaskRead)
        async def change_task(key: int, data: TaskUpdate, session: AsyncWriteSession) -> Task:
            return await patch(session, Task, key, data)

        @app.post("/tasks/bulk", status_code=201)
        async def create_tasks(data: list[TaskCreate], session: AsyncWriteSession) -> dict[str, int]:
            return {"created": await create_many(session, Task, data)}

    async def create(self, content: bytes) -> bytes:
        async with self.database.async_transaction() as session:
            return written(await create(session, Task, TaskCreate.model_validate_json(content)))

    async def change(self, given: tuple[int, bytes]) -> bytes:
        async with self.database.async_transaction() as session:
            return written(await patch(session, Task, given[0], TaskUpdate.model_validate_json(given[1])))

    async def bulk(self, content: bytes) -> bytes:
        async with self.database.async_transaction() as session:
            return b'{"created":%d}' % await create_many(session, Task, MANY.validate_json(content))


class Bytes(Writes):
    """Read the bytes of the answer."""

    title = "Fieldstone, bytes"

    def serve(self, app: FastAPI) -> None:
        super().serve(app)

        @app.get("/tasks", response_model=list[TaskRead])
        async def list_tasks(session: AsyncReadSession, offset: int = 0) -> Response:
            return answer(await json(session, listed(offset), TaskRead))

        @app.get("/tasks/full", response_model=list[TaskFull])
        async def list_full(session: AsyncReadSession, offset: int = 0) -> Response:
            return answer(await json(session, listed(offset), TaskFull))

        @app.get("/tasks/{key}", response_model=TaskRead)
        async def get_task(key: int, session: AsyncReadSession) -> Response:
            return answer(await json_get(session, Task, key, TaskRead))

        @app.get("/events", response_model=KeysetPage[EventRead])
        async def list_events(session: AsyncReadSession, cursor: str | None = None) -> Response:
            return answer(
                await json_seek(session, latest(), EventRead, size=PAGE, cursor=cursor, cursors=CURSORS)
            )

    async def one(self, number: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return await json_get(session, Task, number, TaskRead)

    async def flat(self, offset: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return await json(session, listed(offset), TaskRead)

    async def full(self, offset: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return await json(session, listed(offset), TaskFull)

    async def events(self, place: Any) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return await json_seek(
                session, latest(), EventRead, size=PAGE, cursor=place or None, cursors=CURSORS
            )


class Objects(Writes):
    """Read objects, and dump them."""

    async def stream(self) -> int:
        count = 0
        async with self.database.async_transaction(read_only=True) as session:
            async for _ in stream(session, latest(), EventRead):
                count += 1
        return count

    title = "Fieldstone, objects"

    def serve(self, app: FastAPI) -> None:
        super().serve(app)

        @app.get("/tasks")
        async def list_tasks(session: AsyncReadSession, offset: int = 0) -> list[TaskRead]:
            return await fetch(session, listed(offset), TaskRead)

        @app.get("/tasks/full")
        async def list_full(session: AsyncReadSession, offset: int = 0) -> list[TaskFull]:
            return await fetch(session, listed(offset), TaskFull)

        @app.get("/tasks/{key}")
        async def get_task(key: int, session: AsyncReadSession) -> TaskRead:
            return await get(session, Task, key, TaskRead)

        @app.get("/events")
        async def list_events(session: AsyncReadSession, cursor: str | None = None) -> KeysetPage[EventRead]:
            return await seek(session, latest(), EventRead, size=PAGE, cursor=cursor, cursors=CURSORS)

    async def one(self, number: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return ONE.dump_json(await get(session, Task, number, TaskRead))

    async def flat(self, offset: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return FLAT.dump_json(await fetch(session, listed(offset), TaskRead))

    async def full(self, offset: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return FULL.dump_json(await fetch(session, listed(offset), TaskFull))

    async def events(self, place: Any) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return EVENTS.dump_json(
                await seek(session, latest(), EventRead, size=PAGE, cursor=place or None, cursors=CURSORS)
            )
