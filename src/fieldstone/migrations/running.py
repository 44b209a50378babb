"""Run revisions, each in a transaction of its own that also records it.

What is left to do is read again inside each transaction, so that processes that start at once, and
one that continues after another was killed, need know nothing of each other. The environment that
Alembic asks of a project (alembic.ini, env.py) is this file.

On SQLite foreign keys are off while a revision runs, since dropping the old table of a rebuild would
otherwise delete what refers to it; that can only be said outside a transaction. What the revision
broke is looked for before it is committed.
"""

from __future__ import annotations

import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, event, text

from fieldstone.errors import FieldstoneError
from fieldstone.migrations import waiting
from fieldstone.migrations.failures import MigrationFailed, MigrationRefused, shown
from fieldstone.migrations.project import Project
from fieldstone.migrations.rebuilding import RebuildingImpl
from fieldstone.migrations.revisions import directory, file_of, title, understood
from fieldstone.violations.failures import failure_of

Direction = Literal["upgrade", "downgrade"]


@dataclass(frozen=True)
class Ran:
    """A revision that was run: which, where to, and how many seconds it took."""

    revision: str
    title: str
    direction: Direction
    seconds: float


@dataclass(frozen=True)
class Course:
    """Where a run goes, how long it waits for others, and whom it tells what happens."""

    direction: Direction
    target: str
    patience: float = 600.0
    starting: Callable[[str, str], None] = field(default=lambda revision, title: None)
    notify: Callable[[str], None] = field(default=lambda text: None)


def run(connection: Connection, project: Project, course: Course) -> list[Ran]:
    """Go as far as the course says; raise MigrationFailed at the first revision that cannot be run."""
    scripts = directory(project)
    if not remaining(connection, project, scripts, course):
        return []
    with waiting.turn(connection, patience=course.patience, notify=course.notify):
        return list(_all_steps(connection, project, scripts, course))


def remaining(
    connection: Connection, project: Project, scripts: ScriptDirectory, course: Course
) -> list[Script]:
    """List the revisions that a course would run, in order."""
    waiting.begin(connection, patience=course.patience)
    try:
        with understood(project):
            heads = current(connection, project)
            return [scripts.get_revision(step.revision.revision) for step in _steps(scripts, heads, course)]
    finally:
        connection.rollback()


def current(connection: Connection, project: Project) -> tuple[str, ...]:
    """Read which revisions the database is at."""
    options = {"version_table": project.version_table, "version_table_schema": project.version_table_schema}
    return MigrationContext.configure(connection, opts=options).get_current_heads()


def _steps(scripts: ScriptDirectory, heads: tuple[str, ...], course: Course) -> list[Any]:
    steps = scripts._upgrade_revs if course.direction == "upgrade" else scripts._downgrade_revs
    return list(steps(course.target, heads))  # type: ignore[arg-type]  # Alembic passes a tuple itself


def _all_steps(
    connection: Connection, project: Project, scripts: ScriptDirectory, course: Course
) -> Iterator[Ran]:
    # "-2" names another revision after each step, so a relative course is so many courses of one.
    relative = re.fullmatch(r"([+-])(\d+)", course.target)
    courses: Iterable[Course] = [course]
    if relative:
        one = Course(course.direction, f"{relative[1]}1", course.patience, course.starting, course.notify)
        courses = [one] * int(relative[2])
    for each in courses:
        while (ran := _one_step(connection, project, scripts, each)) is not None:
            yield ran
            if relative:
                break


def _one_step(
    connection: Connection, project: Project, scripts: ScriptDirectory, course: Course
) -> Ran | None:
    """Run the next revision, again where it met a lock that somebody else may soon give up."""
    deadline = time.monotonic() + course.patience
    started = time.monotonic()
    wait = 0.2
    while True:
        attempt = _Attempt(connection, project, scripts, course)
        try:
            script = attempt.run()
        except Exception as error:
            if attempt.commits or not waiting.should_wait(error) or time.monotonic() > deadline:
                raise attempt.explained(error) from error
            course.notify("A table that this revision changes is in use; trying again.")
            waiting.pause(connection, wait)
            wait = min(wait * 2, 5.0)
        else:
            if script is None:
                return None
            return Ran(script.revision, title(script), course.direction, time.monotonic() - started)


