"""Tables with every kind of rule, for the tests of models."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import ClassVar, Literal, Self

from pydantic import field_validator, model_validator
from sqlalchemy import BigInteger
from sqlalchemy.orm import registry

from fieldstone.models import Field, Model, Relationship, Timestamps, UUIDKey, Versioned


class Local(Model, registry=registry()):
    """Keep this module's tables apart from those of other modules."""


class Kind(Enum):
    HUMAN = "human"
    AGENT = "ai agent"


class Level(Enum):
    LOW = 1
    HIGH = 2


class ProjectBase(Local):
    name: str = Field(min_length=1, max_length=20, index=True, unique=True)


class Project(ProjectBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list[Task] = Relationship(back_populates="project")


class TaskBase(Local):
    title: str = Field(min_length=1, max_length=20)
    status: Literal["pending", "in_progress", "it's done"] = "pending"
    kind: Kind = Kind.HUMAN
    level: Level | None = None
    stars: Literal[1, 2, 3] | None = None
    size: Literal["S", 40, "L"] | None = None
    progress_percent: int = Field(default=0, ge=0, le=100)
    effort: float = Field(default=1, gt=0)
    due: datetime | None = None
    checksum: int = Field(default=0, sa_type=BigInteger)


class Task(TaskBase, Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(foreign_key="project.id", ondelete="CASCADE")
    project: Project | None = Relationship(back_populates="tasks")


class Meeting(UUIDKey, Local, table=True):
    starts: int
    ends: int
    code: str = "x"
    checks: ClassVar[int] = 0

    @field_validator("code")
    @classmethod
    def lengthen(cls, code: str) -> str:
        return code + "!"

    @model_validator(mode="after")
    def in_order(self) -> Self:
        type(self).checks += 1
        if self.starts > self.ends:
            raise ValueError("starts after it ends")
        return self


class Page(Versioned, Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    body: str = ""
