"""A check from paths to findings.

First the facts of every file are gathered, then the rules run over each file that may hold something
for them. Both steps look at one file at a time, so that both can be spread over processes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fieldstone.check.checking import checked
from fieldstone.check.configuration import NO_CONFIGURATION, Configuration, matches
from fieldstone.check.discovery import asked_for, root_of, sources
from fieldstone.check.facts import FileFacts
from fieldstone.check.findings import Finding
from fieldstone.check.gathering import gather
from fieldstone.check.processes import spread
from fieldstone.check.project import Project
from fieldstone.check.registry import Rule, Tier
from fieldstone.check.rules import rules
from fieldstone.check.versions import versions_of


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
    with without_collection():
        facts = gathered(root, sorted(sources(root, configuration)), options.jobs)
        asked = [one for one in facts if asked_for(root / one.path, wanted)]
        found = sorted(found_in(Project(root, facts, versions_of(root)), asked, options, configuration))
    return Report(root, found, len(asked), sum(one.lines for one in asked))


@contextmanager
def without_collection() -> Iterator[None]:
    """Leave garbage of cycles alone: trees have none, and looking for it takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def gathered(root: Path, paths: list[Path], jobs: int) -> list[FileFacts]:
    """Gather the facts of files below a root."""
    return list(spread(gather_below, [(root, path) for path in paths], jobs))


def gather_below(place: tuple[Path, Path]) -> FileFacts:
    """Gather the facts of one file below a root."""
    root, path = place
    return gather(path, path.relative_to(root).as_posix())


def found_in(
    project: Project, files: list[FileFacts], options: Options, configuration: Configuration
) -> Iterator[Finding]:
    """Run the rules over files."""
    codes = [rule.code for rule in choose(options, configuration)]
    prepared = (project, codes, configuration)
    for some in spread(check_one, [facts.path for facts in files], options.jobs, prepare, prepared):
        yield from some


@dataclass
class Worker:
    """What a process needs to check a file; set once, before the first."""

    project: Project | None = None
    rules: list[Rule] = field(default_factory=list)
    configuration: Configuration = NO_CONFIGURATION


WORKER = Worker()


def prepare(project: Project, codes: list[str], configuration: Configuration) -> None:
    """Get a process ready."""
    WORKER.project, WORKER.configuration = project, configuration
    WORKER.rules = [rules()[code] for code in codes]


def check_one(path: str) -> list[Finding]:
    """Check one file in a process that is ready."""
    assert WORKER.project is not None
    return list(checked(WORKER.project, WORKER.project.files[path], WORKER.rules, WORKER.configuration))


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
