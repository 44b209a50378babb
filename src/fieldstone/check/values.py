"""What is known of a value at a point of a function, and what is known of the objects at that point.

A value says as much as a rule may rely on; UNKNOWN stands for everything else, and stays UNKNOWN
whatever is done with it. Instances of models are things: values refer to them by number, so that two
names for one object see the same state, and a commit reaches all of them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fieldstone.check.modules import Function


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything; nothing follows from it."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Data that holds no instance of a model: a number, a text, a dict; its type if known."""

    type: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A class, function or module, by its address (see `fieldstone.check.addresses`)."""

    address: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the project together with the object it is called on."""

    function: Function
    receiver: Value


@dataclass(frozen=True, slots=True)
class Object:
    """An instance of a class of the project that is no table."""

    address: str


@dataclass(frozen=True, slots=True)
class Attr:
    """A column or relationship as an attribute of its class: `Task.title`."""

    model: str
    name: str


@dataclass(frozen=True, slots=True)
class Clause:
    """An expression of SQL."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine or connection."""

    asynchronous: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A session: asynchronous or not, whether commit expires, whose class it is of. None: not known.

    The key tells sessions of one function apart: the parameter's name, `self.session`, or the line of
    the call that makes it. The dependency is the address of the function that FastAPI gets it from.
    """

    key: str
    asynchronous: bool | None
    expires: bool | None
    sqlmodel: bool | None = None
    dependency: str | None = None
    parameter: bool = False


@dataclass(frozen=True, slots=True)
class Factory:
    """What makes sessions when it is called: a sessionmaker."""

    session: Session


@dataclass(frozen=True, slots=True)
class Select:
    """A statement being built, or a legacy Query: what it gives, and which clauses were said.

    `loaded` holds the relationships that its options load, as paths ("project", "project.owner");
    None if an option cannot be read. `sqlmodel` says whose `select` made it. `fixed` are the columns, by
    their class, that are compared for equality with one value.
    """

    entities: tuple[Value, ...]
    loaded: frozenset[str] | None = frozenset()
    joined: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    sqlmodel: bool | None = None
    kind: str = "select"
    session: str | None = None
    fixed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What a session gives for a statement, before rows are taken from it."""

    select: Select
    scalars: bool
    session: str | None
    unique: bool = False
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of a table; what is known of it stands in the state, under its number."""

    thing: int


@dataclass(frozen=True, slots=True)
class Many:
    """A list or other collection: what holds for one element holds for all."""

    element: Value


@dataclass(frozen=True, slots=True)
class Row:
    """A tuple, or a row of several entities."""

    elements: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Coroutine:
    """What a call gave that still has to be awaited, and the call."""

    value: Value
    call: ast.Call = field(compare=False)


@dataclass(frozen=True, slots=True)
class Context:
    """What `with` makes something of: the value that `as` binds, and what its end does to a session."""

    value: Value
    session: Session | None = None
    commits: bool = False
    closes: bool = False


Value: TypeAlias = (
    Unknown
    | Plain
    | Named
    | Method
    | Object
    | Attr
    | Clause
    | Engine
    | Session
    | Factory
    | Select
    | Result
    | Instance
    | Many
    | Row
    | Coroutine
    | Context
)
UNKNOWN = Unknown()
PLAIN = Plain()


class Status(StrEnum):
    """Where an instance is in its life (SQLAlchemy, "Quickie Intro to Object States")."""

    TRANSIENT = "transient"
    PENDING = "pending"  # added, or flushed in the transaction that still runs
    PERSISTENT = "persistent"
    DELETED = "deleted"
    DETACHED = "detached"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Expiry:
    """What expired an instance: "commit", "rollback" or "expire", and where."""

    verb: str
    line: int


@dataclass(frozen=True, slots=True)
class Thing:
    """What is known of an instance, or of all elements of a list of instances.

    `loaded` holds the relationships surely loaded by the query that gave it; None means that any may
    be. `kept` are attributes set since it expired. `session` is the key of its session. `fixed` are columns
    that its query says are the same in all its rows.
    """

    model: str
    status: Status
    session: str | None = None
    loaded: frozenset[str] | None = None
    expired: Expiry | None = None
    kept: frozenset[str] = frozenset()
    origin: int = 0
    fixed: frozenset[str] = frozenset()

    def has(self, relationship: str) -> bool:
        """Whether a relationship may be loaded."""
        return self.loaded is None or relationship in self.loaded

    def below(self, relationship: str) -> frozenset[str] | None:
        """The relationships loaded for what a relationship gives."""
        if self.loaded is None:
            return None
        start = relationship + "."
        return frozenset(path.removeprefix(start) for path in self.loaded if path.startswith(start))


@dataclass(slots=True)
class State:
    """What is known at one point of a function."""

    names: dict[str, Value] = field(default_factory=dict)
    things: dict[int, Thing] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    committed: frozenset[str] = frozenset()
    rolled_back: frozenset[str] = frozenset()

    def copy(self) -> State:
        """Copy, so that two branches do not see each other's changes."""
        return State(dict(self.names), dict(self.things), self.closed, self.committed, self.rolled_back)

    def thing(self, value: Value) -> Thing | None:
        """What is known of an instance, or of the elements of a list."""
        if isinstance(value, Many):
            value = value.element
        return self.things.get(value.thing) if isinstance(value, Instance) else None

    def change(self, value: Value, **changes: object) -> None:
        """Learn something new of an instance."""
        if isinstance(value, Many):
            value = value.element
        if isinstance(value, Instance) and value.thing in self.things:
            self.things[value.thing] = replace(self.things[value.thing], **changes)  # type: ignore[arg-type]  # by name


