"""What Alembic does not compare, or compares wrongly, between models and database.

These are comparators of Alembic's plugin system, so that they work as well in an env.py of the
user's own: CHECKs by what they say, indexes with their conditions and expressions. What belongs to
an extension of PostgreSQL is nobody's to drop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Enum,
    Float,
    Index,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    text,
    types,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import conv

from fieldstone.migrations import canonical

NAME = "fieldstone.migrations"
PLUGINS = ["alembic.autogenerate.*", NAME]

_CONTINUE = PriorityDispatchResult.CONTINUE


def compare_checks(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    table_name: str,
    stored: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Add what makes the CHECKs of a table those of its model."""
    if stored is None or wanted is None:
        return _CONTINUE
    connection = _connection(context)
    now = {str(name): str(sql) for name, sql in _stored_checks(context, table_name, schema).items()}
    models = {
        name: constraint
        for constraint in wanted.constraints
        if isinstance(constraint, CheckConstraint)
        and canonical.applies(constraint, connection.dialect.name)
        and (name := canonical.constraint_name(constraint, connection)) is not None
    }
    different = _different(connection, stored, now, models)
    for name in sorted(now.keys() - models.keys() | different):
        said = canonical.readable(now[name]) if connection.dialect.name == "postgresql" else now[name]
        changes.ops.append(ops.DropConstraintOp.from_constraint(_as_constraint(name, said, stored)))
    for name in sorted(models.keys() - now.keys() | different):
        changes.ops.append(ops.AddConstraintOp.from_constraint(models[name]))
    return _CONTINUE


def _stored_checks(context: AutogenContext, table: str, schema: str | None) -> dict[str, str]:
    found = context.inspector.get_check_constraints(table, schema=schema)
    return {check["name"]: check["sqltext"] for check in found if check["name"] is not None}


def _as_constraint(name: str, sql: str, table: Table) -> CheckConstraint:
    # conv: it is the whole name, to which no convention is to be applied again
    return CheckConstraint(text(sql.replace(":", r"\:")), name=conv(name), table=table)


def _different(
    connection: Connection, stored: Table, now: Mapping[str, str], models: Mapping[str, CheckConstraint]
) -> set[str]:
    shared = sorted(now.keys() & models.keys())
    said = {name: canonical.condition(models[name], connection) for name in shared}
    if connection.dialect.name == "postgresql" and shared:
        kept, read = (
            canonical.stored_checks(connection, stored),
            canonical.wanted_checks(connection, stored, said),
        )
        return {name for name in shared if kept.get(name) != read.get(name)}
    return {name for name in shared if canonical.plain(now[name]) != canonical.plain(said[name])}


