"""A prepared database is made once, copied for each test, and never carries over what a test did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from fieldstone import Database
from fieldstone.testing.lending import Lender
from fieldstone.testing.postgres_templates import PostgresTemplates
from fieldstone.testing.templates import EMPTY, Dialect, SqliteTemplates, Templates, schema_of
from tests.kit.shop import METADATA, Item, Shelf

SHOP = schema_of(METADATA)


@pytest.fixture
def templates(
    request: pytest.FixtureRequest, fieldstone_dialect: Dialect, tmp_path: Path
) -> Iterator[Templates]:
    if fieldstone_dialect == "sqlite":
        made: Templates = SqliteTemplates(tmp_path)
    else:
        made = PostgresTemplates(request.getfixturevalue("postgres_url"))
    yield made
    made.close()


def run(url: str, *statements: str) -> None:
    with Database(url) as database, database.transaction() as session:
        for statement in statements:
            session.connection().exec_driver_sql(statement)


def stored(url: str) -> list[tuple[int | None, str]]:
    with Database(url) as database:
        return stored_in(database)


def stored_in(database: Database) -> list[tuple[int | None, str]]:
    with database.transaction(read_only=True) as session:
        return [(item.id, item.name) for item in session.exec(select(Item).order_by(Item.name)).all()]


def test_a_schema_is_prepared_once_and_rows_do_not_carry_over(templates: Templates) -> None:
    calls: list[Database] = []

    def prepare(database: Database) -> None:
        calls.append(database)
        database.create_all(METADATA)

    for _ in range(3):
        with templates.lend(schema_of(METADATA, prepare)) as url:
            with Database(url) as database, database.transaction() as session:
                session.add(Item(name="nail", shelf=Shelf(label="A")))
            assert stored(url) == [(1, "nail")]
    assert len(calls) == 1


def test_rows_of_the_template_are_in_every_copy(templates: Templates) -> None:
    def prepare(database: Database) -> None:
        database.create_all(METADATA)
        with database.transaction() as session:
            session.add(Item(name="hammer"))

    for _ in range(2):
        with templates.lend(schema_of(METADATA, prepare)) as url:
            assert stored(url) == [(1, "hammer")]
            run(url, "UPDATE item SET name = 'saw'", "INSERT INTO item (name) VALUES ('nail')")
            assert stored(url) == [(2, "nail"), (1, "saw")]


def test_two_copies_are_apart_and_an_empty_one_is_empty(templates: Templates) -> None:
    with templates.lend(SHOP) as one, templates.lend(SHOP) as other, templates.lend(EMPTY) as empty:
        run(one, "INSERT INTO item (name) VALUES ('nail')")
        run(empty, "CREATE TABLE item (name varchar)", "INSERT INTO item VALUES ('screw')")
        assert stored(other) == []
    with templates.lend(EMPTY) as empty:
        run(empty, "CREATE TABLE item (id int)")


@pytest.mark.parametrize(
    "change",
    [
        "CREATE INDEX more ON item (name)",
        "ALTER TABLE item ADD COLUMN more int",
        "ALTER TABLE shelf RENAME COLUMN label TO more",
        "DROP TABLE item",
        "CREATE VIEW more AS SELECT name FROM item",
        "CREATE TABLE more (id int)",
    ],
)
def test_a_copy_whose_schema_was_changed_is_not_used_again(templates: Templates, change: str) -> None:
    for _ in range(2):
        with templates.lend(SHOP) as url:
            assert stored(url) == []
            run(url, change)


@pytest.mark.parametrize(
    "change",
    [
        "COMMENT ON TABLE item IS 'more'",
        "ALTER TABLE item ALTER COLUMN name SET DEFAULT 'more'",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA more",
        "CREATE TYPE more AS ENUM ('one')",
        "ALTER TABLE item DISABLE TRIGGER ALL",
        "CREATE STATISTICS more ON id, name FROM item",
        "INSERT INTO item (name) VALUES ('more'); ANALYZE item",
        "INSERT INTO item (name) SELECT generate_series(1, 60000)::text",
    ],
)
def test_postgresql_throws_away_what_deleting_rows_does_not_restore(postgres_url: str, change: str) -> None:
    templates = PostgresTemplates(postgres_url)
    try:
        with templates.lend(SHOP) as url:
            first = url
            for statement in change.split("; "):
                run(url, statement)
        with templates.lend(SHOP) as url:
            assert url != first
            second = url
            run(url, "INSERT INTO item (name) VALUES ('nail')")
        with templates.lend(SHOP) as url:
            assert url == second
            assert stored(url) == []
    finally:
        templates.close()


def test_what_a_test_left_open_is_closed_and_databases_go_in_the_end(postgres_url: str) -> None:
    templates = PostgresTemplates(postgres_url)
    left = Database(postgres_url)
    with templates.lend(SHOP) as url:
        left = Database(url)
        holding = left.engine.connect()
        holding.execute(text("LOCK TABLE item"))
    with templates.lend(SHOP) as url:
        assert stored(url) == []
    with pytest.raises(OperationalError):
        holding.execute(text("SELECT 1"))
    holding.invalidate()
    left.close()
    templates.close()
    with Database(postgres_url) as server, Session(server.engine) as session:
        prefix = f"{templates._prefix}%"
        found = text("SELECT count(*) FROM pg_database WHERE datname LIKE :prefix")
        assert session.connection().scalar(found, {"prefix": prefix}) == 0


@pytest.mark.parametrize("lasts", [True, False])
def test_nothing_is_left_on_a_server_that_stays(postgres_url: str, tmp_path: Path, lasts: bool) -> None:
    lender = Lender(tmp_path, lambda: postgres_url, lasts={postgres_url: lasts}.__getitem__)
    with lender.committed("postgresql", SHOP) as database:
        name = str(database.engine.url.database)
    lender.close()
    with Database(postgres_url) as server, Session(server.engine) as session:
        found = text("SELECT count(*) FROM pg_database WHERE datname = :name")
        assert session.connection().scalar(found, {"name": name}) == (0 if lasts else 1)


def test_a_committed_database_is_closed_in_whatever_loop_it_was_used(
    fieldstone_lender: Lender, fieldstone_dialect: Dialect
) -> None:
    async def add(database: Database, name: str) -> None:
        async with database.async_transaction() as session:
            session.add(Item(name=name))

    with fieldstone_lender.committed(fieldstone_dialect, SHOP) as database:
        asyncio.run(add(database, "nail"))
        asyncio.run(add(database, "screw"))
        assert [name for _, name in stored_in(database)] == ["nail", "screw"]


def test_tables_that_are_defined_later_make_another_schema() -> None:
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    before = schema_of(metadata)
    Table("later", metadata, Column("id", Integer, primary_key=True))
    assert schema_of(metadata) != before
    assert schema_of(metadata) == schema_of(metadata)
