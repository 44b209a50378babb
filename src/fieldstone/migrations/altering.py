"""How columns come, change and go while rows are there.

What a person must say is asked for, never guessed: the value of a required column for the rows that
are there, and the time zone of naive datetimes. A changed type is converted explicitly where
PostgreSQL would refuse, and left to PostgreSQL's own assignment where an explicit cast would cut
text off in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Enum,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from fieldstone.migrations.arranging import Answers, Key, Step
from fieldstone.migrations.failures import Undecided
from fieldstone.migrations.filling import neutral, no_value, portable, value_of
from fieldstone.migrations.members import names_of_values, renaming_values
from fieldstone.migrations.rendering import POSTGRESQL, CallOp, ConvertOp, TypedCallOp, frozen
from fieldstone.models.columns import EnumByValue

# Columns that come and go


def adding(operation: ops.AddColumnOp, key: Key, answers: Answers) -> Iterator[Step]:
    """Add a column; a required one with a value for the rows that are there."""
    column = operation.column
    drop = ops.DropColumnOp(key[1], column.name, schema=key[0])
    if column.nullable or column.server_default is not None or column.computed is not None:
        yield Step(operation, drop, key)
        return
    value = value_of(column, f"{key[1]}.{column.name}", answers)
    if value is None:
        raise no_value(f"{key[1]}.{column.name}", column)
    filled = Column(
        column.name, frozen(column.type), server_default=text(value), nullable=False, comment=column.comment
    )
    yield Step(ops.AddColumnOp(key[1], filled, schema=key[0]), drop, key)
    without = ops.AlterColumnOp(
        key[1], column.name, schema=key[0], existing_type=column.type, modify_server_default=None
    )
    # Not in the batch of the one before: SQLite would make the table without the default at once.
    yield Step(
        CallOp(f"# {key[1]}.{column.name} has its value; the models give it from here on.", imports=()), None
    )
    yield Step(without, None, key)


def dropping(operation: ops.DropColumnOp, key: Key, stored: Table, answers: Answers) -> Iterator[Step]:
    """Drop a column; coming back it is as it was, but for the values, which are gone."""
    column = stored.c[operation.column_name]
    name = f"{key[1]}.{column.name}"
    required = not column.nullable and column.server_default is None and column.computed is None
    default = (
        text(value_of(column, name, answers) or neutral(column, stored))
        if required
        else column.server_default
    )
    again = Column(
        column.name,
        frozen(column.type),
        nullable=column.nullable,
        server_default=_default(default),
        comment=column.comment,
    )
    if required:
        without = ops.AlterColumnOp(
            key[1], column.name, schema=key[0], existing_type=column.type, modify_server_default=None
        )
        yield Step(None, without, key)
        yield Step(None, CallOp(f"# The values of {name} were lost when it was dropped.", imports=()))
    yield Step(operation, ops.AddColumnOp(key[1], again, schema=key[0]), key)


def _default(found: Any) -> Any:
    return getattr(portable(found), "arg", found)


# Columns that change


def altering(operation: ops.AlterColumnOp, key: Key, model: Column[Any], answers: Answers) -> Iterator[Step]:
    """Change a column: the type, then the default, then whether it may be empty."""
    name = f"{key[1]}.{operation.column_name}"
    if operation.existing_server_default not in (None, False):
        operation.existing_server_default = portable(operation.existing_server_default)
    if operation.modify_type is not None:
        yield from _retyping(operation, key, name, model, answers)
    if operation.modify_server_default is not False or operation.modify_comment is not False:
        change = _aspect(
            operation,
            modify_server_default=operation.modify_server_default,
            modify_comment=operation.modify_comment,
            existing_type=_type_now(operation),
        )
        yield Step(change, change.reverse(), key)
    if operation.modify_nullable is True:
        change = _aspect(operation, modify_nullable=True, existing_type=_type_now(operation))
        yield Step(change, change.reverse(), key)
    elif operation.modify_nullable is False:
        yield from _requiring(operation, key, name, model, answers)


def _type_now(operation: ops.AlterColumnOp) -> Any:
    return operation.modify_type if operation.modify_type is not None else operation.existing_type


def _aspect(operation: ops.AlterColumnOp, **changes: Any) -> ops.AlterColumnOp:
    options: dict[str, Any] = {
        "schema": operation.schema,
        "existing_type": operation.existing_type,
        "existing_nullable": operation.existing_nullable,
        "existing_server_default": operation.existing_server_default,
        "existing_comment": operation.existing_comment,
    }
    return ops.AlterColumnOp(operation.table_name, operation.column_name, **(options | changes))


def _requiring(
    operation: ops.AlterColumnOp, key: Key, name: str, model: Column[Any], answers: Answers
) -> Iterator[Step]:
    value = value_of(model, name, answers)
    if value is not None:
        call = f"steps.backfill({key[1]!r}, {operation.column_name!r}, {value!r})"
        yield Step(CallOp(call), None, online=answers.online)
    change = _aspect(operation, modify_nullable=False, existing_type=_type_now(operation))
    require = _call("set_not_null", key[1], operation.column_name, frozen(_type_now(operation)))
    back = ops.ModifyTableOps(operation.table_name, [change.reverse()], schema=operation.schema)
    yield Step(require, back, online=answers.online)


def _call(step: str, table: str, column: str, type_: TypeEngine[Any]) -> TypedCallOp:
    return TypedCallOp(f"steps.{step}({table!r}, {column!r}, ", type_)


def _retyping(
    operation: ops.AlterColumnOp, key: Key, name: str, model: Column[Any], answers: Answers
) -> Iterator[Step]:
    old, new = operation.existing_type, operation.modify_type
    if _is_naive(old) and _is_aware(new):
        yield _between_zones(key, name, operation.column_name, answers, to_utc=True)
        return
    if _is_aware(old) and _is_naive(new):
        yield _between_zones(key, name, operation.column_name, answers, to_utc=False)
        return
    up, down = _using(operation.column_name, old, new), _using(operation.column_name, new, old)
    default = operation.existing_server_default
    if (up or down) and default not in (None, False):
        without = _aspect(operation, modify_server_default=None)
        yield Step(without, without.reverse(), key)
        operation.existing_server_default = None
    there = _aspect(operation, modify_type=new)
    back = _aspect(operation, existing_type=new, modify_type=old)
    yield Step(ConvertOp(there, up) if up else there, ConvertOp(back, down) if down else back, key)
    if (up or down) and default not in (None, False) and operation.modify_server_default is False:
        again = _aspect(operation, existing_type=new, modify_server_default=model.server_default)
        yield Step(again, again.reverse(), key)
    names = names_of_values(old, model.type)
    if names:
        yield renaming_values(key, operation.column_name, names)


def _is_naive(type_: Any) -> bool:
    plain = frozen(type_)
    return isinstance(plain, DateTime) and not plain.timezone


def _is_aware(type_: Any) -> bool:
    plain = frozen(type_)
    return isinstance(plain, DateTime) and plain.timezone


def _between_zones(key: Key, name: str, column: str, answers: Answers, *, to_utc: bool) -> Step:
    zone = answers.zones.get(name)
    if zone is None:
        question = "are naive and become UTC" if to_utc else "are in UTC and become naive"
        raise Undecided(
            f"The datetimes of {name} {question}, and nothing says which time zone they are in: a "
            "guess would "
            f"shift every row. Say it with --zone {name}=UTC, or with the name of the zone that the "
            "program's "
            f"clock had, such as {name}=Europe/Berlin.",
            kind="zone",
            subject=name,
        )
    utc = CallOp(f"steps.to_utc({key[1]!r}, {column!r}, zone={zone!r})")
    naive = CallOp(f"steps.to_naive({key[1]!r}, {column!r}, zone={zone!r})")
    return Step(utc, naive) if to_utc else Step(naive, utc)


def _using(column: str, old: Any, new: Any) -> str | None:
    """Give the conversion that PostgreSQL does not do by itself."""
    old_text, new_text = _family(old), _family(new)
    if old_text == new_text or (new_text == "text" and old_text != "enum"):
        return None
    if {old_text, new_text} <= {"integer", "number"}:
        return None
    target = frozen(new).compile(dialect=POSTGRESQL)
    through = f'CAST("{column}" AS text)' if "enum" in (old_text, new_text) else f'"{column}"'
    return f"CAST({through} AS {target})"


def _family(type_: Any) -> str:
    if isinstance(type_, EnumByValue):
        return _family(frozen(type_))
    if isinstance(type_, Enum) and (type_.native_enum or isinstance(type_, postgresql.ENUM)):
        return "enum"
    plain = frozen(type_)
    for kind, family in ((Boolean, "boolean"), (Integer, "integer"), (Numeric, "number"), (String, "text")):
        if isinstance(plain, kind):
            return family
    return type(plain).__name__.lower()


def stored_columns(connection: Connection, key: Key) -> Table:
    """Read a table as it is stored."""
    return Table(key[1], MetaData(), schema=key[0], autoload_with=connection, resolve_fks=False)
