"""How the text of a parameter becomes a value that its column can be compared with.

The type is the model field's own, with its constraints, so that a filter refuses what no row can
have; what the column adds (the range of its integers, whether it keeps a time zone) holds for
models that do not say it themselves. Nothing that passes can fail in a driver.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import Ge, Le, Len
from pydantic import (
    AfterValidator,
    AllowInfNan,
    BeforeValidator,
    StringConstraints,
    ValidationError,
    WrapValidator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Uuid,
)
from sqlalchemy import Enum as EnumColumn
from sqlalchemy.types import Interval, TypeDecorator
from sqlmodel.main import FieldInfoMetadata
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from fieldstone.filters.operators import Kind
from fieldstone.filters.paths import Path
from fieldstone.models.columns import ComparableUuid, bounds_of, field_type, literal_values
from fieldstone.models.fields import clean_text, in_utc
from fieldstone.models.inputs import is_reading

LONGEST_TEXT = 200
MOST_VALUES = 100

_COLUMNS: tuple[tuple[Any, Kind, type[Any]], ...] = (
    (String, "text", str),
    (Boolean, "boolean", bool),
    (Integer, "number", int),
    (Float, "number", float),
    (Numeric, "number", Decimal),
    (DateTime, "moment", datetime),
    (Date, "moment", date),
    (Uuid, "identifier", UUID),
)
_BITS = ((BigInteger, 64), (SmallInteger, 16), (Integer, 32))
_OUR_DECORATORS = (AutoString, UTCDateTime, ComparableUuid)

MatchedText = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_TEXT), AfterValidator(clean_text)
]


def value_type(path: Path) -> tuple[Kind, Any]:
    """Tell the kind of what a path leads to, and the type of a value to compare it with."""
    if path.column is None:
        return "relationship", None
    field = path.owner.model_fields.get(path.name)
    annotation, metadata, _ = field_type(field) if field else (None, [], False)
    metadata = list(_rules(metadata))
    members = _members(annotation, path.column.type)
    if members is not None:
        return "choice", _annotated(members, [*metadata, BeforeValidator(_member_reader(members))])
    sql_type, is_foreign = _undecorated(path.column.type)
    for column, kind, python in _COLUMNS:
        if isinstance(sql_type, column):
            if not (isinstance(annotation, type) and issubclass(annotation, python)):
                if is_foreign:
                    break
                annotation, metadata = python, []
            limits = bounds_of(field) if field else None
            return kind, _annotated(annotation, [*metadata, *_held_to(sql_type, limits)])
    return "opaque", None


def _rules(metadata: list[Any]) -> Iterator[Any]:
    """Keep what a value has to fulfil: not the column's own, nor strictness, for a query is all text."""
    for item in metadata:
        if isinstance(item, FieldInfo):  # Annotated[int, Field(ge=1)] within an Optional
            yield from _rules(item.metadata)
        elif not (
            isinstance(item, FieldInfoMetadata) or getattr(item, "strict", None) or _is_for_writes(item)
        ):
            yield item


def _is_for_writes(item: Any) -> bool:
    return isinstance(item, BeforeValidator) and is_reading(item.func)


def _members(annotation: Any, sql_type: Any) -> Any:
    """Give the Enum or Literal that lists all values, whether the field or the column does."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return annotation
    if (values := literal_values(annotation)) is not None:
        return Literal[values]
    if isinstance(sql_type, EnumColumn):
        return sql_type.enum_class or Literal[tuple(sql_type.enums)]
    return None


def _member_reader(members: Any) -> Any:
    """Read a member from its text: Pydantic takes "1" for no member of Literal[1, 2]."""
    by_text = {as_text(value): value for value in literal_values(members) or ()}

    def read(value: Any) -> Any:
        return by_text.get(value, value) if isinstance(value, str) else value

    return read


def _undecorated(sql_type: Any) -> tuple[Any, bool]:
    """Take decorators off a column's type, and tell whether one was the user's own."""
    is_foreign = False
    while isinstance(sql_type, TypeDecorator) and not isinstance(sql_type, Interval):
        is_foreign = is_foreign or not isinstance(sql_type, _OUR_DECORATORS)
        sql_type = sql_type.impl_instance
    return sql_type, is_foreign


def _held_to(sql_type: Any, limits: Any) -> list[Any]:
    """Say what the column demands of a value before a driver may see it."""
    if isinstance(sql_type, String):
        return [AfterValidator(clean_text)]
    if isinstance(sql_type, DateTime):
        return [AfterValidator(in_utc if sql_type.timezone else _without_zone)]
    if isinstance(sql_type, Float | Numeric):
        return [AllowInfNan(False), AfterValidator(_of_moderate_size)]
    for kind, bits in _BITS:
        if isinstance(sql_type, kind):
            least, greatest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
            below = limits is None or (limits.ge is None and limits.gt is None)
            above = limits is None or (limits.le is None and limits.lt is None)
            return [*([Ge(least)] if below else []), *([Le(greatest)] if above else [])]
    return []


def _without_zone(value: datetime) -> datetime:
    if value.utcoffset() is not None:
        raise PydanticCustomError(
            "timezone_naive", "Input should not have a UTC offset. Send e.g. 2026-01-31T09:30:00"
        )
    return value


def _of_moderate_size(value: Any) -> Any:
    """Refuse Decimals of a size that PostgreSQL's numeric cannot hold."""
    if isinstance(value, Decimal) and abs(value.adjusted()) > 300:
        raise PydanticCustomError("decimal_size", "Input should lie between 1e-300 and 1e300")
    return value


def _annotated(annotation: Any, metadata: list[Any]) -> Any:
    return Annotated[(annotation, *metadata)] if metadata else annotation


def many_of(annotation: Any, name: str) -> Any:
    """Give the type of a parameter of this name that is sent once for each of its values."""

    def separately(value: Any, read: Any) -> Any:
        try:
            return read(value)
        except ValidationError:
            if any(isinstance(one, str) and "," in one for one in value):
                raise PydanticCustomError(
                    "comma_separated",
                    "Input should be one value. Send the parameter once for each: {name}=a&{name}=b",
                    {"name": name},
                ) from None
            raise

    return Annotated[list[annotation], Len(1, MOST_VALUES), WrapValidator(separately)]


def as_text(value: Any) -> str:
    """Write a value as a query string does, so that reading it gives the value again."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)
