"""From a plan to SQL, and from rows to values: the pure half of reading.

A `Layout` knows where each value of one statement stands in its rows. Applied to the user's own
`select(Model)` it replaces the columns and adds the to-one joins, and leaves everything else (joins,
filters, order, limit) as the user wrote it. Reading a row gives a dictionary in the shape of the
schema, and notes which parents wait for which collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, UnaryExpression, and_, bindparam, select
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import aliased

from fieldstone.cache import cached
from fieldstone.errors import PlanError
from fieldstone.keys import among_each, key_attributes, key_names, selected
from fieldstone.reading.plans import ReadPlan, Related
from fieldstone.visibility import SHOWN, is_hiding

Key = tuple[Any, ...]
Statement = Select[*tuple[Any, ...]]
Values = dict[str, Any]


@dataclass
class Waiting:
    """The parents that one collection is to be read for, by the key it finds them with."""

    parents: dict[Key, list[Values]] = field(default_factory=dict)

    def add(self, key: Key, values: Values) -> None:
        self.parents.setdefault(key, []).append(values)


Parents = dict[Related, Waiting]


class Layout:
    """Where the values of a plan, and of everything it joins, stand in a row.

    At `presence` a value shows that there is a row at all; `waiting` are the collections, each with the
    places of the key that its children are found by.
    """

    def __init__(self, plan: ReadPlan, entity: Any, start: int = 0) -> None:
        self.plan = plan
        self.entity = entity
        self.start = start
        self.end = start + len(plan.selected)
        self.joined: list[tuple[Related, Layout]] = []
        for related in plan.joins:
            layout = Layout(related.plan, _alias(related, self.end), self.end)
            self.joined.append((related, layout))
            self.end = layout.end
        places = {name: start + place for place, name in enumerate(plan.selected)}
        self.presence = places[key_names(plan.model)[0]]
        self.waiting = [(one, [places[name] for name in one.local_names]) for one in plan.collections]

    def columns(self) -> Iterator[Any]:
        """Yield what to select, in the order in which `read` expects it."""
        for name in self.plan.selected:
            yield getattr(self.entity, name)
        for _, layout in self.joined:
            yield from layout.columns()

    def join(self, statement: Statement) -> Statement:
        """Add the to-one joins; outer, so that no row is lost, and none multiplies one."""
        for related, layout in self.joined:
            path = getattr(self.entity, related.relationship.key).of_type(layout.entity)
            statement = layout.join(statement.join(path, isouter=True))
        return statement

    def read(self, row: Sequence[Any], parents: Parents) -> Values:
        """Turn a row into values, and register it with the collections that are still to be read."""
        values = dict(
            zip(self.plan.columns, row[self.start : self.start + len(self.plan.columns)], strict=True)
        )
        for related, layout in self.joined:
            missing = row[layout.presence] is None
            values[related.name] = None if missing else layout.read(row, parents)
        for related, places in self.waiting:
            values[related.name] = [] if related.many else None
            parents.setdefault(related, Waiting()).add(tuple(row[place] for place in places), values)
        return values


def root_statement(plan: ReadPlan, statement: Any, beside: Sequence[Any] = ()) -> tuple[Statement, Layout]:
    """Turn the user's `select(Model)` into the statement that reads the plan's columns.

    The columns `beside` them are in no schema; their values stand in the rows from `layout.end` on.
    """
    entity = selected(statement, f"A read into {plan.schema.__name__}", alone=True)
    layout = _root_layout(plan) if entity is plan.model else Layout(plan, entity)
    if statement._distinct and not statement._distinct_on:
        beside = [*beside, *_ordered_by(statement, entity, beside)]
    narrowed = statement.with_only_columns(*layout.columns(), *beside, maintain_column_froms=True)
    return layout.join(narrowed), layout


def _ordered_by(statement: Any, entity: Any, beside: Sequence[Any]) -> Iterator[Any]:
    """Select what DISTINCT rows are ordered by: PostgreSQL sorts them by nothing else."""
    mapper = sa_inspect(entity).mapper
    attributes = [getattr(entity, one.key) for one in mapper.column_attrs]
    own = {_place(attribute): attribute for attribute in attributes}
    known = {_place(one) for one in beside}
    for clause in statement._order_by_clauses:
        while isinstance(clause, UnaryExpression):
            clause = clause.element
        place = _place(clause)
        if place in own and place not in known:
            yield own[place]
        elif place not in known:
            name = mapper.class_.__name__
            raise PlanError(
                f"A DISTINCT select of {name} cannot be ordered by {str(clause)!r}, which is no column of "
                f"{name}. Order by its own columns, page with seek(...), or leave out distinct(): a filter "
                f"by exists, as in {name}.others.any(...), repeats no row."
            )


def _place(column: Any) -> tuple[Any, Any]:
    column = getattr(column, "expression", column)
    return getattr(column, "table", None), getattr(column, "key", None)


@cached
def key_statement(plan: ReadPlan, beside: tuple[str, ...] = ()) -> tuple[Statement, Layout, tuple[str, ...]]:
    """Build the statement that reads one row, with the names of the parameters that take its key."""
    names = tuple(f"key_{name}" for name in key_names(plan.model))
    matches = [attr == bindparam(name) for attr, name in zip(key_attributes(plan.model), names, strict=True)]
    columns = [getattr(plan.model, name) for name in beside]
    return *root_statement(plan, select(plan.model).where(*matches), columns), names


def child_statements(related: Related, keys: Iterable[Key]) -> Iterator[tuple[Statement, Layout]]:
    """Build the statement that reads a collection for all its parents; more only past what one can take.

    The first columns of its rows are the parent's key.
    """
    statement, owner, layout = child_statement(related)
    known = [key for key in keys if None not in key]
    for condition in among_each(owner, known):
        yield statement.where(condition), layout


def attach(related: Related, waiting: Waiting, key: Key, values: Values) -> None:
    """Hang a child on each of its parents."""
    for parent in waiting.parents[key]:
        if related.many:
            parent[related.name].append(values)
        elif parent[related.name] is None:
            parent[related.name] = values


@cached
def _root_layout(plan: ReadPlan) -> Layout:
    return Layout(plan, plan.model)


@cached
def child_statement(related: Related) -> tuple[Statement, list[Any], Layout]:
    """Build everything of a collection's statement but the keys of its parents."""
    owner, source = _owner(related)
    layout = Layout(related.plan, related.relationship.mapper.class_, start=len(owner))
    statement = source.with_only_columns(*owner, *layout.columns(), maintain_column_froms=True)
    return layout.join(statement).order_by(*_order(related)), owner, layout


