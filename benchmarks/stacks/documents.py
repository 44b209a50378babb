"""S1: SQLModel as its tutorials and most projects write it, served by FastAPI.

Plain SQLModel tables, an AsyncSession for each request, selectinload and joinedload, `response_model`, and
commit followed by refresh. Changed from the documents only where they do not run: no `echo`, a lifespan
instead of `on_event`, and an order, without which a list has none. SQLModel needs annotations that are
evaluated.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, HTTPException
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import joinedload, selectinload
from sqlmodel import Field, Relationship, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.stacks.stack import Stack


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str
    assignments: list["Assignment"] = Relationship(back_populates="worker")


class TaskBase(SQLModel):
    title: str = Field(max_length=200)
    status: str = "pending"
    progress_percent: int = Field(default=0, ge=0, le=100)
    created_at: datetime


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list["Assignment"] = Relationship(back_populates="task")


class Assignment(SQLModel, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", primary_key=True)
    role: str = "assignee"
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


class Event(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    at: int
    kind: str


class TaskCreate(TaskBase):
    project_id: int | None = None


class TaskUpdate(SQLModel):
    title: str | None = Field(default=None, max_length=200)
    status: str | None = None
    progress_percent: int | None = Field(default=None, ge=0, le=100)


class TaskRead(TaskBase):
    id: int


class ProjectRead(SQLModel):
    id: int
    name: str


class WorkerRead(SQLModel):
    id: str
    name: str


class AssignmentRead(SQLModel):
    role: str
    worker: WorkerRead


class TaskFull(TaskRead):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


class EventRead(SQLModel):
    id: int
    at: int
    kind: str


ONE = TypeAdapter(TaskRead)
FLAT = TypeAdapter(list[TaskRead])
FULL = TypeAdapter(list[TaskFull])
EVENTS = TypeAdapter(list[EventRead])
MANY = TypeAdapter(list[TaskCreate])

app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(app.state.engine) as session:
        yield session


OfRequest = Annotated[AsyncSession, Depends(get_session)]


@app.get("/tasks", response_model=list[TaskRead])
async def list_tasks(session: OfRequest, offset: int = 0, limit: int = 100) -> Any:
    return await listed(session, offset, limit)


@app.get("/tasks/full", response_model=list[TaskFull])
async def list_full(session: OfRequest, offset: int = 0, limit: int = 100) -> Any:
    return await listed_whole(session, offset, limit)


@app.get("/tasks/{task_id}", response_model=TaskRead)
async def get_task(task_id: int, session: OfRequest) -> Any:
    task = await session.get(Task, task_id)
    if not task:
        raise HTTPException(status_code=404, detail="Task not found")
    return task


@app.post("/tasks", response_model=TaskRead, status_code=201)
async def create_task(task: TaskCreate, session: OfRequest) -> Any:
    return await created(session, task)


@app.post("/tasks/bulk", status_code=201)
async def create_tasks(tasks: list[TaskCreate], session: OfRequest) -> dict[str, int]:
    return await created_many(session, tasks)


@app.patch("/tasks/{task_id}", response_model=TaskRead)
async def update_task(task_id: int, task_update: TaskUpdate, session: OfRequest) -> Any:
    task = await changed(session, task_id, task_update)
    if not task:
        raise HTTPException(status_code=404, detail="Task not found")
    return task


@app.get("/events", response_model=list[EventRead])
async def list_events(session: OfRequest, offset: int = 0, limit: int = 100) -> Any:
    return await listed_events(session, offset, limit)


async def listed(session: AsyncSession, offset: int, limit: int) -> Any:
    results = await session.exec(select(Task).order_by(col(Task.id)).offset(offset).limit(limit))
    return results.all()


async def listed_whole(session: AsyncSession, offset: int, limit: int) -> Any:
    statement = (
        select(Task)
        .options(
            joinedload(cast(Any, Task.project)),
            selectinload(cast(Any, Task.assignments)).joinedload(cast(Any, Assignment.worker)),
        )
        .order_by(col(Task.id))
        .offset(offset)
        .limit(limit)
    )
    results = await session.exec(statement)
    return results.all()


async def listed_events(session: AsyncSession, offset: int, limit: int) -> Any:
    order = (col(Event.at).desc(), col(Event.id).desc())
    results = await session.exec(select(Event).order_by(*order).offset(offset).limit(limit))
    return results.all()


async def created(session: AsyncSession, task: TaskCreate) -> Task:
    db_task = Task.model_validate(task)
    session.add(db_task)
    await session.commit()
    await session.refresh(db_task)
    return db_task


async def created_many(session: AsyncSession, tasks: list[TaskCreate]) -> dict[str, int]:
    session.add_all([Task.model_validate(task) for task in tasks])
    await session.commit()
    return {"created": len(tasks)}


async def changed(session: AsyncSession, task_id: int, task_update: TaskUpdate) -> Task | None:
    task = await session.get(Task, task_id)
    if task is None:
        return None
    task.sqlmodel_update(task_update.model_dump(exclude_unset=True))
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return task


class Documents(Stack):
    """The documents' application, and its bodies without FastAPI."""

    title = "S1: SQLModel, as documented"
    app = app
    engine: AsyncEngine

    async def open(self, url: str) -> None:
        url = url.replace("sqlite:", "sqlite+aiosqlite:", 1)
        url = url.replace("postgresql:", "postgresql+asyncpg:", 1)
        self.engine = app.state.engine = create_async_engine(url, pool_size=5, max_overflow=10)

    async def close(self) -> None:
        await self.engine.dispose()

    async def one(self, number: int) -> bytes:
        async with AsyncSession(self.engine) as session:
            return answer(ONE, await session.get(Task, number))

    async def flat(self, offset: int) -> bytes:
        async with AsyncSession(self.engine) as session:
            return answer(FLAT, await listed(session, offset, 100))

    async def full(self, offset: int) -> bytes:
        async with AsyncSession(self.engine) as session:
            return answer(FULL, await listed_whole(session, offset, 100))

    async def create(self, content: bytes) -> bytes:
        async with AsyncSession(self.engine) as session:
            return answer(ONE, await created(session, TaskCreate.model_validate_json(content)))

    async def change(self, given: tuple[int, bytes]) -> bytes:
        async with AsyncSession(self.engine) as session:
            update = TaskUpdate.model_validate_json(given[1])
            return answer(ONE, await changed(session, given[0], update))

    async def bulk(self, content: bytes) -> bytes:
        async with AsyncSession(self.engine) as session:
            done = await created_many(session, MANY.validate_json(content))
        return b'{"created":%d}' % done["created"]

    async def events(self, offset: int) -> bytes:
        async with AsyncSession(self.engine) as session:
            return answer(EVENTS, await listed_events(session, offset, 100))


def answer(adapter: TypeAdapter[Any], found: Any) -> bytes:
    """Do what FastAPI does with a response model: validate from attributes, then dump."""
    return adapter.dump_json(adapter.validate_python(found, from_attributes=True), by_alias=True)
