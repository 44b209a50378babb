"""Statements: the ways through a function, and what is known where they meet.

Where two ways meet only what holds on both is kept. A loop's body is run twice, so that what its end
does is seen by its start. An `except` block starts with what holds after every statement that may
have raised.
"""

from __future__ import annotations

import ast
from collections.abc import Container
from dataclasses import replace
from typing import TYPE_CHECKING

from fieldstone.check import names
from fieldstone.check.annotations import Annotations
from fieldstone.check.calls import Calls
from fieldstone.check.evaluation import Emit, Handlers
from fieldstone.check.events import Loop, Returned, Written
from fieldstone.check.lookup import decorated_as
from fieldstone.check.models import model
from fieldstone.check.modules import Function
from fieldstone.check.outlines import Names, bind_from
from fieldstone.check.routes import parameters_of
from fieldstone.check.sessioncalls import closed, committed
from fieldstone.check.trees import walk
from fieldstone.check.values import (
    UNKNOWN,
    Context,
    Instance,
    Many,
    Named,
    Object,
    Session,
    State,
    Status,
    Thing,
    Value,
    joined,
)

if TYPE_CHECKING:
    from fieldstone.check.analysis import Analysis

# Loops nested deeper are run once, or the work would double with each.
TWICE = 2


class Flow(Calls):
    """Runs the statements of one function."""

    def __init__(
        self, analysis: Analysis, function: Function, emit: Emit, calls: Container[str | None] | None = None
    ) -> None:
        super().__init__(analysis, function, emit, calls)
        self.breaks: list[list[State]] = []
        self.continues: list[list[State]] = []
        self.watched: list[list[State]] = []
        self.nested: list[tuple[Function, dict[str, Value]]] = []
        self.source: ast.expr | None = None

    @property
    def annotations(self) -> Annotations:
        """Read annotations; not kept, since it would hold the flow that holds it."""
        return self.analysis.annotations(self.born)

    def enter(self, closure: dict[str, Value] | None = None) -> dict[str, Value]:
        """Bind the parameters to what is known of them."""
        self.state.names.update(closure or {})
        node, given, annotations = self.function.node, self.function.node.args, self.annotations
        bound: dict[str, Value] = {}
        for argument, default in parameters_of(self.function):
            value = annotations.parameter(self.module, argument, default)
            bound[argument.arg] = annotations.as_used(value, argument.arg, self.function)
        for extra in (given.vararg, given.kwarg):
            if extra:
                bound[extra.arg] = UNKNOWN
        first = next(iter((*given.posonlyargs, *given.args)), None)
        if self.function.owner and first and not decorated_as(self.function, "staticmethod"):
            bound[first.arg] = self.itself(self.function.owner, node)
        for value in bound.values():
            if isinstance(value, Session):
                self.sessions[value.key] = value
        self.state.names.update(bound)
        return bound

    def itself(self, owner: str, node: ast.AST) -> Value:
        """What `self` or `cls` is."""
        if decorated_as(self.function, "classmethod"):
            return Named(owner)
        known = model(self.project, owner)
        return self.born(Thing(owner, Status.UNKNOWN)) if known and known.table else Object(owner)

    # Blocks

    def run(self, body: list[ast.stmt]) -> bool:
        """Run statements; whether the end of them is reached."""
        for statement in body:
            self.analysis.line = statement.lineno
            if not self.statement(statement):
                return False
            if self.watched:
                held = self.state.copy()
                for states in self.watched:
                    states.append(held)
        return True

    def statement(self, node: ast.stmt) -> bool:
        """Run one statement; whether it lets the next one run."""
        handler = RUNNING[node.__class__]
        return handler is None or handler(self, node) is not False

    def branch(self, start: State, body: list[ast.stmt]) -> list[State]:
        """Run a block from a state; the state at its end, if that is reached."""
        self.state = start.copy()
        return [self.state] if self.run(body) else []

    def meet(self, states: list[State]) -> bool:
        """Go on where several ways meet."""
        merged = joined(states)
        if merged is not None:
            self.state = merged
        return merged is not None

    # Simple statements

    def run_expr(self, node: ast.Expr) -> None:
        self.finished(self.value(node.value), node)

    def run_assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.source = node.value if isinstance(target, ast.Attribute) else None
            self.bind(target, value)
        self.source = None

    def run_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            return
        value = self.value(node.value)
        if value == UNKNOWN:
            value = self.annotations.value(self.module, node.annotation, names.dotted(node.target) or "?")
        self.bind(node.target, value)

    def run_augassign(self, node: ast.AugAssign) -> None:
        self.value(node.value)
        if isinstance(node.target, ast.Name):
            before = self.state.names.get(node.target.id, UNKNOWN)
            self.bind(node.target, before if isinstance(before, Many) else UNKNOWN)
        else:
            self.value(node.target)
            self.bind(node.target, UNKNOWN)

    def assign_into(self, target: ast.Attribute | ast.Subscript, value: Value) -> None:
        base = self.value(target.value)
        if isinstance(target, ast.Subscript):
            self.value(target.slice)
        elif isinstance(base, Instance):
            thing = self.state.things[base.thing]
            known = model(self.project, thing.model)
            if known:
                self.emit(Written(target, self.place, thing, known, value, self.state, self.source))
                loaded = thing.loaded if thing.loaded is None else thing.loaded | {target.attr}
                self.state.change(base, kept=thing.kept | {target.attr}, loaded=loaded)
        else:
            self.finished(base, target)

    def run_return(self, node: ast.Return) -> bool:
        value = self.value(node.value)
        self.emit(Returned(node, self.place, value, self.state, self.sessions))
        self.returned.append((value, self.state.copy()))
        return False

    def run_raise(self, node: ast.Raise) -> bool:
        self.value(node.exc)
        self.value(node.cause)
        return False

    def run_break(self, node: ast.Break) -> bool:
        if self.breaks:
            self.breaks[-1].append(self.state.copy())
        return False

    def run_continue(self, node: ast.Continue) -> bool:
        if self.continues:
            self.continues[-1].append(self.state.copy())
        return False

    def run_assert(self, node: ast.Assert) -> None:
        self.used(node.test)
        self.value(node.msg)

    def run_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.state.names.pop(target.id, None)
            else:
                self.value(target)

    def run_import(self, node: ast.Import) -> None:
        for alias in node.names:
            spelled = alias.name if alias.asname else alias.name.partition(".")[0]
            self.import_as(alias.asname or spelled, spelled)

    def run_importfrom(self, node: ast.ImportFrom) -> None:
        bound = Names()
        facts = self.module.facts
        bind_from(node, bound, facts.module if facts.package else facts.module.rpartition(".")[0])
        for name, target in bound.imports.items():
            self.import_as(name, target)

    def import_as(self, name: str, target: str) -> None:
        """Bind a name to what an import inside a function finds."""
        address = self.project.locate(target, self.module.facts)
        self.state.names[name] = self.analysis.at(address) if address else UNKNOWN

    def run_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        kept = (Session, Named, Object)
        closure: dict[str, Value] = {
            name: value if isinstance(value, kept) else UNKNOWN for name, value in self.state.names.items()
        }
        self.nested.append((Function(node, self.module), closure))
        self.state.names[node.name] = UNKNOWN

    run_asyncfunctiondef = run_functiondef

    def run_classdef(self, node: ast.ClassDef) -> None:
        self.state.names[node.name] = UNKNOWN

    # Branches

    def run_if(self, node: ast.If) -> bool:
        self.used(node.test)
        start = self.state
        return self.meet([*self.branch(start, node.body), *self.branch(start, node.orelse)])

    def run_match(self, node: ast.Match) -> bool:
        self.used(node.subject)
        start, ends = self.state, []
        whole = False
        for case in node.cases:
            whole = whole or (
                case.guard is None and isinstance(case.pattern, ast.MatchAs) and not case.pattern.pattern
            )
            self.state = start.copy()
            for inner in walk(case.pattern):
                name = getattr(inner, "name", None) or getattr(inner, "rest", None)
                if isinstance(name, str):
                    self.state.names[name] = UNKNOWN
            self.value(case.guard)
            ends += [self.state] if self.run(case.body) else []
        return self.meet(ends if whole else [*ends, start])

    # Loops

    def run_for(self, node: ast.For | ast.AsyncFor) -> bool:
        iterated = self.finished(self.value(node.iter), node.iter)
        loop = Loop(node, tuple(node.body), iterated)
        return self.repeat(node, loop, self.element(iterated), endless=False)

    run_asyncfor = run_for

    def run_while(self, node: ast.While) -> bool:
        self.used(node.test)
        loop = Loop(node, tuple(node.body), UNKNOWN)
        return self.repeat(node, loop, None, endless=names.literal(node.test) is True)

    def repeat(
        self, node: ast.For | ast.AsyncFor | ast.While, loop: Loop, item: Value | None, endless: bool
    ) -> bool:
        """Run a loop's body from its start, and again from its end."""
        outer = self.place
        self.place = replace(outer, loops=(*outer.loops, loop))
        starts, ends, broken = [self.state.copy()], [self.state.copy()], []
        for _ in range(2 if len(self.place.loops) <= TWICE else 1):
            self.breaks.append([])
            self.continues.append([])
            self.state = joined([s.copy() for s in starts]) or State()
            if item is not None and not isinstance(node, ast.While):
                self.bind(node.target, item)
            reached = [self.state] if self.run(node.body) else []
            reached += self.continues.pop()
            broken += self.breaks.pop()
            ends += [state.copy() for state in reached]
            starts = reached
            if not reached:
                break
        self.place = outer
        after = [] if endless else self.branch(joined(ends) or State(), node.orelse)
        return self.meet([*after, *broken])

    # With

    def run_with(self, node: ast.With | ast.AsyncWith) -> bool:
        entered: list[Value] = []
        for item in node.items:
            value = self.finished(self.value(item.context_expr), item.context_expr)
            if isinstance(node, ast.AsyncWith) and isinstance(value, Session) and not value.asynchronous:
                value = replace(value, asynchronous=None)  # which would raise, unless it is another's
            entered.append(value)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value.value if isinstance(value, Context) else value)
            for inner in (value, getattr(value, "session", None), getattr(value, "value", None)):
                if isinstance(inner, Session):
                    self.sessions[inner.key] = inner
                    self.state.closed -= {inner.key}
        reached = self.run(node.body)
        for value in reversed(entered):
            self.leave(value, node.end_lineno or node.lineno)
        return reached

    run_asyncwith = run_with

    def leave(self, value: Value, line: int) -> None:
        """Do what the end of a `with` block does."""
        if isinstance(value, Session):
            closed(self.state, value)
        if isinstance(value, Context) and value.session:
            if value.commits:
                committed(self.state, value.session, line)
            if value.closes:
                closed(self.state, value.session)

    # Try

    def run_try(self, node: ast.Try) -> bool:
        watched = [self.state.copy()]
        self.watched.append(watched)
        reached = self.run(node.body)
        self.watched.pop()
        ends = [self.state] if reached else []
        if reached and node.orelse:
            ends = self.branch(self.state, node.orelse)
        for handler in node.handlers:
            ends += self.handled(handler, watched)
        if not node.finalbody:
            return self.meet(ends)
        alive = self.meet(ends) if ends else self.meet([state.copy() for state in watched])
        return self.run(node.finalbody) and alive and bool(ends)

    run_trystar = run_try

    def handled(self, handler: ast.ExceptHandler, watched: list[State]) -> list[State]:
        """Run an `except` block from what holds wherever the body may have raised."""
        outer = self.place
        self.place = replace(outer, handler=handler)
        start = (joined(watched) or State()).copy()
        if handler.name:
            start.names[handler.name] = UNKNOWN
        ends = self.branch(start, handler.body)
        self.place = outer
        return ends


RUNNING = Handlers(Flow, "run")
