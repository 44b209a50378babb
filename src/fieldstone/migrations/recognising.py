"""At which revision a database stands that has tables and no history, because create_all made it.

An earlier version of a program may have made its tables without revisions. Then the names that are
stored (tables, columns, and the indexes and constraints that revisions add) are those that one of
the revisions leaves. That one is found by recording.py, without running anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from alembic.operations import ops
from alembic.script import Script, ScriptDirectory
from sqlalchemy import CheckConstraint, Column, Connection, Constraint, inspect

from fieldstone.migrations import canonical
from fieldstone.migrations.failures import MigrationRefused, Unrecognised
from fieldstone.migrations.project import Project
from fieldstone.migrations.recording import recorded
from fieldstone.migrations.revisions import title, understood

_SHOWN = 6


@dataclass
class Shape:
    """Names of what is there: columns by table, and what stands beside them, each as (table, name)."""

    columns: set[tuple[str, str]] = field(default_factory=set)
    beside: set[tuple[str, str]] = field(default_factory=set)

    def copy(self) -> Shape:
        return Shape(set(self.columns), set(self.beside))

    def within(self, tables: set[str], beside: set[tuple[str, str]]) -> Shape:
        """Leave out what no revision ever names."""
        return Shape({each for each in self.columns if each[0] in tables}, self.beside & beside)

    def without(self, other: Shape) -> list[str]:
        """List what the other does not have."""
        names = sorted((self.columns - other.columns) | (self.beside - other.beside))
        return [f"{table}.{name}" for table, name in names]


def recognise(connection: Connection, project: Project, scripts: ScriptDirectory) -> str | None:
    """Name the revision that a database's tables are at; None where it has none of them.

    Raises MigrationRefused where no revision leaves such tables, or several do.
    """
    with understood(project):
        passed, beside = _passed(scripts, connection.dialect.name)
    tables = {table for _, shape in passed for table, _ in shape.columns}
    stored = _stored(connection, tables).within(tables, beside)
    if not stored.columns:
        return None
    wanted = [(script, shape.within(tables, beside)) for script, shape in passed]
    found = [script for script, shape in wanted if shape == stored]
    if len(found) == 1:
        return str(found[0].revision)
    raise _several(found) if found else _none(wanted, stored)


def _passed(
    scripts: ScriptDirectory, dialect: str
) -> tuple[list[tuple[Script, Shape]], set[tuple[str, str]]]:
    """Give what each revision leaves, and the names that come or go beside whole tables.

    Only such names tell revisions apart. Left out is a revision that the walk comes to by way of
    others than those that lead to it: beside a branch, nothing is known of it alone.
    """
    shape = Shape()
    found: list[tuple[Script, Shape]] = []
    telling: set[tuple[str, str]] = set()
    before: set[str] = set()
    for script in reversed(list(scripts.walk_revisions())):
        for seen in recorded(script, dialect):
            earlier = set(shape.beside)
            _apply(seen.operation, shape, dialect)
            if not isinstance(seen.operation, ops.CreateTableOp | ops.DropTableOp | ops.RenameTableOp):
                telling |= earlier ^ shape.beside
        before.add(script.revision)
        if {each.revision for each in scripts.walk_revisions("base", script.revision)} == before:
            found.append((script, shape.copy()))
    return found, telling


def _apply(operation: Any, shape: Shape, dialect: str) -> None:
    table = str(getattr(operation, "table_name", None) or getattr(operation, "source_table", None))
    if isinstance(operation, ops.CreateTableOp):
        shape.columns |= {(table, str(item.name)) for item in operation.columns if isinstance(item, Column)}
        constraints = (item for item in operation.columns if isinstance(item, Constraint))
        shape.beside |= {(table, str(item.name)) for item in constraints if _is_kept(item, dialect)}
    elif isinstance(operation, ops.DropTableOp):
        shape.columns = {each for each in shape.columns if each[0] != table}
        shape.beside = {each for each in shape.beside if each[0] != table}
    elif isinstance(operation, ops.RenameTableOp):
        new = str(operation.new_table_name)
        shape.columns = {(new if at == table else at, name) for at, name in shape.columns}
        shape.beside = {(new if at == table else at, name) for at, name in shape.beside}
    elif isinstance(operation, ops.AddColumnOp):
        shape.columns.add((table, str(operation.column.name)))
    elif isinstance(operation, ops.DropColumnOp):
        shape.columns.discard((table, operation.column_name))
    elif isinstance(operation, ops.AlterColumnOp) and operation.modify_name is not None:
        shape.columns.discard((table, operation.column_name))
        shape.columns.add((table, str(operation.modify_name)))
    else:
        _apply_beside(operation, table, shape)


def _is_kept(constraint: Constraint, dialect: str) -> bool:
    if constraint.name is None:
        return False
    return not isinstance(constraint, CheckConstraint) or canonical.applies(constraint, dialect)


def _apply_beside(operation: Any, table: str, shape: Shape) -> None:
    name = getattr(operation, "constraint_name", None) or getattr(operation, "index_name", None)
    if name is None:
        return
    if isinstance(operation, ops.CreateIndexOp | ops.AddConstraintOp):
        shape.beside.add((table, str(name)))
    elif isinstance(operation, ops.DropIndexOp | ops.DropConstraintOp):
        shape.beside = {
            each for each in shape.beside if each[1] != str(name) or (table not in (each[0], "None"))
        }


def _stored(connection: Connection, tables: set[str]) -> Shape:
    found = inspect(connection)
    shape = Shape()
    for table in sorted(tables & set(found.get_table_names())):
        shape.columns |= {(table, column["name"]) for column in found.get_columns(table)}
        beside: list[Any] = [
            *found.get_indexes(table),
            *found.get_unique_constraints(table),
            *found.get_check_constraints(table),
            *found.get_foreign_keys(table),
        ]
        shape.beside |= {(table, str(each["name"])) for each in beside if each["name"] is not None}
    return shape


def _several(found: list[Script]) -> MigrationRefused:
    names = "\n".join(f"  fieldstone migrate stamp {each.revision}  # {title(each)}" for each in found)
    return MigrationRefused(
        "The database has tables and no history, and they may be those of several revisions, which differ "
        f"in types or rows alone. Say at which it is:\n{names}"
    )


def _none(wanted: list[tuple[Script, Shape]], stored: Shape) -> Unrecognised:
    apart = [(script, shape.without(stored), stored.without(shape)) for script, shape in wanted]
    script, lacks, besides = min(apart, key=lambda each: len(each[1]) + len(each[2]))
    lines = [*(f"- {name}" for name in lacks), *(f"+ {name}" for name in besides)]
    more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    said = "\n".join(f"  {line}" for line in [*lines[:_SHOWN], *more])
    return Unrecognised(
        "The database has tables and no history, and no revision leaves such tables. The nearest is "
        f"{script.revision} ({title(script)}); the database lacks (-) and has besides (+):\n{said}\n"
        f"Make it so, then try again; or record where it is: fieldstone migrate stamp {script.revision}",
        nearest=script.revision,
        lacks=lacks,
        besides=besides,
    )
