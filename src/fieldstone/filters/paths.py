"""A dotted path from a model to one of its attributes, or to one of a related model.

A path is resolved when a resource declares it, against the mapper and nothing else: what comes
from outside is only ever compared with paths that were resolved here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Mapper, aliased
from sqlmodel import SQLModel

from fieldstone.errors import DesignError
from fieldstone.keys import mapper_of


@dataclass(frozen=True)
class Path:
    """Lead from a model, through relationships, to an attribute of the last model on the way.

    `column` is None where the path ends at a relationship.
    """

    text: str
    owner: type[SQLModel]
    column: Any
    many: bool
    """Whether a to-many relationship stands on the way."""
    optional: bool
    """Whether a relationship on the way may lead nowhere."""

    @property
    def name(self) -> str:
        """The attribute at the end."""
        return self.text.rpartition(".")[2]

    @property
    def nullable(self) -> bool:
        """Whether a row that has the attribute may have no value in it."""
        return self.column is None or getattr(self.column, "nullable", True)


def resolve(model: type[SQLModel], text: str) -> Path:
    """Follow a path from a model. Raises DesignError with what there is where it leads nowhere."""
    mapper, many, optional = mapper_of(model), False, False
    *relationships, name = text.split(".")
    for step in relationships:
        if step not in mapper.relationships:
            raise _lost(text, step, mapper, "relationships", mapper.relationships.keys())
        relationship = mapper.relationships[step]
        many = many or bool(relationship.uselist)
        optional = optional or any(column.nullable for column in relationship.local_columns)
        mapper = relationship.mapper
    if name in mapper.relationships:
        return Path(text, mapper.class_, None, many, optional)
    if name not in mapper.column_attrs:
        names = [*mapper.column_attrs.keys(), *mapper.relationships.keys()]
        raise _lost(text, name, mapper, "attributes", names)
    return Path(text, mapper.class_, mapper.column_attrs[name].columns[0], many, optional)


def _lost(text: str, step: str, mapper: Mapper[Any], what: str, known: Sequence[str]) -> DesignError:
    return DesignError(
        f"The path {text!r} leads nowhere: {mapper.class_.__name__} has no {step!r}. "
        f"Its {what} are: {', '.join(known) or 'none'}."
    )


def related_to(entity: Any, name: str) -> tuple[Any, Any]:
    """Give an alias of what a relationship leads to, and the attribute that connects it.

    An alias each time, since a path may come back to a table that it started from.
    """
    attribute = getattr(entity, name)
    target = aliased(attribute.property.mapper.class_, flat=True)
    return target, attribute.of_type(target)


def value_at(entity: Any, text: str) -> Any:
    """Build the value at the end of a path that leads to one row at most.

    Further away than the entity itself it is a subquery: a join would have to be agreed upon with
    the statement that this becomes a part of.
    """
    first, *rest = text.split(".")
    if not rest:
        return getattr(entity, first)
    start, link = related_to(entity, first)
    here, joins = start, []
    for name in rest[:-1]:
        here, step = related_to(here, name)
        joins.append(step)
    subquery = select(getattr(here, rest[-1])).select_from(start)
    for step in joins:
        subquery = subquery.join(step)
    return subquery.where(link).correlate(entity).scalar_subquery()
