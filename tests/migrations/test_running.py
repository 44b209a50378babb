"""Revisions run once however many processes start, go on after any kill, and on every face."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from fieldstone import Database
from fieldstone.errors import Unavailable
from fieldstone.migrations import (
    MigrationFailed,
    MigrationRefused,
    Project,
    downgrade,
    downgrade_async,
    stamp,
    status,
    status_async,
    upgrade,
    upgrade_async,
    verbs,
)
from fieldstone.migrations.running import Course, run
from fieldstone.migrations.waiting import LOCK
from tests.conftest import FreshUrl
from tests.faces import Dialect, Face

HEAD = """
import sqlalchemy as sa
from alembic import op
from fieldstone.migrations import steps

revision = {revision!r}
down_revision = {after!r}
branch_labels = None
depends_on = None
"""

STORY = {
    "one": """
def upgrade():
    op.create_table("task", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String))
    op.create_table("run", sa.Column("id", sa.Integer, primary_key=True))
    for number in range(1, 8):
        op.execute(f"INSERT INTO task (id, title) VALUES ({number}, 'Task {number}')")
    op.execute("INSERT INTO run (id) VALUES (1)")


def downgrade():
    op.drop_table("run")
    op.drop_table("task")
""",
    "two": """
def upgrade():
    op.add_column("task", sa.Column("length", sa.Integer))
    op.execute("INSERT INTO run (id) VALUES (2)")


def downgrade():
    op.execute("DELETE FROM run WHERE id = 2")
    with op.batch_alter_table("task") as batch:
        batch.drop_column("length")
""",
    "three": """
def upgrade():
    steps.backfill("task", "length", "length(title)", batch=3)
    steps.create_index("ix_task_title", "task", ["title"])
    steps.create_unique_constraint("uq_task_length", "task", ["length", "id"])
    steps.set_not_null("task", "length", sa.Integer())


def downgrade():
    with op.batch_alter_table("task") as batch:
        batch.alter_column("length", existing_type=sa.Integer(), nullable=True)
    steps.drop_unique_constraint("uq_task_length", "task")
    steps.drop_index("ix_task_title", table_name="task")
""",
}


def write_story(directory: Path) -> Project:
    after = None
    for name, body in STORY.items():
        head = HEAD.format(revision=name, after=after)
        (directory / f"{name}.py").write_text(f'"""Tell part {name}."""\n{head}\n{body}')
        after = name
    return Project(("none",), directory, directory)


@pytest.fixture
def story(tmp_path: Path) -> Project:
    """Give a history of three revisions, of which the last leaves its transaction."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    return write_story(directory)


def contenders(what: str, url: str, project: Project, number: int) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(Path(__file__).with_name("contenders.py")),
        what,
        url,
        str(project.location),
    ]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, str(number)], stdin=pipe, stdout=pipe, text=True)


@contextmanager
def killer(project: Project) -> Iterator[Callable[[str, int], int]]:
    """Give a function that migrates in another process until a statement, and says how that ended."""
    with contenders("killed", "-", project, 0) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def kill_at(url: str, statement: int) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{url} {statement}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield kill_at


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with Database(url) as database, database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def is_told(url: str) -> bool:
    told = ask(url, "SELECT id, title, length FROM task ORDER BY id") == [
        (n, f"Task {n}", 6) for n in range(1, 8)
    ]
    return told and ask(url, "SELECT id FROM run ORDER BY id") == [(1,), (2,)]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_of_twenty_processes_each_revision_is_run_by_one(
    dialect: Dialect, fresh_url: FreshUrl, story: Project
) -> None:
    url = fresh_url(dialect)
    with contenders("together", url, story, 20) as process:
        said, _ = process.communicate(timeout=200)
    counts = [int(line) for line in said.splitlines()]
    assert (len(counts), sum(counts)) == (20, 3)
    assert is_told(url)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_after_a_kill_at_any_statement_up_goes_on(
    dialect: Dialect, fresh_url: FreshUrl, story: Project
) -> None:
    killed = 0
    with killer(story) as kill_at:
        for statement in range(1, 200, 2 if dialect == "sqlite" else 3):
            url = fresh_url(dialect)
            ended = kill_at(url, statement)
            if ended == 0:
                break
            assert ended == -9
            killed += 1
            with Database(url) as database:
                upgrade(database, project=story)
                assert status(database, project=story).up_to_date
            assert is_told(url), statement
    assert killed > 10


async def test_revisions_go_up_and_down_on_every_face(face: Face, story: Project) -> None:
    database = face.database
    if face.is_async:
        up = [ran.revision for ran in await upgrade_async(database, project=story)]
        here = await status_async(database, project=story)
        down = [ran.revision for ran in await downgrade_async(database, "-2", project=story)]
        last = [ran.revision for ran in await downgrade_async(database, "base", project=story)]
    else:
        up = [ran.revision for ran in upgrade(database, project=story)]
        here = status(database, project=story)
        down = [ran.revision for ran in downgrade(database, "-2", project=story)]
        last = [ran.revision for ran in downgrade(database, "base", project=story)]
    assert (up, down, last) == (["one", "two", "three"], ["three", "two"], ["one"])
    assert (here.current, here.heads, here.up_to_date) == (("three",), ("three",), True)


async def test_one_step_at_a_time(face: Face, story: Project) -> None:
    for expected in ("one", "two"):
        if face.is_async:
            ran = await upgrade_async(face.database, "+1", project=story)
        else:
            ran = upgrade(face.database, "+1", project=story)
        assert [(each.revision, each.title, each.direction) for each in ran] == [
            (expected, f"Tell part {expected}.", "upgrade")
        ]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_status_tells_what_is_left(dialect: Dialect, fresh_url: FreshUrl, story: Project) -> None:
    with Database(fresh_url(dialect)) as database:
        assert stamp(database, "one", project=story) == ("one",)
        here = status(database, project=story)
        assert here.current == ("one",)
        assert here.pending == (("two", "Tell part two."), ("three", "Tell part three."))


