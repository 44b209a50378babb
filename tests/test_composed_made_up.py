"""Schemas and rows that Hypothesis makes up: a database writes them as rows and objects are written.

A made-up schema takes some columns that both databases can write, in any order and under any key, and perhaps
some relationships; its rows hold any value that the columns can store.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model
from sqlalchemy import BigInteger
from sqlmodel import Field as SQLField
from sqlmodel import Session, col, delete, select

from fieldstone import Database
from fieldstone.reading.exactness import refusal
from fieldstone.reading.plans import plan
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import schema_of
from tests import bookshop
from tests.bookshop import (
    AuthorRead,
    Binding,
    Book,
    BookRead,
    Chapter,
    ChapterRead,
    Facts,
    Stars,
    Tag,
    Tagging,
    TagRead,
)
from tests.faces import DIALECTS
from tests.test_composed import every_way
from tests.test_exact_made_up import KEYS

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=60)
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "title": TEXT,
    "note": st.none() | TEXT,
    "pages": st.integers(-(2**31), 2**31 - 1),
    "sold": st.none() | st.integers(-(2**63), 2**63 - 1),
    "new": st.booleans(),
    "rare": st.none() | st.booleans(),
    "printed_on": st.none() | st.dates(date(1, 1, 1)),
    "seen_at": MOMENTS,
    "lent_at": st.none() | MOMENTS,
    "binding": st.sampled_from(Binding),
    "stars": st.none() | st.sampled_from(Stars),
    "shelf": st.none() | st.sampled_from(["a", "ü'"]),
    "floor": st.sampled_from([1, 2]),
    "mark": st.none() | st.uuids(),
}
ROWS = st.lists(st.fixed_dictionaries(COLUMNS), max_size=4)
RELATED: dict[str, Any] = {
    "author": AuthorRead | None,
    "before": BookRead | None,
    "chapters": list[ChapterRead],
    "tags": list[TagRead],
    "sequels": list[BookRead],
}


@st.composite
def schemas(draw: st.DrawFn) -> type[BaseModel]:
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), unique=True))
    related = draw(st.lists(st.sampled_from(sorted(RELATED)), unique=True, min_size=not names))
    fields: dict[str, Any] = {}
    for name in draw(st.permutations([*names, *related])):
        key = draw(KEYS)
        if name == "sold":  # a schema must say that its column is wide
            made: Any = SQLField(sa_type=BigInteger, serialization_alias=key)
        else:
            made = Field(serialization_alias=key)
        annotation = RELATED[name] if name in RELATED else Facts.model_fields[name].annotation
        fields[name] = (annotation, made)
    found: type[BaseModel] = create_model("MadeUp", **fields)
    return found


@pytest.fixture(scope="module", params=DIALECTS)
def database(request: pytest.FixtureRequest, fieldstone_lender: Lender) -> Iterator[Database]:
    """Give one database for all examples: SQLite in one run of the test, PostgreSQL in another."""
    lent = fieldstone_lender.templates(request.param).lend(schema_of(bookshop.METADATA))
    with lent as url, Database(url) as database:
        yield database


def store(session: Session, rows: list[dict[str, Any]]) -> None:
    for model in (Tagging, Tag, Chapter, Book):
        session.exec(delete(model))
    tags = [Tag(name="one"), Tag(name="two")]
    earlier: Book | None = None
    for number, row in enumerate(rows):
        chapters = [
            Chapter(book_id=uuid.UUID(int=number), number=one, text=row["title"]) for one in range(number % 3)
        ]
        earlier = Book(
            id=uuid.UUID(int=number), chapters=chapters, tags=tags[: number % 3], before=earlier, **row
        )
        session.add(earlier)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(schema=schemas(), rows=ROWS)
def test_a_database_writes_rows_as_pydantic_writes_their_objects(
    database: Database, schema: type[BaseModel], rows: list[dict[str, Any]]
) -> None:
    with database.transaction() as session:
        store(session, rows)
    with database.transaction(read_only=True) as session:
        written, by_rows, whole = every_way(session, select(Book).order_by(col(Book.id)), schema)
    assert written == by_rows == whole
    reason = refusal(plan(Book, schema), database.dialect)
    assert reason is None or "two fields under one key" in reason or "NUL" in reason
