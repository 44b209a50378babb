"""The SQL of revisions as a script, for those who must hand it to somebody else to run."""

from __future__ import annotations

from io import StringIO
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from fieldstone.migrations.environment import alone
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.project import Project
from fieldstone.migrations.revisions import directory, understood
from fieldstone.migrations.running import Course, Direction, steps_to

DIALECTS = ("postgresql", "sqlite")


def _direction(scripts: ScriptDirectory, start: str, end: str) -> Direction:
    """Say which way leads from one to the other."""
    if not start:
        return "upgrade"
    if end == "base":
        return "downgrade"
    above = {each.revision for each in scripts.walk_revisions(start, "heads")}
    return "upgrade" if not end or scripts.as_revision_number(end) in above else "downgrade"


def sql_of(project: Project, target: str, dialect: str = "postgresql") -> str:
    """Give the SQL that leads from one revision to another, up ("base:head") or down ("head:base")."""
    if dialect not in DIALECTS:
        raise MigrationRefused(f"There is no SQL for {dialect!r}. Choose one of: {', '.join(DIALECTS)}.")
    start, _, end = target.rpartition(":")
    scripts = directory(project)
    written = StringIO()
    with understood(project):
        if start:
            start = str(scripts.as_revision_number(start) or "")
        direction = _direction(scripts, start, end)

    def steps(here: Any, _context: Any) -> Any:
        return steps_to(scripts, here, Course(direction, end or "head"))

    with (
        alone(None),
        understood(project),
        EnvironmentContext(Config(), scripts, fn=steps, as_sql=True) as env,
    ):
        env.configure(
            dialect_name=dialect,
            output_buffer=written,
            starting_rev=start or None,
            transaction_per_migration=True,
            transactional_ddl=True,
            literal_binds=True,
            version_table=project.version_table,
            version_table_schema=project.version_table_schema,
        )
        with env.begin_transaction():
            env.run_migrations()
    return written.getvalue()
