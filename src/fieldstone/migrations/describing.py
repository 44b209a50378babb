"""The difference between models and database in words, one line for each thing that is not alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection

from fieldstone.migrations import canonical, enumerating
from fieldstone.migrations.comparison import comparison
from fieldstone.migrations.enums import stored_members
from fieldstone.migrations.project import Project


def differences(connection: Connection, project: Project) -> list[str]:
    """Say what would make the database what the models say."""
    metadata = project.metadata()
    with comparison(connection, project, metadata) as difference:
        found = [line for operation in difference.ops for line in _lines(operation, connection)]
        missing = enumerating.creating(difference, metadata, connection)
        found += [f"enum type is missing: {_said(step)}" for step in missing]
        for table in (table for part in metadata for table in part.tables.values()):
            for name, members in enumerating.native(table).items():
                stored = stored_members(connection, name) if connection.dialect.name == "postgresql" else None
                if stored is not None and stored != members:
                    found.append(
                        f"enum type {name}: has {', '.join(stored)}; the models say {', '.join(members)}"
                    )
        return list(dict.fromkeys(found))


def _said(step: Any) -> str:
    return str(step.up.lines[0]).partition("(")[2].rstrip(")")


def _lines(operation: Any, connection: Connection) -> Iterator[str]:
    if isinstance(operation, ops.ModifyTableOps):
        for change in operation.ops:
            yield _line(operation.table_name, change, connection)
    elif isinstance(operation, ops.CreateTableOp):
        yield f"table {operation.table_name}: is missing in the database"
    elif isinstance(operation, ops.DropTableOp):
        yield f"table {operation.table_name}: no model has it"
    else:
        yield f"{type(operation).__name__}"


def _line(table: str, change: Any, connection: Connection) -> str:
    if isinstance(change, ops.AddColumnOp):
        return f"column {table}.{change.column.name}: is missing in the database"
    if isinstance(change, ops.DropColumnOp):
        return f"column {table}.{change.column_name}: no model has it"
    if isinstance(change, ops.AlterColumnOp):
        return f"column {table}.{change.column_name}: {'; '.join(_aspects(change, connection))}"
    if isinstance(change, ops.CreateIndexOp):
        return f"index {change.index_name} on {table}: is missing in the database, or another"
    if isinstance(change, ops.DropIndexOp):
        return f"index {change.index_name} on {table}: no model has it so"
    if isinstance(change, ops.DropConstraintOp):
        return f"{change.constraint_type} constraint {change.constraint_name} on {table}: no model has it so"
    if isinstance(change, ops.AddConstraintOp):
        constraint = change.to_constraint()
        name = canonical.constraint_name(constraint, connection) or "without a name"
        return f"{change.constraint_type} {name} on {table}: is missing in the database, or another"
    return f"{table}: {type(change).__name__}"


def _aspects(change: ops.AlterColumnOp, connection: Connection) -> Iterator[str]:
    def told(type_: Any) -> str:
        return str(type_.compile(dialect=connection.dialect))

    if change.modify_type is not None:
        has, wanted = told(change.existing_type), told(change.modify_type)
        if has == wanted:  # SQLite: see declarations.py
            has, wanted = (
                ("in UTC", "naive") if getattr(change.existing_type, "timezone", False) else ("naive", "UTC")
            )
        yield f"is {has}; the models say {wanted}"
    if change.modify_nullable is not None:
        yield (
            "may be empty; the models require it"
            if not change.modify_nullable
            else "is required; the models do not"
        )
    if change.modify_server_default is not False:
        yield "has another default than the models"
    if change.modify_comment is not False:
        yield "has another comment than the models"
