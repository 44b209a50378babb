"""What names outside a function mean to it, and what the functions that it calls do.

A called function is analysed once, with what its annotations say of its parameters; what it surely
did (committed, refreshed, returned) is then carried over to the caller's own objects.
"""

from __future__ import annotations

import ast
from collections.abc import Container
from dataclasses import replace

from fieldstone.check import names
from fieldstone.check.annotations import Annotations, Born
from fieldstone.check.calls import Calls
from fieldstone.check.evaluation import Emit, Evaluation
from fieldstone.check.events import Event, unheard
from fieldstone.check.flow import Flow
from fieldstone.check.lookup import decorated_as, function_at, method_of, owner_of
from fieldstone.check.models import model, table
from fieldstone.check.modules import Function, Module
from fieldstone.check.project import Project
from fieldstone.check.summaries import (
    Summary,
    Transfer,
    holds_things,
    is_generator,
    paired,
    summarised,
    undecorated,
)
from fieldstone.check.trees import walk
from fieldstone.check.values import (
    UNKNOWN,
    Attr,
    Context,
    Coroutine,
    Engine,
    Factory,
    Many,
    Method,
    Named,
    Object,
    Session,
    Value,
    either,
)

DEEPEST = 5
TOP = "<module>"
# What is known of a value while it is being worked out.
MEANWHILE: Value = UNKNOWN


class Circular(Exception):
    """A function is called by one that it calls, while what happens in it is told."""


