"""What comes in (Create, Update) and what goes out (the rest).

A Read schema is also the query: the columns and relationships that it names are loaded, in as
many statements as its plan says, and nothing else is. So a page that needs less gets a smaller
schema, such as TaskCard for the board.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fieldstone import Depth, Field, Model, partial
from fieldstone.template.models import (
    AssignmentBase,
    Priority,
    ProjectBase,
    Role,
    Slug,
    Status,
    TaskBase,
    WorkerBase,
    WorkerKey,
)


class ProjectCreate(ProjectBase): ...


@partial
class ProjectUpdate(ProjectBase): ...


class ProjectRead(ProjectBase):
    id: int
    created_at: datetime
    updated_at: datetime


class ProjectName(Model):
    name: str


class ProjectLabel(ProjectName):
    id: int


class WorkerCreate(WorkerBase):
    id: WorkerKey = Field(
        max_length=40,
        description="Its name in addresses, which stays.",
        schema_extra={"examples": ["@claude-code"]},
    )


@partial
class WorkerUpdate(WorkerBase): ...


class WorkerRead(WorkerBase):
    id: str


class AssignmentCreate(AssignmentBase):
    worker_id: WorkerKey = Field(max_length=40, schema_extra={"examples": ["@claude-code"]})


class AssignmentRead(Model):
    role: Role
    assigned_at: datetime
    worker: WorkerRead


class TaskCreate(TaskBase):
    # Said once, here, and in no update: a task that never changes its parent is in no circle.
    parent_id: int | None = None


@partial
class TaskUpdate(TaskBase): ...


class TaskEdit(TaskUpdate):
    """A change by somebody who has seen a version of the task."""

    version: int | None = None


class TaskSummary(Model):
    """A task as one line among others."""

    id: int
    title: str
    status: Status


class TaskPath(Model):
    """Where a subtask stands: its parent, the parent's parent, and so on."""

    id: int
    title: str
    parent: Annotated[TaskPath | None, Depth(3)] = None


class TaskDetails(TaskBase):
    """A task with everything but what is below it."""

    id: int
    version: int
    created_at: datetime
    updated_at: datetime
    project: ProjectRead | None
    parent: TaskPath | None
    assignments: list[AssignmentRead]


class TaskRead(TaskDetails):
    """A task with everything that is known of it."""

    subtasks: list[TaskSummary]


class TaskTree(TaskSummary):
    """A task with the subtasks below it, and theirs."""

    subtasks: list[TaskTree]


class TaskDeleted(TaskSummary):
    """A task that can be brought back."""

    deleted_at: datetime | None
    project: ProjectChip | None


class TaskRow(Model):
    """A task as one row of many, in a list or a spreadsheet."""

    id: int
    title: str
    status: Status
    priority: Priority
    progress_percent: int
    due_date: date | None
    project: ProjectName | None
    created_at: datetime
    updated_at: datetime


class TaskClaim(Model):
    """Who wants to work, and where."""

    worker_id: WorkerKey = Field(max_length=40, schema_extra={"examples": ["@claude-code"]})
    project: Slug | None = Field(
        default=None,
        max_length=40,
        description="The slug of a project, to take a task of that one only.",
        schema_extra={"examples": ["shop"]},
    )


class ProjectChip(Model):
    name: str
    slug: str
    color: str


class SubtaskStatus(Model):
    status: Status


class TaskCard(TaskSummary):
    """A task on the board."""

    priority: Priority
    progress_percent: int
    due_date: date | None
    project: ProjectChip | None
    subtasks: list[SubtaskStatus]
    assignments: list[AssignmentRead]


class WorkerAssignment(Model):
    role: Role
    task: TaskAssigned


class TaskAssigned(TaskSummary):
    deleted_at: datetime | None


class WorkerCard(WorkerRead):
    """A worker with what they work on."""

    assignments: list[WorkerAssignment]
