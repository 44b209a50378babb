"""What a program asks of its migrations, on a Database: each runs on its direct host.

A function that programs call while they start has an asynchronous twin; what a person calls at a
desk has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from alembic.util import rev_id
from sqlalchemy import Connection

from fieldstone.database import Database
from fieldstone.errors import MissingExtra
from fieldstone.migrations import (
    adopting,
    authoring,
    comparing,
    describing,
    filing,
    linting,
    renaming,
    rendering,
    running,
    waiting,
)
from fieldstone.migrations.arranging import Answers
from fieldstone.migrations.failures import MigrationRefused, shown
from fieldstone.migrations.linting import Finding
from fieldstone.migrations.project import Project, read
from fieldstone.migrations.revisions import directory, heads, title, understood
from fieldstone.migrations.running import Course, Ran, current, record, remaining, run
from fieldstone.violations import explained

R = TypeVar("R")


@dataclass(frozen=True)
class Status:
    """Where a database stands: at which revisions, and which are still to be run."""

    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[tuple[str, str], ...]

    @property
    def up_to_date(self) -> bool:
        """Say whether nothing is left to be run."""
        return not self.pending


def upgrade(
    database: Database,
    target: str = "head",
    *,
    project: Project | None = None,
    patience: float = 600.0,
    adopt: bool = False,
) -> list[Ran]:
    """Run the revisions that are still to be run, and return them.

    Any number of processes may do so at once: one runs each revision, the others wait, at most
    `patience` seconds. `target` is a revision, "+1", or "head". With `adopt`, a database that an
    earlier version made with create_all is recorded at the revision that its tables are at.
    """
    course = Course("upgrade", target, patience, adopt)
    return on(database, lambda connection: run(connection, project or read(), course))


async def upgrade_async(
    database: Database,
    target: str = "head",
    *,
    project: Project | None = None,
    patience: float = 600.0,
    adopt: bool = False,
) -> list[Ran]:
    """Run the revisions that are still to be run, asynchronously."""
    course = Course("upgrade", target, patience, adopt)
    return await on_async(database, lambda connection: run(connection, project or read(), course))


def downgrade(
    database: Database, target: str = "-1", *, project: Project | None = None, patience: float = 600.0
) -> list[Ran]:
    """Undo revisions down to `target` ("-1" is the last, "base" all), and return them."""
    course = Course("downgrade", target, patience)
    return on(database, lambda connection: run(connection, project or read(), course))


async def downgrade_async(
    database: Database, target: str = "-1", *, project: Project | None = None, patience: float = 600.0
) -> list[Ran]:
    """Undo revisions down to `target`, asynchronously."""
    course = Course("downgrade", target, patience)
    return await on_async(database, lambda connection: run(connection, project or read(), course))


def status(database: Database, *, project: Project | None = None) -> Status:
    """Say where a database stands."""
    return on(database, lambda connection: _status(connection, project or read()))


async def status_async(database: Database, *, project: Project | None = None) -> Status:
    """Say where a database stands, asynchronously."""
    return await on_async(database, lambda connection: _status(connection, project or read()))


def _status(connection: Connection, project: Project) -> Status:
    scripts = directory(project)
    pending = remaining(connection, project, scripts, Course("upgrade", "heads"))
    with connection.begin():
        here = current(connection, project)
    return Status(here, heads(scripts, project), tuple((each.revision, title(each)) for each in pending))


def differences(database: Database, *, project: Project | None = None) -> list[str]:
    """Say in words what would make the database what the models say; nothing, if it is."""
    return on(database, lambda connection: describing.differences(connection, project or read()))


async def differences_async(database: Database, *, project: Project | None = None) -> list[str]:
    """Say what would make the database what the models say, asynchronously."""
    return await on_async(database, lambda connection: describing.differences(connection, project or read()))


def new(
    database: Database,
    message: str,
    *,
    rename: Sequence[str] = (),
    rename_values: Mapping[str, Mapping[str, str]] | None = None,
    fill: Mapping[str, str] | None = None,
    zone: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    empty: bool = False,
    project: Project | None = None,
) -> list[Path]:
    """Write what leads from the database to the models into a revision, or two, and return the files.

    `rename` ("task.state=status", "tasks=task") keeps rows under a new name. `fill` gives the rows
    that are there a value for a column that becomes required, `zone` the time zone of naive
    datetimes that become UTC, both by "table.column". `empty` compares nothing.
    """
    where = project or read()
    answers = Answers(fill or {}, zone or {}, rename_values or {}, frozenset(drop))
    renames = [renaming.parse_rename(each) for each in rename]
    return on(database, lambda connection: _new(connection, where, message, answers, renames, empty))


def _new(
    connection: Connection,
    project: Project,
    message: str,
    answers: Answers,
    renames: Sequence[renaming.Rename],
    empty: bool,
) -> list[Path]:
    online = project.online if project.online is not None else connection.dialect.name == "postgresql"
    answers = Answers(answers.fill, answers.zones, answers.renamed_values, answers.drop, online)
    authoring.refuse_behind(connection, project)
    plan = filing.Draft((), (), ())
    if not empty:
        plan = authoring.draft(connection, project, answers, renames)
        if plan.candidates:
            raise renaming.ask_about(plan.candidates)
        if plan.empty:
            return []
    with connection.begin():
        return filing.write(connection, project, message, plan)


def adopt(
    database: Database, message: str = "What was there", *, project: Project | None = None
) -> Path | str:
    """Take over a database that has tables and no history; no row is touched.

    Where the project has no revisions, what is there is written as the first, and its file
    returned. Otherwise the revision that the tables are at is recorded, and returned.
    """
    where = project or read()
    return on(database, lambda connection: _adopt(connection, where, message))


def _adopt(connection: Connection, project: Project, message: str) -> Path | str:
    scripts = directory(project)
    with connection.begin():
        here = current(connection, project)
    if here:
        raise MigrationRefused(
            f"There is a history already: the database is at {shown(here)}. "
            "Go on with: fieldstone migrate status"
        )
    if not heads(scripts, project):
        file = adopting.adopt(connection, project, message)
        _stamp(connection, project, "head")
        return file
    with waiting.turn(connection, patience=600.0, notify=lambda text: None):
        found = running.adopt(connection, project, scripts)
    if found is None:
        raise MigrationRefused(
            "The database has none of the tables that the revisions make, so there is nothing to take over. "
            "Make them with: fieldstone migrate up"
        )
    return found


def lint(
    *, since: str | None = None, dialect: str = "postgresql", project: Project | None = None
) -> list[Finding]:
    """Look at the revisions after `since` (all) for what locks, rewrites, loses data or breaks versions."""
    return linting.lint(project or read(), dialect=dialect, since=since)


def merge(message: str = "Merge", *, project: Project | None = None) -> Path | None:
    """Join several heads in one revision; None where there is only one."""
    where = project or read()
    scripts = directory(where)
    if len(heads(scripts, where)) < 2:
        return None
    with understood(where):
        script = scripts.generate_revision(rev_id(), message, head="heads")
    assert script is not None
    return Path(script.path)


def stamp(database: Database, target: str = "head", *, project: Project | None = None) -> tuple[str, ...]:
    """Record that a database is at a revision without running anything; return where it is now."""
    return on(database, lambda connection: _stamp(connection, project or read(), target))


def _stamp(connection: Connection, project: Project, target: str) -> tuple[str, ...]:
    with connection.begin():
        record(connection, project, directory(project), target)
        return current(connection, project)


def alembic_options(connection: Connection | None = None) -> dict[str, Any]:
    """Give an env.py of Alembic's what `context.configure(...)` takes to compare and write as here."""
    return {
        **comparing.options(lambda: connection),
        "render_item": rendering.render_item,
        "process_revision_directives": authoring.rewrite,
        "render_as_batch": True,
        "transaction_per_migration": True,
    }


