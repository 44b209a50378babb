"""What makes a row unique: the primary key, unique constraints and unique indexes of a model.

An upsert has to name one of them. The database finds it by its columns and, where the index is
partial, by its condition; so that is what is kept here, and the name is only a way to ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnElement,
    Index,
    Table,
    TextClause,
    UniqueConstraint,
    and_,
    bindparam,
    text,
)
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.visitors import cloned_traverse, replacement_traverse
from sqlmodel import SQLModel

from fieldstone.errors import ModelError
from fieldstone.keys import mapper_of
from fieldstone.models.constraints import FULL_BUT_DELETED

On = str | Sequence[str]


@dataclass(frozen=True)
class UniqueKey:
    """Columns or expressions of which no two rows have the same values, all rows or those `where`.

    `fields` names the model's attributes; it is empty where the key is over expressions.
    """

    name: str | None
    fields: tuple[str, ...]
    elements: tuple[Any, ...]
    where: Any = None
    full: bool = True
    """Whether it holds for all rows that are not deleted."""

    def matches(self, model: type[SQLModel], values: dict[str, Any]) -> ColumnElement[bool]:
        """Build the condition that finds the row that these values, or parameters, would collide with."""
        mapper = mapper_of(model)

        def bound(element: Any, **_: Any) -> Any:
            name = _attribute(mapper, element)
            return None if name is None else _literal(element, values.get(name))

        equal = [element == replacement_traverse(element, {}, bound) for element in self.elements]
        return and_(*equal) if self.where is None else and_(*equal, self.where)

    def __str__(self) -> str:
        what = ", ".join(self.fields or map(str, self.elements))
        return f"{what} ({self.name})" if self.name else what


def unique_keys(model: type[SQLModel], dialect: str) -> Iterator[UniqueKey]:
    """Yield the unique keys of a model as a database of this dialect has them."""
    mapper, table = mapper_of(model), mapper_of(model).local_table
    if not isinstance(table, Table):
        return
    yield _key(mapper, table.primary_key.name, table.primary_key.columns)
    for constraint in sorted(table.constraints, key=lambda one: str(one.name)):
        if isinstance(constraint, UniqueConstraint):
            yield _key(mapper, constraint.name, constraint.columns)
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        if index.unique and not any(isinstance(one, TextClause) for one in index.expressions):
            where = _condition(index, dialect)
            full = index.info.get(FULL_BUT_DELETED, where is None)
            yield _key(mapper, index.name, index.expressions, where, full=full)


def unique_key(model: type[SQLModel], on: On, dialect: str) -> UniqueKey:
    """Find a unique key by its name or its fields. Raises ModelError, listing those there are."""
    keys = tuple(unique_keys(model, dialect))
    wanted = {on} if isinstance(on, str) else set(on)
    named = [key for key in keys if isinstance(on, str) and key.name == on]
    found = named or [key for key in keys if key.fields and set(key.fields) == wanted]
    found = [key for key in found if key.full][:1] or found
    if len(found) == 1:
        return found[0]
    asked = f"{on!r}" if isinstance(on, str) else f"({', '.join(map(repr, on))})"
    if found:
        raise ModelError(
            f"{model.__name__} has several unique keys over {asked}, each for some of the rows. "
            f"Name one: {', '.join(str(key.name) for key in found)}."
        )
    raise ModelError(
        f"{model.__name__} has no unique key {asked}. Its unique keys are: {'; '.join(map(str, keys))}. "
        "Name one of them, or declare it with Field(unique=True) or a UniqueConstraint."
    )


def _key(
    mapper: Mapper[Any], name: Any, elements: Iterable[Any], where: Any = None, *, full: bool = True
) -> UniqueKey:
    parts = tuple(elements)
    fields = [_attribute(mapper, part) for part in parts]
    known = tuple(field for field in fields if field is not None)
    return UniqueKey(
        None if name is None else str(name), known if len(known) == len(parts) else (), parts, where, full
    )


def _attribute(mapper: Mapper[Any], element: Any) -> str | None:
    """Name the attribute that holds a column; None for anything else."""
    table: Any = mapper.local_table
    column = table.c.get(element.key) if isinstance(element, Column) and element.table is table else None
    return None if column is None else str(mapper.get_property_by_column(column).key)


def _condition(index: Index, dialect: str) -> Any:
    """Give an index's condition, its values written out: PostgreSQL cannot prove parameters equal."""
    where = index.dialect_options[dialect].get("where")
    if where is None:
        return None

    def write_out(parameter: Any) -> None:
        parameter.literal_execute = True

    condition = text(where) if isinstance(where, str) else where
    return cloned_traverse(condition, {}, {"bindparam": write_out})


def _literal(column: Any, value: Any) -> Any:
    if isinstance(value, ClauseElement):
        return value
    return bindparam(None, value, type_=column.type, unique=True)
