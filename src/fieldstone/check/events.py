"""What happens in a function, in the order in which it would run, with what is known at that point.

These are the things a rule can be about. Each names its node, so that a finding can stand there, and
its place: the function, the loops around it, and whether it runs in an `except` block. Events are not
frozen, since there is one for each call of a project, and freezing doubles what making one takes.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property

from fieldstone.check.binding import bound_in, depending
from fieldstone.check.fields import Relation
from fieldstone.check.models import Model
from fieldstone.check.modules import Function, Module
from fieldstone.check.values import Coroutine, Session, State, Thing, Value


@dataclass(frozen=True)
class Loop:
    """A loop or comprehension around a place."""

    node: ast.For | ast.AsyncFor | ast.While | ast.comprehension
    body: tuple[ast.AST, ...]
    iterated: Value

    @cached_property
    def names(self) -> frozenset[str]:
        """What it binds, and what the body of a statement computes from that."""
        if isinstance(self.node, ast.While):
            return frozenset()
        bound = bound_in(self.node.target)
        return depending(self.body, bound) if self.statement else frozenset(bound)

    @property
    def statement(self) -> bool:
        """Whether it is a `for` or `while` statement."""
        return not isinstance(self.node, ast.comprehension)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a function something happens."""

    function: Function
    loops: tuple[Loop, ...] = ()
    handler: ast.ExceptHandler | None = None
    tests: tuple[ast.expr, ...] = ()

    @property
    def module(self) -> Module:
        """The file it happens in."""
        return self.function.module


@dataclass(slots=True)
class Called:
    """A call: of a function of the project, a library's, or a method of a session or result."""

    node: ast.Call
    place: Place
    address: str | None  # of the function or class called, where it is known by a name
    method: str | None  # the attribute called
    receiver: Value
    arguments: tuple[Value, ...]
    keywords: dict[str, Value]
    result: Value
    awaited: bool
    state: State
    function: Function | None = None  # of the project

    @property
    def session(self) -> Session | None:
        """The session whose method is called."""
        return self.receiver if isinstance(self.receiver, Session) else None


@dataclass(slots=True)
class Read:
    """An attribute of an instance is read. `column`, `relation` or neither (a method, a property)."""

    node: ast.Attribute
    place: Place
    thing: Thing
    model: Model
    session: Session | None
    state: State
    relation: Relation | None = None
    column: bool = False
    called: bool = False

    @property
    def name(self) -> str:
        """The attribute."""
        return self.node.attr


@dataclass(slots=True)
class RowRead:
    """An attribute of a row is read that holds one entity of a select."""

    node: ast.Attribute
    place: Place
    model: Model
    state: State


@dataclass(slots=True)
class Written:
    """An attribute of an instance is set; by an assignment, `source` is the expression that it gives."""

    node: ast.Attribute
    place: Place
    thing: Thing
    model: Model
    value: Value
    state: State
    source: ast.expr | None


@dataclass(slots=True)
class Made:
    """An instance of a table is made by calling its class."""

    node: ast.Call
    place: Place
    model: Model
    state: State


@dataclass(slots=True)
class Returned:
    """A function returns or yields a value."""

    node: ast.Return | ast.Yield
    place: Place
    value: Value
    state: State
    sessions: dict[str, Session] = field(default_factory=dict)


@dataclass(slots=True)
class Forgotten:
    """A coroutine that nothing awaits: thrown away, or used as if it were its result."""

    coroutine: Coroutine
    place: Place
    use: ast.AST
    state: State

    @property
    def node(self) -> ast.Call:
        """The call that should be awaited."""
        return self.coroutine.call


@dataclass(slots=True)
class Awaited:
    """An `await`, and what it awaits."""

    node: ast.Await
    place: Place
    value: Value
    state: State


Event = Called | Read | RowRead | Written | Made | Returned | Forgotten | Awaited


def unheard(_event: Event) -> None:
    """Be told, and tell nobody: for an analysis of which only the result counts."""
