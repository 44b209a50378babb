"""S1: SQLModel as its tutorials and most projects write it, served by a FastAPI route.

Plain SQLModel tables, an AsyncSession, selectinload and joinedload, and what `response_model` does with what
the route returns: validate it from attributes, then dump it. SQLModel needs annotations that are evaluated.
"""

from datetime import datetime
from typing import Any, cast

from pydantic import TypeAdapter
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import joinedload, registry, selectinload
from sqlmodel import Field, Relationship, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.workload import PAGE


class Base(SQLModel, registry=registry(metadata=MetaData())):
    """Keep these tables apart from those of the other benchmarks."""


class Project(Base, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Worker(Base, table=True):
    id: str = Field(primary_key=True)
    name: str
    assignments: list["Assignment"] = Relationship(back_populates="worker")


class Task(Base, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=200)
    status: str = "pending"
    progress_percent: int = Field(default=0, ge=0, le=100)
    created_at: datetime
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list["Assignment"] = Relationship(back_populates="task")


class Assignment(Base, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", primary_key=True)
    role: str = "assignee"
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


class ProjectRead(SQLModel):
    id: int
    name: str


class WorkerRead(SQLModel):
    id: str
    name: str


class AssignmentRead(SQLModel):
    role: str
    worker: WorkerRead


class TaskFlat(SQLModel):
    id: int
    title: str = Field(max_length=200)
    status: str
    progress_percent: int
    created_at: datetime


class TaskFull(TaskFlat):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


ONE = TypeAdapter(TaskFlat)
FLAT = TypeAdapter(list[TaskFlat])
FULL = TypeAdapter(list[TaskFull])


class Documents:
    """Read instances and let the response model make the answer of them."""

    name = "S1"

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: AsyncEngine | None = None

    async def open(self) -> None:
        url = self.url.replace("sqlite:", "sqlite+aiosqlite:", 1)
        url = url.replace("postgresql:", "postgresql+asyncpg:", 1)
        self.engine = create_async_engine(url, pool_size=5, max_overflow=10)

    async def close(self) -> None:
        if self.engine is not None:
            await self.engine.dispose()

    async def one(self, number: int) -> bytes:
        async with AsyncSession(self.engine) as session:
            task = await session.get(Task, number)
            return answer(ONE, task)

    async def flat(self, after: int) -> bytes:
        async with AsyncSession(self.engine) as session:
            found = await session.exec(listed(after))
            return answer(FLAT, found.all())

    async def full(self, after: int) -> bytes:
        async with AsyncSession(self.engine) as session:
            options = [
                joinedload(cast(Any, Task.project)),
                selectinload(cast(Any, Task.assignments)).joinedload(cast(Any, Assignment.worker)),
            ]
            found = await session.exec(listed(after).options(*options))
            return answer(FULL, found.all())


def listed(after: int) -> Any:
    return select(Task).where(col(Task.id) > after).order_by(col(Task.id)).limit(PAGE)


def answer(adapter: TypeAdapter[Any], found: Any) -> bytes:
    """Do what FastAPI does with a response model."""
    return adapter.dump_json(adapter.validate_python(found, from_attributes=True), by_alias=True)
