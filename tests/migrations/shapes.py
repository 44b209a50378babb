"""Models that several traps start from."""

from __future__ import annotations

from typing import Any, Literal

from fieldstone import Field, Model
from tests.migrations.workbench import models


def literal(annotation: Any, default: str = "todo") -> Any:
    class Base(Model, registry=models()):
        pass

    namespace = {
        "__annotations__": {"id": int | None, "status": annotation},
        "id": Field(default=None, primary_key=True),
        "status": default,
        "__module__": __name__,
        "__qualname__": "Task",
    }
    make: Any = type(Model)
    make("Task", (Base,), namespace, table=True)
    return Base


OLD, NEW = Literal["todo", "done"], Literal["todo", "doing", "done"]


def family(*, required: bool) -> Any:
    class Base(Model, registry=models()):
        pass

    class Parent(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str | None = Field(default=None, nullable=not required)

    class Child(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int = Field(foreign_key="parent.id", ondelete="CASCADE")

    return Base


FAMILY = (
    "INSERT INTO parent (id, name) VALUES (1, 'Ada')",
    "INSERT INTO child (id, parent_id) VALUES (1, 1)",
)
