"""A dotted path from a model to one of its attributes, or to one of a related model.

A path is resolved when a resource declares it, against the mapper and nothing else: what comes
from outside is only ever compared with paths that were resolved here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty, aliased
from sqlmodel import SQLModel

from fieldstone.errors import DesignError
from fieldstone.keys import mapper_of, selected


@dataclass(frozen=True)
class Path:
    """Lead from a model, through relationships, to an attribute of the last model on the way.

    `column` is None where the path ends at a relationship.
    """

    text: str
    owner: type[SQLModel]
    column: Any
    many: bool
    """Whether a relationship on the way may lead to several rows."""
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
        by_key = relationship.direction is RelationshipDirection.MANYTOONE
        many = many or not (by_key or _leads_to_one(relationship))
        optional = optional or not by_key or any(column.nullable for column in relationship.local_columns)
        mapper = relationship.mapper
    if name in mapper.relationships:
        return Path(text, mapper.class_, None, many, optional)
    if name not in mapper.column_attrs:
        names = [*mapper.column_attrs.keys(), *mapper.relationships.keys()]
        raise _lost(text, name, mapper, "attributes", names)
    return Path(text, mapper.class_, mapper.column_attrs[name].columns[0], many, optional)


def _leads_to_one(relationship: RelationshipProperty[Any]) -> bool:
    """Whether a unique column points back, so that a join repeats no row; `uselist` is only a promise."""
    remote = {column for column in relationship.remote_side if isinstance(column, Column)}
    return relationship.secondary is None and any(
        column.unique or {column} == set(constraint.columns)
        for column in remote
        for constraint in column.table.constraints
        if isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint)
    )


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


class Way:
    """Reach the values at the ends of paths that lead to one row at most, each table joined once."""

    def __init__(self, statement: Any) -> None:
        self.statement = statement
        self._reached: dict[str, Any] = {"": selected(statement, "A sort")}

    def to(self, text: str) -> Any:
        """Give the value at the end of a path, with what it takes joined to the statement."""
        relationships, _, name = text.rpartition(".")
        return getattr(self._entity(relationships), name)

    def _entity(self, text: str) -> Any:
        if text not in self._reached:
            before, _, name = text.rpartition(".")
            self._reached[text], link = related_to(self._entity(before), name)
            self.statement = self.statement.outerjoin(link)
        return self._reached[text]
