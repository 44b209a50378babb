"""Schemas and rows that Hypothesis makes up: rows are written as Pydantic writes the objects made of them.

A made-up schema takes some columns of the specimens, in any order, under any key, some of them left out; its
rows hold any value that the columns can store.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, time
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, create_model
from sqlalchemy import BigInteger
from sqlmodel import Field as SQLField
from sqlmodel import Session, col, delete, select

from fieldstone import Database, fetch, json
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import schema_of
from tests import specimens
from tests.faces import DIALECTS
from tests.specimens import CabinetRead, Colour, Label, LabelRead, Level, Specimen, Values, listen

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=100)
AMOUNTS = st.decimals(-(10**7), 10**7, places=4, allow_nan=False)
MOMENTS = st.datetimes(timezones=st.just(UTC))
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "note": st.none() | TEXT,
    "whole": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "maybe": st.none() | st.booleans(),
    "amount": AMOUNTS.map(lambda amount: Decimal(str(amount))),
    "day": st.none() | st.dates(date(1, 1, 1)),
    "at": MOMENTS,
    "seen_at": st.none() | MOMENTS,
    "local_at": st.none() | st.datetimes(),
    "clock": st.none() | st.times(time(0)),
    "colour": st.sampled_from(Colour),
    "level": st.none() | st.sampled_from(Level),
    "kind": st.none() | st.sampled_from(["a", "b", "ü"]),
    "number": st.sampled_from([1, 2, 3]),
    "reference": st.none() | st.uuids(),
}
ROWS = st.lists(st.fixed_dictionaries(COLUMNS), max_size=5)
KEYS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@st.composite
def schemas(draw: st.DrawFn) -> type[BaseModel]:
    """Make a schema of some fields, with aliases, and perhaps a relationship or two."""
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), unique=True, min_size=1))
    fields: dict[str, Any] = {
        name: (Values.model_fields[name].annotation, draw(rules(name))) for name in names
    }
    if draw(st.booleans()):
        fields["cabinet"] = (CabinetRead | None, Field(alias=draw(KEYS)))
    if draw(st.booleans()):
        fields["labels"] = (list[LabelRead], Field(serialization_alias=draw(KEYS)))
    made: type[BaseModel] = create_model("MadeUp", **fields)
    return made


def rules(name: str) -> st.SearchStrategy[Any]:
    if name == "large":  # a schema must say that its column is wide
        return st.builds(
            partial(SQLField, sa_type=BigInteger), serialization_alias=KEYS, exclude=st.booleans()
        )
    return st.builds(Field, serialization_alias=KEYS, exclude=st.booleans())


@pytest.fixture(scope="module", params=DIALECTS)
def database(request: pytest.FixtureRequest, fieldstone_lender: Lender) -> Iterator[Database]:
    """Give one database for all examples: SQLite in one run of the test, PostgreSQL in another."""
    lent = fieldstone_lender.templates(request.param).lend(schema_of(specimens.METADATA))
    with lent as url, Database(url) as database:
        yield database


def store(session: Session, rows: list[dict[str, Any]]) -> None:
    for model in (Label, Specimen, specimens.Cabinet):
        session.exec(delete(model))
    session.add(specimens.Cabinet(id=1, name="only"))
    for number, row in enumerate(rows):
        key = uuid.UUID(int=number)
        labels = [
            specimens.Label(specimen_id=key, position=one, text=row["text"]) for one in range(number % 3)
        ]
        session.add(Specimen(id=key, cabinet_id=number % 2 or None, labels=labels, **row))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(schema=schemas(), rows=ROWS)
def test_rows_are_written_as_pydantic_writes_their_objects(
    database: Database, schema: type[BaseModel], rows: list[dict[str, Any]]
) -> None:
    with database.transaction() as session:
        store(session, rows)
    statement = select(Specimen).order_by(col(Specimen.id))
    with database.transaction(read_only=True) as session:
        written, short = json(session, statement, schema), fetch(session, statement, schema)
        stop: Callable[[], None] = listen(session)
        whole = fetch(session, statement, schema)
        stop()
    assert short == whole
    assert written == TypeAdapter(list[schema]).dump_json(whole, by_alias=True)  # type: ignore[valid-type]  # made up
