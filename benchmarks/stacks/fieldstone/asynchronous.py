"""Endpoints and calls with asynchronous sessions: bytes, or objects that FastAPI dumps."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response

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
    json_create,
    json_get,
    json_patch,
    json_seek,
    patch,
    seek,
    stream,
)
from fieldstone.fastapi import AsyncAutocommit, AsyncReadSession, AsyncWriteSession


class Writes(Fieldstone):
    """Write instances, and answer with what they hold."""

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


class Bytes(Fieldstone):
    """Read and write the bytes of the answer, by single verbs."""

    title = "Fieldstone, bytes"
    envelope = "items"

    def serve(self, app: FastAPI) -> None:
        @app.get("/tasks", response_model=list[TaskRead])
        async def list_tasks(database: AsyncAutocommit, offset: int = 0) -> Response:
            return answer(await json(database, listed(offset), TaskRead))

        @app.get("/tasks/full", response_model=list[TaskFull])
        async def list_full(database: AsyncAutocommit, offset: int = 0) -> Response:
            return answer(await json(database, listed(offset), TaskFull))

        @app.get("/tasks/{key}", response_model=TaskRead)
        async def get_task(key: int, database: AsyncAutocommit) -> Response:
            return answer(await json_get(database, Task, key, TaskRead))

        @app.get("/events", response_model=KeysetPage[EventRead])
        async def list_events(database: AsyncAutocommit, cursor: str | None = None) -> Response:
            return answer(
                await json_seek(database, latest(), EventRead, size=PAGE, cursor=cursor, cursors=CURSORS)
            )

        @app.post("/tasks", status_code=201, response_model=TaskRead)
        async def create_task(data: TaskCreate, database: AsyncAutocommit) -> Response:
            return answer(await json_create(database, Task, data, TaskRead), status=201)

        @app.patch("/tasks/{key}", response_model=TaskRead)
        async def change_task(key: int, data: TaskUpdate, database: AsyncAutocommit) -> Response:
            return answer(await json_patch(database, Task, key, data, TaskRead))

        @app.post("/tasks/bulk", status_code=201)
        async def create_tasks(request: Request, session: AsyncWriteSession) -> dict[str, int]:
            return {"created": await create_many(session, Task, await request.body(), schema=TaskCreate)}

    async def one(self, number: int) -> bytes:
        return await json_get(self.database.async_autocommit, Task, number, TaskRead)

    async def flat(self, offset: int) -> bytes:
        return await json(self.database.async_autocommit, listed(offset), TaskRead)

    async def full(self, offset: int) -> bytes:
        return await json(self.database.async_autocommit, listed(offset), TaskFull)

    async def events(self, place: Any) -> bytes:
        return await json_seek(
            self.database.async_autocommit,
            latest(),
            EventRead,
            size=PAGE,
            cursor=place or None,
            cursors=CURSORS,
        )

    async def create(self, content: bytes) -> bytes:
        data = TaskCreate.model_validate_json(content)
        return await json_create(self.database.async_autocommit, Task, data, TaskRead)

    async def change(self, given: tuple[int, bytes]) -> bytes:
        key, content = given
        data = TaskUpdate.model_validate_json(content)
        return await json_patch(self.database.async_autocommit, Task, key, data, TaskRead)

    async def bulk(self, content: bytes) -> bytes:
        async with self.database.async_transaction() as session:
            return b'{"created":%d}' % await create_many(session, Task, content, schema=TaskCreate)


class BytesOfRows(Bytes):
    """Read the bytes, written in Python wherever rows can be."""

    title = "Fieldstone, bytes, from rows"
    json_by = "rows"


class BytesByDatabase(Bytes):
    """Read the bytes, written by the database wherever it can."""

    title = "Fieldstone, bytes, by the database"
    json_by = "database"


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
