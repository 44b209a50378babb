"""What revisions have declared of the datetimes of SQLite, which stores them all alike.

Whether a column's datetimes are naive or in UTC cannot be read from a file of SQLite: both are the
same text. The history knows: it made the column as one or the other. So a model that goes from one
to the other is noticed there as well, and nobody's clock is taken for UTC in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alembic.operations import ops
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Column, DateTime, MetaData

from fieldstone.migrations.arranging import model_tables
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.recording import recorded
from fieldstone.migrations.rendering import frozen

Place = tuple[str, str]


def declared_datetimes(scripts: ScriptDirectory, heads: tuple[str, ...]) -> dict[Place, DateTime]:
    """Give the type of each column of datetimes as the revisions leave it that a database has run."""
    found: dict[Place, DateTime] = {}
    try:
        for script in reversed(list(scripts.iterate_revisions(heads, "base"))) if heads else ():
            # As PostgreSQL is told it: there each step says the type.
            for seen in recorded(script, "postgresql"):
                found = _after(seen.operation, found)
    except (MigrationRefused, CommandError, RevisionError):
        return {}  # one reads rows, or is of another checkout: nothing is known
    return found


def _after(operation: Any, found: dict[Place, DateTime]) -> dict[Place, DateTime]:
    table = str(getattr(operation, "table_name", None))
    if isinstance(operation, ops.CreateTableOp):
        return found | _of(table, *operation.columns)
    if isinstance(operation, ops.AddColumnOp):
        return found | _of(table, operation.column)
    if isinstance(operation, ops.RenameTableOp):
        new = str(operation.new_table_name)
        return {(new if at == table else at, name): type_ for (at, name), type_ in found.items()}
    if isinstance(operation, ops.DropTableOp):
        return {place: type_ for place, type_ in found.items() if place[0] != table}
    if isinstance(operation, ops.AlterColumnOp):
        return _altered(operation, (table, operation.column_name), found)
    return found


def _altered(
    operation: ops.AlterColumnOp, place: Place, found: dict[Place, DateTime]
) -> dict[Place, DateTime]:
    left = {each: type_ for each, type_ in found.items() if each != place}
    type_ = operation.modify_type if operation.modify_type is not None else found.get(place)
    name = (place[0], str(operation.modify_name or operation.column_name))
    return left | {name: type_} if isinstance(type_, DateTime) else left


def _of(table: str, *items: Any) -> dict[Place, DateTime]:
    return {
        (table, item.name): item.type
        for item in items
        if isinstance(item, Column) and isinstance(item.type, DateTime)
    }


def between_zones(
    declared: Mapping[Place, DateTime], metadata: list[MetaData]
) -> list[tuple[str | None, ops.AlterColumnOp]]:
    """List the changes between naive datetimes and UTC that only the history shows, by schema."""
    changes = []
    for (schema, _), table in sorted(model_tables(metadata).items(), key=lambda each: each[0][1]):
        for column in table.columns:
            was, wanted = declared.get((table.name, column.name)), frozen(column.type)
            if was is None or not isinstance(wanted, DateTime) or bool(was.timezone) == wanted.timezone:
                continue
            change = ops.AlterColumnOp(
                table.name,
                column.name,
                existing_type=was,
                modify_type=column.type,
                existing_nullable=column.nullable,
            )
            changes.append((schema, change))
    return changes
