"""Models with a history, and what the tests of it read: one kind of key, column and relationship each."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import Session, SQLModel, col, select

from fieldstone import Field, Json, Model, Relationship, Timestamps, UUIDKey, Versioned
from fieldstone.history import Audited, HistoryRead, Masked, audited, history_of
from tests.faces import Face

METADATA = MetaData()


class ChronicledModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Board(ChronicledModel, table=True):
    """It has no history, but its deletion reaches rows that have."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = ""


class Ticket(Audited, Timestamps, Versioned, ChronicledModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    slug: str = Field(unique=True)
    hits: int = 0
    token: str = "t0"
    note: Annotated[str, Masked()] = ""
    board_id: int | None = Field(default=None, foreign_key="board.id", ondelete="CASCADE")
    parent_id: int | None = Field(default=None, foreign_key="ticket.id", ondelete="SET NULL")
    parts: list[Part] = Relationship(back_populates="ticket")


class Part(Audited, ChronicledModel, table=True):
    ticket_id: int = Field(foreign_key="ticket.id", primary_key=True, ondelete="CASCADE")
    name: str = Field(primary_key=True)
    size: int = 1
    ticket: Ticket = Relationship(back_populates="parts")


class Colour(Enum):
    RED = "red"


class Step(BaseModel):
    text: str
    done: bool = False


class Everything(Audited, UUIDKey, ChronicledModel, table=True):
    price: Decimal = Decimal("1.50")
    seen: datetime
    other: uuid.UUID = uuid.UUID(int=7)
    colour: Colour = Colour.RED
    blob: bytes = b"\xff"
    steps: Json[list[Step]] = []


class Animal(Audited, ChronicledModel, table=True):
    """Single-table inheritance."""

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}
    id: int | None = Field(default=None, primary_key=True)
    kind: str = "animal"
    name: str = ""


class Dog(Animal, table=True):
    __mapper_args__ = {"polymorphic_identity": "dog"}
    trick: str | None = None


class Signed(Audited, ChronicledModel, table=True):
    __actor_required__ = True
    id: int | None = Field(default=None, primary_key=True)


class PlainBase(SQLModel, registry=registry(metadata=METADATA)):
    """SQLModel as it is."""


@audited
class Plain(PlainBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = ""


def told(entry: HistoryRead) -> tuple[Any, ...]:
    """Give an entry without its time and place: what it says."""
    changes = {
        name: "masked" if one.masked else (one.old, one.new) for name, one in sorted(entry.changes.items())
    }
    return entry.action, entry.model, entry.key, changes


def entries(session: Session, model: type[SQLModel] = Ticket) -> list[HistoryRead]:
    """Read all entries of all models, in the order of their writing."""
    history = history_of(model)
    rows = session.exec(select(history).order_by(col(history.at), col(history.id))).all()
    return [HistoryRead.model_validate(row, from_attributes=True) for row in rows]


async def all_told(face: Face) -> list[tuple[Any, ...]]:
    async with face.transaction() as session:
        return [told(one) for one in await face.run(session, entries)]
