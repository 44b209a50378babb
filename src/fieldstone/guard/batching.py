"""Batch mode: a lazy load fetches its relationship for all instances that came from the same query.

    with batch_loading():
        for task in session.exec(select(Task)):
            print(task.project.name)        # 2 statements instead of one for each task

The first load of a relationship asks once for the rows of all siblings, puts them into place with
`set_committed_value`, and answers the load that was asked for from the same rows. So code that walks from row
to row stops to be an N+1 without a change. It is for sync code; an async session loads nothing on access.

What a row gets is what its own lazy load would have given it. Where that cannot be promised, a load stays
as it is: with an instance that is not stored yet, a relationship that is loaded dynamically or ordered by its
link table, or options that say something about what lies below.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Result, inspect, select, tuple_
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm import InstanceState, LoaderCriteriaOption, ORMExecuteState, RelationshipProperty, aliased
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.visitors import iterate

from fieldstone.guard.lives import Query, life_of
from fieldstone.guard.queries import relationship_of
from fieldstone.guard.recording import Recorder

Relationship = RelationshipProperty[Any]
State = InstanceState[Any]

MOST = 500

# Fieldstone leaves aliases alone whose names begin so: a hidden row's relationships are what they are.
_OWNER = "shown_owner"


class Batching(Recorder):
    """Answers lazy loads, of this context or of everywhere."""

    def asked(self, query: Query, state: ORMExecuteState) -> Result[Any] | None:
        parent = state.lazy_loaded_from
        if parent is None or state.session.get_bind(**state.bind_arguments).dialect.is_async:
            return None
        relationship = relationship_of(state)
        if not _is_alike_for_all(relationship, parent):
            return None
        siblings = _siblings(state, parent, relationship, query)
        if len(siblings) < 2:
            return None
        found = _load(state, relationship, siblings)
        _place(relationship, siblings, found, but=parent)
        return _result(found[_identity(parent)])


@contextmanager
def batch_loading(*, everywhere: bool = False) -> Iterator[None]:
    """Load relationships for all instances of a query at once, where the code would load them one by one."""
    batching = Batching(everywhere=everywhere)
    batching.start()
    try:
        yield
    finally:
        batching.stop()


def _is_alike_for_all(relationship: Relationship, parent: State) -> bool:
    """Tell whether one statement gives each instance what its own lazy load would have given it."""
    if parent.key is None or parent.modified or relationship.lazy in ("dynamic", "write_only", "noload"):
        return False
    if relationship.secondary is not None and any(
        getattr(part, "table", None) is relationship.secondary
        for ordering in relationship.order_by or ()
        for part in iterate(ordering)
    ):
        return False
    return all(
        isinstance(option, LoaderCriteriaOption)
        and (not option.include_aliases or getattr(option, "spares_shown_aliases", False))
        for option in parent.load_options
    )


def _siblings(state: ORMExecuteState, parent: State, relationship: Relationship, query: Query) -> list[State]:
    """Give the instances that came with this one and lack the relationship as well, itself first."""
    origin = query.parent.query if query.parent is not None else None
    if origin is None:
        return []
    found = [parent]
    for instance in state.session.identity_map.values():
        other: State = inspect(instance)
        if (
            other is not parent
            and other.mapper.isa(relationship.parent)
            and relationship.key not in other.dict
            and not other.expired
            and not other.modified
            and other.load_options == parent.load_options
            and life_of(other).query is origin
        ):
            found.append(other)
            if len(found) == MOST:
                break
    return found


def _load(
    state: ORMExecuteState, relationship: Relationship, siblings: Sequence[State]
) -> dict[tuple[Any, ...], list[Any]]:
    owner = aliased(relationship.parent.class_, name=_OWNER)
    keys = [
        getattr(owner, relationship.parent.get_property_by_column(column).key)
        for column in relationship.parent.primary_key
    ]
    identities = [_identity(one) for one in siblings]
    picked = keys[0].in_([key for (key,) in identities]) if len(keys) == 1 else tuple_(*keys).in_(identities)
    statement: Any = (
        select(*keys, relationship.mapper.class_)
        .select_from(owner)
        .join(getattr(owner, relationship.key))
        .where(picked)
        .options(*siblings[0].load_options)
    )
    if relationship.order_by:
        statement = statement.order_by(*relationship.order_by)
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    options = {name: value for name, value in state.execution_options.items() if not name.startswith("_sa_")}
    for *key, target in state.session.execute(statement, execution_options=options).unique():
        found[tuple(key)].append(target)
    return found


def _place(
    relationship: Relationship,
    siblings: Iterable[State],
    found: dict[tuple[Any, ...], list[Any]],
    *,
    but: State,
) -> None:
    for one in siblings:
        instance = one.obj()
        if one is not but and instance is not None:
            rows = found[_identity(one)]
            value = rows if relationship.uselist else next(iter(rows), None)
            set_committed_value(instance, relationship.key, value)


def _identity(state: State) -> tuple[Any, ...]:
    assert state.key is not None
    return tuple(state.key[1])


def _result(rows: Sequence[Any]) -> Result[Any]:
    return _Rows(SimpleResultMetaData(["row"]), iter([(row,) for row in rows]))


class _Rows(IteratorResult[Any]):
    """Rows that are unique already: SQLAlchemy would hash them, which instances of SQLModel do not bear."""

    def unique(self, strategy: Any = None) -> Self:
        return self
