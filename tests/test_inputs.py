"""A value of another kind is refused where Pydantic would store a guess, whichever way it is written."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from pydantic import BeforeValidator, ValidationError
from sqlalchemy import MetaData, literal, text
from sqlalchemy.orm import registry
from sqlmodel import select

from fieldstone import (
    Field,
    InvalidValues,
    Json,
    Model,
    Resource,
    aggregate,
    create,
    create_many,
    fetch,
    partial,
    patch,
    patch_where,
)
from fieldstone.fastapi import install, routes
from fieldstone.reading.twins import twin
from tests.faces import Face
from tests.serving import client_of

METADATA = MetaData()


class InputModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Written(Model):
    count: int = 0
    share: float = 0.5
    price: Decimal | None = None
    done: bool = False
    due: date | None = None
    at: datetime | None = None


class Reading(Written, InputModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


class ReadingRead(Written):
    id: int


class ReadingCreate(Written):
    pass


@partial
class ReadingUpdate(Written):
    pass


class Outer(Model):
    inner: list[Written]
    kept: Json[list[int]] = []


REFUSED: list[tuple[str, Any, str]] = [
    ("count", True, "Input should be a valid integer"),
    ("share", False, "Input should be a valid number"),
    ("price", True, "Decimal input should be an integer, float, string or Decimal object"),
    ("done", 1, "Input should be a valid boolean"),
    ("done", 0.0, "Input should be a valid boolean"),
    ("due", 0, "Input should be a date in ISO 8601, such as 2026-01-31"),
    ("due", "86400", "Input should be a date in ISO 8601, such as 2026-01-31"),
    ("due", True, "Input should be a date in ISO 8601, such as 2026-01-31"),
    ("at", 20260131, "Input should be a date and time in ISO 8601, such as 2026-01-31T12:00:00Z"),
    ("at", " 20260131 ", "Input should be a date and time in ISO 8601, such as 2026-01-31T12:00:00Z"),
    ("at", 1.5, "Input should be a date and time in ISO 8601, such as 2026-01-31T12:00:00Z"),
]

TAKEN: list[tuple[str, Any, Any]] = [
    ("count", "3", 3),
    ("count", 1.0, 1),
    ("share", 1, 1.0),
    ("price", "1.50", Decimal("1.50")),
    ("price", None, None),
    ("done", "on", True),
    ("done", "0", False),
    ("due", "2026-01-31", date(2026, 1, 31)),
    ("at", "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
]


@pytest.mark.parametrize(("name", "value", "message"), REFUSED)
@pytest.mark.parametrize("schema", [ReadingCreate, ReadingUpdate])
def test_a_schema_refuses_what_it_would_have_to_guess(
    schema: type[Model], name: str, value: Any, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        schema.model_validate({name: value})
    assert [(one["loc"], one["msg"]) for one in caught.value.errors()] == [((name,), message)]


@pytest.mark.parametrize(("name", "value", "message"), REFUSED)
def test_a_table_refuses_it_too(name: str, value: Any, message: str) -> None:
    expected = f"{name}: {message} "
    with pytest.raises(InvalidValues) as made:
        Reading(**{name: value})
    reading = Reading()
    with pytest.raises(InvalidValues) as changed:
        setattr(reading, name, value)
    for caught in (made, changed):
        assert expected in str(caught.value)


@pytest.mark.parametrize(("name", "value", "taken"), TAKEN)
def test_what_can_mean_one_thing_only_is_taken(name: str, value: Any, taken: Any) -> None:
    assert getattr(ReadingCreate.model_validate({name: value}), name) == taken
    assert getattr(Reading(**{name: value}), name) == taken


def test_nested_schemas_refuse_it_at_their_path() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": [{}, {"count": True}]})
    assert [one["loc"] for one in caught.value.errors()] == [("inner", 1, "count")]


def test_a_field_that_reads_its_input_itself_keeps_its_word() -> None:
    class Own(Model):
        votes: Annotated[int, BeforeValidator(lambda value: 1 if value is True else value)]

    assert Own.model_validate({"votes": True}).votes == 1


def test_the_description_of_a_schema_stays_the_same() -> None:
    found = ReadingCreate.model_json_schema()["properties"]
    assert found["count"] == {
        "default": 0,
        "maximum": 2147483647,
        "minimum": -2147483648,
        "title": "Count",
        "type": "integer",
    }
    assert found["done"] == {"default": False, "title": "Done", "type": "boolean"}


async def test_every_write_refuses_it(face: Face) -> None:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        await face(create, session, Reading, {"count": 1})
    rows = select(Reading).where(Reading.id == 1)
    for verb, arguments in (
        (create, (Reading, {"count": True})),
        (patch, (Reading, 1, {"count": True})),
        (create_many, (Reading, [{"count": True}])),
        (patch_where, (rows, {"count": True})),
    ):
        with pytest.raises(InvalidValues, match="count: Input should be a valid integer"):
            async with face.transaction() as session:
                await face(verb, session, *arguments)


async def test_a_request_is_told_the_field(face: Face) -> None:
    await face.create_all(METADATA)
    resource = Resource(Reading, read=ReadingRead, create=ReadingCreate, update=ReadingUpdate)
    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(resource, sync=not face.is_async))
    async with client_of(app) as client:
        made = await client.post("/readings", json={"count": "7"})
        assert (made.status_code, made.json()["count"]) == (201, 7)
        for method, address in (("POST", "/readings"), ("PATCH", "/readings/1")):
            refused = await client.request(method, address, json={"count": True, "done": 1})
            assert refused.status_code == 422
            assert [one["pointer"] for one in refused.json()["errors"]] == ["/count", "/done"]


async def test_rows_are_read_as_the_database_gives_them(face: Face) -> None:
    """SQLite knows no bool: an expression that is one comes as 0 or 1."""

    class Said(Model):
        done: bool

    await face.create_all(METADATA)
    async with face.transaction() as session:
        await face.exec(session, text("INSERT INTO reading (count, share, done) VALUES (3, 0.5, true)"))
        found = await face(fetch, session, select(Reading), ReadingRead)
        said = await face(aggregate, session, select(literal(1).label("done")), Said)
    assert (found[0].count, found[0].done, said[0].done) == (3, True, True)


def test_reading_costs_no_call_for_each_value() -> None:
    assert "FunctionBefore" in repr(ReadingRead.__pydantic_validator__)
    assert "FunctionBefore" not in repr(twin(ReadingRead))
