"""What the benchmarks do, apart from how: the tables with their rows, and the work that every stack is given.

10 projects, 50 workers, 20,000 tasks, about 2 assignments a task. E1 reads one task, E2 a hundred flat
tasks, E3 a hundred tasks each with its project and its assignments (role and worker). A stack answers with
the bytes that it would send; `same` compares the answers of all before anything is timed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from sqlalchemy import MetaData, insert
from sqlalchemy.orm import registry

from fieldstone import Database, Field, Model, Relationship
from fieldstone.models import NAMING_CONVENTION

TASKS = 20_000
WORKERS = 50
PROJECTS = 10
PAGE = 100
BEGINNING = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)

Status = Literal["pending", "in_progress", "completed"]
STATUSES: tuple[Status, ...] = ("pending", "in_progress", "completed")


class Base(Model, registry=registry(metadata=MetaData(naming_convention=NAMING_CONVENTION))):
    """Keep these tables apart from those of the other benchmarks."""


class Project(Base, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list[Task] = Relationship(back_populates="project")


class Worker(Base, table=True):
    id: str = Field(primary_key=True)
    name: str
    assignments: list[Assignment] = Relationship(back_populates="worker")


class Task(Base, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=200)
    status: Status = "pending"
    progress_percent: int = Field(default=0, ge=0, le=100)
    created_at: datetime
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list[Assignment] = Relationship(back_populates="task")


class Assignment(Base, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", primary_key=True)
    role: str = "assignee"
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


class ProjectRead(Model):
    id: int
    name: str


class WorkerRead(Model):
    id: str
    name: str


class AssignmentRead(Model):
    role: str
    worker: WorkerRead


class TaskFlat(Model):
    id: int
    title: str = Field(max_length=200)
    status: Status
    progress_percent: int = Field(ge=0, le=100)
    created_at: datetime


class TaskFull(TaskFlat):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


class Stack(Protocol):
    """One way to do the work. `number` is a task's key, `after` the key that a list begins behind."""

    name: str

    async def open(self) -> None: ...
    async def one(self, number: int) -> bytes: ...
    async def flat(self, after: int) -> bytes: ...
    async def full(self, after: int) -> bytes: ...
    async def close(self) -> None: ...


WORK: Mapping[str, str] = {
    "E1": "one",
    "E2": "flat",
    "E3": "full",
}
TITLES: Mapping[str, str] = {
    "E1": "one task",
    "E2": f"{PAGE} flat tasks",
    "E3": f"{PAGE} tasks, each with project and assignments",
}


def fill(database: Database) -> None:
    """Make the tables and their rows."""
    database.create_all(Base.metadata)
    with database.transaction() as session:
        for model, values in rows().items():
            session.connection().execute(insert(model), values)
        session.connection().exec_driver_sql("ANALYZE")


def rows() -> dict[type[Any], list[dict[str, Any]]]:
    """Make the rows: the same in every run."""
    return {
        Project: [{"id": n, "name": f"Project {n}"} for n in range(1, PROJECTS + 1)],
        Worker: [{"id": f"@worker-{n}", "name": f"Worker {n}"} for n in range(WORKERS)],
        Task: [task(n) for n in range(1, TASKS + 1)],
        Assignment: [
            {"task_id": n, "worker_id": f"@worker-{(n * 7 + k * 13) % WORKERS}", "role": "assignee"}
            for n in range(1, TASKS + 1)
            for k in range(n % 5)
        ],
    }


def task(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Task {number}: café, 東京",
        "status": STATUSES[number % 3],
        "progress_percent": number % 101,
        "created_at": BEGINNING + timedelta(minutes=number, microseconds=number % 7 * 1000),
        "project_id": number % 10 + 1,
    }


def same(answers: Mapping[str, bytes]) -> None:
    """Refuse answers that differ in anything but the order of children and the spelling of JSON."""
    read = {name: canonical(json.loads(answer)) for name, answer in answers.items()}
    first, *others = read
    for other in others:
        if read[other] != read[first]:
            raise SystemExit(f"{other} and {first} answer differently, so their times mean nothing")


def canonical(value: Any) -> Any:
    if isinstance(value, list):
        return [canonical(one) for one in value]
    if isinstance(value, dict):
        found = {name: canonical(one) for name, one in value.items()}
        if "assignments" in found:
            found["assignments"].sort(key=lambda one: one["worker"]["id"])
        return found
    return value
