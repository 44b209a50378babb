"""Files hold what a JSON response holds, cell by cell and line by line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, PlainSerializer, RootModel, computed_field, field_serializer, model_serializer
from sqlmodel import col, select

from fieldstone import Field, Json, SchemaError, fetch, stream, to_csv, to_ndjson
from tests.domain import METADATA, SubtaskRead, Task, TaskFull, TaskRead, TaskTree, WorkerFull, sample
from tests.faces import Face


class Place(BaseModel):
    town: str
    zip: str | None = None


class Level(Enum):
    LOW = "low"


class Row(BaseModel):
    id: int
    text: str | None = None
    at: datetime | None = None
    price: Decimal | None = None
    level: Level | None = None
    done: bool = False
    place: Place | None = None


def table(objects: Any, schema: Any, **options: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(to_csv(objects, schema, **options)).decode(), newline="")))


def one_cell(text: str, **options: Any) -> str:
    return table([Row(id=1, text=text)], Row, **options)[1][1]


# CSV


def test_a_csv_file_begins_with_the_names_also_where_no_row_follows() -> None:
    header = b"id,text,at,price,level,done,place.town,place.zip\r\n"
    assert b"".join(to_csv([], Row)) == header
    assert b"".join(to_csv(iter(()), Row)) == header


def test_values_are_those_of_json_and_nested_objects_become_columns() -> None:
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    full = Row(
        id=1, text="a", at=at, price=Decimal("-1.50"), level=Level.LOW, done=True, place=Place(town="Ulm")
    )
    assert table([full, Row(id=2)], Row)[1:] == [
        ["1", "a", "2026-01-31T09:30:00Z", "-1.50", "low", "true", "Ulm", ""],
        ["2", "", "", "", "", "false", "", ""],
    ]


def test_lines_and_quotes_are_those_of_rfc_4180() -> None:
    written = b"".join(to_csv([Row(id=1, text='a "b", c\r\nd\ne'), Row(id=2, text="ü")], Row))
    assert written.split(b"\r\n", 1)[1] == (
        b'1,"a ""b"", c\r\nd\ne",,,,false,,\r\n2,' + "ü".encode() + b",,,,false,,\r\n"
    )
    assert one_cell('a "b", c\r\nd\ne') == 'a "b", c\r\nd\ne'


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|x", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=", "-1+1", "\uff1d1"]
)
def test_text_that_a_spreadsheet_would_run_is_kept_from_it(text: str) -> None:
    assert one_cell(text) == f"'{text}"
    assert one_cell(text, formulas=True) == text


@pytest.mark.parametrize("text", ["a=1", "-5", "+49", "-1.5e-3", "'=1", " =1", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert one_cell(text) == text


def test_what_json_cannot_hold_is_empty() -> None:
    class Measured(BaseModel):
        low: float
        high: float

    assert table([Measured(low=float("nan"), high=float("inf"))], Measured)[1] == ["", ""]


def test_columns_are_named_as_in_a_response() -> None:
    class Shown(BaseModel):
        first: int = Field(serialization_alias="First")
        hidden: int = Field(default=0, exclude=True)

        @computed_field  # type: ignore[prop-decorator]  # mypy has no such decorators
        @property
        def double(self) -> int:
            return self.first * 2

    assert table([Shown(first=2)], Shown) == [["First", "double"], ["2", "4"]]


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        (TaskRead, "TaskRead.assignments"),
        (TaskFull, "TaskFull.assignments"),
        (TaskTree, "TaskTree.subtasks"),
    ],
)
def test_a_collection_is_refused_by_name_before_anything_is_read(schema: Any, where: str) -> None:
    with pytest.raises(SchemaError) as refused:
        to_csv(stream, schema)  # type: ignore[call-overload]  # no object is looked at
    assert str(refused.value) == (
        f"{where} holds many values, and a CSV cell holds one. Export a schema without it, give it a "
        "field_serializer that makes text of it, or write NDJSON with to_ndjson(...)."
    )


class Inner(BaseModel):
    tags: list[str]


class Below(BaseModel):
    inner: Inner | None


class Document(BaseModel):
    content: dict[str, Any]


class Chain(BaseModel):
    following: Chain | None = None


class Either(BaseModel):
    one: Inner | Place


class Rooted(BaseModel):
    tags: RootModel[list[int]]


class Whole(BaseModel):
    id: int

    @model_serializer
    def own(self) -> dict[str, int]:
        return {"other": self.id}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (Below, "Below.inner.tags holds many values"),
        (Document, "Document.content holds many values"),
        (Chain, "Chain.following contains itself"),
        (Rooted, "Rooted.tags holds many values"),
        (Whole, "Whole has a serializer of its own"),
    ],
)
def test_what_has_no_columns_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError) as refused:
        to_csv([], schema)
    assert str(refused.value).startswith(message)


def test_one_of_several_shapes_is_refused() -> None:
    class Other(BaseModel):
        number: int

    class Any1(BaseModel):
        shape: Place | Other

    with pytest.raises(
        SchemaError, match=r"Any1\.shape may have one of several shapes, and columns have one"
    ):
        to_csv([], Any1)


def test_a_collection_that_the_schema_writes_as_text_is_a_cell() -> None:
    class Tagged(BaseModel):
        tags: list[str]
        words: Annotated[list[str], PlainSerializer(" ".join)]

        @field_serializer("tags")
        def joined(self, tags: list[str]) -> str:
            return ";".join(tags)

    assert table([Tagged(tags=["a", "b"], words=["c", "d"])], Tagged) == [["tags", "words"], ["a;b", "c d"]]


def test_plain_types_in_many_spellings_are_cells() -> None:
    class Plain(BaseModel):
        literal: Literal["a", "b"]
        number: int | float | None
        anything: Any
        rooted: RootModel[int]
        place: Json[Place]

    row = Plain(literal="a", number=1, anything={"b": ["ü"]}, rooted=RootModel(3), place=Place(town="Ulm"))
    assert table([row], Plain) == [
        ["literal", "number", "anything", "rooted", "place.town", "place.zip"],
        ["a", "1", '{"b": ["ü"]}', "3", "Ulm", ""],
    ]


# NDJSON, and both from a database


def test_each_line_is_the_json_of_an_object() -> None:
    rows = [Row(id=1, text="a\nü"), Row(id=2, place=Place(town="Ulm"))]
    lines = b"".join(to_ndjson(rows)).decode().splitlines()
    assert lines == [row.model_dump_json() for row in rows]
    assert b"".join(to_ndjson([])) == b""


def test_a_row_stored_badly_is_written_as_stored() -> None:
    bad = Row.model_construct(id="many", text=3, done=False, place=None)
    assert json.loads(b"".join(to_ndjson([bad]))) == {
        "id": "many",
        "text": 3,
        "done": False,
        "place": None,
    } | {
        "at": None,
        "price": None,
        "level": None,
    }
    assert table([bad], Row)[1][:2] == ["many", "3"]


async def test_a_stream_is_written_on_either_face(face: Face) -> None:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all(sample())
    tasks = select(Task).order_by(col(Task.id))
    async with face.transaction(read_only=True) as session:
        fetched = await face(fetch, session, tasks, TaskFull)
        written = await joined(to_ndjson(stream(session, tasks, TaskFull, batch=2)))
        assert written.decode().splitlines() == [one.model_dump_json() for one in fetched]
        cells = await joined(to_csv(stream(session, tasks, SubtaskRead), SubtaskRead))
        assert cells == b"id,title\r\n1,Root\r\n2,Left\r\n3,Right\r\n4,Leaf\r\n5,Lone\r\n"
        with pytest.raises(SchemaError, match=r"WorkerFull has no|WorkerFull"):
            to_csv(stream(session, tasks, WorkerFull), WorkerFull)


async def joined(chunks: Any) -> bytes:
    if isinstance(chunks, AsyncIterator):
        return b"".join([chunk async for chunk in chunks])
    return b"".join(chunks)


async def test_closing_the_file_closes_its_source() -> None:
    ended: list[str] = []

    def rows() -> Iterator[Row]:
        try:
            while True:
                yield Row(id=1, text="x" * 1_000)
        finally:
            ended.append("sync")

    async def rows_async() -> AsyncIterator[Row]:
        try:
            while True:
                yield Row(id=1, text="x" * 1_000)
        finally:
            ended.append("async")

    held, held_async = rows(), rows_async()
    chunks, chunks_async = to_csv(held, Row), to_ndjson(held_async)
    assert 60_000 < len(next(chunks)) < 70_000
    assert 60_000 < len(await anext(chunks_async)) < 70_000
    chunks.close()
    await chunks_async.aclose()
    assert ended == ["sync", "async"]
