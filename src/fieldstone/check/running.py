"""A check from paths to findings.

First the facts of every file are gathered, then the rules run over each file that may hold something
for them. Both steps look at one file at a time, so that both can be spread over processes.
"""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fieldstone.check.analysis import Analysis
from fieldstone.check.configuration import NO_CONFIGURATION, Configuration
from fieldstone.check.events import Event
from fieldstone.check.facts import FileFacts
from fieldstone.check.findings import UNREADABLE, Finding, Problem, Severity, Span
from fieldstone.check.flow import Flow
from fieldstone.check.gathering import gather
from fieldstone.check.models import Model, model
from fieldstone.check.modules import Function, Module
from fieldstone.check.project import Project
from fieldstone.check.registry import File, Rule, Tier
from fieldstone.check.rules import rules
from fieldstone.check.suppressions import Suppressions
from fieldstone.check.values import Value
from fieldstone.check.versions import versions_of

SKIPPED = frozenset(
    {
        "node_modules",
        "__pycache__",
        "venv",
        "env",
        "site-packages",
        "dist",
        "build",
        "__pypackages__",
        "buck-out",
    }
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a check is asked for. Empty `select` means the rules that are on by default."""

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    preview: bool = False
    jobs: int = 0
    configured: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found, below which folder, and how much it looked at."""

    root: Path
    findings: list[Finding]
    files: int
    lines: int


def check(paths: Iterable[Path], options: Options | None = None) -> Report:
    """Check files and directories; the project around them is read for what their names mean."""
    options = options or Options()
    wanted = [path.resolve() for path in paths]
    root = root_of(wanted)
    configuration = Configuration.read(root) if options.configured else NO_CONFIGURATION
    project = gathered(root, configuration)
    chosen = choose(options, configuration)
    files = [facts for facts in project.files.values() if asked_for(root / facts.path, wanted)]
    found = [finding for facts in files for finding in checked(project, facts, chosen, configuration)]
    return Report(root, sorted(found), len(files), sum(facts.lines for facts in files))


def gathered(root: Path, configuration: Configuration) -> Project:
    """Gather the facts of all files below a root."""
    paths = sorted(sources(root, configuration))
    facts = [gather(path, path.relative_to(root).as_posix()) for path in paths]
    return Project(root, facts, versions_of(root))


def sources(root: Path, configuration: Configuration) -> Iterator[Path]:
    """Find the Python files below a root; environments, builds and hidden folders are left out."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not skipped(here / name, root, configuration)]
        for name in files:
            if name.endswith((".py", ".pyi")) and not configuration.excludes(
                (here / name).relative_to(root).as_posix()
            ):
                yield here / name


def skipped(folder: Path, root: Path, configuration: Configuration) -> bool:
    """Whether nothing below a folder is the project's own."""
    if folder.name in SKIPPED or (folder.name.startswith(".") and len(folder.name) > 1):
        return True
    return (folder / "pyvenv.cfg").exists() or configuration.excludes(folder.relative_to(root).as_posix())


def root_of(paths: list[Path]) -> Path:
    """Find the folder of the project that holds all paths: where pyproject.toml or the repository is."""
    shared = Path(os.path.commonpath(paths)) if paths else Path.cwd()
    start = shared if shared.is_dir() else shared.parent
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder
    return start


def asked_for(path: Path, wanted: list[Path]) -> bool:
    """Whether a file is one of the paths or below one."""
    return any(path == want or want in path.parents for want in wanted)


def choose(options: Options, configuration: Configuration) -> list[Rule]:
    """The rules that are to run."""
    select = options.select or configuration.select
    ignore = options.ignore | configuration.ignore
    preview = options.preview or configuration.preview
    return [
        rule for rule in rules().values() if runs(rule, select, preview) and not matches(rule.code, ignore)
    ]


def runs(rule: Rule, select: frozenset[str], preview: bool) -> bool:
    """Whether a rule is asked for."""
    if rule.code in select:
        return True
    if rule.tier is Tier.PREVIEW and not preview:
        return False
    if "ALL" in select or any(prefix and rule.code.startswith(prefix) for prefix in select):
        return True
    return not select and rule.tier is not Tier.OPT_IN


def matches(code: str, prefixes: frozenset[str]) -> bool:
    """Whether a code is named, in whole or by its beginning."""
    return any(code.startswith(prefix) for prefix in prefixes)


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
    silenced = Suppressions.of(module)
    ignored = configuration.ignored_in(facts.path)
    seen: set[tuple[str, Span]] = set()
    for rule, problem in problems(project, module, chosen):
        span = module.span(problem.node)
        if (rule.code, span) in seen or matches(rule.code, ignored) or silenced.silences(rule.code, span):
            continue
        seen.add((rule.code, span))
        yield Finding(
            facts.path, span, rule.code, rule.severity, problem.message, problem.remedy, problem.fix
        )


def problems(project: Project, module: Module, chosen: list[Rule]) -> Iterator[tuple[Rule, Problem]]:
    """Call each rule for each of its subjects."""
    by_subject: dict[type, list[Rule]] = defaultdict(list)
    for rule in chosen:
        for subject in rule.subjects:
            by_subject[subject].append(rule)
    file = File(module, project, Analysis(project))
    for found in subjects(file, by_subject):
        for rule in by_subject.get(type(found), ()):
            for problem in rule.body(found, file):
                yield rule, problem


def subjects(file: File, wanted: dict[type, list[Rule]]) -> Iterator[object]:
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
        yield from module.functions()
    if any(subject in wanted for subject in Event.__args__):
        for function in module.functions():
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
    for nested, names in flow.nested:
        yield from events(file, nested, names)