def test_a_memory_database_is_migrated_in_place(story: Project) -> None:
    with Database("sqlite://") as database:
        upgrade(database, project=story)
        with database.transaction() as session:
            assert session.connection().execute(text("SELECT count(*) FROM task")).scalar() == 7


def other(url: str) -> Connection:
    parts = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(parts, poolclass=NullPool).connect()


def test_who_does_not_get_a_turn_says_so(fresh_url: FreshUrl, story: Project) -> None:
    url = fresh_url("postgresql")
    with other(url) as holder, Database(url) as database:
        holder.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        with pytest.raises(
            MigrationRefused, match=r"Another process has been migrating this database for 0\.3 s"
        ):
            upgrade(database, project=story, patience=0.3)
        holder.invalidate()
        upgrade(database, project=story)
    assert is_told(url)


def test_a_table_in_use_is_waited_for_without_holding_others_up(
    fresh_url: FreshUrl, story: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldstone.migrations.waiting.TABLE_LOCK_SECONDS", 0.1)
    url = fresh_url("postgresql")
    told: list[str] = []
    with other(url) as holder, Database(url) as database:
        upgrade(database, "one", project=story)
        holder.execute(text("LOCK TABLE task IN ACCESS SHARE MODE"))

        def notify(what: str) -> None:
            told.append(what)
            holder.rollback()

        verbs.on(
            database, lambda connection: run(connection, story, Course("upgrade", "head", notify=notify))
        )
    assert told == ["A table that this revision changes is in use; trying again."]
    assert is_told(url)


def test_the_locks_and_settings_of_a_run_end_with_it(fresh_url: FreshUrl, story: Project) -> None:
    with Database(fresh_url("postgresql"), pool_size=1, max_overflow=0) as database:
        upgrade(database, project=story)
        with database.transaction() as session:
            held = session.connection().execute(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            )
            assert held.scalar() == 0
            assert session.connection().execute(text("SHOW lock_timeout")).scalar() == "0"


def test_a_long_writer_of_sqlite_is_waited_for(fresh_url: FreshUrl, story: Project) -> None:
    url = fresh_url("sqlite")
    file = url.removeprefix("sqlite:///")
    holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    holder.execute("PRAGMA journal_mode = WAL")
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.6, holder.rollback)
    with Database(url, lock_timeout=0.1) as database:
        with pytest.raises(Unavailable, match=r"stayed locked for 0\.1 s"):
            upgrade(database, project=story, patience=0.01)
        release.start()
        upgrade(database, project=story)
    release.join()
    holder.close()
    assert is_told(url)


def test_migrations_go_past_a_pooler() -> None:
    pooled = Database("postgresql://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/app?sslmode=require")
    with verbs.direct(pooled) as direct:
        assert direct.url.host == "ep-cool-1.eu-central-1.aws.neon.tech"
    unpooled = Database("postgresql://u:p@localhost/app")
    with verbs.direct(unpooled) as direct:
        assert direct is unpooled


BACKFILL = """
def upgrade():
    op.create_table("pair", *(sa.Column(name, sa.Integer, primary_key=True) for name in "ab"))
    op.add_column("pair", sa.Column("sum", sa.Integer))
    op.create_table("loose", sa.Column("a", sa.Integer))
    op.execute("INSERT INTO pair (a, b) VALUES (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)")
    op.execute("UPDATE pair SET sum = 0 WHERE a = 3")
    assert steps.backfill("pair", "sum", "a + b", batch=2) == 4
    assert steps.backfill("pair", "sum", "a + b", batch=2) == 0
    assert steps.backfill("pair", "sum", "100", where="a = 1 AND sum < 100", batch=1) == 2


def downgrade():
    op.drop_table("pair")
    op.drop_table("loose")
"""


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_backfill_walks_any_primary_key_and_finds_what_is_done(
    dialect: Dialect, fresh_url: FreshUrl, tmp_path: Path
) -> None:
    url = fresh_url(dialect)
    (tmp_path / "fill.py").write_text(HEAD.format(revision="fill", after=None) + BACKFILL)
    with Database(url) as database:
        upgrade(database, project=Project(("none",), tmp_path, tmp_path))
    found = ask(url, "SELECT a, b, sum FROM pair ORDER BY a, b")
    assert found == [(1, 1, 100), (1, 2, 100), (2, 1, 3), (2, 2, 4), (3, 1, 0)]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_table_without_a_primary_key_is_not_walked(
    dialect: Dialect, fresh_url: FreshUrl, tmp_path: Path
) -> None:
    body = BACKFILL.replace('"pair", "sum", "a + b", batch=2) == 4', '"loose", "a", "1") == 4')
    (tmp_path / "fill.py").write_text(HEAD.format(revision="fill", after=None) + body)
    with (
        Database(fresh_url(dialect)) as database,
        pytest.raises(MigrationFailed, match="'loose' has no primary key, so it cannot be walked in batches"),
    ):
        upgrade(database, project=Project(("none",), tmp_path, tmp_path))


def test_sqlite_keeps_its_foreign_keys_after_a_run(fresh_url: FreshUrl, story: Project) -> None:
    with Database(fresh_url("sqlite"), pool_size=1, max_overflow=0) as database:
        upgrade(database, project=story)
        with database.engine.connect() as connection:
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
            assert connection.execute(text("PRAGMA legacy_alter_table")).scalar() == 0
