"""The tables of the work and their schemas, as Fieldstone's pages write them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlmodel import col, select

from benchmarks.workload import PAGE
from fieldstone import Cursors, Field, KeysetPage, Model, Relationship, partial

Status = Literal["pending", "in_progress", "completed"]


class Project(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list[Task] = Relationship(back_populates="project")


class Worker(Model, table=True):
    id: str = Field(primary_key=True)
    name: str
    assignments: list[Assignment] = Relationship(back_populates="worker")


class TaskBase(Model):
    title: str = Field(max_length=200)
    status: Status = "pending"
    progress_percent: int = Field(default=0, ge=0, le=100)
    created_at: datetime


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list[Assignment] = Relationship(back_populates="task")


class Assignment(Model, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", primary_key=True)
    role: str = "assignee"
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


class Event(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    at: int
    kind: str


class TaskCreate(TaskBase):
    project_id: int | None = None


@partial
class TaskUpdate(TaskBase): ...


class TaskRead(TaskBase):
    id: int


class ProjectRead(Model):
    id: int
    name: str


class WorkerRead(Model):
    id: str
    name: str


class AssignmentRead(Model):
    role: str
    worker: WorkerRead


class TaskFull(TaskRead):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


class EventRead(Model):
    id: int
    at: int
    kind: str


ONE = TypeAdapter(TaskRead)
FLAT = TypeAdapter(list[TaskRead])
FULL = TypeAdapter(list[TaskFull])
MANY = TypeAdapter(list[TaskCreate])
EVENTS: TypeAdapter[KeysetPage[EventRead]] = TypeAdapter(KeysetPage[EventRead])
CURSORS = Cursors("a secret for benchmarks, of no other use")


LISTED = select(Task).order_by(col(Task.id)).limit(PAGE)
LATEST = select(Event).order_by(col(Event.at).desc())


def listed(offset: int) -> Any:
    return LISTED.offset(offset)


def latest() -> Any:
    return LATEST


def written(task: Task) -> bytes:
    """Give a row as FastAPI does with a response model: validate from attributes, then dump."""
    return ONE.dump_json(ONE.validate_python(task, from_attributes=True))