class Analysis:
    """Analyses functions of a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.line = 0
        self._number = 0
        self._running: list[tuple[str, int, str]] = []
        self._heard: object = None

    def number(self) -> int:
        """Number a new thing."""
        self._number += 1
        return self._number

    # Summaries

    def summary(self, function: Function) -> Summary | None:
        """Analyse a called function; None while it is being analysed, or too far down."""
        key = ("summary", *function.key, function.owner)
        self.project.look_at(function.module.facts.path)
        if function.key in self._running or len(self._running) >= DEEPEST:
            return None
        if key == self._heard:
            raise Circular
        return self.project.remember(key, lambda: self._summarised(function), None)

    def hear(
        self, function: Function, emit: Emit, calls: Container[str | None] | None
    ) -> list[tuple[Function, dict[str, Value]]]:
        """Tell what happens in a function, and give the functions inside it.

        What that function does for those who call it is learnt in the same run, where nobody has asked for
        it before and it does not call itself.
        """
        key = ("summary", *function.key, function.owner)
        flow = Flow(self, function, emit, calls)
        if self.project.knows(key):
            summarised(flow)
            return flow.nested
        happened: list[Event] = []
        heard = Flow(self, function, happened.append, calls)
        circular = False
        self._heard = key
        try:
            self.project.remember(key, lambda: summarised(heard), None)
        except Circular:
            circular = True
        finally:
            self._heard = None
        if circular:
            summarised(flow)
            return flow.nested
        for event in happened:
            emit(event)
        return heard.nested

    def _summarised(self, function: Function) -> Summary | None:
        self._running.append(function.key)
        line = self.line
        try:
            return summarised(Flow(self, function, unheard))
        finally:
            self._running.pop()
            self.line = line

    def annotations(self, born: Born) -> Annotations:
        """Read annotations, with dependencies followed."""
        return Annotations(self.project, born, self.given, self.expires)

    def expires(self, asynchronous: bool | None) -> bool | None:
        """Whether a commit expires what a session holds of which nothing but its kind is known.

        Such sessions come from dependencies; if those agree, or else all that makes sessions, it is known.
        """
        alone = self.project.expires(asynchronous)
        return self.project.remember(f"expires {asynchronous}", lambda: self._expires(asynchronous), alone)

    def _expires(self, asynchronous: bool | None) -> bool | None:
        given = [self.given(address, "") for address in sorted(self.project.dependencies)]
        said = {
            value.expires
            for value in given
            if isinstance(value, Session) and (asynchronous is None or value.asynchronous is asynchronous)
        }
        return said.pop() if len(said) == 1 else self.project.expires(asynchronous)

    def given(self, address: str, key: str) -> Value | None:
        """What FastAPI passes for a dependency."""
        if address in self.project.classes:
            known = table(self.project, address)
            return None if known else Object(address)
        function = function_at(self.project, address)
        summary = self.summary(function) if function else None
        if summary is None:
            return None
        value = summary.yielded if summary.yielded is not None else summary.result
        if isinstance(value, Many) and isinstance(value.element, Session):
            value = value.element
        if isinstance(value, Context):
            value = value.value
        if isinstance(value, Session):
            return replace(value, key=key, dependency=address, parameter=True)
        return value if isinstance(value, Object | Factory | Engine) else None

    # Names

    def global_value(self, module: Module, name: str) -> Value:
        """What a name means at the top of a module."""
        address = self.project.address(module.facts, name)
        if address is None:
            return UNKNOWN
        return self.project.remember(("global", address), lambda: self.at(address), MEANWHILE)

    def at(self, address: str) -> Value:
        """What stands at an address."""
        if ":" not in address or address.endswith(":") or address in self.project.classes:
            return Named(address)
        head, _, rest = address.partition(":")[2].partition(".")
        if self.project.defines(address):
            value: Value = Named(address.partition(":")[0] + ":" + head)
        elif owner := self.project.module_of(address):
            bound = owner.bindings.get(head, ())
            if any(isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for s in bound):
                value = Named(address.partition(":")[0] + ":" + head)
            else:
                value = self.bound_value(owner, head, list(bound))
        else:
            return UNKNOWN
        for name in rest.split(".") if rest else ():
            value = self.attribute_of(value, name)
        return value

    def attribute_of(self, value: Value, name: str) -> Value:
        """An attribute of a value at the top of a module."""
        if isinstance(value, Named):
            return self.member(value.address, name)
        return self.object_attribute(value.address, name, value) if isinstance(value, Object) else UNKNOWN

    def bound_value(self, module: Module, name: str, bound: list[ast.stmt]) -> Value:
        """What the assignments to a name at the top of a module give."""

        def joined() -> Value:
            found: Value | None = None
            for statement in bound:
                found = either(found, self.assigned_value(module, statement, name))
            return found or UNKNOWN

        return self.project.remember(("value", module.facts.path, name), joined, MEANWHILE)

    def assigned_value(self, module: Module, statement: ast.stmt, name: str) -> Value:
        """What one assignment gives to a name."""
        evaluation = Calls(self, at_the_top(module), unheard)
        value = getattr(statement, "value", None)
        if isinstance(statement, ast.Assign) and not any(names.dotted(t) == name for t in statement.targets):
            return UNKNOWN
        found = evaluation.value(value) if isinstance(value, ast.expr) else UNKNOWN
        if found == UNKNOWN and isinstance(statement, ast.AnnAssign):
            found = self.annotations(evaluation.born).value(module, statement.annotation, name)
        return UNKNOWN if holds_things(found) else found

    def member(self, address: str, name: str) -> Value:
        """An attribute of a module or class."""
        if address.endswith(":"):
            module = self.project.module_of(address)
            if module is None:
                return UNKNOWN
            found = self.project.address(module.facts, name) or self.project.submodule(module.facts, name)
            return self.at(found) if found else UNKNOWN
        if address in self.project.classes:
            known = model(self.project, address)
            if (
                known
                and (known.table or known.sqlmodel or known.declarative)
                and (name in known.columns or name in known.relations)
            ):
                return Attr(address, name)
            function = method_of(self.project, address, name)
            return Named(f"{address}.{name}") if function else UNKNOWN
        return UNKNOWN if ":" in address else Named(names.canonical(f"{address}.{name}"))

    def object_attribute(self, address: str, name: str, base: Value) -> Value:
        """An attribute of an instance of a class of the project."""
        function = method_of(self.project, address, name)
        if function and self.otherwise_below(address, function):
            return UNKNOWN
        if function:
            if decorated_as(function, "property", "cached_property"):
                summary = self.summary(function)
                return UNKNOWN if summary is None or holds_things(summary.result) else summary.result
            return Method(function, base)
        key = ("attribute", address, name)
        return self.project.remember(key, lambda: self.declared_attribute(address, name), MEANWHILE)

    def otherwise_below(self, address: str, function: Function) -> bool:
        """Whether a class below has the method as a coroutine where this one has not, or the reverse."""
        name = function.node.name

        def differs() -> bool:
            owners = (owner_of(self.project, a, name) for a in self.project.descendants(address))
            below = (self.project.classes[a][1].methods[name] for a in owners if a)
            return any(asynchronous != function.asynchronous for asynchronous in below)

        return self.project.remember(("otherwise", address, name), differs, False)

    def declared_attribute(self, owner: str, name: str) -> Value:
        """What class bodies annotate, or `__init__` assigns, under a name."""
        for address in self.project.ancestry(owner):
            module = self.project.module_of(address) if address in self.project.classes else None
            node = module.class_node(address.partition(":")[2]) if module else None
            for statement in node.body if node else ():
                if module is None:
                    continue
                if isinstance(statement, ast.AnnAssign) and names.dotted(statement.target) == name:
                    evaluation = Calls(self, at_the_top(module), unheard)
                    reader = self.annotations(evaluation.born)
                    value = reader.value(module, statement.annotation, f"self.{name}")
                    if value != UNKNOWN:
                        return UNKNOWN if holds_things(value) else value
                if isinstance(statement, ast.FunctionDef) and statement.name in {"__init__", "__post_init__"}:
                    found = self.assigned_in(Function(statement, module, address), name)
                    if found is not None:
                        return found
        return UNKNOWN

    def assigned_in(self, function: Function, name: str) -> Value | None:
        """What a method assigns to an attribute of its object."""
        for statement in walk(function.node):
            target = (
                statement.targets[0]
                if isinstance(statement, ast.Assign)
                else getattr(statement, "target", None)
            )
            if isinstance(statement, ast.Assign | ast.AnnAssign) and names.dotted(target) == f"self.{name}":
                flow = Flow(self, function, unheard)
                flow.enter()
                value = flow.value(statement.value)
                if value == UNKNOWN and isinstance(statement, ast.AnnAssign):
                    value = flow.annotations.value(function.module, statement.annotation, f"self.{name}")
                if isinstance(value, Session):
                    return replace(value, key=f"self.{name}")
                return UNKNOWN if holds_things(value) else value
        return None

    # Calls

    def called(self, callee: Value) -> Function | None:
        """The function of the project that a call runs."""
        if isinstance(callee, Method):
            return callee.function
        if isinstance(callee, Named) and callee.address not in self.project.classes:
            return function_at(self.project, callee.address)
        return None

    def apply(
        self,
        evaluation: Evaluation,
        node: ast.Call,
        function: Function,
        callee: Value,
        arguments: tuple[Value, ...],
        keywords: dict[str, Value],
    ) -> Value:
        """Carry over what a called function surely did, and say what it gives."""
        summary = self.summary(function)
        generator = summary is not None and summary.yielded is not None
        coroutine = function.asynchronous and not generator and not is_generator(function)
        if summary is None:
            return Coroutine(UNKNOWN, node) if coroutine and undecorated(function) else UNKNOWN
        if summary.inert:
            value = summary.given
        else:
            given = paired(function, callee, node, arguments, keywords)
            value = Transfer(summary, evaluation, node, given).value()
        if generator:
            if decorated_as(function, "contextmanager", "asynccontextmanager"):
                session = value if isinstance(value, Session) else None
                return Context(value, session, closes=session is not None)
            return Many(value)
        return Coroutine(value, node) if coroutine and undecorated(function) else value


def at_the_top(module: Module, body: list[ast.stmt] | None = None) -> Function:
    """Stand at the top of a module as if it were a function without parameters."""
    node = ast.FunctionDef(
        name=TOP,
        args=ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]),
        body=body or [],
        decorator_list=[],
        returns=None,
        lineno=1,
        col_offset=0,
        end_lineno=1,
        end_col_offset=0,
    )
    return Function(node, module)
