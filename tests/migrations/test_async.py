"""Migrations of asynchronous programs: inside a running event loop, and without a synchronous driver."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from fieldstone import Database, MissingExtra
from fieldstone.migrations import (
    MigrationFailed,
    MigrationRefused,
    Project,
    downgrade_async,
    lint,
    status_async,
    upgrade,
    upgrade_async,
)
from fieldstone.migrations.waiting import LOCK
from tests.conftest import FreshUrl
from tests.faces import DIALECTS, Dialect
from tests.migrations.test_running import HEAD, ask, is_told, other, write_story

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


@pytest.fixture(params=DIALECTS)
def url(request: pytest.FixtureRequest, fresh_url: FreshUrl) -> str:
    """Give an asynchronous program's URL of an empty database, of one kind after the other."""
    dialect: Dialect = request.param
    given = make_url(fresh_url(dialect)).set(drivername=DRIVERS[dialect])
    return given.render_as_string(hide_password=False)


@pytest.fixture
def story(tmp_path: Path) -> Project:
    directory = tmp_path / "migrations"
    directory.mkdir()
    return write_story(directory)


async def test_a_program_migrates_in_its_event_loop_while_that_goes_on(url: str, story: Project) -> None:
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other_work())
    async with Database(url) as database:
        await upgrade_async(database, project=story)
        assert (await status_async(database, project=story)).up_to_date
    beside.cancel()
    assert turns > 50
    assert is_told(url)


async def test_the_sync_face_may_migrate_before_the_async_one_serves(url: str, story: Project) -> None:
    async with Database(url) as database:
        upgrade(database, project=story)
        async with database.async_transaction() as session:
            assert (await session.connection()).sync_connection is not None
        assert await upgrade_async(database, project=story) == []
    assert is_told(url)


async def test_tasks_of_one_loop_migrate_a_database_together(url: str, story: Project) -> None:
    async with Database(url) as one, Database(url) as two, Database(url) as three:
        ran = await asyncio.gather(*(upgrade_async(each, project=story) for each in (one, two, three)))
    assert sorted(each.revision for part in ran for each in part) == ["one", "three", "two"]
    assert is_told(url)


async def test_tasks_of_one_loop_migrate_databases_of_their_own(fresh_url: FreshUrl, story: Project) -> None:
    urls = [fresh_url(dialect) for dialect in (*DIALECTS, *DIALECTS)]

    async def migrate(url: str) -> None:
        async with Database(url) as database:
            await upgrade_async(database, project=story)

    await asyncio.gather(*(migrate(each) for each in urls))
    assert all(is_told(each) for each in urls)


async def test_threads_migrate_databases_of_their_own(fresh_url: FreshUrl, story: Project) -> None:
    urls = [fresh_url(dialect) for dialect in (*DIALECTS, *DIALECTS)]

    def migrate(url: str) -> None:
        with Database(url) as database:
            upgrade(database, project=story)

    await asyncio.gather(*(asyncio.to_thread(migrate, each) for each in urls))
    assert all(is_told(each) for each in urls)


async def test_the_revisions_are_looked_at_while_another_task_runs_them(url: str, story: Project) -> None:
    async with Database(url) as database:
        looking = asyncio.to_thread(lint, project=story)
        _, found = await asyncio.gather(upgrade_async(database, project=story), looking)
    assert [each.danger.rule for each in found] == []
    assert is_told(url)


FAILING = """
def upgrade():
    op.execute("INSERT INTO run (id) VALUES (3)")
    op.execute("INSERT INTO nowhere VALUES (1)")


def downgrade():
    pass
"""


async def test_a_failure_says_the_same_as_on_the_sync_face(url: str, story: Project) -> None:
    file = story.location / "four.py"
    file.write_text(f'"""Fail."""\n{HEAD.format(revision="four", after="three")}\n{FAILING}')
    said: list[str] = []
    async with Database(url) as database:
        with pytest.raises(MigrationFailed) as failed:
            await upgrade_async(database, project=story)
        said += str(failed.value).splitlines()
        with pytest.raises(MigrationFailed) as failed:
            upgrade(database, project=story)
    assert said == str(failed.value).splitlines()
    assert said[0].startswith("The upgrade of revision four (Fail.) failed: ")
    assert "nowhere" in said[0]
    assert said[1:] == [
        "  file      four.py",
        "  database  at three, as before: all of this revision was rolled back",
        "  next      correct the data or the file, then run: fieldstone migrate up",
    ]
    assert is_told(url)


