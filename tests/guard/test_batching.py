"""Batch mode gives what plain lazy loading gives, in one statement for all rows of a query.

Every relationship of the models below is read both ways, and what is found is compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Engine, ForeignKey, ForeignKeyConstraint, Integer, Table, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    relationship,
    with_loader_criteria,
)

from fieldstone.guard import batch_loading, recording
from tests import shelved
from tests.conftest import FreshUrl
from tests.faces import DIALECTS


class Base(DeclarativeBase):
    """Keep these tables apart from those of other tests."""


tagged = Table(
    "tagged",
    Base.metadata,
    Column("volume", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
    Column("place", Integer, default=0),
    ForeignKeyConstraint(["volume", "number"], ["page.volume", "page.number"]),
)


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    portrait: Mapped[Portrait | None] = relationship(back_populates="author")


class Portrait(Base):
    __tablename__ = "portrait"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), unique=True)
    author: Mapped[Author] = relationship(back_populates="portrait")


class Page(Base):
    """A key of two columns, and every way to lead from row to row."""

    __tablename__ = "page"
    volume: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    above_volume: Mapped[int | None]
    above_number: Mapped[int | None]
    __table_args__ = (ForeignKeyConstraint(["above_volume", "above_number"], ["page.volume", "page.number"]),)
    author: Mapped[Author | None] = relationship()
    above: Mapped[Page | None] = relationship(
        back_populates="below", remote_side="[Page.volume, Page.number]"
    )
    below: Mapped[list[Page]] = relationship(back_populates="above", order_by="Page.number.desc()")
    notes: Mapped[list[Note]] = relationship(back_populates="page", order_by="Note.id.desc()")
    open_notes: Mapped[list[Note]] = relationship(
        primaryjoin="and_(Page.volume == Note.volume, Page.number == Note.number, Note.open)",
        order_by="Note.id",
        viewonly=True,
    )
    tags: Mapped[set[Tag]] = relationship(secondary=tagged)
    placed_tags: Mapped[list[Tag]] = relationship(
        secondary=tagged, order_by=tagged.c.place.desc(), viewonly=True
    )


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    volume: Mapped[int]
    number: Mapped[int]
    open: Mapped[bool]
    __table_args__ = (ForeignKeyConstraint(["volume", "number"], ["page.volume", "page.number"]),)
    page: Mapped[Page] = relationship(back_populates="notes")


# With soft deletion in a program, every statement has its option, also those of other models.
assert shelved.METADATA.tables

READ = ["author", "above", "below", "notes", "open_notes", "tags", "placed_tags"]

# The session has all pages; and what the link table orders is left to SQLAlchemy.
STATEMENTS = {"above": 1, "placed_tags": 11}


@pytest.fixture(params=DIALECTS)
def engine(request: pytest.FixtureRequest, fresh_url: FreshUrl) -> Iterator[Engine]:
    url = make_url(fresh_url(request.param))
    engine = create_engine(url.set(drivername=url.drivername.replace("postgresql", "postgresql+psycopg")))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
        session.commit()
    yield engine
    engine.dispose()


def fill(session: Session) -> None:
    session.add_all(Tag(id=n, label=f"tag {n}") for n in range(3))
    session.add_all(Author(id=n, name=f"author {n}") for n in range(3))
    session.flush()
    session.add_all(Portrait(id=n, author_id=n) for n in range(2))
    pages = [
        Page(volume=v, number=n, author_id=n % 4 if n % 4 < 3 else None) for v in (1, 2) for n in range(5)
    ]
    session.add_all(pages)
    session.flush()
    for page in pages[1:4]:
        page.above = pages[0]
    for page in pages[6:]:
        page.above = pages[1]
    session.add_all(Note(id=n, volume=1 + n % 2, number=n % 3, open=n % 5 != 0) for n in range(20))
    session.execute(
        tagged.insert(),
        [
            {"volume": p.volume, "number": p.number, "tag_id": t, "place": (t * 7 + p.number) % 3}
            for p in pages[:7]
            for t in range(1 + p.number % 3)
        ],
    )


def read(session: Session, name: str) -> list[object]:
    """Read one relationship of all pages, as keys."""
    session.expunge_all()
    pages = session.scalars(select(Page).order_by(Page.volume, Page.number)).all()
    return [keys(getattr(page, name)) for page in pages]


def keys(value: object) -> object:
    if isinstance(value, set):
        return {keys(one) for one in value}
    if isinstance(value, list):
        return [keys(one) for one in value]
    return None if value is None else tuple(type(value).__mapper__.primary_key_from_instance(value))  # type: ignore[attr-defined]  # every table has it


@pytest.mark.parametrize("name", READ)
def test_what_is_found_is_what_lazy_loading_finds(engine: Engine, name: str) -> None:
    with Session(engine) as session:
        plain = read(session, name)
        with batch_loading(), recording() as seen:
            batched = read(session, name)
    assert batched == plain
    assert any(plain), "there is something to compare"
    assert len(seen.statements) == STATEMENTS.get(name, 2)


def test_a_one_to_one_is_loaded_at_once_too(engine: Engine) -> None:
    with Session(engine) as session, batch_loading(), recording() as seen:
        authors = session.scalars(select(Author).order_by(Author.id)).all()
        assert [keys(author.portrait) for author in authors] == [(0,), (1,), None]
    assert len(seen.statements) == 2


def test_each_level_takes_one_statement(engine: Engine) -> None:
    with Session(engine) as session, batch_loading(), recording() as seen:
        for page in session.scalars(select(Page)).all():
            for note in page.notes:
                assert note.page is page
            for tag in page.tags:
                assert tag.label
            if page.author is not None:
                assert page.author.name
    assert len(seen.statements) == 4


def test_a_second_query_is_a_batch_of_its_own(engine: Engine) -> None:
    with Session(engine) as session, batch_loading(), recording() as seen:
        first = session.scalars(select(Page).where(Page.volume == 1)).all()
        second = session.scalars(select(Page).where(Page.volume == 2)).all()
        assert len(first[0].notes) == 4
        assert len(seen.statements) == 3
        assert "notes" not in vars(second[0])
        assert "notes" in vars(first[1])


def test_what_is_changed_and_not_written_is_read_as_it_stands(engine: Engine) -> None:
    with Session(engine) as session, batch_loading(), session.no_autoflush:
        pages = session.scalars(select(Page).where(Page.volume == 1).order_by(Page.number)).all()
        pages[1].author_id = 2
        assert keys(pages[0].author) == (0,)
        assert keys(pages[1].author) == (2,)


def test_what_is_loaded_already_is_kept(engine: Engine) -> None:
    with Session(engine) as session, batch_loading():
        pages = session.scalars(select(Page).where(Page.volume == 1).order_by(Page.number)).all()
        pages[1].notes.append(Note(id=900, volume=1, number=1, open=True))
        assert len(pages[0].notes) == 4
        assert 900 in [note.id for note in pages[1].notes]


def test_criteria_of_the_query_hold_below_it(engine: Engine) -> None:
    with Session(engine) as session:
        opened = (
            select(Page).order_by(Page.volume, Page.number).options(with_loader_criteria(Note, Note.open))
        )
        plain = [keys(page.notes) for page in session.scalars(opened)]
        session.expunge_all()
        with batch_loading(), recording() as seen:
            batched = [keys(page.notes) for page in session.scalars(opened)]
    assert batched == plain
    assert len(seen.statements) == 2


def test_options_for_what_lies_below_are_left_to_sqlalchemy(engine: Engine) -> None:
    with Session(engine) as session, batch_loading(), recording() as seen:
        statement = select(Page).where(Page.volume == 1).options(joinedload(Page.author))
        assert [bool(page.author) for page in session.scalars(statement)].count(True) == 4
        assert len(seen.statements) == 1


def test_nothing_is_batched_outside_of_the_block(engine: Engine) -> None:
    with batch_loading():
        pass
    with Session(engine) as session, recording() as seen:
        read(session, "notes")
    assert len(seen.statements) == 11
