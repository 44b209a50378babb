"""How columns come, change and go while rows are there.

What a person must say is asked for, never guessed: the value of a required column for the rows that
are there, and the time zone of naive datetimes. A changed type is converted explicitly where
PostgreSQL would refuse, and left to PostgreSQL's own assignment where an explicit cast would cut
text off in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from alembic.operations import ops
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    DefaultClause,
    Enum,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    literal,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from fieldstone.migrations import canonical
from fieldstone.migrations.arranging import Answers, Step
from fieldstone.migrations.failures import MigrationRefused, Undecided
from fieldstone.migrations.rendering import POSTGRESQL, CallOp, ConvertOp, TypedCallOp, frozen
from fieldstone.models.columns import EnumByValue

Key = tuple[str | None, str]


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
        raise _no_value(f"{key[1]}.{column.name}", column)
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
        text(value_of(column, name, answers) or _neutral(column, stored))
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


def portable(default: Any) -> Any:
    """Leave out the cast that PostgreSQL prints behind a literal, which other databases cannot read."""
    said = str(getattr(getattr(default, "arg", None), "text", ""))
    literal_only = re.fullmatch(r"('(?:[^']|'')*')::[\w .\"\[\]]+", said)
    return DefaultClause(text(literal_only[1])) if literal_only else default


def _neutral(column: Column[Any], stored: Table) -> str:
    """Give a value that the column's own CHECK, or else its type, allows."""
    for constraint in stored.constraints:
        said = str(getattr(constraint, "sqltext", ""))
        allowed = re.search(rf"\b{re.escape(column.name)}\b[^']*(?:IN|ANY)\b[^']*('(?:[^']|'')*')", said)
        if allowed:
            return allowed[1]
    if isinstance(column.type, postgresql.ENUM | Enum) and column.type.enums:
        return _quoted(column.type.enums[0])
    if isinstance(column.type, Boolean):
        return "false"
    if isinstance(column.type, Integer | Numeric):
        return "0"
    if isinstance(column.type, DateTime):
        return "CURRENT_TIMESTAMP"
    return "''"


def value_of(column: Column[Any], name: str, answers: Answers) -> str | None:
    """Give in SQL what the rows that are there should hold: as told, or the model's own default."""
    told = answers.fill.get(name)
    if told is not None:
        return told.removeprefix("sql:") if told.startswith("sql:") else _written(column.type, told)
    default: Any = column.default
    if default is not None and default.is_scalar:
        return _literal(column.type, default.arg)
    return None


def _written(type_: Any, told: str) -> str:
    plain = frozen(type_)
    if isinstance(plain, Integer | Numeric):
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", told):
            return told
        raise MigrationRefused(
            f"{told!r} is no number, and the column holds numbers. Give a number to --fill."
        )
    if isinstance(plain, Boolean):
        if told.lower() in ("true", "false"):
            return told.lower()
        raise MigrationRefused(f"{told!r} is neither true nor false. Give one of them to --fill.")
    return _quoted(told)


def _literal(type_: Any, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    written = literal(value, type_).compile(dialect=POSTGRESQL, compile_kwargs={"literal_binds": True})
    return str(written).replace("%%", "%").partition("::")[0]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _no_value(name: str, column: Column[Any]) -> Undecided:
    example = "sql:CURRENT_TIMESTAMP" if isinstance(frozen(column.type), DateTime) else "value"
    return Undecided(
        f"{name} is required, and the rows that are there would have no value for it: its model has "
        "no default "
        f"that is the same for all. Say which value they get with --fill {name}={example} (in Python: "
        f"fill={{{name!r}: ...}}), or allow None in the model.",
        kind="fill",
        subject=name,
    )


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


# Values that are renamed


def refuse_lost_members(changes: Iterable[Any], table: str, connection: Connection, answers: Answers) -> None:
    """Ask whether a member that goes was renamed, where another comes: rows may hold it."""
    old: dict[str, tuple[str, list[str]]] = {}
    new: dict[str, tuple[str, list[str]]] = {}
    for change in changes:
        if isinstance(change, ops.DropConstraintOp | ops.CreateCheckConstraintOp):
            constraint = change.to_constraint()
            listed = _listed(constraint, connection) if isinstance(constraint, CheckConstraint) else None
            if listed is not None:
                name = str(canonical.constraint_name(constraint, connection))
                (old if isinstance(change, ops.DropConstraintOp) else new)[name] = listed
    for name in sorted(old.keys() & new.keys()):
        column = f"{table}.{old[name][0]}"
        renamed = answers.renamed_values.get(column, {})
        come = [each for each in new[name][1] if each not in old[name][1] and each not in renamed.values()]
        for member in old[name][1]:
            lost = member not in new[name][1] and member not in renamed
            if lost and come and f"{column}:{member}" not in answers.drop:
                raise _lost_member(column, member, come)


def _listed(constraint: CheckConstraint, connection: Connection) -> tuple[str, list[str]] | None:
    found = re.fullmatch(r"\(*\"?(\w+)\"? IN \((.*)\)\)*", canonical.condition(constraint, connection))
    return None if found is None else (found[1], re.findall(r"'((?:[^']|'')*)'", found[2]))


def _lost_member(column: str, member: str, come: Sequence[str]) -> Undecided:
    choices = [f"{column}:{member}={each}" for each in come]
    lines = "\n".join(f"  --rename-value {each}" for each in choices)
    return Undecided(
        f"{column} loses the value {member!r} and gets another, and rows may hold it. If it was renamed, say "
        f"so:\n{lines}\nor, if no row holds it:\n  --drop {column}:{member}",
        kind="rename",
        subject=f"{column}:{member}",
        choices=choices,
    )


def names_of_values(old: Any, new: Any) -> dict[str, str]:
    """Map names to values where a native enum, which stores names, becomes text that stores values."""
    if not isinstance(new, EnumByValue) or not isinstance(old, Enum):
        return {}
    names = {member.name: str(member.value) for member in new.enum}
    known = set(old.enums) <= names.keys()
    return {name: value for name, value in names.items() if name != value} if known else {}


def renaming_values(key: Key, column: str, renamed: Mapping[str, str]) -> Step:
    """Rename values in the rows, all at once, so that two may swap."""
    back = {new: old for old, new in renamed.items()}
    return Step(_update(key[1], column, renamed), _update(key[1], column, back))


def _update(table: str, column: str, renamed: Mapping[str, str]) -> ops.ExecuteSQLOp:
    cases = " ".join(f"WHEN {_quoted(old)} THEN {_quoted(new)}" for old, new in renamed.items())
    those = ", ".join(_quoted(old) for old in renamed)
    return ops.ExecuteSQLOp(
        f'UPDATE "{table}" SET "{column}" = CASE "{column}" {cases} END '  # noqa: S608  # what a revision is to say
        f'WHERE "{column}" IN ({those})'
    )


def stored_columns(connection: Connection, key: Key) -> Table:
    """Read a table as it is stored."""
    return Table(key[1], MetaData(), schema=key[0], autoload_with=connection, resolve_fks=False)