@dataclass
class _Attempt:
    """One try at the next revision, and what is known of it if it fails."""

    connection: Connection
    project: Project
    scripts: ScriptDirectory
    course: Course
    script: Script | None = None
    commits: int = 0

    def run(self) -> Script | None:
        def commit(_connection: Connection) -> None:
            self.commits += 1

        with foreign_keys_off(self.connection):
            waiting.begin(self.connection, patience=self.course.patience)
            event.listen(self.connection, "commit", commit)
            try:
                broken = _broken_references(self.connection)
                self._migrate(broken)
                event.remove(self.connection, "commit", commit)
                self.connection.commit()
            finally:
                if event.contains(self.connection, "commit", commit):
                    event.remove(self.connection, "commit", commit)
                self.connection.rollback()
        return self.script

    def _migrate(self, broken: Counter[tuple[str, str]]) -> None:
        def first(heads: Any, _context: MigrationContext) -> Iterable[Any]:
            with understood(self.project):
                steps = _steps(self.scripts, heads, self.course)[:1]
            for step in steps:
                self.script = self.scripts.get_revision(step.revision.revision)
                self.course.starting(self.script.revision, title(self.script))
            return steps

        def look_for_broken(ctx: MigrationContext, **_details: Any) -> None:
            refuse_broken(self.connection, broken)

        options = {"fn": first, "on_version_apply": look_for_broken}
        with environment(self.project, self.scripts, self.connection, options) as env:
            env.run_migrations()

    def explained(self, error: Exception) -> Exception:
        """Say what failed, what state the database is in now, and what to do."""
        if self.script is None:
            return error
        failure = failure_of(error)
        if isinstance(error, FieldstoneError):
            reason = str(error)
        else:
            reason = (failure.message or failure.reason) if failure else f"{type(error).__name__}: {error}"
        heads: tuple[str, ...] | None = None
        try:
            with self.connection.begin():
                heads = current(self.connection, self.project)
        except Exception as gone:  # noqa: BLE001  # lost, perhaps; the first error counts
            reason += f" (and now the database does not answer: {type(gone).__name__})"
        return MigrationFailed(
            direction=self.course.direction,
            revision=self.script.revision,
            title=title(self.script),
            file=file_of(self.script, self.project),
            reason=" ".join(reason.split())[:600],
            state=self._state(heads),
            remedy=self._remedy(),
        )

    def _state(self, heads: tuple[str, ...] | None) -> str:
        if heads is None:
            return "unknown; an unfinished transaction is rolled back by the server"
        if self.commits:
            return (
                f"at {shown(heads)}; steps of this revision that ran outside a transaction are done, "
                "and will "
                "be found done when it runs again"
            )
        return f"at {shown(heads)}, as before: all of this revision was rolled back"

    def _remedy(self) -> str:
        word = "up" if self.course.direction == "upgrade" else "down"
        return f"correct the data or the file, then run: fieldstone migrate {word}"


@contextmanager
def environment(
    project: Project,
    scripts: ScriptDirectory,
    connection: Connection | None,
    options: Mapping[str, Any],
) -> Iterator[EnvironmentContext]:
    """Be what env.py is in a project of Alembic's: `op` and `context` work inside."""
    with quiet(), EnvironmentContext(Config(), scripts) as env:
        env.configure(
            connection=connection,
            version_table=project.version_table,
            version_table_schema=project.version_table_schema,
            transactional_ddl=True,
            transaction_per_migration=True,
            render_as_batch=True,
            **options,
        )
        context = env.get_context()
        context._in_external_transaction = False  # ours was begun for it, and autocommit blocks may end it
        context._transaction = connection.get_transaction() if connection is not None else None
        if context.dialect.name == "sqlite":
            context.impl = RebuildingImpl(
                context.dialect, context.connection, context.as_sql, True, context.output_buffer, context.opts
            )
        yield env


# What Alembic and SQLAlchemy warn of and is dealt with here: CHECKs and indexes are kept in a rebuild
# (rebuilding.py) and compared (comparing.py), circles of foreign keys are cut (arranging.py).
_ANSWERED = (
    "Unnamed CHECK constraint on reflected table",
    "autogenerate skipping metadata-specified expression-based index",
    "Skipped unsupported reflection of expression-based index",
    "Cannot correctly sort tables",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out the warnings that are answered."""
    with warnings.catch_warnings():
        for message in _ANSWERED:
            warnings.filterwarnings("ignore", message=message)
        yield


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Keep SQLite from acting on foreign keys until the block ends; nothing elsewhere."""
    if connection.dialect.name != "sqlite":
        yield
        return
    _set_foreign_keys(connection, on=False)
    try:
        yield
    finally:
        _set_foreign_keys(connection, on=True)


def _set_foreign_keys(connection: Connection, *, on: bool) -> None:
    # On the driver's cursor, because SQLAlchemy would begin a transaction, in which it has no effect.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")
    cursor.close()


def _broken_references(connection: Connection) -> Counter[tuple[str, str]]:
    if connection.dialect.name != "sqlite":
        return Counter()
    rows = connection.execute(text("PRAGMA foreign_key_check")).all()
    return Counter((str(row[0]), str(row[2])) for row in rows)


def refuse_broken(connection: Connection, before: Counter[tuple[str, str]]) -> None:
    """Refuse to commit rows that point to rows that are gone; those that did before are left alone."""
    for (table, parent), number in (_broken_references(connection) - before).items():
        raise MigrationRefused(
            f"After this revision {number} rows of {table!r} would point to rows of {parent!r} that do not "
            "exist. While a revision runs, SQLite does not follow ON DELETE: change or delete those "
            "rows in the "
            "revision as well."
        )
