"""A shelf of books, and what another program may have stored in them that nothing here can read."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Enum as SQLAlchemyEnum
from sqlalchemy import MetaData, text
from sqlalchemy.orm import registry

from fieldstone import Field, Json, Model, Relationship, UtcDatetime
from tests.faces import Face

METADATA = MetaData()


class Shelved(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Cover(Enum):
    hard = "hard"
    soft = "soft"


COVERS: Any = SQLAlchemyEnum(Cover, native_enum=False, length=20)


class Shelf(Shelved, table=True):
    id: int = Field(primary_key=True)
    opened: date = date(2020, 1, 1)
    books: list[Book] = Relationship(back_populates="shelf")


class BookColumns(Model):
    title: str | None = "A title"
    printed: date | None = date(2024, 2, 3)
    sold: UtcDatetime | None = datetime(2024, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    opens: time | None = time(8, 30)
    number: UUID | None = UUID(int=5)
    notes: Json[dict[str, int]] | None = {"pages": 300}
    price: Decimal | None = Decimal("9.5")
    cover: Cover | None = Field(default=Cover.soft, sa_type=COVERS)
    copies: int | None = None


class Book(BookColumns, Shelved, table=True):
    id: int = Field(primary_key=True)
    shelf_id: int | None = Field(default=1, foreign_key="shelf.id")
    sequel_of_id: int | None = Field(default=None, foreign_key="book.id", ondelete="CASCADE")
    shelf: Shelf | None = Relationship(back_populates="books")
    sequel_of: Book | None = Relationship(back_populates="sequels")
    sequels: list[Book] = Relationship(back_populates="sequel_of")


class Label(Shelved, table=True):
    id: UUID = Field(primary_key=True)
    parts: list[Part] = Relationship(back_populates="label")


class Part(Shelved, table=True):
    id: int = Field(primary_key=True)
    label_id: UUID | None = Field(default=None, foreign_key="label.id")
    label: Label | None = Relationship(back_populates="parts")


class Note(Shelved, table=True):
    id: int = Field(primary_key=True)
    title: str


class NoteRead(Model):
    id: int
    title: str


class BookRead(BookColumns):
    id: int


class Printed(Model):
    id: int
    printed: date | None


class ShelfRead(Model):
    id: int
    opened: date


class ShelfFull(ShelfRead):
    books: list[Printed]


class OnShelf(Model):
    id: int
    shelf: ShelfRead | None


class BookTree(Printed):
    sequels: list[BookTree]


class Latest(Model):
    shelf_id: int
    latest: date


class PartRead(Model):
    id: int


class LabelRead(Model):
    id: UUID
    parts: list[PartRead]


NO_TEXT = "CAST(X'ff41' AS TEXT)"
UNREADABLE: dict[str, list[tuple[str, str, Any]]] = {
    "sqlite": [
        ("title", NO_TEXT, "\\xffA"),
        ("printed", "'soon'", "soon"),
        ("printed", NO_TEXT, "\\xffA"),
        ("printed", "12", "12"),
        ("sold", "'soon'", "soon"),
        ("sold", "X'ff00'", "\\xff\x00"),
        ("opens", "'noon'", "noon"),
        ("number", "'none'", "none"),
        ("number", "X'ff00'", "\\xff\x00"),
        ("notes", "'{'", "{"),
        ("price", "'cheap'", "cheap"),
        ("cover", "'leather'", "leather"),
    ],
    "postgresql": [
        ("printed", "'0044-03-15 BC'", "0044-03-15 BC"),
        ("printed", "'12000-01-01'", "12000-01-01"),
        ("sold", "'0044-03-15 10:00 BC'", "0044-03-15 10:00:00+00 BC"),
        ("sold", "'12000-01-01'", "12000-01-01 00:00:00+00"),
        ("opens", "'24:00'", "24:00:00"),
        ("cover", "'leather'", "leather"),
        # more digits than Python reads
        ("notes", "('{\"a\":' || repeat('9', 5000) || '}')::jsonb", f'{{"a": {"9" * 5000}}}'),
    ],
}

# What can be read, but not by the schema.
UNFIT: dict[str, list[tuple[str, str, Any]]] = {
    "sqlite": [("title", "X'ff00'", "\\xff\x00"), ("copies", "'many'", "many"), ("copies", "9e999", None)],
    "postgresql": [("price", "'NaN'", "NaN")],
}

# A date that PostgreSQL stores, and Python cannot.
STORED = "12000-01-01"


async def spoil(face: Face, column: str, value: str, table: str = "book", key: int = 2) -> None:
    """Store a value past the model."""
    statement = f"UPDATE {table} SET {column} = {value} WHERE id = {key}".replace(":", "\\:")
    async with face.transaction() as session:
        await face.exec(session, text(statement))
