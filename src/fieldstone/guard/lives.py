"""What happened to an instance: which query loaded it, what expired and what detached it, with their lines.

It is kept in `InstanceState.info`, SQLAlchemy's own place for such things, and goes with the instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import InstanceState, RelationshipProperty

from fieldstone.guard.sites import Moment
from fieldstone.guard.statements import Purpose

KEY = "fieldstone_guard"
EXPIRED_BY = "fieldstone_expired_by"  # read by Model, which says it when it refuses to be dumped

Relationship = RelationshipProperty[Any]


@dataclass(slots=True, eq=False)
class Query:
    """One statement that went through a session: the code's own, or one that an attribute sent.

    `path` leads from what the code selected to what this loads; `parent` and `instance` are the life and
    the identity of the instance whose attribute was read.
    """

    moment: Moment
    purpose: Purpose
    entity: str = ""
    attribute: str = ""
    path: tuple[Relationship, ...] = ()
    parent: Life | None = None
    instance: int = 0
    why: str = ""

    @property
    def label(self) -> str:
        """Name what is loaded: an attribute of a model, and by what."""
        return f"{self.purpose} of {self.entity}.{self.attribute}" if self.attribute else self.purpose


@dataclass(slots=True, eq=False)
class Ending:
    """What took an instance's values, or its session: an operation, and the line that called it."""

    operation: str
    moment: Moment

    def __str__(self) -> str:
        # AsyncSession closes in a task of its own, which knows nothing of who asked for it.
        return f"{self.operation}() at {self.moment.place}" if self.moment.sites else f"{self.operation}()"


@dataclass(slots=True, eq=False)
class Life:
    """What is known of one instance."""

    query: Query | None = None
    expired: Ending | None = None
    detached: Ending | None = None
    parts: dict[str, Ending] = field(default_factory=dict)

    def expiry_of(self, name: str) -> Ending | None:
        """Say what expired an attribute last."""
        return self.parts.get(name, self.expired)


def life_of(state: InstanceState[Any]) -> Life:
    """Give the life of an instance; an empty one where nothing is known of it."""
    life = state.info.get(KEY)
    if life is None:
        life = state.info[KEY] = Life()
    found: Life = life
    return found


def expire(state: InstanceState[Any], names: Iterable[str] | None, ending: Ending) -> None:
    """Note what took the values of some attributes, or of all."""
    life = life_of(state)
    if names is None:
        life.expired = ending
        life.parts.clear()
    else:
        life.parts.update(dict.fromkeys(names, ending))
    state.info[EXPIRED_BY] = ending


def name_of(state: InstanceState[Any]) -> str:
    """Name the class of an instance."""
    return state.class_.__name__


def root_of(query: Query) -> Query:
    """Find the query that the code itself wrote, from one that an attribute sent."""
    for _ in range(_DEEPEST):
        if query.purpose != "lazy load" or query.parent is None or query.parent.query is None:
            break
        query = query.parent.query
    return query


def way_to(state: InstanceState[Any], life: Life) -> tuple[Relationship, ...]:
    """Give the relationships that lead from what the code selected to an instance."""
    taken = relationships_in(state.load_path)
    return taken or (life.query.path if life.query is not None else ())


def relationships_in(path: Any) -> tuple[Relationship, ...]:
    """Give the relationships of one of SQLAlchemy's loader paths."""
    return tuple(part for part in path.path if isinstance(part, RelationshipProperty)) if path else ()


_DEEPEST = 50
