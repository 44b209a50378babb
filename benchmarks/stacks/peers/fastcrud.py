"""fastcrud in endpoints written by hand, as its pages "Usage", "Advanced CRUD" and "Joins" show.

`crud_router` would count every list and has no cursor, so endpoints call `FastCRUD` themselves. Its way to
nested collections is `get_multi_joined` with `relationship_type="one-to-many"`, whose limit counts joined
rows.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastcrud import FastCRUD, JoinConfig
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.stacks.peers.tables import (
    MANY,
    Assignment,
    Event,
    EventRead,
    Project,
    ProjectRead,
    Schema,
    Task,
    TaskCreate,
    TaskRead,
    TaskUpdate,
    asynchronous,
)
from benchmarks.stacks.stack import Stack


class AssignmentColumns(Schema):
    """What a join can select: it nests no worker in an assignment, and needs the key."""

    task_id: int
    worker_id: str
    role: str


tasks: Any = FastCRUD(Task)
events: Any = FastCRUD(Event)
ANSWER = TypeAdapter(Any)
JOINS = [
    JoinConfig(
        model=Project,
        join_on=Task.project_id == Project.id,
        join_prefix="project_",
        schema_to_select=ProjectRead,
        join_type="left",
    ),
    JoinConfig(
        model=Assignment,
        join_on=Assignment.task_id == Task.id,
        join_prefix="assignments_",
        schema_to_select=AssignmentColumns,
        join_type="left",
        relationship_type="one-to-many",
    ),
]

app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with app.state.sessions() as session:
        yield session


OfRequest = Annotated[AsyncSession, Depends(get_session)]


@app.get("/tasks")
async def list_tasks(db: OfRequest, offset: int = 0, limit: int = 100) -> Any:
    return await listed(db, offset, limit)


@app.get("/tasks/full")
async def list_full(db: OfRequest, offset: int = 0, limit: int = 100) -> Any:
    return await listed_whole(db, offset, limit)


@app.get("/tasks/{task_id}", response_model=TaskRead)
async def get_task(task_id: int, db: OfRequest) -> Any:
    return await tasks.get(db, schema_to_select=TaskRead, id=task_id)


@app.post("/tasks", response_model=TaskRead, status_code=201)
async def create_task(data: TaskCreate, db: OfRequest) -> Any:
    return await tasks.create(db, data, schema_to_select=TaskRead)


@app.post("/tasks/bulk", status_code=201)
async def create_tasks(data: list[TaskCreate], db: OfRequest) -> dict[str, int]:
    return await created_many(db, data)


@app.patch("/tasks/{task_id}", response_model=TaskRead)
async def update_task(task_id: int, data: TaskUpdate, db: OfRequest) -> Any:
    return await changed(db, task_id, data)


@app.get("/events")
async def list_events(db: OfRequest, cursor: int | None = None, limit: int = 100) -> Any:
    return await seek(db, cursor, limit)


async def listed(db: AsyncSession, offset: int, limit: int) -> Any:
    return await tasks.get_multi(
        db, offset, limit, schema_to_select=TaskRead, sort_columns="id", return_total_count=False
    )


async def listed_whole(db: AsyncSession, offset: int, limit: int) -> Any:
    return await tasks.get_multi_joined(
        db,
        schema_to_select=TaskRead,
        joins_config=JOINS,
        nest_joins=True,
        offset=offset,
        limit=limit,
        sort_columns="id",
        return_total_count=False,
    )


async def seek(db: AsyncSession, cursor: int | None, limit: int) -> Any:
    return await events.get_multi_by_cursor(
        db, cursor=cursor, limit=limit, schema_to_select=EventRead, sort_column="at", sort_order="desc"
    )


async def changed(db: AsyncSession, task_id: int, data: TaskUpdate) -> Any:
    await tasks.update(db, data, id=task_id)
    return await tasks.get(db, schema_to_select=TaskRead, return_as_model=True, id=task_id)


async def created_many(db: AsyncSession, data: list[TaskCreate]) -> dict[str, int]:
    for start in range(0, len(data), 1000):
        await tasks.upsert_multi(db, data[start : start + 1000])
    await db.commit()
    return {"created": len(data)}


class FastCrudStack(Stack):
    """Its application, and its calls without FastAPI."""

    title = "fastcrud, FastAPI"
    envelope = "data"
    paging = "keyset"
    app = app

    async def open(self, url: str) -> None:
        self.engine = create_async_engine(asynchronous(url), pool_size=5, max_overflow=10)
        self.sessions = app.state.sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    async def close(self) -> None:
        await self.engine.dispose()

    async def place_of(self, before: int) -> Any:
        """Follow the cursors, in long steps."""
        cursor = None
        async with self.sessions() as db:
            while before:
                step = min(before, 1000)
                cursor = (await seek(db, cursor, step))["next_cursor"]
                before -= step
        return cursor

    def ask_events(self, place: Any) -> Any:
        request = super().ask_events(0)
        return type(request)("GET", "/events", f"cursor={place}" if place else "")

    async def one(self, number: int) -> bytes:
        async with self.sessions() as db:
            found = await tasks.get(db, schema_to_select=TaskRead, return_as_model=True, id=number)
        return ANSWER.dump_json(found)

    async def flat(self, offset: int) -> bytes:
        async with self.sessions() as db:
            return ANSWER.dump_json(await listed(db, offset, 100))

    async def full(self, offset: int) -> bytes:
        async with self.sessions() as db:
            return ANSWER.dump_json(await listed_whole(db, offset, 100))

    async def create(self, content: bytes) -> bytes:
        async with self.sessions() as db:
            data = TaskCreate.model_validate_json(content)
            made = await tasks.create(db, data, schema_to_select=TaskRead, return_as_model=True)
        return ANSWER.dump_json(made)

    async def change(self, given: tuple[int, bytes]) -> bytes:
        async with self.sessions() as db:
            data = TaskUpdate.model_validate_json(given[1])
            return ANSWER.dump_json(await changed(db, given[0], data))

    async def bulk(self, content: bytes) -> bytes:
        async with self.sessions() as db:
            return ANSWER.dump_json(await created_many(db, MANY.validate_json(content)))

    async def events(self, place: Any) -> bytes:
        async with self.sessions() as db:
            return ANSWER.dump_json(await seek(db, place or None, 100))
