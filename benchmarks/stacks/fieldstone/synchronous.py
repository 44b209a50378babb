"""Endpoints and calls with plain sessions: bytes, or objects that FastAPI dumps. Endpoints run in threads."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

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
    Database,
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
from fieldstone.fastapi import Autocommit, CurrentDatabase, ReadSession, WriteSession


class SyncWrites(Fieldstone):
    """Write instances, and answer with what they hold."""

    envelope = "items"

    def serve(self, app: FastAPI) -> None:
        @app.post("/tasks", status_code=201, response_model=TaskRead)
        def create_task(data: TaskCreate, session: WriteSession) -> Task:
            return create(session, Task, data)

        @app.patch("/tasks/{key}", response_model=TaskRead)
        def change_task(key: int, data: TaskUpdate, session: WriteSession) -> Task:
            return patch(session, Task, key, data)

        @app.post("/tasks/bulk", status_code=201)
        def create_tasks(data: list[TaskCreate], session: WriteSession) -> dict[str, int]:
            return {"created": create_many(session, Task, data)}

    async def create(self, content: bytes) -> bytes:
        with self.database.transaction() as session:
            return written(create(session, Task, TaskCreate.model_validate_json(content)))

    async def change(self, given: tuple[int, bytes]) -> bytes:
        with self.database.transaction() as session:
            return written(patch(session, Task, given[0], TaskUpdate.model_validate_json(given[1])))

    async def bulk(self, content: bytes) -> bytes:
        with self.database.transaction() as session:
            return b'{"created":%d}' % create_many(session, Task, MANY.validate_json(content))


class SyncBytes(Fieldstone):
    """Read and write the bytes of the answer, by single verbs."""

    title = "Fieldstone, bytes, sync"
    envelope = "items"

    def serve(self, app: FastAPI) -> None:
        @app.get("/tasks", response_model=list[TaskRead])
        def list_tasks(database: Autocommit, offset: int = 0) -> Response:
            return answer(json(database, listed(offset), TaskRead))

        @app.get("/tasks/full", response_model=list[TaskFull])
        def list_full(database: Autocommit, offset: int = 0) -> Response:
            return answer(json(database, listed(offset), TaskFull))

        @app.get("/tasks/{key}", response_model=TaskRead)
        def get_task(key: int, database: Autocommit) -> Response:
            return answer(json_get(database, Task, key, TaskRead))

        @app.get("/events", response_model=KeysetPage[EventRead])
        def list_events(database: Autocommit, cursor: str | None = None) -> Response:
            return answer(json_seek(database, latest(), EventRead, size=PAGE, cursor=cursor, cursors=CURSORS))

        @app.post("/tasks", status_code=201, response_model=TaskRead)
        def create_task(data: TaskCreate, database: Autocommit) -> Response:
            return answer(json_create(database, Task, data, TaskRead), status=201)

        @app.patch("/tasks/{key}", response_model=TaskRead)
        def change_task(key: int, data: TaskUpdate, database: Autocommit) -> Response:
            return answer(json_patch(database, Task, key, data, TaskRead))

        @app.post("/tasks/bulk", status_code=201)
        async def create_tasks(request: Request, database: CurrentDatabase) -> dict[str, int]:
            content = await request.body()
            return {"created": await run_in_threadpool(self.stored, database, content)}

    def stored(self, database: Database, content: bytes) -> int:
        with database.transaction() as session:
            return create_many(session, Task, content, schema=TaskCreate)

    async def one(self, number: int) -> bytes:
        return json_get(self.database.autocommit, Task, number, TaskRead)

    async def flat(self, offset: int) -> bytes:
        return json(self.database.autocommit, listed(offset), TaskRead)

    async def full(self, offset: int) -> bytes:
        return json(self.database.autocommit, listed(offset), TaskFull)

    async def events(self, place: Any) -> bytes:
        return json_seek(
            self.database.autocommit, latest(), EventRead, size=PAGE, cursor=place or None, cursors=CURSORS
        )

    async def create(self, content: bytes) -> bytes:
        data = TaskCreate.model_validate_json(content)
        return json_create(self.database.autocommit, Task, data, TaskRead)

    async def change(self, given: tuple[int, bytes]) -> bytes:
        key, content = given
        data = TaskUpdate.model_validate_json(content)
        return json_patch(self.database.autocommit, Task, key, data, TaskRead)

    async def bulk(self, content: bytes) -> bytes:
        with self.database.transaction() as session:
            return b'{"created":%d}' % create_many(session, Task, content, schema=TaskCreate)


class SyncObjects(SyncWrites):
    """Read objects, and dump them."""

    async def stream(self) -> int:
        with self.database.transaction(read_only=True) as session:
            return sum(1 for _ in stream(session, latest(), EventRead))

    title = "Fieldstone, objects, sync"

    def serve(self, app: FastAPI) -> None:
        super().serve(app)

        @app.get("/tasks")
        def list_tasks(session: ReadSession, offset: int = 0) -> list[TaskRead]:
            return fetch(session, listed(offset), TaskRead)

        @app.get("/tasks/full")
        def list_full(session: ReadSession, offset: int = 0) -> list[TaskFull]:
            return fetch(session, listed(offset), TaskFull)

        @app.get("/tasks/{key}")
        def get_task(key: int, session: ReadSession) -> TaskRead:
            return get(session, Task, key, TaskRead)

        @app.get("/events")
        def list_events(session: ReadSession, cursor: str | None = None) -> KeysetPage[EventRead]:
            return seek(session, latest(), EventRead, size=PAGE, cursor=cursor, cursors=CURSORS)

    async def one(self, number: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return ONE.dump_json(get(session, Task, number, TaskRead))

    async def flat(self, offset: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return FLAT.dump_json(fetch(session, listed(offset), TaskRead))

    async def full(self, offset: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return FULL.dump_json(fetch(session, listed(offset), TaskFull))

    async def events(self, place: Any) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return EVENTS.dump_json(
                seek(session, latest(), EventRead, size=PAGE, cursor=place or None, cursors=CURSORS)
            )
