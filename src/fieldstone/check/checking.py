"""One file: every rule, for everything in it that the rule is about."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from fieldstone.check.analysis import TOP, Analysis, at_the_top
from fieldstone.check.configuration import Configuration, matches
from fieldstone.check.events import Called, Event
from fieldstone.check.facts import FileFacts
from fieldstone.check.findings import UNREADABLE, Finding, Problem, Severity, Span
from fieldstone.check.flow import Flow
from fieldstone.check.lookup import last_name
from fieldstone.check.models import Model, model
from fieldstone.check.modules import Function, Module
from fieldstone.check.project import Project
from fieldstone.check.registry import File, Rule
from fieldstone.check.suppressions import Suppressions, expected
from fieldstone.check.values import Value


def checked(
    project: Project, facts: FileFacts, chosen: list[Rule], configuration: Configuration
) -> Iterator[Finding]:
    """Check one file."""
    if facts.error:
        line, reason = facts.error
        message = f"The file cannot be parsed, so nothing in it was checked: {reason}."
        remedy = "Correct the syntax, or exclude the file in [tool.fieldstone.check]."
        yield Finding(facts.path, Span(line, 1, line, 1), UNREADABLE, Severity.ERROR, message, remedy)
        return
    if not facts.matters:
        return
    module = project.module(facts)
    if module is None:
        return
    try:
        yield from told(project, module, chosen, configuration)
    except Exception as error:  # noqa: BLE001 - one broken rule must not hide what is found elsewhere
        message = f"The check of this file broke off: {type(error).__name__}: {error}."
        remedy = "Please report it with the file; exclude the file in [tool.fieldstone.check] meanwhile."
        yield Finding(facts.path, Span(1, 1, 1, 1), UNREADABLE, Severity.ERROR, message, remedy)


def told(
    project: Project, module: Module, chosen: list[Rule], configuration: Configuration
) -> Iterator[Finding]:
    """Make findings of problems that nothing silences, each once."""
    facts = module.facts
    silenced: Suppressions | None = None  # most files have no finding, and need none
    ignored = configuration.ignored_in(facts.path)
    seen: set[tuple[str, Span]] = set()
    for rule, problem in problems(project, module, chosen):
        span = module.span(problem.node)
        if (rule.code, span) in seen or matches(rule.code, ignored):
            continue
        silenced = silenced or Suppressions.of(module)
        if silenced.silences(rule.code, span):
            continue
        seen.add((rule.code, span))
        if expected(problem.node, module):
            continue
        yield Finding(
            facts.path, span, rule.code, rule.severity, problem.message, problem.remedy, problem.fix
        )


def problems(project: Project, module: Module, chosen: list[Rule]) -> Iterator[tuple[Rule, Problem]]:
    """Call each rule for each of its subjects."""
    by_subject, by_call = grouped(chosen)
    file = File(module, project, Analysis(project))
    for found in subjects(file, {subject for rule in chosen for subject in rule.subjects}):
        for rule in by_subject.get(found.__class__, ()):
            for problem in rule.body(found, file):
                yield rule, problem
        if isinstance(found, ast.Call | Called):
            for name in named(found, module):
                for rule in by_call.get((found.__class__, name), ()):
                    for problem in rule.body(found, file):
                        yield rule, problem


def grouped(
    chosen: list[Rule],
) -> tuple[dict[type, list[Rule]], dict[tuple[type, str | None], list[Rule]]]:
    """The rules by what they are about; those that are about a few calls by the names of these."""
    by_subject: dict[type, list[Rule]] = defaultdict(list)
    by_call: dict[tuple[type, str | None], list[Rule]] = defaultdict(list)
    for rule in chosen:
        for subject in rule.subjects:
            if rule.calls and subject in {ast.Call, Called}:
                for name in rule.calls:
                    by_call[subject, name].append(rule)
            else:
                by_subject[subject].append(rule)
    return by_subject, by_call


def named(call: ast.Call | Called, module: Module) -> tuple[str | None, str | None]:
    """The last name and the address of what is called."""
    if isinstance(call, Called):
        return last_name(call.node), call.address
    return last_name(call), module.address(call.func)


def subjects(file: File, wanted: set[type]) -> Iterator[object]:
    """Everything in a file that a rule may be about."""
    module = file.module
    if Module in wanted:
        yield module
    for subject in wanted:
        if issubclass(subject, ast.AST):
            yield from module.nodes.get(subject, ())
    if Model in wanted:
        yield from models_in(module)
    if Function in wanted:
        yield from module.functions
    if any(subject in wanted for subject in Event.__args__):
        yield from events(file, at_the_top(module, module.tree.body), None)
        for function in module.functions:
            yield from events(file, function, None)


def models_in(module: Module) -> Iterator[Model]:
    """The classes of a file that are tables, models or schemas."""
    for facts in module.facts.classes:
        found = model(module.project, f"{module.facts.module}:{facts.name}")
        if found and (found.sqlmodel or found.declarative or found.schema):
            yield found


def events(file: File, function: Function, closure: dict[str, Value] | None) -> Iterator[Event]:
    """What happens in a function, and in the functions inside it."""
    happened: list[Event] = []
    flow = Flow(file.analysis, function, happened.append)
    flow.enter(closure)
    flow.run(function.node.body)
    yield from happened
    for nested, names in flow.nested if function.node.name != TOP else ():
        yield from events(file, nested, names)
