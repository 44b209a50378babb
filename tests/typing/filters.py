"""A filter in Python takes values of its attribute's type, and offers what fits it."""

import uuid
from datetime import UTC, datetime
from typing import Literal, assert_type

from sqlalchemy import ColumnElement
from sqlmodel import select

from fieldstone import Field, Model, Resource, Selection, Timestamps, UUIDKey, typed


class Task(Timestamps, UUIDKey, table=True):
    title: str = Field(max_length=200)
    note: str | None = None
    status: Literal["pending", "completed"] = "pending"
    progress: int = 0
    ratio: float | None = None
    done: bool = False


class TaskRead(Model):
    id: uuid.UUID


assert_type(typed(Task.progress).ge(50), ColumnElement[bool])
assert_type(typed(Task.note).is_null(), ColumnElement[bool])
select(Task).where(typed(Task.title).icontains("fly"), ~typed(Task.status).in_("pending", "completed"))
typed(Task.note).ne("x")
typed(Task.ratio).lt(0.5)
typed(Task.done).eq(True)
typed(Task.created_at).ge(datetime(2026, 1, 31, tzinfo=UTC))
typed(Task.id).not_in(uuid.uuid4())

typed(Task.progress).ge("half")  # error: mypy[arg-type] pyright[reportArgumentType]
typed(Task.progress).contains("1")  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
typed(Task.status).eq("waiting")  # error: mypy[arg-type] - pyright takes it for a str
typed(Task.status).in_("pending", 3)  # error: mypy[arg-type] pyright[reportArgumentType]
typed(Task.title).ge("m")  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
typed(Task.note).eq(None)  # error: mypy[arg-type] pyright[reportArgumentType]
typed(Task.created_at).lt("2026-01-31")  # error: mypy[arg-type] pyright[reportArgumentType]
typed(Task.id).eq("018f")  # error: mypy[arg-type] pyright[reportArgumentType]
typed(Task.id).lt(uuid.uuid4())  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]

tasks = Resource(Task, read=TaskRead, filters=["status", "title"], sort=["created_at"], search=["title"])
assert_type(tasks.selection({"status": "pending"}), Selection)
assert_type(tasks.selection("status=pending&sort=-created_at"), Selection)
tasks.select(tasks.selection([("q", "fly")]))
tasks.select("status=pending")  # error: mypy[arg-type] pyright[reportArgumentType]
