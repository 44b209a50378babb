"""Tables whose JSON a database can write: every kind of value and of relationship, each found by an index."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from sqlalchemy import BigInteger, MetaData, Numeric, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Session

from fieldstone import Depth, Field, Model, Relationship, SoftDeleted
from fieldstone.database.settings import JSON_BY, JsonBy
from fieldstone.models import NAMING_CONVENTION

METADATA = MetaData(naming_convention=NAMING_CONVENTION)


class Apart(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Binding(Enum):
    PAPER = "paper"
    LEATHER = "l'édition {0}%"


class Stars(IntEnum):
    ONE = 1
    TWO = 2


class Facts(Model):
    """What both databases can write."""

    title: str = Field(min_length=1, max_length=60)
    note: str | None = None
    pages: int = Field(default=0, ge=-(2**31), lt=2**31)
    sold: int | None = Field(default=None, sa_type=BigInteger)
    new: bool = False
    rare: bool | None = None
    printed_on: date | None = None
    seen_at: datetime = Field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    lent_at: datetime | None = None
    binding: Binding = Binding.PAPER
    stars: Stars | None = None
    shelf: Literal["a", "ü'"] | None = None
    floor: Literal[1, 2] = 1
    mark: uuid.UUID | None = None


class Author(SoftDeleted, Apart, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    books: list[Book] = Relationship(back_populates="author")


class Tagging(Apart, table=True):
    book_id: uuid.UUID = Field(foreign_key="book.id", primary_key=True)
    tag_id: int = Field(foreign_key="tag.id", primary_key=True, index=True)


class Tag(Apart, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    books: list[Book] = Relationship(back_populates="tags", link_model=Tagging)


class Book(Facts, Apart, table=True):
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    price: Decimal = Field(default=Decimal(0), max_digits=12, decimal_places=4, sa_type=Numeric(12, 4))
    author_id: int | None = Field(default=None, foreign_key="author.id", index=True)
    author: Author | None = Relationship(back_populates="books")
    before_id: uuid.UUID | None = Field(default=None, foreign_key="book.id", index=True)
    before: Book | None = Relationship(back_populates="sequels")
    sequels: list[Book] = Relationship(
        back_populates="before", sa_relationship_kwargs={"order_by": "Book.title.desc()"}
    )
    chapters: list[Chapter] = Relationship(
        back_populates="book",
        sa_relationship_kwargs={"order_by": "(Chapter.level.desc().nulls_last(), Chapter.number)"},
    )
    tags: list[Tag] = Relationship(back_populates="books", link_model=Tagging)
    cover: Cover | None = Relationship(back_populates="book")
    remarks: list[Remark] = Relationship(back_populates="book")


class Chapter(SoftDeleted, Apart, table=True):
    """Found by a key of two columns, one of them a UUID."""

    book_id: uuid.UUID = Field(foreign_key="book.id", primary_key=True)
    number: int = Field(primary_key=True)
    level: int | None = None
    text: str
    book: Book = Relationship(back_populates="chapters")


class Cover(Apart, table=True):
    """One of them at most, though no constraint says so: so it is read as a collection is."""

    id: int | None = Field(default=None, primary_key=True)
    colour: str
    book_id: uuid.UUID = Field(foreign_key="book.id", index=True)
    book: Book = Relationship(back_populates="cover", sa_relationship_kwargs={"uselist": False})


class Remark(Apart, table=True):
    """Has two kinds in one table."""

    id: int | None = Field(default=None, primary_key=True)
    kind: str = "remark"
    text: str
    book_id: uuid.UUID | None = Field(default=None, foreign_key="book.id")
    book: Book | None = Relationship(back_populates="remarks")
    __table_args__ = (UniqueConstraint("book_id", "id"),)
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "remark"}


class Praise(Remark, table=True):
    __mapper_args__ = {"polymorphic_identity": "praise"}


class AuthorRead(Model):
    id: int
    name: str


class TagRead(Model):
    name: str


class ChapterRead(Model):
    number: int
    text: str = Field(serialization_alias="theText")


class CoverRead(Model):
    colour: str


class BookRead(Facts):
    id: uuid.UUID


class BookFull(BookRead):
    author: AuthorRead | None
    chapters: list[ChapterRead]
    tags: list[TagRead] = Field(serialization_alias='"quoted\\')
    cover: CoverRead | None


class BookChain(Model):
    title: str
    before: BookRead | None
    sequels: Annotated[list[BookChain], Depth(2)] = []


class AuthorDeep(AuthorRead):
    books: list[BookFull]


class TagDeep(BaseModel):
    name: str = Field(alias="it's %(called)s: ünï")
    books: list[BookChain]


class ChapterOfBook(ChapterRead):
    book: BookFull


class Priced(Model):
    price: Decimal = Field(max_digits=12, decimal_places=4)
    tags: list[TagRead]


class Loose(Model):
    """Takes members of an enum for plain values, which only Pydantic can judge."""

    stars: int | None
    tags: list[TagRead]


class Narrow(Model):
    binding: Literal["paper", "leather"]
    tags: list[TagRead]


class PraiseRead(Model):
    kind: str
    text: str


SCHEMAS: dict[type[Any], list[type[BaseModel]]] = {
    Book: [BookRead, BookFull, BookChain, Priced, Loose, Narrow],
    Author: [AuthorRead, AuthorDeep],
    Tag: [TagDeep],
    Chapter: [ChapterOfBook],
    Praise: [PraiseRead],
}


def rows() -> list[Any]:
    """Make rows of ordinary and of extreme values; every nullable column is null somewhere."""
    ada, bob = Author(id=1, name="Ada"), Author(id=2, name='B"ob\n\\')
    gone = Author(id=3, name="gone", deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    old, rare = Tag(id=1, name="old"), Tag(id=2, name="rare")
    plain = Book(id=uuid.UUID(int=1), title="plain", author=ada, tags=[rare, old])
    low = Book(
        id=uuid.UUID(int=2),
        title="\x01\x1f\x7f\x85\u2028\ud7ff\ufeff\U0001f600 \\ / ' \" \\u0001",
        note="",
        pages=-(2**31),
        sold=-(2**63),
        new=True,
        rare=False,
        printed_on=date(1, 1, 2),
        seen_at=datetime(1, 1, 3, 0, 0, 0, 1, tzinfo=UTC),
        lent_at=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        binding=Binding.LEATHER,
        stars=Stars.TWO,
        shelf="ü'",
        floor=2,
        mark=uuid.UUID(int=0),
        price=Decimal("-99999999.9999"),
        author=bob,
        before=plain,
        chapters=[
            Chapter(book_id=uuid.UUID(int=2), number=n, level=level, text=f"{n}")
            for n, level in ((3, 1), (1, None), (2, 2), (4, 1))
        ],
    )
    low.chapters.append(
        Chapter(book_id=low.id, number=9, text="gone", deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    )
    high = Book(
        id=uuid.UUID(int=2**128 - 1),
        title="z" * 60,
        note="café 東京",
        pages=2**31 - 1,
        sold=2**63 - 1,
        rare=True,
        printed_on=date(9999, 12, 30),
        seen_at=datetime(9999, 12, 29, 23, 59, 59, 999999, tzinfo=UTC),
        lent_at=datetime(2024, 2, 29, 12, 0, 0, 500000, tzinfo=UTC),
        stars=Stars.ONE,
        shelf="a",
        mark=uuid.uuid5(uuid.NAMESPACE_DNS, "example"),
        price=Decimal("0.0001"),
        author=gone,
        before=plain,
        chapters=[Chapter(book_id=uuid.UUID(int=2**128 - 1), number=1, text="only")],
        tags=[old],
    )
    covers = [Cover(colour=colour, book_id=low.id) for colour in ("red", "blue")]
    remarks = [Remark(text="meh", book=plain), Praise(text="fine", book=plain), Praise(text="fine, too")]
    return [ada, bob, gone, plain, low, high, *covers, *remarks]


def by(session: Session, way: JsonBy) -> None:
    """Say for one transaction who writes the JSON of its reads."""
    session.connection().execution_options(**{JSON_BY: way})


WAYS: tuple[JsonBy, JsonBy] = ("rows", "database")


def composed_of(statements: list[str]) -> list[str]:
    """Pick the statements by which a database wrote JSON."""
    return [one for one in statements if "fieldstone_page" in one]
