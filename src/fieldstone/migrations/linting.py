"""Look at revisions before they run: what locks, rewrites, loses data, or breaks the running version.

recording.py says what a revision asks for, judging.py judges the operations, and statements.py the
SQL that a revision executes as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alembic.operations import ops
from alembic.script import Script

from fieldstone.migrations import judging, statements
from fieldstone.migrations.dangers import Danger
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.project import Project
from fieldstone.migrations.recording import recorded
from fieldstone.migrations.rendering import DIALECTS
from fieldstone.migrations.revisions import directory, file_of, title, understood


@dataclass(frozen=True)
class Finding:
    """What the lint says about one operation of a revision."""

    revision: str
    title: str
    file: str
    danger: Danger

    def __str__(self) -> str:
        safe = "\n".join(f"      {line}" for line in self.danger.safe.splitlines())
        return (
            f"{self.file}: {self.danger.what} ({self.danger.rule})\n"
            f"    why   {self.danger.why}\n    safe\n{safe}"
        )


def lint(
    project: Project,
    *,
    dialect: str = "postgresql",
    since: str | None = None,
    only: frozenset[str] | None = None,
) -> list[Finding]:
    """Look at the revisions after `since` (all), or at those of `only`, in the order in which they run."""
    if dialect not in DIALECTS:
        raise MigrationRefused(
            f"Nothing is known of {dialect!r}. Choose one of: {', '.join(sorted(DIALECTS))}."
        )
    scripts = directory(project)
    found: list[Finding] = []
    with understood(project):
        for script in reversed(list(scripts.walk_revisions(since or "base", "heads"))):
            if script.revision == since or (only is not None and script.revision not in only):
                continue
            where = (script.revision, title(script), file_of(script, project))
            found += [Finding(*where, danger) for danger in judged(script, dialect)]
    return found


def judged(script: Script, dialect: str) -> Iterator[Danger]:
    """Yield what is dangerous in one revision."""
    asked = recorded(script, dialect)
    created = {seen.table for seen in asked if isinstance(seen.operation, ops.CreateTableOp)}
    for seen in asked:
        if seen.assured or (seen.table in created and not isinstance(seen.operation, ops.DropTableOp)):
            continue
        if isinstance(seen.operation, ops.ExecuteSQLOp):
            yield from statements.dangers_of(str(seen.operation.sqltext), dialect)
        else:
            yield from judging.of(seen, dialect)
    yield from judging.of_whole(asked, dialect)
    yield from _without_downgrade(script)


def _without_downgrade(script: Script) -> Iterator[Danger]:
    if not callable(getattr(script.module, "downgrade", None)):
        yield judging.NO_WAY_BACK
