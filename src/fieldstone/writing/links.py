"""Which rows a many-to-many relationship stores, plain or with fields of its own.

A link is a row that is known by two foreign keys: to the row that has the relationship, and to
another one, the target. `Task.tags` stores it in a link table, `Task.assignments` as an association
object with a role. Both are written alike here, so both need a unique key over the two: without one
a database could not tell a repeated link from a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Column, ColumnElement, Table, UniqueConstraint
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlmodel import SQLModel

from fieldstone.branches import equal
from fieldstone.cache import cached
from fieldstone.errors import InvalidValues, PlanError, Problem
from fieldstone.keys import among, key_names, key_values, mapper_of
from fieldstone.schemas import stored_values
from fieldstone.visibility import is_hiding

Key = tuple[Any, ...]
Values = BaseModel | Mapping[str, Any]
Sent = frozenset[str]
Targets = Iterable[Any] | Mapping[Any, Values]


@dataclass(frozen=True, eq=False)
class Links:
    """The rows behind one relationship of a model: where they are stored and what they are known by."""

    model: type[SQLModel]
    name: str
    table: Table
    mapper: Mapper[Any] | None
    near: tuple[Column[Any], ...]
    far: tuple[Column[Any], ...]

    @property
    def target(self) -> type[SQLModel] | None:
        """The model that the far key points to, if it does so by primary key."""
        return _pointed_to(mapper_of(self.model), self.far)

    @property
    def far_names(self) -> tuple[str, ...]:
        """The fields of the far key, as errors name them."""
        return tuple(self.attribute(column) for column in self.far)

    @property
    def near_names(self) -> tuple[str, ...]:
        """The fields of the near key, as errors name them."""
        return tuple(self.attribute(column) for column in self.near)

    def attribute(self, column: Column[Any]) -> str:
        return column.key if self.mapper is None else self.mapper.get_property_by_column(column).key

    def of(self, key: Key) -> ColumnElement[bool]:
        """Build the condition for the links of one row."""
        return equal(self.near, key)

    def to(self, targets: Iterable[Key]) -> ColumnElement[bool]:
        """Build the condition for links to any of the targets."""
        return among(self.far, list(targets))

    def targets(self, given: Targets) -> dict[Key, Values]:
        """Read the targets' keys, each with what its link says besides; the last of equal keys counts."""
        if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
            raise TypeError(
                f"The targets of {self.model.__name__}.{self.name} are a list of keys, or a mapping from "
                f"keys to the link's own fields, not {type(given).__name__}. Write: [{given!r}]"
            )
        items: Any = given.items() if isinstance(given, Mapping) else ((one, {}) for one in given)
        return {self._key(one): values for one, values in items}

    def rows(self, key: Key, targets: Mapping[Key, Values]) -> Iterator[tuple[Sent, dict[str, Any]]]:
        """Make the stored values of each link, by column, with the columns that were sent for it."""
        for target, values in targets.items():
            known = dict(zip((*self.near, *self.far), (*key, *target), strict=True))
            sent, stored = self._stored(target, known, values)
            yield frozenset(sent), stored

    def _key(self, given: Any) -> Key:
        if self.target is not None:
            return key_values(self.target, given)
        return tuple(given) if isinstance(given, (tuple, list)) else (given,)

    def _stored(
        self, target: Key, known: dict[Column[Any], Any], values: Values
    ) -> tuple[list[str], dict[str, Any]]:
        if self.mapper is None:
            if dict(values):
                raise PlanError(
                    f"{self.model.__name__}.{self.name} stores links without fields of their own: the table "
                    f"{self.table.name} has no model. Give it one, and name it as link_model."
                )
            return [], {column.key: value for column, value in known.items()}
        named = {self.attribute(column): value for column, value in known.items()}
        path = ",".join(map(str, target))
        try:
            sent = stored_values(values, self.mapper.class_, sent_only=True)
            instance = self.mapper.class_.model_validate({**sent, **named})
        except InvalidValues as error:
            inside = [Problem((path, *one.path), one.rule, one.message) for one in error.problems]
            raise InvalidValues(error.subject, inside) from error
        columns = {name: column.key for name, column in self.mapper.columns.items()}
        stored = {columns[name]: value for name, value in vars(instance).items() if name in columns}
        is_made = self.table.autoincrement_column
        if is_made is not None and stored.get(is_made.key) is None:
            stored.pop(is_made.key, None)
        return [columns[name] for name in sent if name not in named], stored


@cached
def links_of(model: type[SQLModel], name: str) -> Links:
    """Find the links that a relationship stores. Raises PlanError where it stores none."""
    mapper = mapper_of(model)
    mapper.registry.configure()
    found = _found(mapper, name)
    if found is None:
        others = [one.key for one in mapper.relationships if _found(mapper, one.key) is not None]
        raise PlanError(
            f"{model.__name__}.{name} stores no links: those are rows with a unique key over two foreign "
            f"keys, one of them to {model.__name__}. {model.__name__} has links in: "
            f"{', '.join(others) or 'none'}."
        )
    if found.mapper is not None and is_hiding(found.mapper.class_):
        raise PlanError(
            f"{model.__name__}.{name} cannot be linked: {found.mapper.class_.__name__} keeps its deleted "
            "rows, and a link is there or not. Use create(...), delete(...) and restore(...) on it."
        )
    return found


def _found(mapper: Mapper[Any], name: str) -> Links | None:
    relationship = mapper.relationships.get(name)
    if relationship is None or not relationship.uselist or relationship.viewonly:
        return None
    table: Any = relationship.mapper.local_table if relationship.secondary is None else relationship.secondary
    if not isinstance(table, Table) or relationship.direction.name == "MANYTOONE":
        return None
    near = _near(mapper, relationship)
    far = next((one for one in _rest(table, set(near)) if _is_far(relationship, one)), None)
    if not near or far is None:
        return None
    owner = next((one for one in mapper.registry.mappers if one.local_table is table), None)
    return Links(mapper.class_, name, table, owner, near, far)


def _near(mapper: Mapper[Any], relationship: RelationshipProperty[Any]) -> tuple[Column[Any], ...]:
    """Give the columns that hold the row's primary key, in its order."""
    pairs: dict[Any, Any] = dict(relationship.synchronize_pairs)
    names = {mapper.get_property_by_column(local).key: remote for local, remote in pairs.items()}
    keys = key_names(mapper.class_)
    return tuple(names[name] for name in keys) if set(names) == set(keys) else ()


def _rest(table: Table, near: set[Column[Any]]) -> Iterator[tuple[Column[Any], ...]]:
    """Yield what each unique key has besides the near columns."""
    unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    for constraint in (table.primary_key, *sorted(unique, key=lambda one: str(one.name))):
        columns = list(constraint.columns)
        rest = tuple(column for column in columns if column not in near)
        if near <= set(columns) and rest:
            yield rest


def _is_far(relationship: RelationshipProperty[Any], columns: tuple[Column[Any], ...]) -> bool:
    if relationship.secondary is not None:
        return {far for _, far in relationship.secondary_synchronize_pairs or ()} == set(columns)
    return all(column.foreign_keys for column in columns)


def _pointed_to(mapper: Mapper[Any], columns: tuple[Column[Any], ...]) -> type[SQLModel] | None:
    referred = [next(iter(column.foreign_keys)).column for column in columns if column.foreign_keys]
    for one in mapper.registry.mappers:
        if list(one.local_table.primary_key) == referred and one.inherits is None:
            found: type[SQLModel] = one.class_
            return found
    return None
