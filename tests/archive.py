"""Models whose deleted rows stay: one kind of foreign key to and from them each."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import MetaData, UniqueConstraint
from sqlalchemy.orm import registry

from fieldstone import Depth, Field, Model, Relationship, SoftDeleted, Timestamps, Versioned
from fieldstone.history import Audited

METADATA = MetaData()


class ArchiveModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Person(SoftDeleted, ArchiveModel, table=True):
    id: str = Field(primary_key=True, max_length=40)
    name: str = ""
    cards: list[Card] = Relationship(back_populates="owner")


class Board(SoftDeleted, Timestamps, Versioned, ArchiveModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    cards: list[Card] = Relationship(back_populates="board")


class CardTag(ArchiveModel, table=True):
    card_id: int = Field(foreign_key="card.id", primary_key=True, ondelete="CASCADE")
    tag_id: int = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")


class Tag(SoftDeleted, ArchiveModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    label: str = Field(index=True, unique=True)
    cards: list[Card] = Relationship(back_populates="tags", link_model=CardTag)


class Card(SoftDeleted, Audited, Timestamps, Versioned, ArchiveModel, table=True):
    __table_args__ = (UniqueConstraint("board_id", "label"),)
    id: int | None = Field(default=None, primary_key=True)
    label: str
    points: int = 0
    board_id: int = Field(default=None, foreign_key="board.id", ondelete="CASCADE")
    parent_id: int | None = Field(default=None, foreign_key="card.id", ondelete="CASCADE")
    owner_id: str | None = Field(default=None, foreign_key="person.id", ondelete="SET NULL")
    board: Board = Relationship(back_populates="cards")
    parent: Card | None = Relationship(back_populates="subcards")
    subcards: list[Card] = Relationship(back_populates="parent")
    owner: Person | None = Relationship(back_populates="cards")
    tags: list[Tag] = Relationship(back_populates="cards", link_model=CardTag)
    notes: list[Note] = Relationship(back_populates="card")


class Note(ArchiveModel, table=True):
    """It is no SoftDeleted, and it needs its card."""

    id: int | None = Field(default=None, primary_key=True)
    text: str = ""
    card_id: int = Field(default=None, foreign_key="card.id", ondelete="CASCADE")
    card: Card = Relationship(back_populates="notes")


class Invoice(ArchiveModel, table=True):
    """What it points to cannot be deleted."""

    id: int | None = Field(default=None, primary_key=True)
    board_id: int = Field(default=None, foreign_key="board.id")
    board: Board = Relationship()


class BoardRead(Model):
    id: int
    slug: str


class PersonRead(Model):
    id: str


class TagRead(Model):
    label: str


class CardRead(Model):
    id: int
    label: str


class CardFull(CardRead):
    board: BoardRead
    parent: CardRead | None
    owner: PersonRead | None
    subcards: list[CardRead]
    tags: list[TagRead]


class BoardFull(BoardRead):
    cards: list[CardFull]


class NoteRead(Model):
    id: int
    card: CardFull


class CardTree(Model):
    id: int
    subcards: Annotated[list[CardTree], Depth(9)] = []


def sample() -> list[Any]:
    """Two boards, a tree of cards on each, and what points to them."""
    ada, grace = Person(id="@ada"), Person(id="@grace")
    red, blue = Tag(id=1, label="red"), Tag(id=2, label="blue")
    work, home = Board(id=1, slug="work"), Board(id=2, slug="home")
    root = Card(id=1, label="root", points=1, board=work, owner=ada, tags=[red, blue])
    left = Card(id=2, label="left", points=2, board=work, owner=ada, parent=root, tags=[red])
    leaf = Card(id=3, label="leaf", points=3, board=work, owner=grace, parent=left)
    other = Card(id=4, label="other", points=4, board=home, owner=grace)
    notes = [Note(id=1, card=leaf), Note(id=2, card=other)]
    return [ada, grace, red, blue, work, home, root, left, leaf, other, *notes, Invoice(id=1, board=home)]