def joined(states: list[State]) -> State | None:
    """Keep what holds on all ways that lead to one point; None if none does. Of several none is changed."""
    if not states:
        return None
    first, *others = states
    if not others:
        return first
    merged = first.copy()
    for other in others:
        for name, value in other.names.items():  # names that only one way binds stay as they are
            before = merged.names.get(name)
            if before is not value:
                merged.names[name] = either(before, value)
        for number, thing in other.things.items():
            mine = merged.things.get(number)
            if mine is not thing:
                merged.things[number] = thing if mine is None else common(mine, thing)
        merged.closed &= other.closed
        merged.committed &= other.committed
        merged.rolled_back &= other.rolled_back
    return merged


def either(one: Value | None, other: Value | None) -> Value:
    """The value of a name that two ways bind; None stands for the empty value as well as for unbound."""
    if one == other and one is not None:
        return one
    if one is None or one == NONE:
        return other if other is not None else NONE
    if other is None or other == NONE:
        return one
    if isinstance(one, Plain) and isinstance(other, Plain):
        return PLAIN
    if isinstance(one, Select) and isinstance(other, Select):
        return same_rows(one, other)
    return UNKNOWN


def same_rows(one: Select, other: Select) -> Value:
    """A statement that two ways build differently: what either may have loaded, ordered or limited."""
    if (one.entities, one.kind, one.sqlmodel) != (other.entities, other.kind, other.sqlmodel):
        return UNKNOWN
    loaded = None if one.loaded is None or other.loaded is None else one.loaded | other.loaded
    joined, clauses, fixed = one.joined & other.joined, one.clauses | other.clauses, one.fixed & other.fixed
    return replace(one, loaded=loaded, joined=joined, clauses=clauses, fixed=fixed)


NONE = Plain("None")


def common(one: Thing, other: Thing) -> Thing:
    """What holds of an instance that is the same on two ways."""
    if one == other:
        return one
    loaded = None if one.loaded is None or other.loaded is None else one.loaded | other.loaded
    return replace(
        one,
        status=one.status if one.status == other.status else Status.UNKNOWN,
        session=one.session if one.session == other.session else None,
        loaded=loaded,
        expired=one.expired if one.expired and other.expired else None,
        kept=one.kept | other.kept,
        fixed=one.fixed & other.fixed,
    )
