"""Expressions: what they give, what happens on the way.

Evaluation follows the order in which Python would evaluate. Whatever is not understood is UNKNOWN;
whatever may concern a rule is told through `emit`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar

from fieldstone.check import names
from fieldstone.check.events import Awaited, Event, Forgotten, Loop, Place, Read, Returned, RowRead
from fieldstone.check.fields import EAGER, EXPLICIT
from fieldstone.check.lookup import decorated_as, method_of
from fieldstone.check.models import Model, model
from fieldstone.check.modules import Function
from fieldstone.check.statements import element, given_by
from fieldstone.check.trees import children
from fieldstone.check.values import (
    NONE,
    PLAIN,
    UNKNOWN,
    Attr,
    Clause,
    Coroutine,
    Instance,
    Many,
    Method,
    Named,
    Object,
    Plain,
    Result,
    Row,
    Session,
    State,
    Status,
    Thing,
    Value,
    either,
)

if TYPE_CHECKING:
    from fieldstone.check.analysis import Analysis

Emit = Callable[[Event], None]
# What a coroutine itself has, so that asking it is no mistake.
OF_COROUTINES = frozenset({"__await__", "send", "throw", "close", "cr_frame", "cr_code", "cr_running"})


class Handlers(dict[type, Callable[[Any, Any], Any] | None]):
    """The methods of a class that handle each kind of node, found by name when a kind is first met."""

    def __init__(self, owner: type, verb: str) -> None:
        self.owner = owner
        self.verb = verb

    def __missing__(self, kind: type[ast.AST]) -> Callable[[Any, Any], Any] | None:
        self[kind] = found = getattr(self.owner, f"{self.verb}_{kind.__name__.lower()}", None)
        return found


class Constants(dict[type, Plain]):
    """What constants of each type are, found out when one is first met."""

    def __missing__(self, kind: type) -> Plain:
        self[kind] = found = NONE if kind is NoneType else Plain(kind.__name__)
        return found


CONSTANTS = Constants()


class Evaluation:
    """Evaluates expressions of one function, in a state that statements change.

    `emit` is told what happens; of calls, where `calls` is given, only of those of a function with such a
    last name or address.
    """

    evaluating: ClassVar[Handlers]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.evaluating = Handlers(cls, "on")

    def __init__(
        self, analysis: Analysis, function: Function, emit: Emit, calls: Container[str | None] | None = None
    ) -> None:
        self.analysis = analysis
        self.project = analysis.project
        self.function = function
        self.module = function.module
        self.emit = emit
        self.calls = calls
        self.state = State()
        self.place = Place(function)
        self.sessions: dict[str, Session] = {}
        self.returned: list[tuple[Value, State]] = []
        self.yielded: list[Value] = []
        self.awaiting: ast.AST | None = None

    # Names and constants

    def value(self, node: ast.expr | None) -> Value:
        """What an expression gives."""
        if node is None:
            return UNKNOWN
        handler = self.evaluating[node.__class__]
        if handler is None:
            for child in children(node):
                if isinstance(child, ast.expr):
                    self.value(child)
            return UNKNOWN
        found = handler(self, node)
        if found.__class__ is Session:
            self.sessions.setdefault(found.key, found)
        return found  # type: ignore[no-any-return]  # handlers are found by name

    def on_constant(self, node: ast.Constant) -> Value:
        return CONSTANTS[node.value.__class__]

    def on_name(self, node: ast.Name) -> Value:
        known = self.state.names.get(node.id)
        return self.analysis.global_value(self.module, node.id) if known is None else known

    def on_joinedstr(self, node: ast.JoinedStr) -> Value:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.value(part.value)
                self.value(part.format_spec)
        return CONSTANTS[str]

    def on_namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.value(node.value)
        self.state.names[node.target.id] = value
        return value

    def on_lambda(self, node: ast.Lambda) -> Value:
        return UNKNOWN

    def on_starred(self, node: ast.Starred) -> Value:
        self.value(node.value)
        return UNKNOWN

    # Operators

    def on_binop(self, node: ast.BinOp) -> Value:
        return combined(self.value(node.left), self.value(node.right))

    def on_unaryop(self, node: ast.UnaryOp) -> Value:
        value = self.used(node.operand)
        return Clause() if isinstance(value, Attr | Clause) and not isinstance(node.op, ast.Not) else PLAIN

    def on_compare(self, node: ast.Compare) -> Value:
        operands = [self.value(node.left), *(self.value(other) for other in node.comparators)]
        identity = all(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in node.ops)
        return Clause() if not identity and any(isinstance(v, Attr | Clause) for v in operands) else PLAIN

    def on_boolop(self, node: ast.BoolOp) -> Value:
        first, *others = [self.used(operand) for operand in node.values]
        if isinstance(node.op, ast.Or) and isinstance(first, Session):
            return first  # the session that is passed, or else another of its kind
        for other in others:
            first = either(first, other)
        return first

    def on_ifexp(self, node: ast.IfExp) -> Value:
        self.used(node.test)
        return either(self.value(node.body), self.value(node.orelse))

    def used(self, node: ast.expr) -> Value:
        """Evaluate what is used for its truth; a coroutine is always true."""
        return self.finished(self.value(node), node)

    def finished(self, value: Value, use: ast.AST) -> Value:
        """Tell of a coroutine that is used as if it were its result."""
        if isinstance(value, Coroutine):
            self.emit(Forgotten(value, self.place, use, self.state))
            return UNKNOWN
        return value

    # Collections

    def on_tuple(self, node: ast.Tuple) -> Value:
        return Row(tuple(self.value(item) for item in node.elts))

    def on_list(self, node: ast.List) -> Value:
        return Row(tuple(self.value(item) for item in node.elts)) if node.elts else UNKNOWN

    on_set = on_list

    def on_subscript(self, node: ast.Subscript) -> Value:
        value = self.finished(self.value(node.value), node)
        index = self.value(node.slice)
        if isinstance(node.slice, ast.Slice):
            return value if isinstance(value, Many) else UNKNOWN
        if isinstance(value, Many):
            return value.element
        number = names.literal(node.slice)
        if (
            isinstance(value, Row)
            and isinstance(number, int)
            and -len(value.elements) <= number < len(value.elements)
        ):
            return value.elements[number]
        return PLAIN if isinstance(value, Plain) and isinstance(index, Plain) else UNKNOWN

    def on_listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        with self.comprehension(node.generators, [node.elt]):
            return Many(self.value(node.elt))

    on_setcomp = on_listcomp
    on_generatorexp = on_listcomp

    def on_dictcomp(self, node: ast.DictComp) -> Value:
        with self.comprehension(node.generators, [node.key, node.value]):
            self.value(node.key)
            self.value(node.value)
        return UNKNOWN

    @contextmanager
    def comprehension(self, generators: list[ast.comprehension], body: list[ast.expr]) -> Iterator[None]:
        """Bind what the generators of a comprehension bind, as loops around its elements."""
        outer, before = self.place, dict(self.state.names)
        for number, generator in enumerate(generators):
            iterated = self.finished(self.value(generator.iter), generator.iter)
            inside: list[ast.AST] = [*body, *generator.ifs, *generators[number + 1 :]]
            loop = Loop(generator, tuple(inside), iterated)
            self.place = replace(self.place, loops=(*self.place.loops, loop))
            self.bind(generator.target, self.element(iterated))
            for condition in generator.ifs:
                self.used(condition)
        try:
            yield
        finally:
            self.place, self.state.names = outer, before

    def element(self, value: Value) -> Value:
        """What iterating over a value gives."""
        return element(value, self.row)

    def row(self, result: Result) -> Value:
        """What one row of a result is."""
        key = result.session
        return given_by(self.project, result.select, key, self.analysis.line, self.born)

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign a value to a target."""
        match target:
            case ast.Name(id=name):
                self.state.names[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                parts = (
                    value.elements if isinstance(value, Row) and len(value.elements) == len(targets) else ()
                )
                for number, part in enumerate(targets):
                    self.bind(part, parts[number] if parts else UNKNOWN)
            case ast.Starred(value=inner):
                self.bind(inner, UNKNOWN)
            case ast.Attribute() | ast.Subscript():
                self.assign_into(target, value)
            case _:
                pass

    def assign_into(self, target: ast.Attribute | ast.Subscript, value: Value) -> None:
        """Assign to an attribute or an item; statements say what that means."""
        self.value(target.value)

    def born(self, thing: Thing) -> Instance:
        """Give a new thing its number."""
        number = self.analysis.number()
        self.state.things[number] = thing
        return Instance(number)

    # Await and yield

    def on_await(self, node: ast.Await) -> Value:
        before, self.awaiting = self.awaiting, node.value
        value = self.value(node.value)
        self.awaiting = before
        self.emit(Awaited(node, self.place, value, self.state))
        return value.value if isinstance(value, Coroutine) else value

    def on_yield(self, node: ast.Yield) -> Value:
        value = self.value(node.value)
        self.yielded.append(value)
        self.emit(Returned(node, self.place, value, self.state, self.sessions))
        return UNKNOWN

    def on_yieldfrom(self, node: ast.YieldFrom) -> Value:
        self.yielded.append(self.element(self.value(node.value)))
        return UNKNOWN

    # Attributes

    def on_attribute(self, node: ast.Attribute, called: bool = False) -> Value:
        return self.attribute(node, self.value(node.value), called)

    def attribute(self, node: ast.Attribute, base: Value, called: bool = False) -> Value:
        """What an attribute of a value is."""
        match base:
            case Instance():
                return self.instance_attribute(node, base, called)
            case Named(address=address):
                return self.analysis.member(address, node.attr)
            case Object(address=address):
                return self.analysis.object_attribute(address, node.attr, base)
            case Coroutine():
                return UNKNOWN if node.attr in OF_COROUTINES else self.finished(base, node)
            case Row(elements=[Instance() as only]):
                return self.row_attribute(node, only)
            case _:
                return UNKNOWN

    def row_attribute(self, node: ast.Attribute, only: Instance) -> Value:
        """Read an attribute of a row of one entity: that is the entity's name, or there is none."""
        thing = self.state.things[only.thing]
        known = model(self.project, thing.model)
        if known is None or node.attr == known.name:
            return only if known else UNKNOWN
        if thing.status is Status.PERSISTENT and node.attr in known.columns | known.relations:
            self.emit(RowRead(node, self.place, known, self.state))
        return UNKNOWN

    def instance_attribute(self, node: ast.Attribute, base: Instance, called: bool) -> Value:
        """Read an attribute of an instance of a table."""
        thing = self.state.things[base.thing]
        known = model(self.project, thing.model)
        if known is None:
            return UNKNOWN
        relation = known.relations.get(node.attr)
        column = known.columns.get(node.attr)
        session = self.sessions.get(thing.session) if thing.session else None
        self.emit(
            Read(node, self.place, thing, known, session, self.state, relation, column is not None, called)
        )
        thing = self.state.things[base.thing]
        if relation:
            value = self.related(thing, known, node.attr)
            if thing.loaded is not None and relation.lazy not in EXPLICIT:
                self.state.change(base, loaded=thing.loaded | {node.attr})
            return value
        if column:
            self.loaded_again(base, thing, session)
            return PLAIN
        function = method_of(self.project, thing.model, node.attr)
        if function and decorated_as(function, "property", "hybrid_property", "cached_property"):
            return UNKNOWN
        return Method(function, base) if function else UNKNOWN

    def loaded_again(self, base: Instance, thing: Thing, session: Session | None) -> None:
        """Reading a column of an expired instance reads its row again, or raised; once is enough."""
        if thing.expired and thing.session not in self.state.closed:
            self.state.change(base, expired=None)

    def related(self, thing: Thing, owner: Model, name: str) -> Value:
        """What a relationship gives."""
        relation = owner.relations[name]
        if relation.target is None:
            return UNKNOWN
        loaded = thing.below(name)
        if thing.loaded is not None and name not in thing.loaded and relation.lazy not in EAGER:
            loaded = frozenset() if thing.status is Status.PERSISTENT else None
        born = self.born(
            Thing(relation.target, thing.status, thing.session, loaded, thing.expired, origin=thing.origin)
        )
        return Many(born) if relation.many else born


def combined(one: Value, other: Value) -> Value:
    """What an operator makes of two values."""
    if isinstance(one, Attr | Clause) or isinstance(other, Attr | Clause):
        return Clause()
    return PLAIN if isinstance(one, Plain) and isinstance(other, Plain) else UNKNOWN
