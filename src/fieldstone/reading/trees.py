"""Trees within one table: everything below a row, and the way up from it.

The keys are found by a recursive query inside the one statement that reads the rows; what else the
schema names is read as ever. What links the rows comes back with them, so the tree is built here: it
ends where another program stored a ring, and objects are made from the leaves up, which a validator
that descends could not do at any depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, create_model
from sqlalchemy import or_
from sqlalchemy import select as select_keys
from sqlmodel import Session, SQLModel, select

from fieldstone.branches import Branch, branches_of, columns_of, downwards, equal, upwards
from fieldstone.cache import cached
from fieldstone.errors import InvalidValues, NotFound, PlanError, Problem
from fieldstone.keys import among, key_attributes, key_names, key_values, mapper_of
from fieldstone.reading.fetching import fetch
from fieldstone.reading.objects import object_of
from fieldstone.reading.plans import Depth
from fieldstone.schemas import related_schema
from fieldstone.verbs import verb

SchemaT = TypeVar("SchemaT", bound=BaseModel)
Key = tuple[Any, ...]

# A stored ring is walked once for each level that is asked for.
DEEPEST = 1_000


@verb(reads=True)
def subtree(
    session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT], *, depth: int | None = None
) -> SchemaT:
    """Read a row with all that stands below it, into a schema that contains itself.

    `depth` is how many levels below the row are read; by default what the schema's `Depth` says, or
    else all. Children come in their relationship's order, then by key. Raises NotFound.
    """
    shape = _shape(model, schema)
    levels = shape.levels if depth is None else depth
    if levels is not None and not 0 <= levels <= DEEPEST:
        raise InvalidValues(
            "A subtree", [Problem(("depth",), "out_of_range", f"must be from 0 to {DEEPEST}")]
        )
    values = key_values(model, key)
    placed = shape.placed(fetch(session, _below(model, shape, values, levels), shape.row), values)
    if not placed:
        raise NotFound(model.__name__, key=key)
    for one in reversed(placed):
        one.made = shape.object(one, levels)
    root: SchemaT = placed[0].made
    return root


@verb(reads=True)
def ancestors(
    session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT], *, through: str | None = None
) -> list[SchemaT]:
    """Read what stands above a row: the root first, its parent last.

    `through` names the relationship to the parent, where the model has several. Raises NotFound.
    """
    branch, values = _branch(model, through), key_values(model, key)
    rows = fetch(session, _above(model, branch, values), _row(model, schema, branch))
    start = next((row for row in rows if _values(row, key_names(model)) == values), None)
    if start is None:
        raise NotFound(model.__name__, key=key)
    way = [*_way_up(start, rows, branch)]
    return [
        object_of(schema, {name: vars(row)[name] for name in schema.model_fields}, subject=model.__name__)
        for row in reversed(way)
    ]


def _way_up(start: Any, rows: list[Any], branch: Branch) -> Iterator[Any]:
    left = {_values(row, branch.key): row for row in rows if row is not start}
    above = left.pop(_values(start, branch.up), None)
    while above is not None:
        yield above
        above = left.pop(_values(above, branch.up), None)


def _below(model: type[SQLModel], shape: _Shape, key: Key, levels: int | None) -> Any:
    branch, start = shape.branch, shape.branch.table.alias()
    keys = downwards(branch, start, levels, equal(_key_columns(start), key))
    found = among(_attributes(model, branch), select_keys(*columns_of(keys, "own", branch)))
    order: Any = mapper_of(model).relationships[shape.name].order_by or ()
    return select(model).where(found).order_by(*order, *key_attributes(model))


def _above(model: type[SQLModel], branch: Branch, key: Key) -> Any:
    start = branch.table.alias()
    path = upwards(branch, start, equal(_key_columns(start), key))
    found = among(_attributes(model, branch), select_keys(*columns_of(path, "above", branch)))
    return select(model).where(or_(equal(key_attributes(model), key), found))


def _key_columns(table: Any) -> list[Any]:
    return list(table.primary_key)


def _attributes(model: type[SQLModel], branch: Branch) -> list[Any]:
    return [getattr(model, name) for name in branch.key]


# Shapes: how a schema holds a tree


@dataclass(frozen=True, eq=False)
class _Shape:
    """The field that holds the children, and a schema for rows without it."""

    model: type[SQLModel]
    schema: type[BaseModel]
    branch: Branch
    name: str
    row: type[BaseModel]
    levels: int | None

    def placed(self, rows: Iterable[Any], key: Key) -> list[_Placed]:
        """Give each row its level and children, parents first. A row is placed once, whatever is stored."""
        below: dict[Key, list[Any]] = {}
        for row in rows:
            if _values(row, key_names(self.model)) == key:
                below[()] = [row]
            else:
                below.setdefault(_values(row, self.branch.up), []).append(row)
        placed = [_Placed(row, 0) for row in below.pop((), [])]
        for one in placed:  # it grows while it is walked
            children = below.pop(_values(one.row, self.branch.key), [])
            one.children += [_Placed(child, one.level + 1) for child in children]
            placed += one.children
        return placed

    def object(self, one: _Placed, levels: int | None) -> BaseModel:
        """Make an object whose children are made; below the last level the field keeps its default."""
        names = self.schema.model_fields
        values = {name: vars(one.row)[name] for name in names if name != self.name}
        if levels is None or one.level < levels or names[self.name].is_required():
            values[self.name] = [child.made for child in one.children]
        return object_of(self.schema, values, subject=self.model.__name__)


@dataclass(eq=False)
class _Placed:
    """A row in its place."""

    row: Any
    level: int
    children: list[_Placed] = field(default_factory=list)
    made: Any = None


@cached
def _shape(model: type[SQLModel], schema: type[BaseModel]) -> _Shape:
    if not schema.__pydantic_complete__:
        schema.model_rebuild()
    relationships = mapper_of(model).relationships
    found = [
        (branch, name, info)
        for branch in branches_of(model)
        for name, info in schema.model_fields.items()
        if name in branch.children and related_schema(schema, name, info, relationships[name]) is schema
    ]
    if len(found) != 1:
        raise _not_one(model, schema, [name for _, name, _ in found])
    branch, name, info = found[0]
    levels = next((one.levels for one in info.metadata if isinstance(one, Depth)), None)
    return _Shape(model, schema, branch, name, _row(model, schema, branch, name), levels)


def _not_one(model: type[SQLModel], schema: type[BaseModel], found: list[str]) -> PlanError:
    if found:
        return PlanError(
            f"{schema.__name__} contains itself several times: {', '.join(found)}. Keep one of them."
        )
    lists = [name for branch in branches_of(model) for name in branch.children]
    if not lists:
        return PlanError(f"{model.__name__} has no tree: no list of its own rows leads down from a row.")
    written = " or ".join(f'{name}: list["{schema.__name__}"]' for name in lists)
    return PlanError(
        f"{schema.__name__} cannot hold a subtree of {model.__name__}: it does not contain itself. "
        f"Add to it {written}."
    )


@cached
def _row(
    model: type[SQLModel], schema: type[BaseModel], branch: Branch, without: str | None = None
) -> type[BaseModel]:
    """Make a schema for what is read: the schema's fields unvalidated, and what links the rows."""
    if not schema.__pydantic_complete__:
        schema.model_rebuild()
    relationships = mapper_of(model).relationships
    links = dict.fromkeys((*key_names(model), *branch.key, *branch.up), (Any | None, ...))
    fields: dict[str, Any] = {
        name: (info.annotation, copy(info)) if name in relationships else (Any | None, ...)
        for name, info in schema.model_fields.items()
        if name != without
    }
    config = ConfigDict(protected_namespaces=())
    return create_model(schema.__name__, __config__=config, **{**links, **fields})


def _branch(model: type[SQLModel], through: str | None) -> Branch:
    branches = branches_of(model)
    named = [one for one in branches if through is None or through in one.parents]
    if len(named) == 1:
        return named[0]
    names = [name for branch in branches for name in branch.parents]
    if not names:
        raise PlanError(
            f"{model.__name__} has no tree: no relationship leads up from a row to its own table."
        )
    asked = "has several relationships" if through is None else f"has no relationship {through!r}"
    raise PlanError(
        f"{model.__name__} {asked} to a parent. Name one: " + ", ".join(f"through={name!r}" for name in names)
    )


def _values(row: Any, names: Iterable[str]) -> Key:
    return tuple(vars(row)[name] for name in names)
