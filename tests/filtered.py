"""What the tests of filters share: a table with a column of every kind, and resources over the domain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import NaiveDatetime, StringConstraints
from sqlalchemy import BigInteger, DateTime, MetaData, SmallInteger
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from fieldstone import AssumedUtc, Field, Json, Model, Resource, ZeroAsNull
from tests import domain

METADATA = MetaData()


class Colour(Enum):
    RED = "red"
    DEEP_BLUE = "deep, blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class FilteredModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Sample(FilteredModel, table=True):
    """A column of every kind. `size` and `total` are also what a list's own parameters are called."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(default="", max_length=250)
    code: Annotated[str, StringConstraints(pattern="^[A-Z]+$")] = Field(
        default="AB", min_length=2, max_length=8
    )
    note: str | None = None
    flag: bool | None = None
    size: int = 0
    total: int | None = None
    small: int = Field(default=0, sa_type=SmallInteger)
    big: int = Field(default=0, sa_type=BigInteger)
    points: int = Field(default=0, ge=0, le=100)
    ratio: float = 0.0
    price: Decimal = Field(default=Decimal(0), max_digits=12, decimal_places=2)
    amount: Decimal | None = None
    day: date | None = None
    seen_at: datetime | None = None
    assumed_at: AssumedUtc | None = None
    local_at: NaiveDatetime | None = Field(default=None, sa_type=DateTime)
    at: time | None = None
    took: timedelta | None = None
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    state: Literal["open", "done", None] = None
    rank: Literal[1, 2, 3] = 1
    token: UUID | None = None
    zero: ZeroAsNull = None
    data: Json[dict[str, Any]] = Field(default_factory=dict)


class SampleRead(Model):
    id: int


class PlainModel(SQLModel, registry=registry(metadata=MetaData())):
    """Stand beside no other table."""


class Plain(PlainModel, table=True):
    """A table that refuses nothing itself."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = ""
    number: int = 0
    weight: float = 0.0
    seen_at: datetime | None = None


FILTERED = [name for name in Sample.model_fields if name != "data"]
SORTED = ["id", "name", "note", "total", "seen_at"]


def samples(
    filters: Sequence[str] = FILTERED, sort: Sequence[str] = SORTED, search: Sequence[str] = ("name", "note")
) -> Resource[Sample, SampleRead]:
    return Resource(Sample, read=SampleRead, filters=filters, sort=sort, search=search)


plains = Resource(
    Plain,
    read=SampleRead,
    filters=["id", "name", "number", "weight", "seen_at"],
    sort=["name"],
    search=["name"],
)

tasks = Resource(
    domain.Task,
    read=domain.TaskRead,
    order_by=[domain.Task.id],
    filters=[
        "status",
        "title",
        "progress_percent",
        "created_at",
        "project_id",
        "project",
        "project.slug",
        "parent.project.slug",
        "subtasks.title",
        "subtasks.subtasks.title",
        "subtasks",
        "tags.label",
        "tags.tasks.title",
        "assignments",
        "assignments.worker_id",
        "assignments.role",
        "assignments.worker.kind",
    ],
    sort=["title", "status", "created_at", "project.name", "parent.project.slug", "reviewer_id"],
    search=["title", "project.name", "assignments.worker.name"],
)
