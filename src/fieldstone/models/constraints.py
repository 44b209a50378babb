"""The rules of a field as constraints of the database, under names that stay the same.

A row that is written past Python is then held to the same rules, migrations can name what they
alter, and an error of the database can be traced back to its field.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic.fields import FieldInfo as PydanticField
from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Enum,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    and_,
    func,
    text,
)
from sqlalchemy import column as named_column
from sqlalchemy.sql.schema import DEFAULT_NAMING_CONVENTION
from sqlalchemy.types import TypeDecorator
from sqlalchemy.util import immutabledict
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from fieldstone.errors import ModelError
from fieldstone.models.columns import (
    Bounds,
    EnumByValue,
    MixedLiteral,
    bounds_of,
    field_type,
    integer_range,
    literal_values,
)

_STORED_AS_THEY_ARE = (AutoString, EnumByValue, MixedLiteral, UTCDateTime)


def checks(field: PydanticField, column: Column[Any]) -> Iterator[CheckConstraint]:
    """Yield what the database itself should hold the column to. NULL passes every CHECK."""
    if isinstance(column.type, Enum) or (
        isinstance(column.type, TypeDecorator) and not isinstance(column.type, _STORED_AS_THEY_ARE)
    ):
        return  # what is stored is not the value that the rules speak of
    annotation = field_type(field)[0]
    bounds = bounds_of(field)
    here: ColumnElement[Any] = named_column(column.name, column.type)
    values = literal_values(annotation)
    if values is not None:
        if values and set(values) != {True, False}:
            yield _check(here.in_(values), column, "allowed")
        return
    if not isinstance(annotation, type):
        return
    if issubclass(annotation, (int, float, Decimal, date)) and annotation is not bool:
        bounds = _without_column_range(bounds, field)
        limits = [
            *([here >= bounds.ge] if bounds.ge is not None else []),
            *([here > bounds.gt] if bounds.gt is not None else []),
            *([here <= bounds.le] if bounds.le is not None else []),
            *([here < bounds.lt] if bounds.lt is not None else []),
        ]
        if limits:
            yield _check(and_(*limits), column, "range")
        if bounds.multiple_of is not None and issubclass(annotation, int):
            yield _check(here % bounds.multiple_of == 0, column, "multiple")
    elif issubclass(annotation, (str, bytes)):
        if bounds.min_length:
            yield _check(func.length(here) >= bounds.min_length, column, "min_length")
        if bounds.max_length is not None:
            limit = _check(func.length(here) <= bounds.max_length, column, "max_length")
            # PostgreSQL has it in VARCHAR(n); for SQLite the n is a comment
            yield limit if issubclass(annotation, bytes) else limit.ddl_if(dialect="sqlite")


def _without_column_range(bounds: Bounds, field: PydanticField) -> Bounds:
    """Leave out the limits that the column's own type sets (see validation.harden)."""
    lowest, highest = integer_range(field) or (None, None)
    return dataclasses.replace(
        bounds,
        ge=None if bounds.ge == lowest else bounds.ge,
        le=None if bounds.le == highest else bounds.le,
    )


def _check(expression: ColumnElement[bool], column: Column[Any], rule: str) -> CheckConstraint:
    return CheckConstraint(
        expression, name=f"{column.name}_{rule}", info={"column": column.name, "rule": rule}
    )


FULL_BUT_DELETED = "fieldstone full but deleted"
"""Key of Index.info: whether an index leaves out deleted rows, and them alone."""


def release_keys(table: Table, deleted_at: Column[Any]) -> None:
    """Make the unique keys of a table partial: they hold for the rows that are not deleted."""
    is_there = deleted_at.is_(None)
    for constraint in [one for one in table.constraints if isinstance(one, UniqueConstraint)]:
        if constraint.deferrable:
            raise ModelError(
                f"The unique constraint {constraint.name} of {table.name} is deferrable. A SoftDeleted model "
                "makes an index of it, which cannot be. Leave out deferrable."
            )
        table.constraints.discard(constraint)
        distinct = constraint.dialect_options["postgresql"].get("nulls_not_distinct")
        options: dict[str, Any] = {} if distinct is None else {"postgresql_nulls_not_distinct": distinct}
        name: Any = constraint.name
        Index(name, *constraint.columns, unique=True, **options)  # a column leads it to its table
    for index in table.indexes:
        if index.unique and FULL_BUT_DELETED not in index.info:
            found = [index.dialect_options[name].get("where") for name in ("postgresql", "sqlite")]
            index.info[FULL_BUT_DELETED] = found == [None, None]
            for dialect, where in zip(("postgresql", "sqlite"), found, strict=True):
                written: Any = text(where) if isinstance(where, str) else where
                index.dialect_options[dialect]["where"] = (
                    is_there if where is None else and_(written, is_there)
                )
            for column in index.columns:  # no longer what says that a join finds one row
                column.unique = None


def _check_name(constraint: CheckConstraint, table: Table) -> str:
    """Name a CHECK by its own name, or by a digest of its text where the author gave none."""
    if isinstance(constraint.name, str):
        return str(constraint.name)
    return hashlib.sha1(str(constraint.sqltext).encode(), usedforsecurity=False).hexdigest()[:8]


NAMING_CONVENTION: Mapping[str, Any] = immutabledict(
    {
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(check_constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "check_constraint_name": _check_name,
    }
)
"""One name for every constraint and index, so that migrations can alter it and errors can be traced."""


def adopt_naming(metadata: MetaData) -> None:
    """Give metadata the naming convention, unless its owner has chosen one."""
    if metadata.naming_convention == DEFAULT_NAMING_CONVENTION:
        metadata.naming_convention = NAMING_CONVENTION
