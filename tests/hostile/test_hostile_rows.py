"""Rows that some other program wrote past every check: what reads many rows must not break on one.

The other program does what the app's database cannot prevent: it switches the checks off, as any
connection to SQLite may, or drops them, as any owner of a table in PostgreSQL may.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import Connection, text

from fieldstone import Database
from fieldstone.template.app import create_app
from tests.hostile.attack import plant
from tests.serving import client_of, served
from tests.template.markup import parse
from tests.template.migrated import migrated

# Table, row, and what it is set to.
BADLY: list[tuple[str, str, str]] = [
    ("task", "id = 1", "status = 'unheard'"),
    ("task", "id = 1", "priority = 'unheard'"),
    ("task", "id = 1", "progress_percent = 900"),
    ("task", "id = 1", "progress_percent = -2147483648"),
    ("task", "id = 1", "title = ''"),
    ("task", "id = 2", "title = '', status = '', priority = ''"),
    ("project", "id = 1", "name = ''"),
    ("project", "id = 1", "color = 'unheard'"),
    ("worker", "id = '@busy'", "name = ''"),
    ("worker", "id = '@busy'", "name = '   '"),
    ("worker", "id = '@busy'", "type = 'unheard'"),
    ("assignment", "task_id = 1", "role = 'unheard'"),
    # Keys that lead nowhere, or in a circle.
    ("task", "id = 1", "project_id = 4711"),
    ("task", "id = 2", "parent_id = 4711"),
    ("task", "id = 1", "parent_id = 2"),
    ("task", "id = 2", "parent_id = 2"),
    ("worker", "id = '@busy'", "id = 'Not a key'"),
    ("assignment", "task_id = 1", "task_id = 4711"),
    # A history that is none.
    ("history", "model = 'Task' AND key = '1'", "actor_kind = 'unheard', action = 'unheard', actor = ''"),
    ("history", "model = 'Task' AND key = '1'", "changes = '[1]', action = 'changed'"),
    (
        "history",
        "model = 'Task' AND key = '1'",
        """changes = '{"project_id": {"new": "x"}, "title": 1}', action = 'changed'""",
    ),
    ("history", "model = 'Assignment'", "key = '[1,broken', action = 'changed'"),
    ("history", "model = 'Assignment'", "key = '[1,[]]', changes = '{}'"),
]
PROGRAMS = ["/api/tasks", "/api/projects", "/api/workers", "/api/board"]
PROGRAMS += ["/api/tasks?view=summary&sort=due_date", "/api/tasks/1/history"]
PEOPLE = ["/", "/?status=pending", "/projects", "/projects/shop", "/workers", "/tasks/2", "/tasks/1"]


@pytest.fixture
async def planted(database: Database) -> Database:
    migrated(database)
    plant(database)
    return database


@pytest.fixture
async def client(planted: Database) -> AsyncIterator[httpx.AsyncClient]:
    with served(create_app, planted) as app:
        async with client_of(app) as client:
            yield client


def write_badly(database: Database, table: str, row: str, change: str) -> None:
    """Change a row with every check of its table out of the way."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.dialect == "sqlite":
            connection.execute(text("PRAGMA ignore_check_constraints = ON"))
            connection.execute(text("PRAGMA foreign_keys = OFF"))
        else:
            _drop_checks(connection, table)
            connection.execute(text("SET session_replication_role = replica"))
        changed = connection.execute(text(f"UPDATE {table} SET {change} WHERE {row}"))
        assert changed.rowcount == 1
        connection.invalidate()  # what was switched off stays with the connection


def _drop_checks(connection: Connection, table: str) -> None:
    checks = text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = CAST(:t AS regclass)")
    for name in connection.execute(checks, {"t": table}).scalars().all():
        connection.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'))


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(("table", "row", "change"), BADLY)
async def test_one_bad_row_breaks_no_list_and_no_page(
    planted: Database, client: httpx.AsyncClient, table: str, row: str, change: str
) -> None:
    lengths = {path: len((await client.get(path)).json()["items"]) for path in PROGRAMS[:3]}
    write_badly(planted, table, row, change)
    for path in PROGRAMS:
        answer = await client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        if path in lengths:
            assert len(answer.json()["items"]) == lengths[path], path
    for path in PEOPLE:
        page = await client.get(path)
        assert page.status_code == 200, (path, page.text)
        assert len(parse(page.text).all("h1")) == 1, path


async def test_a_bad_value_can_be_repaired_through_the_api(
    planted: Database, client: httpx.AsyncClient
) -> None:
    write_badly(planted, "task", "id = 1", "status = 'unheard', progress_percent = 900")
    repaired = await client.patch("/api/tasks/1", json={"status": "pending", "progress_percent": 0})
    assert repaired.status_code == 200
    assert (repaired.json()["status"], repaired.json()["progress_percent"]) == ("pending", 0)


WORDS = [
    "progress_percent = 'many'",
    "due_date = 'soon'",
    "created_at = 'long ago'",
    "updated_at = 'just now'",
    "version = 'second'",
]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("change", WORDS)
async def test_a_word_where_sqlite_should_hold_something_else_breaks_no_list_and_no_page(
    tmp_path: Path, change: str
) -> None:
    async with Database(f"sqlite:///{tmp_path}/words.db") as database:
        migrated(database)
        plant(database)
        write_badly(database, "task", "id = 1", change)
        with served(create_app, database) as app:
            async with client_of(app) as client:
                for path in (*PROGRAMS, *PEOPLE):
                    assert (await client.get(path)).status_code == 200, path
