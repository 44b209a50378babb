"""The domain of the database document: projects, tasks, and the workers that do them.

Its tables have a registry of their own, so that their names may repeat those of other test modules.
Only public names are used: this is what a user of the package would write.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from fieldstone import (
    Depth,
    Field,
    Model,
    Relationship,
    Resource,
    Timestamps,
    UtcDatetime,
    ZeroAsNull,
    partial,
)

METADATA = MetaData()


class TaskModel(Model, registry=registry(metadata=METADATA)):
    """Stand above the tables of this domain."""


class Project(TaskModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=80, index=True)
    slug: str = Field(max_length=40, unique=True)
    tasks: list[Task] = Relationship(back_populates="project")


class TaskWorkerLink(TaskModel, table=True):
    """Link a task with a worker, and say nothing more about it."""

    task_id: int = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    worker_id: str = Field(foreign_key="worker.id", primary_key=True, ondelete="CASCADE")


class TaskAssignment(TaskModel, table=True):
    """Link a task with a worker, and say since when and in which role."""

    task_id: int = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    worker_id: str = Field(foreign_key="worker.id", primary_key=True, ondelete="CASCADE")
    role: Literal["assignee", "reviewer"] = "assignee"
    assigned_at: UtcDatetime = Field(default_factory=lambda: datetime.now(UTC))
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


class Worker(TaskModel, table=True):
    id: str = Field(primary_key=True, max_length=40)
    name: str
    type: Literal["human", "agent"]
    tasks: list[Task] = Relationship(back_populates="workers", link_model=TaskWorkerLink)
    assignments: list[TaskAssignment] = Relationship(back_populates="worker")


class TaskBase(Model):
    title: str = Field(max_length=200, index=True)
    description: str | None = None
    status: Literal["pending", "in_progress", "completed"] = "pending"
    priority: Literal["low", "medium", "high"] = "medium"
    progress_percent: int = Field(default=0, ge=0, le=100)
    due_date: UtcDatetime | None = None
    project_id: ZeroAsNull = Field(default=None, foreign_key="project.id", ondelete="SET NULL")
    parent_id: ZeroAsNull = Field(default=None, foreign_key="task.id", ondelete="SET NULL")


class Task(TaskBase, Timestamps, TaskModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project: Project | None = Relationship(back_populates="tasks")
    workers: list[Worker] = Relationship(back_populates="tasks", link_model=TaskWorkerLink)
    assignments: list[TaskAssignment] = Relationship(back_populates="task")
    parent: Task | None = Relationship(back_populates="subtasks")
    subtasks: list[Task] = Relationship(back_populates="parent")


class AuditLog(TaskModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    task_id: int
    actor_id: str
    actor_type: Literal["human", "agent"]


class Notification(TaskModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    user_id: str


class TaskCreate(TaskBase):
    pass


@partial
class TaskUpdate(TaskBase):
    pass


class ProjectRead(Model):
    id: int
    name: str
    slug: str


class WorkerRead(Model):
    id: str
    name: str
    type: Literal["human", "agent"]


class TaskRead(TaskBase):
    id: int
    created_at: datetime
    updated_at: datetime


class TaskWithProject(TaskRead):
    project: ProjectRead | None


class ProjectWithTasks(ProjectRead):
    tasks: list[TaskRead]


class AssignmentRead(Model):
    role: Literal["assignee", "reviewer"]
    assigned_at: datetime
    worker: WorkerRead


class TaskWithAssignments(TaskRead):
    assignments: list[AssignmentRead]


class TaskWithWorkers(TaskRead):
    workers: list[WorkerRead]


class TaskTree(Model):
    id: int
    title: str
    subtasks: Annotated[list[TaskTree], Depth(2)] = []  # Pydantic copies it


class TaskWithParent(Model):
    title: str
    parent: TaskTitle | None


class TaskTitle(Model):
    title: str


class AssignmentCreate(Model):
    task_id: int
    worker_id: str
    role: Literal["assignee", "reviewer"] = "assignee"


class WorkerInRole(Model):
    worker_id: str
    role: Literal["assignee", "reviewer"] = "assignee"


class TaskCreateAssigned(TaskCreate):
    """Create a task and who does it, in one go."""

    assignments: list[WorkerInRole]


def task_resource() -> Resource[Task, TaskRead, TaskCreate, TaskUpdate]:
    """Bind the task to its schemas, as every way of serving it needs."""
    return Resource(Task, read=TaskRead, create=TaskCreate, update=TaskUpdate)
