"""For the tests of a project: its history leads to its models, and every revision goes both ways.

def test_migrations(tmp_path):
    with Database(f"sqlite:///{tmp_path}/test.db") as database:
        check_migrations(database)
"""

from __future__ import annotations

from alembic.script import Script
from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.schema import CreateIndex, CreateTable

from fieldstone.database import Database
from fieldstone.migrations import verbs
from fieldstone.migrations.failures import MigrationError
from fieldstone.migrations.project import Project, read
from fieldstone.migrations.revisions import directory, title, understood
from fieldstone.migrations.revisions import heads as heads_of
from fieldstone.migrations.running import Course, run


class HistoryBroken(MigrationError, AssertionError):
    """Say which revision does not do what a test found that it should."""


def check_migrations(database: Database, *, project: Project | None = None) -> None:
    """Run every revision of a project up, down and up on an empty database, and compare with the models.

    Raises HistoryBroken where there are several heads, where a downgrade leaves another schema than
    there was before, and where the head is not what the models say.
    """
    where = project or read()
    scripts = directory(where)
    if _schema(database, where):
        raise HistoryBroken(
            f"{database.url} is not empty, and a history is tried on an empty database. Give it one "
            "of its own."
        )
    if len(found := heads_of(scripts, where)) > 1:
        raise HistoryBroken(f"There are several heads: {', '.join(found)}. Run: fieldstone migrate merge")
    with understood(where):
        revisions = list(reversed(list(scripts.walk_revisions())))
    for script in revisions:
        before = _schema(database, where)
        verbs.upgrade(database, script.revision, project=where)
        after = _schema(database, where)
        _undo(database, where, script)
        name = f"revision {script.revision} ({title(script)})"
        _refuse_difference(
            before, _schema(database, where), f"The downgrade of {name} does not undo its upgrade"
        )
        verbs.upgrade(database, script.revision, project=where)
        _refuse_difference(
            after, _schema(database, where), f"The second upgrade of {name} does other than the first"
        )
    if lines := verbs.differences(database, project=where):
        raise HistoryBroken(
            "The revisions do not lead to the models:\n"
            + "\n".join(f"  {line}" for line in lines)
            + "\nWrite what is missing with: fieldstone migrate new"
        )


def _undo(database: Database, project: Project, script: Script) -> None:
    """Undo one revision alone: "-1" would not say which where branches are joined."""
    course = Course("downgrade", script.revision, alone=True)
    verbs.on(database, lambda connection: run(connection, project, course))


def _refuse_difference(before: set[str], after: set[str], fact: str) -> None:
    if before != after:
        lines = [f"  - {line}" for line in sorted(before - after)] + [
            f"  + {line}" for line in sorted(after - before)
        ]
        raise HistoryBroken(f"{fact}. Expected (-) and found (+):\n" + "\n".join(lines))


def _schema(database: Database, project: Project) -> set[str]:
    return verbs.on(database, lambda connection: schema_lines(connection, project.version_table))


def schema_lines(connection: Connection, version_table: str = "alembic_version") -> set[str]:
    """Write out what a database has, a line for each column, constraint and index, whatever their order."""
    metadata = MetaData()
    with connection.begin():
        names = [name for name in inspect(connection).get_table_names() if name != version_table]
        metadata.reflect(connection, only=names)
    lines: set[str] = set()
    for table in metadata.tables.values():
        made = str(CreateTable(table).compile(connection.engine))
        lines |= {
            f"{table.name}: {line.strip().rstrip(',')}" for line in made.splitlines() if line.strip()[1:]
        }
        lines |= {str(CreateIndex(index).compile(connection.engine)) for index in table.indexes}
    return lines
