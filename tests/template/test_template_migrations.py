"""The task app's migrations: they lead to its models, both ways, and take over what was there before.

`made_before/` holds what earlier versions of the app told a database with create_all, before there
were migrations: at its first commit, with the history, and with deleted tasks that come back.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fieldstone import Database
from fieldstone.migrations import Unrecognised, downgrade, downgrade_async, lint, status, upgrade, verbs
from fieldstone.migrations.checking import schema_lines
from fieldstone.template.models import Task
from fieldstone.template.tables import MIGRATIONS, migrate, migrate_async
from tests.conftest import FreshUrl
from tests.faces import Dialect, Face
from tests.template.migrated import migrated

BEFORE = Path(__file__).parent / "made_before"
STORY = [
    "Keep projects, tasks and workers",
    "Keep a history of changes",
    "Count the versions of tasks",
    "Let deleted tasks come back",
    "Index the lists",
]
AT = "'2026-01-02 03:04:05.000000'"
ROWS = {
    "project": (
        f"(id, name, slug, color, created_at, updated_at) VALUES (1, 'Shop', 'shop', 'moss', {AT}, {AT})"
    ),
    "worker": f"(id, name, type, created_at, updated_at) VALUES ('@ada', 'Ada', 'human', {AT}, {AT})",
    "task": (
        "(id, title, status, priority, progress_percent, project_id, parent_id, created_at, updated_at) "
        f"VALUES (1, 'Write', 'pending', 'low', 10, 1, NULL, {AT}, {AT}), "
        f"(2, 'Read', 'completed', 'high', 100, NULL, 1, {AT}, {AT})"
    ),
    "assignment": f"(task_id, worker_id, role, assigned_at) VALUES (1, '@ada', 'reviewer', {AT})",
    "history": (
        f"(id, at, action, model, key, changes) VALUES "
        f"('00000000000000000000000000000001', {AT}, 'created', 'Task', '1', '{{}}')"
    ),
}
KEPT = {
    "project": "SELECT id, name, slug, color FROM project",
    "worker": "SELECT id, name, type FROM worker",
    "task": (
        "SELECT id, title, status, priority, progress_percent, project_id, parent_id FROM task ORDER BY id"
    ),
    "assignment": "SELECT task_id, worker_id, role FROM assignment",
    "history": "SELECT action, model, key FROM history",
}


def tell(database: Database, *statements: str) -> None:
    with database.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    tables = {name.partition(":")[0] for name in schema(database)}
    return {table: ask(database, query) for table, query in KEPT.items() if table in tables}


def schema(database: Database) -> set[str]:
    return verbs.on(database, schema_lines)


def create_all(database: Database) -> None:
    """Create the app's tables, and none of those that tests declare beside them."""
    own = [table for table in Task.metadata.sorted_tables if table.name in ROWS]
    with database.transaction() as session:
        Task.metadata.create_all(session.connection(), tables=own)


def plant(database: Database, *tables: str, versioned: bool = True) -> None:
    """Put rows into tables; before the third revision a task has no version."""
    for table in tables:
        row = ROWS[table]
        if table == "task" and versioned:
            row = (
                row.replace("(id, ", "(version, id, ")
                .replace("(1, 'W", "(7, 1, 'W")
                .replace("(2, ", "(8, 2, ")
            )
        tell(database, f"INSERT INTO {table} {row}")


def make_as_before(database: Database, version: str) -> None:
    made = (BEFORE / f"{version}.{database.dialect}.sql").read_text().split(";\n")
    tell(database, *(each for each in made if each.strip()))
    tables = [table for table in ROWS if version != "first" or table != "history"]
    plant(database, *tables, versioned=version != "first")


