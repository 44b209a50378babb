"""The native enum types of PostgreSQL that models have, made and changed with the tables they are for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection, Enum, MetaData, Table
from sqlalchemy.dialects import postgresql

from fieldstone.migrations.arranging import Answers, Step, model_tables, stored_tables
from fieldstone.migrations.enums import stored_members
from fieldstone.migrations.rendering import CallOp, frozen


def native(table: Table) -> dict[str, tuple[str, ...]]:
    """Map the names of a table's native enum types to their members."""
    found = {}
    for column in table.columns:
        type_ = native_type(column.type)
        if type_ is not None:
            found[str(type_.name)] = tuple(type_.enums)
    return found


def native_type(type_: Any) -> postgresql.ENUM | None:
    """Give what PostgreSQL is told of a type, if that is an enum of its own."""
    plain = frozen(type_)
    variant: Any = dict(plain._variant_mapping).get("postgresql", plain)
    return variant if isinstance(variant, postgresql.ENUM) else None


def creating(
    difference: ops.UpgradeOps, metadata: Sequence[MetaData], connection: Connection
) -> Iterator[Step]:
    """Create the types that the difference needs and nothing has yet; undone, drop them."""
    models = model_tables(metadata)
    needed: dict[str, tuple[str, ...]] = {}
    new: set[Table] = set()
    for operation in difference.ops:
        if isinstance(operation, ops.CreateTableOp):
            new.add(models[operation.schema, operation.table_name])
        elif isinstance(operation, ops.ModifyTableOps):
            needed |= _of_columns(operation)
    for table in new:
        needed |= native(table)
    elsewhere = {name for table in models.values() if table not in new for name in native(table)}
    for name, members in sorted(needed.items()):
        if connection.dialect.name == "postgresql":
            there = stored_members(connection, name) is not None
        else:
            there = name in elsewhere and name not in _of_changes(difference)
        if not there:
            yield Step(_call("create_enum", name, members), _call("drop_enum", name))


def _of_changes(difference: ops.UpgradeOps) -> set[str]:
    return {
        name
        for operation in difference.ops
        if isinstance(operation, ops.ModifyTableOps)
        for name in _of_columns(operation)
    }


def _of_columns(changes: ops.ModifyTableOps) -> dict[str, tuple[str, ...]]:
    found = {}
    for operation in changes.ops:
        type_ = operation.column.type if isinstance(operation, ops.AddColumnOp) else None
        type_ = operation.modify_type if isinstance(operation, ops.AlterColumnOp) else type_
        enum = None if type_ is None else native_type(type_)
        if enum is not None:
            found[str(enum.name)] = tuple(enum.enums)
    return found


def changing(metadata: Sequence[MetaData], connection: Connection, answers: Answers) -> Iterator[Step]:
    """Change the members of types that are there; only PostgreSQL can say which it has."""
    if connection.dialect.name != "postgresql":
        return
    holders: dict[str, tuple[tuple[str, ...], list[str]]] = {}
    for (_, table_name), table in sorted(model_tables(metadata).items(), key=lambda each: each[0][1]):
        for column in table.columns:
            enum = native_type(column.type)
            if enum is not None:
                holders.setdefault(str(enum.name), (tuple(enum.enums), []))[1].append(
                    f"{table_name}.{column.name}"
                )
    for name, (members, columns) in sorted(holders.items()):
        stored = stored_members(connection, name)
        if stored is None or stored == members:
            continue
        renamed = {
            old: new
            for column in columns
            for old, new in answers.renamed_values.get(column, {}).items()
            if old in stored
        }
        yield Step(
            _alter(name, members, columns, renamed),
            _alter(name, stored, columns, {new: old for old, new in renamed.items()}),
        )


def dropping(
    difference: ops.UpgradeOps, metadata: Sequence[MetaData], connection: Connection
) -> Iterator[Step]:
    """Drop the types that only the columns had which go."""
    if connection.dialect.name != "postgresql":
        return
    kept = {name for table in model_tables(metadata).values() for name in native(table)}
    going: dict[str, tuple[str, ...]] = {}
    for table in stored_tables(difference):
        going |= native(table)
    for operation in difference.ops:
        for change in operation.ops if isinstance(operation, ops.ModifyTableOps) else ():
            old = (
                change.existing_type if isinstance(change, ops.AlterColumnOp) and change.modify_type else None
            )
            if isinstance(change, ops.DropColumnOp):
                old = change.to_column().type
            if isinstance(old, Enum) and old.name:
                going[str(old.name)] = tuple(old.enums)
    for name, members in sorted(going.items()):
        if name not in kept:
            yield Step(_call("drop_enum", name), _call("create_enum", name, members))


def _call(step: str, name: str, members: Sequence[str] | None = None) -> CallOp:
    return CallOp(f"steps.{step}({name!r}" + (f", {list(members)!r})" if members is not None else ")"))


def _alter(name: str, members: Sequence[str], columns: Sequence[str], renamed: dict[str, str]) -> CallOp:
    also = f", rename={renamed!r}" if renamed else ""
    return CallOp(f"steps.alter_enum({name!r}, {list(members)!r}, columns={list(columns)!r}{also})")
