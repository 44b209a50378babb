"""Forms: how the values of one column are written as JSON without making an object of each row.

A form does not trust the database. It looks at a whole column at a time, which costs little, and raises Unfit
for what the schema's rules would have refused or changed; the read then goes through schema objects, as ever.

Three forms: as stored (text, numbers, bool, dates, UUIDs, values of a fixed set), rewritten (moments in
UTC), and through Pydantic's own validator and serializer for the one column.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from types import NoneType
from typing import Any

from pydantic import ValidationError
from pydantic_core import SchemaSerializer, SchemaValidator

Column = Sequence[Any]
Processor = Callable[[Any], Any] | None
# A column as its driver gave it, SQLAlchemy's processor for it, and how many of its rows are not there at
# all: those of an outer join, which are null in every column.
Write = Callable[[Column, Processor, int], Column]
Check = Callable[[Column], bool]


class Unfit(Exception):
    """A stored value is not what the schema's rules would make of it."""


@dataclass(frozen=True)
class Rule:
    """What a form asks of its values, said so that a database can ask it too.

    `kind` is Pydantic's name of the type, `bounds` are its limits by their names there, and `allowed` the
    only values, where they are a fixed set. `raw`: they are written as they are stored, whatever the column's
    type makes of them.
    """

    kind: str
    column_type: Any
    nullable: bool
    bounds: Mapping[str, Any] = field(default_factory=dict)
    allowed: tuple[Any, ...] | None = None
    raw: bool = False


@dataclass(frozen=True)
class Form:
    """How the values of one column are written; without a rule, no database can say it."""

    name: str
    write: Write
    rule: Rule | None = None


# What must hold for the values of a column that are not null. There is at least one.
BOUNDS: dict[str, Callable[[Any], Check]] = {
    "ge": lambda bound: lambda column: min(column) >= bound,
    "gt": lambda bound: lambda column: min(column) > bound,
    "le": lambda bound: lambda column: max(column) <= bound,
    "lt": lambda bound: lambda column: max(column) < bound,
    "min_length": lambda bound: lambda column: min(map(len, column)) >= bound,
    "max_length": lambda bound: lambda column: max(map(len, column)) <= bound,
}


def without_nul(column: Column) -> bool:
    return "\x00" not in "".join(column)


def finite(column: Column) -> bool:
    return all(map(isfinite, column))


def among(allowed: frozenset[Any]) -> Check:
    return allowed.issuperset


def as_stored(
    kind: type, checks: Sequence[Check], *, nullable: bool, raw: bool = False, rule: Rule | None = None
) -> Form:
    """Write values of exactly this type as they are. `raw`: as the driver gave them, without a processor."""

    def write(column: Column, processor: Processor, absent: int) -> Column:
        if processor is not None and not raw:
            column = list(map(processor, column))
        present = _present(column, nullable, absent)
        if not present:
            return column
        kinds = set(map(type, present))
        if kinds != {kind}:
            if kind is uuid.UUID and all(issubclass(one, kind) for one in kinds):
                return _as_text(column)  # asyncpg has a class of its own, which not every writer knows
            raise Unfit
        if not all(check(present) for check in checks):
            raise Unfit
        return column

    return Form("as stored", write, rule)


def in_utc(*, nullable: bool, rule: Rule | None = None) -> Form:
    """Write moments that are stored in UTC, aware or as text without an offset."""

    def write(column: Column, processor: Processor, absent: int) -> Column:
        _present(column, nullable, absent)
        found = _instants(column)
        if found is None:
            found = column if processor is None else list(map(processor, column))
            if not _all_in_utc(found):
                raise Unfit
        return found

    return Form("rewritten", write, rule)


def through(
    validator: SchemaValidator, serializer: SchemaSerializer, *, nullable: bool, rule: Rule | None = None
) -> Form:
    """Write values as Pydantic validates and dumps a list of them."""

    def write(column: Column, processor: Processor, absent: int) -> Column:
        if processor is not None:
            column = list(map(processor, column))
        present = _present(column, nullable, absent)
        try:
            values = validator.validate_python(list(present))
        except ValidationError:
            raise Unfit from None
        written = serializer.to_python(values, mode="json")
        if len(written) == len(column):
            return list(written)
        following = iter(written)
        return [None if value is None else next(following) for value in column]

    return Form("through Pydantic", write, rule)


def _present(column: Column, nullable: bool, absent: int) -> Column:
    """Give the values that are not null. Where no null is allowed, only absent rows have one."""
    if None not in column:
        return column
    present = [value for value in column if value is not None]
    if not nullable and len(column) - len(present) > absent:
        raise Unfit
    return present


def _as_text(column: Column) -> Column:
    return [None if value is None else str(value) for value in column]


def _instants(column: Column) -> Column | None:
    kinds = set(map(type, column))
    if str in kinds and kinds <= {str, NoneType}:
        read = datetime.fromisoformat
        try:
            column = [None if value is None else read(value + "+00:00") for value in column]
        except ValueError:
            return None
    return column if _all_in_utc(column) else None


def _all_in_utc(column: Column) -> bool:
    # Any character may stand between date and time, so a date alone would have swallowed the offset.
    return all(value is None or (type(value) is datetime and value.tzinfo is UTC) for value in column)
