"""What a written value must not be taken for: a bool is no number, a number is no bool and no date.

Pydantic's lax mode stores 1 for `true`, True for `1`, and for 20260131 in a date and time a day in
August 1970. Text stays what it may mean ("3" for a number, "on" for a bool), since forms and query strings
have nothing else, and so does 1.0 for 1. Values from the database are not looked at: see `reading.twins`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError, PydanticKnownError

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*")


def reading_of(annotation: Any) -> BeforeValidator | None:
    """Give the validator that a field of this type starts with, or None."""
    return _READINGS.get(annotation) if isinstance(annotation, type) else None


def is_reading(function: Any) -> bool:
    """Tell these validators from those of a user."""
    return function in _FUNCTIONS


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


def _decimal(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("decimal_type")
    return value


def _boolean(value: Any) -> Any:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        raise PydanticKnownError("bool_type")
    return value


def _date(value: Any) -> Any:
    if _is_number(value):
        raise PydanticCustomError("date_type", "Input should be a date in ISO 8601, such as 2026-01-31")
    return value


def _moment(value: Any) -> Any:
    if _is_number(value):
        message = "Input should be a date and time in ISO 8601, such as 2026-01-31T12:00:00Z"
        raise PydanticCustomError("datetime_type", message)
    return value


def _is_number(value: Any) -> bool:
    """Tell a number, also written as text, which Pydantic counts from 1970."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, (int, float, Decimal))


_FUNCTIONS: dict[Callable[[Any], Any], type[Any]] = {
    _whole_number: int,
    _number: float,
    _decimal: Decimal,
    _boolean: bool,
    _date: date,
    _moment: datetime,
}
_READINGS = {kind: BeforeValidator(function) for function, kind in _FUNCTIONS.items()}
