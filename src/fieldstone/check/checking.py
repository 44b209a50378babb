"""One file: every rule, for everything in it that the rule is about."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

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
    project: Project, facts: FileFacts, chosen: Chosen, configuration: Configuration
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


def told(project: Project, module: Module, chosen: Chosen, configuration: Configuration) -> Iterator[Finding]:
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


def problems(project: Project, module: Module, chosen: Chosen) -> Iterator[tuple[Rule, Problem]]:
    """Call each rule for each of its subjects."""
    file = File(module, project, Analysis(project))
    for found in subjects(file, chosen):
        for rule in chosen.about(found, module):
            for problem in rule.body(found, file):
                yield rule, problem


# How a name is spelled where a rule has to see it: `Field(...)`, `sessionmaker[Session](...)`, imported as
# something else; `datetime.timezone`.
AROUND: dict[type, tuple[tuple[str, str], ...]] = {
    ast.Call: (("", "("), ("", "["), ("", " as ")),
    ast.Attribute: ((".", ""),),
}


class Chosen:
    """The rules that run, by what they are about; those about a few names by these."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.by_subject: dict[type, list[Rule]] = defaultdict(list)
        self.by_name: dict[type, dict[str | None, list[Rule]]] = {
            ast.Call: defaultdict(list),
            ast.Attribute: defaultdict(list),
            Called: defaultdict(list),
        }
        for rule in rules:
            for subject in rule.subjects:
                names = rule.attributes if subject is ast.Attribute else rule.calls
                if names and subject in self.by_name:
                    for name in names:
                        self.by_name[subject][name].append(rule)
                else:
                    self.by_subject[subject].append(rule)
        self.subjects = {
            kind for found in (self.by_subject, self.by_name) for kind, some in found.items() if some
        }
        self.named_by = {kind: {*map(last_part, named)} for kind, named in self.by_name.items()}
        self.events = any(subject in self.subjects for subject in Event.__args__)
        self.calls = None if Called in self.by_subject else frozenset(self.by_name[Called])

    def spoken(self, kind: type[ast.AST], source: str) -> bool:
        """Whether a file may hold a node of a kind that a rule has to see, as far as its text tells."""
        return kind in self.by_subject or any(
            name in source and any(before + name + after in source for before, after in AROUND[kind])
            for name in self.named_by[kind]
        )

    def named(self, nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
        """Leave out the attributes that no rule has to see, which are most of them."""
        names = self.by_name[ast.Attribute]
        if ast.Attribute in self.by_subject:
            return nodes
        return [node for node in nodes if not isinstance(node, ast.Attribute) or node.attr in names]

    def about(self, found: object, module: Module) -> Iterable[Rule]:
        """The rules that have to see a subject."""
        kind = found.__class__
        always = self.by_subject.get(kind, ())
        if kind not in self.by_name:
            return always
        named = self.by_name[kind]
        if isinstance(found, ast.Attribute):
            return (*always, *named.get(found.attr, ()))
        last, address = called(found, module)
        if last in named or address in named:
            return (*always, *named.get(last, ()), *named.get(address, ()))
        return always


def last_part(name: str | None) -> str:
    """The last part of a name, or of an address."""
    return (name or "").rpartition(".")[2]


def called(call: object, module: Module) -> tuple[str | None, str | None]:
    """The last name and the address of what is called."""
    if isinstance(call, Called):
        return last_name(call.node), call.address
    assert isinstance(call, ast.Call)
    return last_name(call), module.imported(call.func)


def subjects(file: File, chosen: Chosen) -> Iterator[object]:
    """Everything in a file that a rule may be about."""
    module, wanted = file.module, chosen.subjects
    if Module in wanted:
        yield module
    for subject in wanted:
        if issubclass(subject, ast.AST) and chosen.spoken(subject, module.source):
            yield from chosen.named(module.nodes.get(subject, ()))
    if Model in wanted:
        yield from models_in(module)
    functions = module.functions()
    if Function in wanted:
        yield from functions
    if chosen.events:
        yield from events(file, at_the_top(module, module.tree.body), None, chosen)
        for function in functions:
            yield from events(file, function, None, chosen)


def models_in(module: Module) -> Iterator[Model]:
    """The classes of a file that are tables, models or schemas."""
    for facts in module.facts.classes:
        found = model(module.project, f"{module.facts.module}:{facts.name}")
        if found and (found.sqlmodel or found.declarative or found.schema):
            yield found


def events(
    file: File, function: Function, closure: dict[str, Value] | None, chosen: Chosen
) -> Iterator[Event]:
    """What happens in a function, and in the functions inside it."""
    happened: list[Event] = []
    if closure is None and function.node.name != TOP:
        inside = file.analysis.hear(function, happened.append, chosen.calls)
    else:
        flow = Flow(file.analysis, function, happened.append, chosen.calls)
        flow.enter(closure)
        flow.run(function.node.body)
        inside = flow.nested if function.node.name != TOP else []
    yield from happened
    for nested, names in inside:
        yield from events(file, nested, names, chosen)