def compare_unnamed(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    _schema: str | None,
    _table_name: str,
    stored: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Treat the unique constraints that SQLite keeps without a name: Alembic sees none of them.

    One that a model has under a name is the same; one that no model has is dropped.
    """
    if stored is None or wanted is None or context.dialect.name != "sqlite":
        return _CONTINUE
    kept = {_columns(each) for each in wanted.constraints if isinstance(each, UniqueConstraint)}
    kept |= {tuple(column.name for column in index.columns) for index in wanted.indexes if index.unique}
    # By columns, because a table that was read through another's foreign key can have one twice.
    unnamed = {
        _columns(each): each
        for each in stored.constraints
        if isinstance(each, UniqueConstraint) and each.name is None
    }
    left = [each for each in changes.ops if not _adds_unique(each, unnamed.keys())]
    gone = [ops.DropConstraintOp.from_constraint(each) for name, each in unnamed.items() if name not in kept]
    changes.ops = [*left, *gone]
    return _CONTINUE


def _adds_unique(change: Any, columns: Collection[tuple[str, ...]]) -> bool:
    return isinstance(change, ops.CreateUniqueConstraintOp) and tuple(change.columns) in columns


def forgive_default_names(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    _schema: str | None,
    table_name: str,
    stored: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Leave a unique constraint under the name that PostgreSQL gave it, rather than build its index anew."""
    if stored is None or wanted is None or context.dialect.name != "postgresql":
        return _CONTINUE
    added = {tuple(each.columns) for each in changes.ops if isinstance(each, ops.CreateUniqueConstraintOp)}
    same = set()
    for change in changes.ops:
        if isinstance(change, ops.DropConstraintOp) and change.constraint_type == "unique":
            columns = _columns(change.to_constraint())
            default = f"{table_name}_{'_'.join(columns)}_key"[:63]
            if change.constraint_name == default and columns in added:
                same |= {columns, default}
    changes.ops = [
        each
        for each in changes.ops
        if not (isinstance(each, ops.CreateUniqueConstraintOp) and tuple(each.columns) in same)
        and not (isinstance(each, ops.DropConstraintOp) and each.constraint_name in same)
    ]
    return _CONTINUE


def _columns(constraint: Any) -> tuple[str, ...]:
    return tuple(column.name for column in constraint.columns)


def compare_indexes(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    table_name: str,
    stored: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Add what Alembic passes over: conditions of partial indexes, and indexes over expressions."""
    if stored is None or wanted is None:
        return _CONTINUE
    connection = _connection(context)
    models = {
        name: index
        for index in wanted.indexes
        if (name := canonical.index_name(index, connection)) is not None
    }
    now = canonical.stored_indexes(connection, stored)
    said = canonical.wanted_indexes(connection, stored, {name: models[name] for name in models})
    handled = {
        str(change.index_name)
        for change in changes.ops
        if isinstance(change, ops.CreateIndexOp | ops.DropIndexOp)
    }
    for name in sorted(models):
        if name in handled or now.get(name) == said.get(name):
            continue
        if name in now:
            changes.ops.append(ops.DropIndexOp.from_index(_stored_index(stored, name, models[name])))
        changes.ops.append(ops.CreateIndexOp.from_index(models[name]))
    return _CONTINUE


def _stored_index(stored: Table, name: str, like: Index) -> Index:
    return next((index for index in stored.indexes if index.name == name), like)


def compare_types(
    _context: Any, stored: Column[Any], wanted: Column[Any], stored_type: Any, wanted_type: Any
) -> bool | None:
    """Say what Alembic would say wrongly about a type; None leaves it to Alembic."""
    dialect = _context.dialect
    implementation = wanted_type.dialect_impl(dialect)
    if dialect.name == "sqlite" and isinstance(wanted_type, Enum) and isinstance(stored_type, String):
        return False  # its length is that of the longest member, and SQLite does not look at it
    if dialect.name == "postgresql":
        inner = getattr(implementation, "impl_instance", implementation)
        if isinstance(inner, postgresql.ENUM) and isinstance(stored_type, postgresql.ENUM):
            return bool(inner.name != stored_type.name)
    has, wants = _has_limit(stored_type), _has_limit(implementation)
    return True if has is not None and wants is not None and has != wants else None


def _has_limit(type_: Any) -> bool | None:
    """Say whether a type bounds its values: Alembic compares two bounds, and not one with none."""
    plain = getattr(type_, "impl_instance", type_)
    if isinstance(plain, String) and not isinstance(plain, Enum):
        return plain.length is not None
    if isinstance(plain, Numeric) and not isinstance(plain, Float):
        return plain.precision is not None
    return None


def compare_defaults(
    context: Any, stored: Column[Any], _wanted: Any, said: str | None, given: Any, rendered: str | None
) -> bool | None:
    """Compare defaults of PostgreSQL's JSON, which has no equality; None leaves others to Alembic."""
    # JSONB too: a column that was JSON once keeps its default as that.
    json = context.dialect.name == "postgresql" and isinstance(stored.type, types.JSON)
    if not json or said is None or rendered is None:
        return None
    text_of_it = getattr(given, "arg", given)
    wanted = "'" + text_of_it.replace("'", "''") + "'" if isinstance(text_of_it, str) else rendered
    query = f"SELECT CAST(CAST({said} AS text) AS jsonb) = CAST(CAST({wanted} AS text) AS jsonb)"  # defaults
    same = context.connection.exec_driver_sql(canonical.escaped(query, context.connection)).scalar()
    return not same


def include_name(context_of: Any) -> Any:
    """Make the filter that leaves alone the tables of PostgreSQL's extensions."""
    known: dict[str | None, set[str]] = {}

    def include(name: str | None, kind: str, parents: Any) -> bool:
        if kind != "table":
            return True
        schema = parents.get("schema_name")
        if schema not in known:
            known[schema] = _of_extensions(context_of(), schema)
        return name not in known[schema]

    return include


def _of_extensions(connection: Connection | None, schema: str | None) -> set[str]:
    if connection is None or connection.dialect.name != "postgresql":
        return set()
    rows = connection.execute(
        text(
            "SELECT c.relname FROM pg_depend d JOIN pg_class c ON c.oid = d.objid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE d.deptype = 'e' AND d.classid = CAST('pg_class' AS regclass) "
            "AND n.nspname = coalesce(:schema, current_schema())"
        ),
        {"schema": schema},
    )
    return {str(row[0]) for row in rows}


def _connection(context: AutogenContext) -> Connection:
    assert context.connection is not None
    return context.connection


def options(connection_of: Any) -> dict[str, Any]:
    """Give what context.configure(...) takes to compare rightly."""
    return {
        "autogenerate_plugins": PLUGINS,
        "compare_type": compare_types,
        "compare_server_default": compare_defaults,
        "include_name": include_name(connection_of),
    }


def register() -> None:
    """Make the comparators known to Alembic, under NAME."""
    plugin = Plugin(NAME)
    plugin.add_autogenerate_comparator(compare_checks, "table", "fieldstone_checks")
    plugin.add_autogenerate_comparator(compare_unnamed, "table", "fieldstone_unnamed")
    plugin.add_autogenerate_comparator(forgive_default_names, "table", "fieldstone_names")
    # After Alembic's own, to see what it has found.
    last = DispatchPriority.LAST
    plugin.add_autogenerate_comparator(compare_indexes, "table", "fieldstone_indexes", priority=last)


register()
