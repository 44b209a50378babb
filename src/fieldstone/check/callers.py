"""Who calls a function of the project with rows of a query: what its parameters are, from outside.

A summary tells a caller what a function does; this tells a function what its callers give it. Only
files that can name the function are looked at.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fieldstone.check.analysis import Analysis
from fieldstone.check.binding import mentions
from fieldstone.check.events import Called, Event, Loop
from fieldstone.check.flow import Flow
from fieldstone.check.lookup import decorated_as
from fieldstone.check.modules import Function, Module
from fieldstone.check.values import Instance, Named, Status, Thing

Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Passed:
    """A row of a query that a call passes for a parameter."""

    parameter: str
    thing: Thing
    asynchronous: bool
    repeated: bool
    caller: str


def passed(analysis: Analysis, function: Function, parameter: str) -> list[Passed]:
    """The rows that the project's calls of a function pass for a parameter."""
    return [
        one
        for module in modules_that_name(function)
        for key, one in calls_in(analysis, module)
        if key == function.key and one.parameter == parameter
    ]


def modules_that_name(function: Function) -> Iterator[Module]:
    """The files that import what a function is reached by, and call something of its name."""
    project, own = function.module.project, function.module.facts
    name = function.node.name
    reached = (function.owner or "").partition(":")[2] or name
    pattern = re.compile(rf"\b{re.escape(name)}\s*\(")
    address = f"{own.module}:{reached}"
    candidates = {
        facts.path: facts
        for found in (reached, "*")
        for facts in project.importers.get(found, ())
        if project.address(facts, reached) == address
    }
    if own.matters and not own.trial:
        candidates[own.path] = own
    for path in sorted(candidates, key=lambda path: path.split("/")):
        if pattern.search(project.text(candidates[path])):
            module = project.module(candidates[path])
            yield from [module] if module else []


def calls_in(analysis: Analysis, module: Module) -> list[tuple[Key, Passed]]:
    """The rows that one file passes to functions of the project."""
    key = ("passed", module.facts.path)
    return analysis.project.remember(key, lambda: list(found_in(analysis, module)), [])


def found_in(analysis: Analysis, module: Module) -> Iterator[tuple[Key, Passed]]:
    """Run the functions of a file, and look at what they call."""
    for caller in module.functions():
        happened: list[Event] = []
        flow = Flow(analysis, caller, happened.append)
        flow.enter()
        flow.run(caller.node.body)
        for event in happened:
            if isinstance(event, Called) and event.function is not None:
                yield from given_rows(event, flow, event.function)


def given_rows(call: Called, flow: Flow, function: Function) -> Iterator[tuple[Key, Passed]]:
    """The arguments of a call that are rows of a session that is known."""
    for parameter, node, value in arguments(call, function):
        thing = call.state.thing(value) if isinstance(value, Instance) else None
        session = flow.sessions.get(thing.session) if thing and thing.session else None
        if thing is None or session is None or thing.status is not Status.PERSISTENT or thing.expired:
            continue
        if session.asynchronous is not None:
            often = any(is_row(node, thing, loop) for loop in call.place.loops)
            caller = call.place.function.node.name
            yield function.key, Passed(parameter, thing, session.asynchronous, often, caller)


def arguments(call: Called, function: Function) -> Iterator[tuple[str, ast.expr, object]]:
    """Which parameter gets what."""
    given = function.node.args
    parameters = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    through_class = isinstance(call.receiver, Named) and not decorated_as(function, "classmethod")
    if function.owner and not decorated_as(function, "staticmethod") and not through_class:
        parameters = parameters[1:]
    for parameter, node, value in zip(parameters, call.node.args, call.arguments, strict=False):
        if isinstance(node, ast.Starred):
            return
        yield parameter, node, value
    for keyword in call.node.keywords:
        if keyword.arg:
            yield keyword.arg, keyword.value, call.keywords.get(keyword.arg)


def is_row(node: ast.expr, thing: Thing, loop: Loop) -> bool:
    """Whether an argument is a row of the query that a loop goes through."""
    return (
        not isinstance(loop.node, ast.While) and mentions(node, loop.names) and not read_inside(thing, loop)
    )


def read_inside(thing: Thing, loop: Loop) -> bool:
    """Whether each turn of a loop reads or makes the instance anew, so that it is no row of one query."""
    if not isinstance(loop.node, ast.For | ast.AsyncFor):
        return False
    return loop.node.body[0].lineno <= thing.origin <= (loop.node.end_lineno or 0)
