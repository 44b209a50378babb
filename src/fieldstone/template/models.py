"""The tables: a project holds tasks, a task holds subtasks, and workers are assigned to tasks.

What the bases say (bounds, choices, defaults) holds everywhere: in Python, in the database and,
through schemas.py, in the API and the forms. `Audited` keeps a history of every change, and
`Versioned` lets nobody overwrite what they have not seen. What is deleted by mistake comes back: tasks are
`SoftDeleted`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import StringConstraints
from sqlalchemy import Index

from fieldstone import (
    Audited,
    Field,
    Masked,
    Model,
    Relationship,
    SoftDeleted,
    Timestamps,
    UtcDatetime,
    Versioned,
)

Status = Literal["pending", "in_progress", "completed"]
Priority = Literal["low", "medium", "high"]
Color = Literal["moss", "sky", "amber", "violet", "rose", "slate"]
WorkerType = Literal["human", "agent"]
Role = Literal["assignee", "reviewer"]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
WorkerKey = Annotated[str, StringConstraints(pattern=r"^@[a-z0-9]+(-[a-z0-9]+)*$")]


class ProjectBase(Model):
    name: str = Field(min_length=1, max_length=80, schema_extra={"examples": ["Online shop"]})
    slug: Slug = Field(max_length=40, unique=True, schema_extra={"examples": ["shop"]})
    description: str | None = Field(default=None, max_length=2_000)
    color: Color = "slate"


class Project(ProjectBase, Audited, Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list[Task] = Relationship(back_populates="project")


class TaskBase(Model):
    title: str = Field(min_length=1, max_length=200, schema_extra={"examples": ["Water the ferns"]})
    description: str | None = Field(default=None, max_length=20_000)
    status: Status = "pending"
    priority: Priority = "medium"
    progress_percent: int = Field(default=0, ge=0, le=100)
    due_date: date | None = None
    # Who asked for it, such as a customer: a history is read by more people than a task.
    contact: Annotated[str | None, Masked()] = Field(default=None, max_length=200)
    project_id: int | None = Field(default=None, foreign_key="project.id", ondelete="SET NULL", index=True)


class Task(TaskBase, Audited, Timestamps, Versioned, SoftDeleted, table=True):
    # The order of lists, and the way to what waits.
    __table_args__ = (Index(None, "created_at", "id"), Index(None, "status", "priority", "due_date"))

    id: int | None = Field(default=None, primary_key=True)
    parent_id: int | None = Field(default=None, foreign_key="task.id", ondelete="CASCADE", index=True)

    project: Project | None = Relationship(back_populates="tasks")
    parent: Task | None = Relationship(back_populates="subtasks")
    subtasks: list[Task] = Relationship(back_populates="parent")
    assignments: list[Assignment] = Relationship(
        back_populates="task", sa_relationship_kwargs={"order_by": "Assignment.assigned_at"}
    )


class WorkerBase(Model):
    name: str = Field(min_length=1, max_length=80, schema_extra={"examples": ["Claude Code"]})
    type: WorkerType


class Worker(WorkerBase, Audited, Timestamps, table=True):
    id: WorkerKey = Field(primary_key=True, max_length=40, schema_extra={"examples": ["@claude-code"]})
    assignments: list[Assignment] = Relationship(back_populates="worker")


class AssignmentBase(Model):
    role: Role = "assignee"


class Assignment(AssignmentBase, Audited, table=True):
    task_id: int = Field(foreign_key="task.id", ondelete="CASCADE", primary_key=True)
    worker_id: WorkerKey = Field(
        foreign_key="worker.id",
        ondelete="CASCADE",
        primary_key=True,
        index=True,
        max_length=40,
        schema_extra={"examples": ["@claude-code"]},
    )
    assigned_at: UtcDatetime = Field(default_factory=lambda: datetime.now(UTC))

    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")