async def test_a_task_that_is_cancelled_leaves_what_up_goes_on_from(url: str, story: Project) -> None:
    async with Database(url) as database:
        for pause in (0.0, 0.01, 0.05, 0.1):
            task = asyncio.create_task(upgrade_async(database, project=story))
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await upgrade_async(database, project=story)
        assert (await status_async(database, project=story)).up_to_date
    assert is_told(url)


async def test_who_does_not_get_a_turn_says_so_without_stopping_the_loop(
    fresh_url: FreshUrl, story: Project
) -> None:
    url = fresh_url("postgresql")
    with other(url) as holder:
        holder.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        async with Database(url) as database:
            with pytest.raises(MigrationRefused, match="Another process has been migrating this database"):
                await upgrade_async(database, project=story, patience=0.2)
            waiting = asyncio.create_task(upgrade_async(database, project=story))
            await asyncio.sleep(0.2)
            holder.invalidate()
            assert len(await waiting) == 3
    assert is_told(url)


async def test_a_memory_database_is_migrated_on_its_own_loop(story: Project) -> None:
    async with Database("sqlite+aiosqlite://") as database:
        await upgrade_async(database, project=story)
        async with database.async_transaction() as session:
            number = await session.scalar(text("SELECT count(*) FROM task"))
        assert number == 7
        await downgrade_async(database, "base", project=story)
        assert (await status_async(database, project=story)).current == ()


# Where a driver is not installed

WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
from typer.testing import CliRunner
from fieldstone.cli import app
for line in {commands!r}:
    outcome = CliRunner().invoke(app, ["migrate", *line.split("|")])
    print(outcome.exit_code, outcome.output or repr(outcome.exception))
"""

MODELS = """
from fieldstone import Field, Model

class Task(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=80)
"""


def without(directory: Path, url: str, missing: list[str], *commands: str) -> str:
    (directory / "app_models.py").write_text(MODELS)
    (directory / "pyproject.toml").write_text('[tool.fieldstone]\nmodels = ["app_models"]\n')
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing, commands=commands)],
        cwd=directory,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_works_where_only_the_asynchronous_drivers_are(url: str, tmp_path: Path) -> None:
    commands = (
        "new|Start",
        "up",
        "check",
        "status",
        "history",
        "lint",
        "sql",
        "merge",
        "down",
        "stamp",
        "check",
    )
    said = without(tmp_path, url, ["psycopg"], *commands)
    codes = [line[0] for line in said.splitlines() if line[:2] in ("0 ", "1 ", "2 ")]
    assert codes == ["0"] * 10 + ["1"], said
    assert "table task: is missing in the database" in said


def test_a_missing_driver_of_postgresql_is_named_with_what_to_install(tmp_path: Path) -> None:
    said = without(tmp_path, "postgresql://me@127.0.0.1/app", ["psycopg", "asyncpg"], "up")
    assert said.startswith("2 ")
    assert "pip install 'fieldstone[postgres]'" in said


async def test_within_a_loop_and_without_psycopg_the_async_verb_works(
    fresh_url: FreshUrl, story: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = fresh_url("postgresql")
    async with Database(url) as database:
        with pytest.raises(MissingExtra, match=r"synchronously \(psycopg\).*fieldstone\[postgres\]"):
            upgrade(database, project=story)
        await upgrade_async(database, project=story)
    monkeypatch.undo()
    assert is_told(url)


def test_rows_are_the_same_whichever_driver_migrated(url: str, story: Project) -> None:
    async def migrate() -> None:
        async with Database(url) as database:
            await upgrade_async(database, "two", project=story)

    asyncio.run(migrate())
    with Database(url) as database:
        upgrade(database, project=story)
    assert is_told(url)
    assert ask(url, "SELECT count(*) FROM run") == [(2,)]
