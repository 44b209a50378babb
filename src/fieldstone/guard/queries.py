"""What a session is about to ask, and why: its code, or an attribute that was not loaded or has expired."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from sqlalchemy.orm import InstanceState, ORMExecuteState
from sqlalchemy.orm.attributes import QueryableAttribute

from fieldstone.guard.lives import Query, Relationship, life_of, name_of, relationships_in, way_to
from fieldstone.guard.sites import here, is_users


def query_of(state: ORMExecuteState) -> Query:
    """Describe what is about to run."""
    moment = here()
    if not state.is_orm_statement or not state.is_select:
        return Query(moment, "query")
    if state.lazy_loaded_from is not None:
        return _lazy(state, state.lazy_loaded_from)
    if state.is_relationship_load:
        return _eager(state)
    if state.is_column_load:
        return _reload(state)
    mapper = state.bind_mapper
    return Query(moment, "query", mapper.class_.__name__ if mapper else "")


def _lazy(state: ORMExecuteState, parent: InstanceState[Any]) -> Query:
    relationship = relationship_of(state)
    life = life_of(parent)
    way = way_to(parent, life)
    return Query(
        here(),
        "lazy load",
        name_of(parent),
        relationship.key,
        way if relationship in way else (*way, relationship),
        life,
        id(parent),
    )


def relationship_of(state: ORMExecuteState) -> Relationship:
    """Give the relationship that a lazy load is about to fill."""
    return relationships_in(state.loader_strategy_path)[-1]


def _eager(state: ORMExecuteState) -> Query:
    path = relationships_in(state.loader_strategy_path)
    last = path[-1]
    return Query(here(), "eager load", last.parent.class_.__name__, last.key, path)


def _reload(state: ORMExecuteState) -> Query:
    # No public name says which instance is loaded anew; the tests hold both releases to this one.
    instance: InstanceState[Any] | None = getattr(state.load_options, "_refresh_state", None)
    if instance is None:
        return Query(here(), "query")
    attribute = accessed() or ""
    life = life_of(instance)
    path = way_to(instance, life)
    return Query(here(), "reload", name_of(instance), attribute, path, life, id(instance))


def accessed() -> str | None:
    """Name the attribute whose reading led here: the outermost one below the user's code."""
    name = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_users(frame.f_code.co_filename, frame):
        if frame.f_code.co_name == "__get__":
            attribute = frame.f_locals.get("self")
            if isinstance(attribute, QueryableAttribute):
                name = attribute.key
        frame = frame.f_back
    return name
