"""The models that the tests of upserts and of many rows share: every kind of unique key, and a wide rule."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, model_validator
from sqlalchemy import JSON, Index, MetaData, UniqueConstraint, func, text
from sqlalchemy.orm import registry
from sqlmodel import col

from fieldstone import Field, Json, Model, Relationship, StoredAs, Timestamps, UUIDKey, Versioned, partial
from fieldstone.models import NAMING_CONVENTION

METADATA = MetaData(naming_convention=NAMING_CONVENTION)


class StockModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Size(BaseModel):
    width: int = 0
    height: int = 0


class ItemBase(Model):
    code: str = Field(max_length=20, unique=True)
    name: str = Field(default="", max_length=40)
    amount: int = Field(default=0, ge=0)


class Item(ItemBase, Timestamps, Versioned, StockModel, table=True):
    """Unique by code; by shelf and place; by label among those that are not archived; by lower(alias)."""

    id: int | None = Field(default=None, primary_key=True)
    shelf: str | None = None
    place: int | None = None
    label: str | None = None
    archived: bool = False
    alias: str | None = None
    size: Json[Size] = Field(default_factory=Size)
    extra: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    lot_id: int | None = Field(default=None, foreign_key="lot.id", ondelete="SET NULL")
    lot: Lot | None = Relationship(back_populates="items")
    __table_args__ = (UniqueConstraint("shelf", "place"),)


Index(
    "live_label",
    col(Item.label),
    unique=True,
    postgresql_where=text("NOT archived"),
    sqlite_where=text("NOT archived"),
)
Index("alias_key", func.lower(col(Item.alias)), unique=True)


class Lot(StockModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    items: list[Item] = Relationship(back_populates="lot")


class Stay(UUIDKey, StockModel, table=True):
    """A rule over two fields, which no UPDATE can test."""

    guest: str = Field(unique=True)
    first: int = 0
    last: int = 9

    @model_validator(mode="after")
    def in_order(self) -> Stay:
        if self.last < self.first:
            raise ValueError("last must not be before first")
        return self


class Guest(StockModel, table=True):
    name: str = Field(primary_key=True)
    hashed_password: str


def hashed(password: str) -> str:
    return f"hashed:{password[::-1]}"


class GuestCreate(Model):
    name: str
    password: Annotated[str, Field(min_length=8), StoredAs("hashed_password", hashed)]


class ItemCreate(ItemBase):
    shelf: str | None = None
    place: int | None = None


@partial
class ItemUpdate(ItemBase):
    pass


class ItemRead(ItemBase):
    id: int
    version: int
    created_at: datetime
    updated_at: datetime


class StayRead(Model):
    id: uuid.UUID
    guest: str
    last: int


class LotRead(Model):
    name: str


class ItemFull(ItemBase):
    id: int
    lot: LotRead | None
