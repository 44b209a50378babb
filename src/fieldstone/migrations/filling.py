"""What the rows that are there get where a column is required: as told, or the model's own default."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, DefaultClause, Enum, Integer, Numeric, Table, literal, text
from sqlalchemy.dialects import postgresql

from fieldstone.migrations.arranging import Answers
from fieldstone.migrations.failures import MigrationRefused, Undecided
from fieldstone.migrations.rendering import POSTGRESQL, frozen


def portable(default: Any) -> Any:
    """Leave out the cast that PostgreSQL prints behind a literal, which other databases cannot read."""
    said = str(getattr(getattr(default, "arg", None), "text", ""))
    literal_only = re.fullmatch(r"('(?:[^']|'')*')::[\w .\"\[\]]+", said)
    return DefaultClause(text(literal_only[1])) if literal_only else default


def neutral(column: Column[Any], stored: Table) -> str:
    """Give a value that the column's own CHECK, or else its type, allows."""
    for constraint in stored.constraints:
        said = str(getattr(constraint, "sqltext", ""))
        allowed = re.search(rf"\b{re.escape(column.name)}\b[^']*(?:IN|ANY)\b[^']*('(?:[^']|'')*')", said)
        if allowed:
            return allowed[1]
    if isinstance(column.type, postgresql.ENUM | Enum) and column.type.enums:
        return quoted(column.type.enums[0])
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
    return quoted(told)


def _literal(type_: Any, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    written = literal(value, type_).compile(dialect=POSTGRESQL, compile_kwargs={"literal_binds": True})
    return str(written).replace("%%", "%").partition("::")[0]


def quoted(value: str) -> str:
    """Write text as SQL does."""
    return "'" + value.replace("'", "''") + "'"


def no_value(name: str, column: Column[Any]) -> Undecided:
    example = "sql:CURRENT_TIMESTAMP" if isinstance(frozen(column.type), DateTime) else "value"
    return Undecided(
        f"{name} is required, and the rows that are there would have no value for it: its model has "
        "no default "
        f"that is the same for all. Say which value they get with --fill {name}={example} (in Python: "
        f"fill={{{name!r}: ...}}), or allow None in the model.",
        kind="fill",
        subject=name,
    )
