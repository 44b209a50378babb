"""Type checkers treat Model exactly like SQLModel: fields, constructors, columns and derived schemas."""

import uuid
from datetime import datetime
from typing import Annotated, Literal, assert_type

from sqlmodel import col, select

from fieldstone import (
    AssumedUtc,
    Field,
    Json,
    Model,
    Relationship,
    StoredAs,
    Timestamps,
    UtcDatetime,
    UUIDKey,
    Versioned,
    ZeroAsNull,
    partial,
)


class StepRead(Model):
    name: str


class TaskBase(Model):
    title: str = Field(max_length=200, index=True)
    status: Literal["pending", "completed"] = "pending"
    project_id: ZeroAsNull = Field(default=None, foreign_key="project.id")
    due: UtcDatetime | None = None
    seen: AssumedUtc | None = None


class Task(TaskBase, Timestamps, Versioned, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: str = Field(default=None, foreign_key="user.id")
    steps: Json[list[StepRead]] = Field(default_factory=list)
    project: "Project | None" = Relationship(back_populates="tasks")


class Project(UUIDKey, table=True):
    name: str
    tasks: list[Task] = Relationship(back_populates="project")


class TaskCreate(TaskBase):
    password: Annotated[str, Field(min_length=12), StoredAs("hashed_password", str.upper)]


@partial
class TaskUpdate(TaskBase): ...


task = Task(title="a", status="completed", steps=[StepRead(name="x")])
assert_type(task.title, str)
assert_type(task.status, Literal["pending", "completed"])
assert_type(task.project_id, int | None)
assert_type(task.due, datetime | None)
assert_type(task.steps, list[StepRead])
assert_type(task.created_at, datetime)
assert_type(task.version, int)
assert_type(task.project, Project | None)
assert_type(Project(name="p").id, uuid.UUID)
assert_type(Project(name="p", tasks=[task]).tasks, list[Task])
assert_type(Task.model_validate({}), Task)
assert_type(task.sqlmodel_update({"title": "b"}), Task)
assert_type(TaskUpdate.model_validate({"title": "b"}), TaskUpdate)
assert_type(TaskUpdate.model_validate({}).title, str)
assert_type(TaskCreate(title="a", password="correct horse").password, str)

select(Task).where(col(Task.due).is_not(None), Task.status == "pending").order_by(col(Task.created_at).desc())

Task()  # error: mypy[call-arg] pyright[reportCallIssue]
Task(title=1)  # error: mypy[arg-type] pyright[reportArgumentType]
Task(title="a", status="gone")  # error: mypy[arg-type] pyright[reportArgumentType]
print(TaskUpdate.model_validate({}).nonsense)  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
