"""A row with its children and links, made of nested values before anything is written.

Each nested object keeps the path that leads to it, so whatever is refused, here or by the database,
can be said where it was sent: `/assignments/2/worker_id`. A nested object that holds the key of its model
and nothing else names a stored row (where the relationship leads to rows that live by themselves);
any other is a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import RelationshipProperty
from sqlmodel import SQLModel

from fieldstone.errors import InvalidValues, Problem
from fieldstone.keys import key_names, key_values, mapper_of
from fieldstone.models.validation import twins_of
from fieldstone.schemas import stored_values
from fieldstone.writing.rows import filled_in
from fieldstone.writing.uniques import unique_keys

Path = tuple[str | int, ...]
Key = tuple[Any, ...]
Data = BaseModel | Mapping[str, Any]
Fills = Callable[[type[SQLModel]], Mapping[str, Any]]

# Nobody writes deeper by hand, and what walks nested values must not run out of stack.
DEEPEST = 50

# Who sends many wrong rows needs the first faults, not an answer longer than the request.
MOST_PROBLEMS = 100


@dataclass(eq=False)
class Node:
    """A new row: where it was sent, its values before it is written, and what fills its other columns."""

    model: type[SQLModel]
    path: Path
    instance: Any = None
    values: dict[str, Any] = field(default_factory=dict)
    filled: dict[str, object] = field(default_factory=dict)
    sent_as: dict[str, Path] = field(default_factory=dict)

    def where(self, name: str) -> Path:
        """Lead to where the value of an attribute was sent."""
        return self.sent_as.get(name, (*self.path, name))

    def known(self, names: tuple[str, ...]) -> Key | None:
        """Give the values of these attributes, if all are known before the row is written."""
        if any(name in self.filled for name in names):
            return None
        found = tuple(self.values.get(name) for name in names)
        return None if None in found else found


@dataclass(frozen=True, eq=False)
class Reference:
    """A stored row that a new row is to be linked to."""

    owner: Node
    name: str
    target: type[SQLModel]
    key: Key
    path: Path


@dataclass(eq=False)
class Nest:
    """Everything that one nested value says: the new rows, the root first, and the references."""

    nodes: list[Node] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fills: Fills = lambda _: {}

    @property
    def root(self) -> Node:
        return self.nodes[0]

    def refuse(self) -> None:
        """Raise what is wrong so far, all at once."""
        if self.problems:
            raise InvalidValues(self.root.model.__name__, self.problems[:MOST_PROBLEMS])

    def new(self, model: type[SQLModel], data: Data, path: Path, filled: Mapping[str, object]) -> Node:
        """Make a row and all below it."""
        node = Node(model, path, filled=dict(filled))
        self.nodes.append(node)
        if sum(isinstance(step, str) for step in path) > DEEPEST:
            self.problems.append(Problem(path, "too_deep", f"is nested more than {DEEPEST} levels deep"))
            return node
        nested: dict[str, Any] = {}
        related: dict[str, Any] = {}
        try:
            columns = stored_values(data, model, related=nested.__setitem__)
            for name, value in nested.items():
                columns.pop(name)
                self._follow(node, columns, related, name, value)
            if path:  # a foreign key that may stand in the related object instead is asked for below
                columns = _without_null(columns, twins_of(model).deferred)
            columns = filled_in(model, columns, self.fills(model), path)
            node.instance = model.model_validate({**columns, **related})
            names = mapper_of(model).columns.keys()
            node.values = {name: vars(node.instance).get(name) for name in names}
            self._require(node)
        except InvalidValues as error:
            self.problems += [Problem((*path, *one.path), one.rule, one.message) for one in error.problems]
        return node

    def _follow(
        self, node: Node, columns: dict[str, Any], related: dict[str, Any], name: str, value: Any
    ) -> None:
        """Turn what was sent for a relationship into new rows and references."""
        relationship = mapper_of(node.model).relationships[name]
        if not relationship.uselist:
            if value is not None:
                self._one(node, columns, related, relationship, value)
            return
        path = (*node.path, name)
        if isinstance(value, (str, bytes, Mapping, BaseModel)) or not isinstance(value, Iterable):
            self.problems.append(Problem(path, "list_type", "Input should be a list"))
            return
        made = [self._item(node, relationship, each, (*path, place)) for place, each in enumerate(value)]
        related[name] = [each for each in made if each is not None]

    def _one(
        self,
        node: Node,
        columns: dict[str, Any],
        related: dict[str, Any],
        relationship: RelationshipProperty[Any],
        value: Any,
    ) -> None:
        path = (*node.path, relationship.key)
        target = relationship.mapper.class_
        keys = _keys_here(relationship)
        for twice in [key for key in keys if columns.get(key) is not None]:
            message = f"is sent beside {relationship.key}, which says the same. Send one of them"
            self.problems.append(Problem((*node.path, twice), "ambiguous", message))
        if keys and _is_key(value, target) and set(keys.values()) == set(key_names(target)):
            given = dict(zip(key_names(target), self._key(value, target, path), strict=False))
            columns |= {here: given.get(there) for here, there in keys.items()}
            node.sent_as |= {here: (*path, there) for here, there in keys.items()}
            return
        made = self._item(node, relationship, value, path)
        for key in keys:
            columns.pop(key, None)
            node.filled[key] = ("object", id(made))
        if made is not None:
            related[relationship.key] = made

    def _item(self, node: Node, relationship: RelationshipProperty[Any], value: Any, path: Path) -> Any:
        target = relationship.mapper.class_
        if isinstance(value, target):
            return value
        if not isinstance(value, (BaseModel, Mapping)):
            self.problems.append(Problem(path, "model_type", f"Input should be a {target.__name__}"))
            return None
        if relationship.secondary is not None and _is_key(value, target):
            key = self._key(value, target, path)
            self.references += [Reference(node, relationship.key, target, key, path)] if key else []
            return None
        return self.new(target, value, path, dict.fromkeys(_keys_there(relationship), node)).instance

    def _key(self, value: Any, target: type[SQLModel], path: Path) -> Key:
        try:
            return key_values(target, dict(value))
        except InvalidValues as error:
            self.problems += [Problem((*path, *one.path), one.rule, one.message) for one in error.problems]
            return ()

    def _require(self, node: Node) -> None:
        """Ask for foreign keys that neither a value nor a nested object gives."""
        for name in sorted(twins_of(node.model).deferred if node.path else ()):
            if node.values.get(name) is None and name not in node.filled:
                self.problems.append(Problem((*node.path, name), "missing", "Field required"))

    def repeated(self, dialect: str) -> Iterator[Problem]:
        """Yield what is in the same list twice, which the database would refuse without saying where."""
        seen: set[object] = set()
        for node in self.nodes:
            for key in unique_keys(node.model, dialect):
                values = tuple(node.filled.get(name, node.values.get(name)) for name in key.fields)
                if not values or None in values or not key.full:
                    continue
                if (node.model, key.fields, values) in seen:
                    yield Problem(node.where(_to_blame(node, key.fields)), "unique", _REPEATED)
                seen.add((node.model, key.fields, values))
        for one in self.references:
            if (one.owner, one.name, one.key) in seen:
                yield Problem((*one.path, key_names(one.target)[0]), "unique", _REPEATED)
            seen.add((one.owner, one.name, one.key))


_REPEATED = "repeats one before it. Send each once"


def nest(data: Data, model: type[SQLModel], fills: Fills) -> Nest:
    """Make a row with everything nested in it; `fills` gives the values that each row of a model gets.

    Raises InvalidValues, with the path of each problem, and OutOfScope.
    """
    made = Nest(fills=fills)
    made.new(model, data, (), {})
    made.refuse()
    return made


def _without_null(columns: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not None or name not in names}


def _to_blame(node: Node, names: tuple[str, ...]) -> str:
    return next((name for name in names if name not in node.filled), names[0])


def _is_key(value: Any, target: type[SQLModel]) -> bool:
    names = value.keys() if isinstance(value, Mapping) else getattr(type(value), "model_fields", {}).keys()
    return set(names) == set(key_names(target))


def _keys_here(relationship: RelationshipProperty[Any]) -> dict[str, str]:
    """Name the attributes on this side that the relationship fills, each with the one it is filled from."""
    if relationship.direction.name != "MANYTOONE":
        return {}
    here, there = relationship.parent, relationship.mapper
    return {
        here.get_property_by_column(local).key: there.get_property_by_column(remote).key
        for local, remote in relationship.local_remote_pairs or ()
    }


def _keys_there(relationship: RelationshipProperty[Any]) -> list[str]:
    if relationship.direction.name != "ONETOMANY":
        return []
    return [relationship.mapper.get_property_by_column(column).key for column in relationship.remote_side]
