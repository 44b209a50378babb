"""Run revisions, each in a transaction of its own that also records it.

What is left to do is read again inside each transaction, so that processes that start at once, and
one that continues after another was killed, need know nothing of each other. Where a
database has tables of an earlier version and no history, the revision that it is at is recorded
first, if that was asked for.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, event

from fieldstone.errors import FieldstoneError
from fieldstone.migrations import waiting
from fieldstone.migrations.environment import environment
from fieldstone.migrations.failures import MigrationFailed, MigrationRefused, shown
from fieldstone.migrations.project import Project
from fieldstone.migrations.recognising import recognise
from fieldstone.migrations.references import broken_references, foreign_keys_off, refuse_broken
from fieldstone.migrations.revisions import directory, file_of, title, understood
from fieldstone.violations.failures import Failure, failure_of

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
    """Where a run goes, how long it waits for others, and whom it tells what happens.

    `adopt` records first at which revision tables without a history are. `alone` undoes the target
    itself and nothing else.
    """

    direction: Direction
    target: str
    patience: float = 600.0
    adopt: bool = False
    alone: bool = False
    starting: Callable[[str, str], None] = field(default=lambda revision, title: None)
    notify: Callable[[str], None] = field(default=lambda text: None)


def run(connection: Connection, project: Project, course: Course) -> list[Ran]:
    """Go as far as the course says; raise MigrationFailed at the first revision that cannot be run."""
    scripts = directory(project)
    _refuse_the_other_way(course)
    if not remaining(connection, project, scripts, course):
        return []
    with waiting.turn(connection, patience=course.patience, notify=course.notify):
        if course.adopt:
            adopt(connection, project, scripts, patience=course.patience)
        return list(_all_steps(connection, project, scripts, course))


def _refuse_the_other_way(course: Course) -> None:
    word, other = ("up", "down") if course.direction == "upgrade" else ("down", "up")
    never = ("base",) if word == "up" else ("head", "heads")
    sign = "-" if word == "up" else "+"
    if course.target in never or course.target.startswith(sign):
        raise MigrationRefused(
            f"{course.target!r} does not lie {word} from anywhere. Did you mean: fieldstone migrate {other} "
            f"{course.target}"
        )


def remaining(
    connection: Connection, project: Project, scripts: ScriptDirectory, course: Course
) -> list[Script]:
    """List the revisions that a course would run, in order."""
    waiting.begin(connection, patience=course.patience)
    try:
        with understood(project):
            heads = current(connection, project)
            return [scripts.get_revision(step.revision.revision) for step in steps_to(scripts, heads, course)]
    finally:
        connection.rollback()


def current(connection: Connection, project: Project) -> tuple[str, ...]:
    """Read which revisions the database is at."""
    options = {"version_table": project.version_table, "version_table_schema": project.version_table_schema}
    return MigrationContext.configure(connection, opts=options).get_current_heads()


def adopt(
    connection: Connection, project: Project, scripts: ScriptDirectory, *, patience: float = 600.0
) -> str | None:
    """Record the revision that tables without a history are at; None where there is nothing to record."""
    waiting.begin(connection, patience=patience)
    try:
        # Looked at only now that nobody else can write: another process may have been here before.
        found = None if current(connection, project) else recognise(connection, project, scripts)
        if found is not None:
            record(connection, project, scripts, found)
        connection.commit()
        return found
    finally:
        connection.rollback()


def record(connection: Connection, project: Project, scripts: ScriptDirectory, target: str) -> None:
    """Write down that the database is at a revision; the caller's transaction says when."""
    options = {"version_table": project.version_table, "version_table_schema": project.version_table_schema}
    with understood(project):
        MigrationContext.configure(connection, opts=options).stamp(scripts, target)


def steps_to(scripts: ScriptDirectory, heads: Any, course: Course) -> list[Any]:
    """List what a course asks for from where a database is, the first first."""
    known = scripts.revision_map
    if course.direction == "upgrade":
        above = list(scripts.iterate_revisions(course.target, heads, implicit_base=True))
        return [MigrationStep.upgrade_from_script(known, each) for each in reversed(above)]
    if course.alone:
        below = [scripts.get_revision(course.target)] if course.target in heads else []
    else:
        below = list(scripts.iterate_revisions(heads, course.target, select_for_downgrade=True))
    return [MigrationStep.downgrade_from_script(known, each) for each in below]


def _all_steps(
    connection: Connection, project: Project, scripts: ScriptDirectory, course: Course
) -> Iterator[Ran]:
    # "-2" names another revision after each step, so a relative course is so many courses of one.
    relative = re.fullmatch(r"([+-])(\d+)", course.target)
    courses: Iterable[Course] = [course]
    if relative:
        one = replace(course, target=f"{relative[1]}1")
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
                broken = broken_references(self.connection)
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
                steps = steps_to(self.scripts, heads, self.course)[:1]
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
            remedy=self._remedy(there_already=not heads and _is_there_already(failure)),
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

    def _remedy(self, *, there_already: bool) -> str:
        if there_already and self.course.direction == "upgrade":
            return (
                "if create_all made these tables, record which revision they are at: fieldstone migrate adopt"
            )
        word = "up" if self.course.direction == "upgrade" else "down"
        return f"correct the data or the file, then run: fieldstone migrate {word}"


def _is_there_already(failure: Failure | None) -> bool:
    """Say whether what a revision makes was there before it."""
    return failure is not None and (
        failure.sqlstate in _DUPLICATE
        or re.search(r"(table|index) \S+ already exists", failure.message) is not None
    )


# PostgreSQL: duplicate_table (also an index), duplicate_object (also a type).
_DUPLICATE = ("42P07", "42710")
