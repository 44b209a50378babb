"""Types for fields: what a value may look like on its way in, and how its column keeps it.

Each is an `Annotated` alias, so type checkers see the plain Python type, and each works alike
on tables and on schemas. `columns.py` turns the same annotations into column types.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")


def in_utc(value: Any) -> Any:
    """Turn an aware datetime into UTC and refuse a naive one."""
    if not isinstance(value, datetime):
        return value
    if value.utcoffset() is None:
        raise PydanticCustomError(
            "timezone_aware",
            "Input should have a UTC offset. Send e.g. 2026-01-31T09:30:00Z or 2026-01-31T10:30:00+01:00",
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError(
            "datetime_range", "Input should lie within the years 1 to 9999 in UTC"
        ) from None


def as_if_utc(value: Any) -> Any:
    """Turn any datetime into UTC, reading a naive one as UTC already."""
    if isinstance(value, datetime) and value.utcoffset() is None:
        return value.replace(tzinfo=UTC)
    return in_utc(value)


def clean_text(value: Any) -> Any:
    """Refuse text that PostgreSQL cannot store: NUL and lone surrogates (SQLSTATE 22021)."""
    if isinstance(value, str):
        if "\x00" in value:
            raise PydanticCustomError("bad_text", "Input should not contain the NUL character")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise PydanticCustomError("bad_text", "Input should be valid Unicode text") from None
    return value


def _zero_as_none(value: Any) -> Any:
    """Read 0 (also as text, as forms send it) as no value; False is not a number here."""
    return None if not isinstance(value, bool) and value in (0, "0") else value


UtcDatetime = Annotated[datetime, AfterValidator(in_utc)]
"""An aware datetime with any offset, kept in UTC; a naive one is refused."""

AssumedUtc = Annotated[datetime, AfterValidator(as_if_utc)]
"""A datetime kept in UTC; a naive one is read as UTC."""

ZeroAsNull = Annotated[int | None, BeforeValidator(_zero_as_none)]
"""An optional integer, mostly a foreign key, for which 0 means "none"."""


@dataclass(frozen=True)
class JsonValue:
    """Mark a field as one JSON column. Use it as `Json[...]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(storable, handler(source))


# Pydantic writes no document of more than 255 levels, and the response that holds one adds some.
DEEPEST_JSON = 200


def storable(value: T) -> T:
    """Refuse text and numbers, at any depth, that a JSON column cannot store, and too great a depth."""
    level: list[Any] = [value]
    for _ in range(DEEPEST_JSON):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                clean_text(item)
            elif isinstance(item, float) and not math.isfinite(item):
                raise PydanticCustomError("finite_number", "Input should be a finite number")
            else:
                deeper.extend(_members(item))
        if not deeper:
            return value
        level = deeper
    raise PydanticCustomError(
        "too_deep", "Input should be nested at most {deepest} levels deep", {"deepest": DEEPEST_JSON}
    )


def _members(item: Any) -> Iterator[Any]:
    if isinstance(item, BaseModel):
        yield from item.__dict__.values()
        item = item.__pydantic_extra__ or {}
    if isinstance(item, Mapping):
        yield from item
        yield from item.values()
    elif isinstance(item, (list, tuple, set, frozenset)):
        yield from item


Json = Annotated[T, JsonValue()]
"""A column of JSON (JSONB on PostgreSQL) that holds models, lists and dicts: `Json[list[Step]]`."""


@dataclass(frozen=True)
class StoredAs:
    """Say that a schema's field is stored under another name, through a function.

    `through` runs once, when the value is written, and receives the validated value.
    """

    column: str
    through: Callable[[Any], Any]


def now() -> datetime:
    """Give the current time in UTC."""
    return datetime.now(UTC)


if sys.version_info >= (3, 14):
    from uuid import uuid7
else:
    _clock = threading.Lock()
    _last = (0, 0)  # milliseconds, counter

    def uuid7() -> uuid.UUID:
        """Make a time-ordered UUID (RFC 9562, 5.7; with a counter of 42 bits, as in 6.2, method 1).

        Within a process each is greater than the one before, also across threads and when the
        clock steps back.
        """
        global _last
        with _clock:
            milliseconds, counter = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(6)) >> 7
            if milliseconds <= _last[0]:
                milliseconds, counter = _last[0], _last[1] + 1
                if counter >> 42:
                    milliseconds, counter = milliseconds + 1, 0
            _last = (milliseconds, counter)
        tail = int.from_bytes(os.urandom(4))
        number = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (counter >> 30) << 64
        return uuid.UUID(int=number | 2 << 62 | (counter & 0x3FFF_FFFF) << 32 | tail)
