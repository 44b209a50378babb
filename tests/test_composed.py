"""What a database writes as JSON is what rows and objects give, to the last byte; or it is not taken."""

from __future__ import annotations

import uuid
from typing import Any, cast

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_json
from sqlalchemy import func, text
from sqlalchemy.orm import aliased, with_loader_criteria
from sqlmodel import Session, col, select

from fieldstone import (
    Database,
    Model,
    NotFound,
    fetch,
    json,
    json_get,
    json_page,
    json_seek,
    page,
    plan,
    seek,
    within,
)
from fieldstone.testing import count_statements
from tests import bookshop
from tests.bookshop import (
    Author,
    AuthorRead,
    Book,
    BookChain,
    BookFull,
    ChapterRead,
    Loose,
    Narrow,
    Priced,
    by,
    composed_of,
)
from tests.conftest import FreshUrl
from tests.faces import Face
from tests.specimens import listen, outcome, run, unruled

READS = [(model, schema) for model, schemas in bookshop.SCHEMAS.items() for schema in schemas]


@pytest.fixture
async def shop(face: Face) -> Face:
    await face.create_all(bookshop.METADATA)
    async with face.transaction() as session:
        session.add_all(bookshop.rows())
    return face


def ordered(model: Any) -> Any:
    return select(model).order_by(*[col(key).desc() for key in model.__table__.primary_key])


def every_way(session: Session, statement: Any, schema: type[BaseModel]) -> tuple[bytes, bytes, bytes]:
    """Read as JSON that the database writes, from rows, and from objects."""
    by(session, "database")
    written = json(session, statement, schema)
    by(session, "rows")
    rows = json(session, statement, schema)
    stop = listen(session)
    whole = fetch(session, statement, schema)
    stop()
    return written, rows, TypeAdapter(list[schema]).dump_json(whole, by_alias=True)  # type: ignore[valid-type]  # known at run time


@pytest.mark.parametrize(("model", "schema"), READS, ids=lambda one: one.__name__)
async def test_all_ways_give_the_same_bytes(shop: Face, model: Any, schema: type[BaseModel]) -> None:
    statement = ordered(model)
    async with shop.transaction(read_only=True) as session:
        with count_statements(shop.database) as statements:
            written, rows, whole = await shop.run(session, every_way, statement, schema)
    assert written == rows == whole
    assert written.count(b"{") > 1
    composed = composed_of(statements)
    if schema in (Loose, Narrow) or (schema is Priced and shop.dialect == "sqlite"):
        assert not composed
    else:
        assert len(composed) == 1
        assert statements[0] == composed[0]


def test_a_plan_says_which_databases_write_it() -> None:
    assert plan(bookshop.Book, bookshop.BookFull).why == (
        "JSON is written from rows: every column comes out as Pydantic would write it. "
        "Within a session, SQLite writes it itself, in one statement. "
        "PostgreSQL writes it itself, in one statement, where it is far away."
    )
    assert plan(bookshop.Book, Priced).why == (
        "JSON is written from rows: every column comes out as Pydantic would write it. "
        "PostgreSQL writes it itself, in one statement, where it is far away. "
        "SQLite cannot write it: Priced.price is of kind decimal in a column of Numeric."
    )


