"""One row that the driver or a column's type cannot read hides no other, whichever verb reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import date
from json import loads
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import func, text
from sqlalchemy.exc import ProgrammingError
from sqlmodel import col, select

from fieldstone import (
    Resource,
    aggregate,
    ancestors,
    count,
    fetch,
    first,
    get,
    json,
    json_get,
    json_page,
    json_seek,
    one,
    page,
    seek,
    stream,
    subtree,
)
from fieldstone.fastapi import install, routes
from fieldstone.testing import count_statements
from tests.faces import Face
from tests.serving import client_of
from tests.shelved import (
    METADATA,
    STORED,
    UNFIT,
    UNREADABLE,
    Book,
    BookRead,
    BookTree,
    Label,
    LabelRead,
    Latest,
    Note,
    NoteRead,
    OnShelf,
    Part,
    Printed,
    Shelf,
    ShelfFull,
    spoil,
)

B: Any = Book


@pytest.fixture
async def books(face: Face) -> Face:
    """Give a shelf of three books, the third a sequel of the second, and that of the first."""
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add(Shelf(id=1))
        await face.flush(session)
        for number in (1, 2, 3):
            session.add(Book(id=number, sequel_of_id=number - 1 or None))
            await face.flush(session)
    return face


@pytest.fixture
async def spoiled(books: Face) -> Face:
    """Give the shelf with a second book whose date no driver of its database can read."""
    await spoil(books, "printed", "'12000-01-01'")
    return books


async def test_a_value_that_cannot_be_read_is_given_as_text(
    books: Face, caplog: pytest.LogCaptureFixture
) -> None:
    async with books.transaction(read_only=True) as session:
        before = await books(fetch, session, select(Book).order_by(col(Book.id)), BookRead)
    for column, value, shown in UNREADABLE[books.dialect]:
        caplog.clear()
        await spoil(books, column, value)
        async with books.transaction() as session:
            with count_statements(books.database) as statements:
                found = await books(fetch, session, select(Book).order_by(col(Book.id)), BookRead)
            assert await books(count, session, select(Book)) == 3  # the transaction goes on
        assert (found[0], found[2]) == (before[0], before[2])
        assert getattr(found[1], column) == shown
        assert type(getattr(found[1], column)) is str
        assert caplog.messages == [f"A stored value cannot be read and is given as text: book id=2, {column}"]
        assert len(statements) == 2
        await spoil(books, column, "NULL")


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_the_answer_to_a_request_carries_what_is_stored(books: Face) -> None:
    app = FastAPI()
    install(app, books.database)
    app.include_router(routes(Resource(Book, read=BookRead), sync=not books.is_async))
    for column, value, shown in UNREADABLE[books.dialect] + UNFIT[books.dialect]:
        await spoil(books, column, value)
        async with client_of(app) as client:
            listed, alone = await client.get("/books"), await client.get("/books/2")
        assert (listed.status_code, alone.status_code) == (200, 200)
        assert listed.json()["items"][1][column] == alone.json()[column] == shown
        await spoil(books, column, "NULL")


async def test_readable_rows_cost_one_statement(books: Face) -> None:
    async with books.transaction(read_only=True) as session:
        with count_statements(books.database) as statements:
            await books(fetch, session, select(Book), BookRead)
    assert len(statements) == 1


async def test_a_row_is_given_by_every_verb_for_rows(spoiled: Face) -> None:
    ordered = select(Book).order_by(col(Book.id))
    second = select(Book).where(col(Book.id) == 2)
    async with spoiled.transaction(read_only=True) as session:
        found = [
            await spoiled(get, session, Book, 2, Printed),
            await spoiled(first, session, second, Printed),
            await spoiled(one, session, second, Printed),
            (await spoiled(page, session, ordered, Printed, size=2)).items[1],
            (await spoiled(seek, session, ordered, Printed, size=2)).items[1],
            (await spoiled(fetch, session, ordered.distinct(), Printed))[1],
        ]
    assert [(one.id, one.printed) for one in found] == [(2, STORED)] * 6


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_reads_without_a_session_give_what_cannot_be_read(books: Face) -> None:
    ordered, alone = select(Book).order_by(col(Book.id)), books.alone
    for column, value, shown in UNREADABLE[books.dialect]:
        await spoil(books, column, value)
        rows = [
            (await books(get, alone, Book, 2, BookRead)),
            (await books(fetch, alone, ordered, BookRead))[1],
        ]
        assert [getattr(row, column) for row in rows] == [shown, shown]
        rows = [
            loads(await books(json_get, alone, Book, 2, BookRead)),
            loads(await books(json, alone, ordered, BookRead))[1],
            loads(await books(json_page, alone, ordered, BookRead))["items"][1],
            loads(await books(json_seek, alone, ordered, BookRead))["items"][1],
        ]
        assert [row[column] for row in rows] == [shown] * 4
        await spoil(books, column, "NULL")


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_the_bytes_of_a_response_hold_what_cannot_be_read(books: Face) -> None:
    ordered = select(Book).order_by(col(Book.id))
    for column, value, shown in UNREADABLE[books.dialect]:
        await spoil(books, column, value)
        async with books.transaction(read_only=True) as session:
            with count_statements(books.database) as statements:
                rows = loads(await books(json, session, ordered, BookRead))
            assert len(statements) == 2
            pages = [
                loads(await books(json_page, session, ordered, BookRead))["items"],
                loads(await books(json_seek, session, ordered, BookRead))["items"],
            ]
            single = loads(await books(json_get, session, Book, 2, BookRead))
        assert [row[column] for row in rows] == [rows[0][column], shown, rows[0][column]]
        assert pages == [rows, rows]
        assert single == rows[1]
        await spoil(books, column, "NULL")


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_the_bytes_of_a_response_hold_related_rows_that_cannot_be_read(spoiled: Face) -> None:
    await spoil(spoiled, "opened", "'12000-01-01'", table="shelf", key=1)
    async with spoiled.transaction(read_only=True) as session:
        shelf = loads(await spoiled(json_get, session, Shelf, 1, ShelfFull))
    assert shelf["opened"] == STORED
    assert [one["printed"] for one in shelf["books"]] == ["2024-02-03", STORED, "2024-02-03"]


@pytest.mark.parametrize("descending", [False, True])
async def test_a_list_goes_on_behind_what_cannot_be_read(spoiled: Face, descending: bool) -> None:
    await spoil(spoiled, "printed", "'2023-01-01'", key=3)
    order = col(Book.printed).desc() if descending else col(Book.printed)
    statement = select(Book).order_by(order)
    async with spoiled.transaction(read_only=True) as session:
        expected = (await spoiled(seek, session, statement, Printed, size=3)).items
        found: list[Any] = []
        part = await spoiled(seek, session, statement, Printed, size=1)
        while part.next is not None:
            found += part.items
            part = await spoiled(seek, session, statement, Printed, size=1, cursor=part.next)
    assert [one.id for one in [*found, *part.items]] == [one.id for one in expected]
    assert {one.id for one in expected} == {1, 2, 3}


async def test_a_stream_goes_on_after_a_row_that_cannot_be_read(
    spoiled: Face, caplog: pytest.LogCaptureFixture
) -> None:
    ordered = select(Book).order_by(col(Book.id))
    async with spoiled.transaction(read_only=True) as session:
        found = [one async for one in streamed(spoiled, session, ordered)]
    assert [one.printed for one in found] == [date(2024, 2, 3), STORED, date(2024, 2, 3)]
    assert caplog.messages == ["A stored value cannot be read and is given as text: book id=2, printed"]


async def streamed(face: Face, session: Any, statement: Any) -> AsyncIterator[Any]:
    if face.is_async:
        async with aclosing(stream(session, statement, Printed, batch=1)) as rows:
            async for row in rows:
                yield row
    else:
        for row in stream(session, statement, Printed, batch=1):
            yield row


async def test_related_rows_that_cannot_be_read_are_given_too(spoiled: Face) -> None:
    await spoil(spoiled, "opened", "'12000-01-01'", table="shelf", key=1)
    async with spoiled.transaction(read_only=True) as session:
        shelf = await spoiled(get, session, Shelf, 1, ShelfFull)
        books = await spoiled(fetch, session, select(Book).order_by(col(Book.id)), OnShelf)
    assert shelf.opened == STORED
    assert [one.printed for one in shelf.books] == [date(2024, 2, 3), STORED, date(2024, 2, 3)]
    assert [one.shelf.opened for one in books] == [STORED] * 3


async def test_trees_hold_rows_that_cannot_be_read(spoiled: Face, caplog: pytest.LogCaptureFixture) -> None:
    async with spoiled.transaction(read_only=True) as session:
        tree = await spoiled(subtree, session, Book, 1, BookTree)
        above = await spoiled(ancestors, session, Book, 3, Printed)
    assert tree.sequels[0].printed == STORED
    assert tree.sequels[0].sequels[0].printed == date(2024, 2, 3)
    assert [one.printed for one in above] == [date(2024, 2, 3), STORED]
    assert caplog.messages == ["A stored value cannot be read and is given as text: book id=2, printed"] * 2


async def test_groups_hold_what_cannot_be_read(spoiled: Face, caplog: pytest.LogCaptureFixture) -> None:
    async with spoiled.transaction() as session:
        session.add(Shelf(id=2))
        await spoiled.flush(session)
        session.add(Book(id=9, shelf_id=2))
    # dates are text on SQLite, and so is their order
    extreme = func.min if spoiled.dialect == "sqlite" else func.max
    statement: Any = (
        select(B.shelf_id, extreme(B.printed).label("latest"))
        .join(B.shelf)
        .group_by(B.shelf_id)
        .order_by(B.shelf_id.desc())
    )
    async with spoiled.transaction() as session:
        found = await spoiled(aggregate, session, statement, Latest)
    assert [(one.shelf_id, one.latest) for one in found] == [(2, date(2024, 2, 3)), (1, STORED)]
    assert caplog.messages == [
        "A stored value cannot be read and is given as text: an aggregated row, latest"
    ]


async def test_a_null_that_the_schema_forbids_is_logged_with_its_row(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    async with face.transaction() as session:
        await face.exec(session, text("CREATE TABLE note (id INTEGER PRIMARY KEY, title TEXT)"))
        await face.exec(session, text("INSERT INTO note VALUES (1, 'A'), (2, NULL), (3, 'C')"))
    async with face.transaction(read_only=True) as session:
        found = await face(fetch, session, select(Note).order_by(col(Note.id)), NoteRead)
    assert [one.title for one in found] == ["A", None, "C"]
    assert caplog.messages == [
        "Note id=2 does not fit NoteRead and is given as stored: title: Input should be a valid string"
    ]


async def test_a_key_that_cannot_be_read_has_no_rows_below_it(books: Face) -> None:
    if books.dialect != "sqlite":
        pytest.skip("PostgreSQL's keys are of their type")
    async with books.transaction() as session:
        good = UUID(int=1)
        session.add(Label(id=good, parts=[Part(id=1)]))
        await books.exec(session, text("INSERT INTO label (id) VALUES ('no uuid')"))
    async with books.transaction(read_only=True) as session:
        found = await books(fetch, session, select(Label).order_by(col(Label.id)), LabelRead)
    assert [(one.id, len(one.parts)) for one in found] == [(good, 1), ("no uuid", 0)]


async def test_what_the_database_refuses_is_asked_once(books: Face) -> None:
    with (
        count_statements(books.database) as statements,
        pytest.raises(ProgrammingError if books.dialect == "postgresql" else Exception, match="nonsense"),
    ):
        async with books.transaction(read_only=True) as session:
            await books(fetch, session, select(Book).where(text("nonsense(1) = 1")), BookRead)
    assert len(statements) == 1
