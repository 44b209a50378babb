"""Whether a schema's field allows what its column refuses, and what."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import inf
from typing import Any

from pydantic.fields import FieldInfo as PydanticField
from sqlalchemy import Column

from fieldstone.models.columns import Bounds, bounds_of, field_type, literal_values


def loosened(
    schema_field: PydanticField, table_field: PydanticField | None, column: Column[Any]
) -> str | None:
    """Say in a clause what the schema's field allows beyond the table's, or give None."""
    annotation, _, nullable = field_type(schema_field)
    if nullable and not column.nullable:
        return "None"
    if table_field is None:
        return None
    table_values = literal_values(field_type(table_field)[0])
    schema_values = literal_values(annotation)
    if table_values is not None:
        if schema_values is None:
            return f"values other than {_listed(table_values)}"
        further = [value for value in schema_values if value not in table_values]
        return f"the values {_listed(further)}" if further else None
    if schema_values is not None:
        return None  # its members are checked against the table when they are written
    whole = annotation is int
    return _beyond(_whole(bounds_of(schema_field), whole), _whole(bounds_of(table_field), whole))


def _whole(bounds: Bounds, is_whole: bool) -> Bounds:
    """Write the strict bounds of whole numbers as inclusive ones, so that they compare."""
    if not is_whole:
        return bounds
    lower = [each for each in (bounds.ge, None if bounds.gt is None else bounds.gt + 1) if each is not None]
    upper = [each for each in (bounds.le, None if bounds.lt is None else bounds.lt - 1) if each is not None]
    return replace(bounds, gt=None, lt=None, ge=max(lower, default=None), le=min(upper, default=None))


def _listed(values: Any) -> str:
    return ", ".join(map(repr, values))


def _beyond(schema: Bounds, table: Bounds) -> str | None:
    if _lower(schema) < _lower(table):
        return f"less than its lower bound {_shown(table.ge, table.gt)}"
    if _upper(schema) > _upper(table):
        return f"more than its upper bound {_shown(table.le, table.lt)}"
    if (schema.min_length or 0) < (table.min_length or 0):
        return f"fewer than {table.min_length} characters"
    if table.max_length is not None and (schema.max_length is None or schema.max_length > table.max_length):
        return f"more than {table.max_length} characters"
    if table.pattern is not None and str(schema.pattern) != str(table.pattern):
        return "text that does not match its pattern"
    if table.multiple_of is not None and (
        schema.multiple_of is None or schema.multiple_of % table.multiple_of
    ):
        return f"numbers that are no multiple of {table.multiple_of}"
    return None


def _shown(inclusive: Any, exclusive: Any) -> Any:
    return inclusive if inclusive is not None else exclusive


# A bound as (number, strictness): a strict one counts as a little further in.


def _lower(bounds: Bounds) -> tuple[Any, int]:
    found = [(_number(bounds.ge), 0)] if bounds.ge is not None else []
    found += [(_number(bounds.gt), 1)] if bounds.gt is not None else []
    return max(found, default=(-inf, 0))


def _upper(bounds: Bounds) -> tuple[Any, int]:
    found = [(_number(bounds.le), 0)] if bounds.le is not None else []
    found += [(_number(bounds.lt), -1)] if bounds.lt is not None else []
    return min(found, default=(inf, 0))


def _number(value: Any) -> Any:
    """Make bounds of any ordered type comparable with infinity."""
    if isinstance(value, (int, float, Decimal)):
        return value
    if hasattr(value, "timestamp"):
        return value.timestamp()
    if hasattr(value, "toordinal"):
        return value.toordinal()
    return value.total_seconds() if hasattr(value, "total_seconds") else value