other = aliased(Book)
SHAPES: dict[str, Any] = {
    "an alias": select(other).where(col(other.title) != "x").order_by(col(other.id)),
    "a join": select(Book)
    .join(cast(Any, Book.author))
    .where(col(Author.name) == "Ada")
    .order_by(col(Book.id)),
    "an order beyond the schema": select(Book).order_by(col(Book.price).desc().nulls_last(), col(Book.id)),
    "an order by an expression": select(Book).order_by(
        func.lower(col(Book.title)).desc(), col(Book.floor) * -1
    ),
    "a subquery": select(Book)
    .where(col(Book.author_id).in_(select(col(Author.id)).where(col(Author.name) == "Ada")))
    .order_by(col(Book.id)),
    "a percent sign": select(Book).where(col(Book.title).like("%l%")).order_by(col(Book.id)),
    "a limit": select(Book).order_by(col(Book.id).desc()).limit(1).offset(1),
    "an empty result": select(Book).where(col(Book.title) == "none"),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_every_shape_of_statement_can_be_written(shop: Face, name: str) -> None:
    async with shop.transaction(read_only=True) as session:
        with count_statements(shop.database) as statements:
            for _ in range(2):
                written, rows, whole = await shop.run(session, every_way, SHAPES[name], BookFull)
                assert written == rows == whole
                assert (written == b"[]") == (name == "an empty result")
    assert len(composed_of(statements)) == 2


async def test_statements_of_one_shape_write_their_own_rows(shop: Face) -> None:
    async with shop.transaction(read_only=True) as session:
        await shop.run(session, by, "database")
        for number in (1, 2, 4711):
            statement = select(Book).where(col(Book.id) == uuid.UUID(int=number))
            found = from_json(await shop(json, session, statement, BookChain))
            assert len(found) == (number != 4711)
            assert [len(one["sequels"]) for one in found] == [2 if number == 1 else 0][: len(found)]


NOT_WRITTEN: dict[str, Any] = {
    "distinct rows": select(Book).distinct().order_by(col(Book.id)),
    "options": select(Book)
    .options(with_loader_criteria(Book, col(Book.title) != "x"))
    .order_by(col(Book.id)),
    "an order by a name": select(Book).order_by(text("book.id")),
    "execution options": select(Book).execution_options(a_listener="knows").order_by(col(Book.id)),
}


@pytest.mark.parametrize("name", NOT_WRITTEN)
async def test_what_a_statement_asks_beyond_rows_keeps_it_from_being_written(shop: Face, name: str) -> None:
    async with shop.transaction(read_only=True) as session:
        with count_statements(shop.database) as statements:
            written, rows, whole = await shop.run(session, every_way, NOT_WRITTEN[name], BookFull)
    assert written == rows == whole
    assert not composed_of(statements)


async def test_locked_rows_are_read_as_rows(shop: Face) -> None:
    async with shop.transaction() as session:
        await shop.run(session, by, "database")
        with count_statements(shop.database) as statements:
            await shop(json, session, select(Book).with_for_update(of=Book), BookFull)
    assert not composed_of(statements)


async def test_a_session_with_a_scope_writes_only_what_lies_within(shop: Face) -> None:
    async with shop.transaction() as session:
        within(session, Author, col(Author.id) == 1)
        await shop.run(session, by, "database")
        with count_statements(shop.database) as statements:
            written = await shop(json, session, select(Author).order_by(col(Author.id)), AuthorRead)
    assert written == b'[{"id":1,"name":"Ada"}]'
    assert not composed_of(statements)


async def test_what_is_pending_is_written_too(shop: Face) -> None:
    async with shop.transaction() as session:
        await shop.run(session, by, "database")
        session.add(Author(id=9, name="Pending"))
        found = await shop(json, session, select(Author).where(col(Author.id) == 9), AuthorRead)
    assert found == b'[{"id":9,"name":"Pending"}]'


async def test_every_verb_of_bytes_gives_what_its_twin_gives(shop: Face) -> None:
    statement = select(Book).order_by(col(Book.title).desc())
    async with shop.transaction(read_only=True) as session:
        await shop.run(session, by, "database")
        paged = await shop(page, session, statement, BookFull, size=2, offset=1, total=True)
        first = await shop(seek, session, statement, BookFull, size=2)
        onwards = await shop(seek, session, statement, BookFull, size=2, cursor=first.next)
        with count_statements(shop.database) as statements:
            written = await shop(json_page, session, statement, BookFull, size=2, offset=1, total=True)
            assert written == paged.model_dump_json(by_alias=True).encode()
            for cursor, found in ((None, first), (first.next, onwards), (onwards.previous, first)):
                written = await shop(json_seek, session, statement, BookFull, size=2, cursor=cursor)
                sought = from_json(written)
                assert to_json(sought["items"]) == TypeAdapter(list[BookFull]).dump_json(
                    found.items, by_alias=True
                )
                assert (sought["next"] is None, sought["size"]) == (found.next is None, 2)
            one = await shop(json_get, session, Book, uuid.UUID(int=2), BookFull)
            with pytest.raises(NotFound):
                await shop(json_get, session, Book, uuid.UUID(int=4711), BookFull)
        assert len(composed_of(statements)) == len(statements) - 1 == 6  # and one that counts
        stop = listen(getattr(session, "sync_session", session))
        assert one == await shop(json_get, session, Book, uuid.UUID(int=2), BookFull)
        stop()


# What another program may have written past every rule: table, column, and the value as SQL.
BADLY = [
    ("book", "title", "''"),
    ("book", "title", "'" + "x" * 61 + "'"),
    ("book", "title", "NULL"),
    ("book", "pages", "NULL"),
    ("book", "binding", "'unheard'"),
    ("book", "binding", "'PAPER'"),
    ("book", "stars", "7"),
    ("book", "shelf", "'A'"),
    ("book", "floor", "4"),
    ("book", "seen_at", "NULL"),
    ("book", "author_id", "4711"),
    ("chapter", "text", "NULL"),
]
BADLY_IN_POSTGRESQL = [
    ("book", "seen_at", "'infinity'"),
    ("book", "seen_at", "'0044-03-15 BC'"),
    ("book", "printed_on", "'-infinity'"),
    ("book", "printed_on", "'0044-03-15 BC'"),
    ("book", "printed_on", "'10000-01-01'"),
    ("book", "lent_at", "'9999-12-31 23:59:59.999999Z'"),
]
BADLY_IN_SQLITE = [
    ("book", "title", "CAST('bytes' AS BLOB)"),
    ("book", "title", "'nul' || char(0)"),
    ("book", "title", "7"),
    ("book", "note", "CAST(x'ff' AS TEXT)"),
    ("book", "pages", "'many'"),
    ("book", "pages", "2.5"),
    ("book", "pages", "9999999999"),
    ("book", "sold", "9e18"),
    ("book", "new", "7"),
    ("book", "new", "'yes'"),
    ("book", "rare", "2.5"),
    ("book", "seen_at", "'2026-01-31'"),
    ("book", "seen_at", "'2026-01-31 09:30:00'"),
    ("book", "seen_at", "'2026-01-31T09:30:00.000000'"),
    ("book", "seen_at", "'2026-02-30 09:30:00.000000'"),
    ("book", "seen_at", "'2026-01-31 24:00:00.000000'"),
    ("book", "seen_at", "'2026-01-31 23:59:59.99999Z'"),
    ("book", "seen_at", "'2026-01-31 23:59:59 +00:00'"),
    ("book", "seen_at", "'0000-01-31 23:59:59.000000'"),
    ("book", "seen_at", "'2026-13-01 09:30:00.000000'"),
    ("book", "seen_at", "'2026-00-01 09:30:00.000000'"),
    ("book", "seen_at", "'2026-02-00 09:30:00.000000'"),
    ("book", "seen_at", "'2026-11-31 09:30:00.000000'"),
    ("book", "seen_at", "CAST('2026-01-31 09:30:00.000000' AS BLOB)"),
    ("book", "seen_at", "'2026-01-31 09:30:00.000000' || char(0)"),
    ("book", "seen_at", "'never'"),
    ("book", "seen_at", "20260131"),
    ("book", "printed_on", "'2026-02-30'"),
    ("book", "printed_on", "'0000-01-01'"),
    ("book", "printed_on", "'2026-01-31 10:00:00'"),
    ("book", "printed_on", "2461000"),
    ("book", "mark", "'not a reference'"),
    ("book", "mark", "'00000000-0000-0000-0000-000000000001'"),
    ("book", "mark", "'ABCDEF00000000000000000000000001'"),
    ("book", "stars", "'1'"),
    ("book", "floor", "1.5"),
    ("chapter", "text", "7"),
    ("chapter", "number", "'first'"),
]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_a_badly_stored_value_comes_out_as_from_objects(shop: Face) -> None:
    special = BADLY_IN_SQLITE if shop.dialect == "sqlite" else BADLY_IN_POSTGRESQL

    def compare(session: Session) -> None:
        unruled(session, "book", "title", "title", "pages", "seen_at")
        unruled(session, "chapter", "text", "text")
        by(session, "database")
        sound = outcomes(session)
        assert sound[0] == sound[1]
        for table, column, value in [*BADLY, *special]:
            savepoint = session.begin_nested()
            run(session, f"UPDATE {table} SET {column} = {value}")
            found = outcomes(session)
            assert found[0] == found[1] != sound[0], (table, column, value)
            savepoint.rollback()

    async with shop.transaction() as session:
        await shop.run(session, compare)


def outcomes(session: Session) -> tuple[Any, Any]:
    """Read what a database would write, its way and the whole way."""
    statement = select(Book).order_by(col(Book.id))
    written = outcome(lambda: json(session, statement, BookFull))
    stop = listen(session)
    whole = outcome(lambda: json(session, statement, BookFull))
    stop()
    return written, whole


class Titled(Model):
    title: str
    chapters: list[ChapterRead]


def test_a_cursor_beside_what_cannot_be_read_is_made_from_rows(fresh_url: FreshUrl) -> None:
    def sought(session: Session) -> Any:
        statement = select(Book).order_by(col(Book.lent_at))
        return from_json(json_seek(session, statement, Titled, size=2))["items"]

    with Database(fresh_url("sqlite")) as database:
        database.create_all(bookshop.METADATA)
        with database.transaction() as session:
            session.add_all(bookshop.rows())
            session.flush()
            unruled(session, "book", "title")
            run(session, "UPDATE book SET lent_at = 'never'")
            by(session, "database")
            with count_statements(database) as statements:
                written = outcome(lambda: sought(session))
            assert composed_of(statements)
            by(session, "rows")
            assert written == outcome(lambda: sought(session))


# A column of PostgreSQL may have drifted from its model.
DRIFT = [
    "ALTER pages TYPE numeric USING pages + 0.5",
    "ALTER pages TYPE text",
    "ALTER title TYPE char(70)",
    "ALTER seen_at TYPE timestamp",
    "ALTER printed_on TYPE timestamp",
    "ALTER mark TYPE text",
    "ALTER floor TYPE text",
    "ALTER price TYPE numeric",
]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("change", DRIFT)
def test_a_column_of_another_type_is_read_as_rows(fresh_url: FreshUrl, change: str) -> None:
    with Database(fresh_url("postgresql"), json_by="database") as database:
        database.create_all(bookshop.METADATA)
        with database.transaction() as session:
            session.add_all(bookshop.rows())
            session.flush()
            unruled(session, "book", "title")
            run(session, "ALTER TABLE book ALTER floor DROP DEFAULT", f"ALTER TABLE book {change}")
            schema = Priced if "price" in change else BookFull
            run(session, "UPDATE book SET price = 0.5")
            statement = select(Book).order_by(col(Book.id))
            written = outcome(lambda: json(session, statement, schema))
            listen(session)
            assert written == outcome(lambda: json(session, statement, schema))


async def test_both_databases_escape_text_as_pydantic_does(face: Face) -> None:
    points = [chr(number) for number in range(1, 0x110000) if not 0xD800 <= number < 0xE000]
    words = {"sqlite": "SELECT json_array(:text)", "postgresql": "SELECT to_json(CAST(:text AS text))::text"}

    def escaped(session: Session, part: str) -> str:
        found: str = session.connection().execute(text(words[face.dialect]), {"text": part}).scalar_one()
        return found.removeprefix("[").removesuffix("]") if face.dialect == "sqlite" else found

    async with face.transaction(read_only=True) as session:
        for start in range(0, len(points), 10_000):
            part = "".join(points[start : start + 10_000])
            assert await face.run(session, escaped, part) == to_json(part).decode()
