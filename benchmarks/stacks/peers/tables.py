"""The tables and the schemas of the peers that stand on SQLAlchemy's own declarative classes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import DateTime, ForeignKey, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Utc(TypeDecorator[datetime]):
    """Moments in UTC on any database, as SQLAlchemy's page "Custom Types" stores them."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.astimezone(UTC) if value else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The registry of these tables."""


class Project(Base):
    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Worker(Base):
    __tablename__ = "worker"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Task(Base):
    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(default="pending")
    progress_percent: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Utc)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"), index=True)
    project: Mapped[Project | None] = relationship()
    assignments: Mapped[list[Assignment]] = relationship(back_populates="task")


class Assignment(Base):
    __tablename__ = "assignment"
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    worker_id: Mapped[str] = mapped_column(ForeignKey("worker.id"), primary_key=True)
    role: Mapped[str] = mapped_column(default="assignee")
    task: Mapped[Task] = relationship(back_populates="assignments")
    worker: Mapped[Worker] = relationship()


class Event(Base):
    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[int]
    kind: Mapped[str]


Title = Annotated[str, Field(max_length=200)]
Status = Literal["pending", "in_progress", "completed"]
Percent = Annotated[int, Field(ge=0, le=100)]


class Schema(BaseModel):
    """Schemas are read from the attributes of an instance."""

    model_config = ConfigDict(from_attributes=True)


class TaskCreate(Schema):
    title: Title
    status: Status = "pending"
    progress_percent: Percent = 0
    created_at: AwareDatetime
    project_id: int | None = None


class TaskUpdate(Schema):
    title: Title | None = None
    status: Status | None = None
    progress_percent: Percent | None = None


class TaskRead(Schema):
    id: int
    title: str
    status: str
    progress_percent: int
    created_at: datetime


class ProjectRead(Schema):
    id: int
    name: str


class WorkerRead(Schema):
    id: str
    name: str


class AssignmentRead(Schema):
    role: str
    worker: WorkerRead


class TaskFull(TaskRead):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


class EventRead(Schema):
    id: int
    at: int
    kind: str


ONE = TypeAdapter(TaskRead)
MANY = TypeAdapter(list[TaskCreate])


def asynchronous(url: str) -> str:
    """Give the URL with the asynchronous driver that SQLAlchemy's pages name first."""
    return url.replace("sqlite:", "sqlite+aiosqlite:", 1).replace("postgresql:", "postgresql+asyncpg:", 1)
