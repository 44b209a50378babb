"""A table with what hangs on it, for the tests of the guard: Fieldstone's own Model, one database a test."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from fieldstone import Field, Model, Relationship

METADATA = MetaData()


class ShopModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other tests."""


class Shelf(ShopModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    items: list[Item] = Relationship(back_populates="shelf")


class Item(ShopModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    shelf_id: int | None = Field(default=None, foreign_key="shelf.id", index=True)
    shelf: Shelf | None = Relationship(back_populates="items")


class ItemRead(Model):
    id: int
    name: str


class ShelfRead(Model):
    id: int
    name: str
    items: list[ItemRead]


def sample() -> list[Shelf]:
    """Make three shelves with two items each."""
    return [Shelf(name=f"shelf {n}", items=[Item(name=f"item {n}{k}") for k in "ab"]) for n in range(3)]