def test_every_revision_goes_up_down_and_up_and_the_head_is_the_models(
    database_url: str, tmp_path: Path
) -> None:
    # In a process of its own, which knows the app's models and no test's.
    check = (
        "from fieldstone import Database\n"
        "from fieldstone.migrations import check_migrations\n"
        "from fieldstone.template.tables import MIGRATIONS\n"
        "with Database() as database: check_migrations(database, project=MIGRATIONS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check],
        env={**os.environ, "DATABASE_URL": database_url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def test_the_story_is_told_on_every_face(face: Face) -> None:
    ran = await migrate_async(face.database) if face.is_async else migrate(face.database)
    assert [each.title for each in ran] == STORY
    assert (await migrate_async(face.database) if face.is_async else migrate(face.database)) == []
    back = (
        await downgrade_async(face.database, "base", project=MIGRATIONS)
        if face.is_async
        else downgrade(face.database, "base", project=MIGRATIONS)
    )
    assert [each.title for each in back] == STORY[::-1]


def test_rows_outlive_the_way_down_to_the_first_revision_and_up_again(database: Database) -> None:
    plant(migrated(database), *ROWS)
    tell(database, "UPDATE history SET action = 'restored'")
    before = rows(database)
    first = status(database, project=MIGRATIONS)
    downgrade(database, "-3", project=MIGRATIONS)
    assert rows(database) == {**before, "history": [("changed", "Task", "1")]}
    downgrade(database, "-1", project=MIGRATIONS)
    upgrade(database, project=MIGRATIONS)
    assert status(database, project=MIGRATIONS) == first
    assert rows(database) == {**before, "history": []}


@pytest.mark.parametrize(
    ("version", "left"), [("first", STORY[1:]), ("history", STORY[3:]), ("restorable", STORY[4:])]
)
def test_a_database_of_an_earlier_version_is_taken_over_with_its_rows(
    database: Database, dialect_twin: Database, version: str, left: list[str]
) -> None:
    make_as_before(database, version)
    before = rows(database)
    assert [each.title for each in migrate(database)] == left
    assert rows(database) == {"history": [], **before}
    assert schema(database) == schema(migrated(dialect_twin))
    assert migrate(database) == []


def test_a_first_version_beside_which_a_later_one_made_its_new_table_is_taken_over(
    database: Database, dialect_twin: Database
) -> None:
    make_as_before(database, "first")
    before = rows(database)
    create_all(database)  # it makes the table of the history, and changes no other
    assert [each.title for each in migrate(database)] == STORY[2:]
    assert rows(database) == {"history": [], **before}
    assert schema(database) == schema(migrated(dialect_twin))


def test_a_database_of_the_last_version_without_migrations_is_recorded_and_not_changed(
    database: Database, dialect_twin: Database
) -> None:
    create_all(database)
    made = schema(database)
    assert migrate(database) == []
    assert status(database, project=MIGRATIONS).up_to_date
    assert schema(database) == made == schema(migrated(dialect_twin))


async def test_many_that_start_at_once_take_over_a_database_once(database: Database) -> None:
    make_as_before(database, "history")
    before = rows(database)

    def start() -> list[str]:
        with Database(database.url) as own:
            return [each.title for each in migrate(own)]

    ran = await asyncio.gather(*(asyncio.to_thread(start) for _ in range(5)))
    assert sorted(title for each in ran for title in each) == sorted(STORY[3:])
    assert rows(database) == before


def test_tables_that_no_version_made_are_refused_and_left_alone(database: Database) -> None:
    make_as_before(database, "restorable")
    tell(database, "ALTER TABLE task RENAME COLUMN contact TO caller")
    made = schema(database)
    with pytest.raises(Unrecognised, match=r"The nearest is \w+ \(Let deleted tasks come back\)") as unknown:
        migrate(database)
    assert unknown.value.lacks == ("task.contact",)
    assert schema(database) == made


def test_the_revisions_hurt_nobody() -> None:
    assert [str(each) for each in lint(project=MIGRATIONS)] == []


@pytest.fixture
def dialect_twin(database: Database, fresh_url: FreshUrl) -> Any:
    """Give another empty database of the same kind."""
    dialect: Dialect = database.dialect
    with Database(fresh_url(dialect)) as twin:
        yield twin