def _alias(related: Related, start: int) -> Any:
    """Make an alias for a join. What a row needs is shown also where it is deleted: else it is no object."""
    model = related.relationship.mapper.class_
    return aliased(model, name=f"{SHOWN}{start}" if related.needed and is_hiding(model) else None)


def _owner(related: Related) -> tuple[list[Any], Statement]:
    """Give the columns that hold the parent's key, and the statement they stand in with the child."""
    relationship = related.relationship
    target = relationship.mapper.class_
    if not related.direct:
        parent = aliased(relationship.parent.class_, name=f"{SHOWN}parent")  # it has been read already
        path = getattr(parent, relationship.key).of_type(target)
        return list(key_attributes(parent)), select(target).select_from(parent).join(path)
    if relationship.secondary is None:
        keys = [
            relationship.mapper.get_property_by_column(remote).key
            for _, remote in relationship.synchronize_pairs
        ]
        return [getattr(target, key) for key in keys], select(target)
    link = relationship.secondary
    pairs = relationship.secondary_synchronize_pairs or []
    condition = and_(*[remote == local for local, remote in pairs])
    return [remote for _, remote in relationship.synchronize_pairs], select(target).join(link, condition)


def _order(related: Related) -> list[Any]:
    declared: Any = related.relationship.order_by or []
    return [*declared, *key_attributes(related.relationship.mapper.class_)]