# Where it runs


def on(database: Database, work: Callable[[Connection], R]) -> R:
    """Do work on a connection to the direct host; through asyncpg where that is the only driver."""
    with explained(), direct(database) as host:
        try:
            engine = host.engine
        except MissingExtra:
            if not _may_run_a_loop(host):
                raise
            return asyncio.run(_on_a_connection_of_its_own(host, work))
        with engine.connect() as connection:
            return work(connection)


def _may_run_a_loop(host: Database) -> bool:
    """Say whether asyncpg can stand in for psycopg: nobody's event loop runs here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return host.dialect == "postgresql" and find_spec("asyncpg") is not None
    return False


async def _on_a_connection_of_its_own(host: Database, work: Callable[[Connection], R]) -> R:
    async with Database(host.url) as own:
        return await on_async(own, work)


async def on_async(database: Database, work: Callable[[Connection], R]) -> R:
    """Do work on an asynchronous connection to the direct host."""
    with explained():
        async with direct_async(database) as host, host.async_engine.connect() as connection:
            return await connection.run_sync(work)


@contextmanager
def direct(database: Database) -> Iterator[Database]:
    """Give the database itself, or the same one past its pooler."""
    if not database.url.pooled:
        yield database
        return
    with Database(database.url.direct()) as host:
        yield host


@asynccontextmanager
async def direct_async(database: Database) -> AsyncIterator[Database]:
    """Give the database itself, or the same one past its pooler, asynchronously."""
    if not database.url.pooled:
        yield database
        return
    async with Database(database.url.direct()) as host:
        yield host
