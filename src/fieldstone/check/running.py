"""A check from paths to findings.

First the facts of every file are gathered, then the rules run over each file that may hold something
for them. Both steps look at one file at a time, so that both can be spread over processes.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from fieldstone.check.cache import Cache
from fieldstone.check.checking import Chosen, checked
from fieldstone.check.configuration import NO_CONFIGURATION, Configuration, matches
from fieldstone.check.discovery import AskedFor, root_of, sources
from fieldstone.check.facts import FileFacts
from fieldstone.check.findings import Finding
from fieldstone.check.processes import Team
from fieldstone.check.project import Project
from fieldstone.check.registry import Rule, Tier
from fieldstone.check.rules import rules
from fieldstone.check.shelf import room
from fieldstone.check.texts import Texts
from fieldstone.check.versions import versions_of

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Options:
    """What a check is asked for. Empty `select` means the rules that are on by default."""

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    preview: bool = False
    jobs: int = 0
    configured: bool = True
    cached: bool = False


class Progress(Protocol):
    """Passes on what is done, one by one, and may show how much of the total it was."""

    def __call__(self, what: str, done: Iterator[Done], total: int, /) -> Iterable[Done]:
        """Pass on what is done."""
        ...


def unseen(_what: str, done: Iterator[Done], _total: int) -> Iterator[Done]:
    """Show nothing."""
    return done


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found, below which folder, and how much it looked at."""

    root: Path
    findings: list[Finding]
    files: int
    lines: int


def check(paths: Iterable[Path], options: Options | None = None, *, progress: Progress = unseen) -> Report:
    """Check files and directories; the project around them is read for what their names mean."""
    options = options or Options()
    wanted = [path.resolve() for path in paths]
    root = root_of(wanted)
    asked = Asked.of(root, options)
    cache = asked.cache() if options.cached else Cache(keeps=False)
    report = run(asked, Texts(root), wanted, cache, progress)
    cache.write()
    return report


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be checked by which rules, once the project's own configuration has been read."""

    root: Path
    codes: list[str]
    configuration: Configuration
    jobs: int

    @classmethod
    def of(cls, root: Path, options: Options) -> Asked:
        """Read the configuration of a project."""
        configuration = Configuration.read(root) if options.configured else NO_CONFIGURATION
        codes = [rule.code for rule in choose(options, configuration)]
        return cls(root, codes, configuration, options.jobs)

    def cache(self) -> Cache:
        """Read what the last run learnt by the same rules."""
        return Cache.read(self.root, [*self.codes, self.configuration.fingerprint])


def run(asked: Asked, texts: Texts, wanted: list[Path], cache: Cache, progress: Progress = unseen) -> Report:
    """Check what is wanted of a project, with what a cache knows already."""
    root = asked.root
    with without_collection(), team(asked.jobs) as processes:
        found_files = {*sources(root, asked.configuration), *texts.unsaved}
        paths = sorted(found_files, key=lambda path: path.split("/"))
        facts = gathered(texts, paths, processes, cache, progress)
        is_asked_for = AskedFor(root, wanted)
        chosen = [one for one in facts if is_asked_for(one.path)]
        project = Project(root, facts, versions_of(root), texts, processes.jobs)
        found = sorted(found_in(project, chosen, asked, processes, cache, progress))
    return Report(root, found, len(chosen), sum(one.lines for one in chosen))


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


@contextmanager
def team(jobs: int) -> Iterator[Team]:
    """Have processes for a check, and forget afterwards what this one has kept for it."""
    processes = Team(jobs)
    try:
        yield processes
    finally:
        processes.dismiss()
        prepare(None, [], NO_CONFIGURATION)


def gathered(
    texts: Texts, paths: list[str], processes: Team, cache: Cache, progress: Progress
) -> list[FileFacts]:
    """Gather the facts of files below a root; of those that did not change, from the cache."""
    known = {path: cache.facts(texts, path) for path in paths}
    missing = [path for path, facts in known.items() if facts is None]
    if missing:
        processes.prepare(len(missing), begin, texts, room(len(paths), processes.jobs) * 2 // 3)
    done = processes.spread(gather_one, missing)
    for path, facts in zip(missing, progress("Reading", done, len(missing)), strict=True):
        known[path] = facts.interned()
        cache.keep_facts(texts, path, facts)
    return [facts for facts in known.values() if facts]


def found_in(
    project: Project,
    files: list[FileFacts],
    asked: Asked,
    processes: Team,
    cache: Cache,
    progress: Progress,
) -> Iterator[Finding]:
    """Run the rules over files; where nothing changed that counts, the cache knows the findings."""
    cache.compare(project)
    known = {facts.path: cache.findings(facts.path) for facts in files}
    missing = [path for path, findings in known.items() if findings is None]
    if missing:
        processes.prepare(len(missing), prepare, project, asked.codes, asked.configuration)
    done = processes.spread(check_one, missing)
    for path, (findings, judged_by) in zip(missing, progress("Checking", done, len(missing)), strict=True):
        known[path] = findings
        cache.keep_findings(path, findings, judged_by)
    for some in known.values():
        yield from some or ()


@dataclass
class Worker:
    """What a process needs to gather from files and to check them; set once, before the first.

    The trees of files that rules may speak of are kept from the first step for the second, as far as there
    is room for them: to parse is a quarter of the work.
    """

    texts: Texts | None = None
    trees: dict[str, tuple[str, ast.Module]] = field(default_factory=dict)
    room: int = 0
    project: Project | None = None
    chosen: Chosen = field(default_factory=lambda: Chosen([]))
    configuration: Configuration = NO_CONFIGURATION


WORKER = Worker()


def begin(texts: Texts, free: int) -> None:
    """Get a process ready to gather facts, and to keep the trees of so many characters."""
    WORKER.texts, WORKER.trees, WORKER.room = texts, {}, free


def gather_one(path: str) -> FileFacts:
    """Gather the facts of one file in a process that is ready."""
    assert WORKER.texts is not None
    return WORKER.texts.facts(path, keep)


def keep(facts: FileFacts, source: str, tree: ast.Module) -> None:
    """Keep the tree of a file that will be asked for again."""
    if facts.matters and len(source) <= WORKER.room:
        WORKER.trees[facts.path] = source, tree
        WORKER.room -= len(source)


def prepare(project: Project | None, codes: list[str], configuration: Configuration) -> None:
    """Get a process ready to check; without a project it forgets what it knew."""
    if WORKER.project:
        WORKER.project.close()
    WORKER.texts, WORKER.project, WORKER.configuration = None, project, configuration
    WORKER.chosen = Chosen([rules()[code] for code in codes])
    if project:
        project.adopt(WORKER.trees)
    WORKER.trees = {}


def check_one(path: str) -> tuple[list[Finding], int]:
    """Check one file in a process that is ready; tell also by which files it was judged."""
    project = WORKER.project
    assert project is not None
    with project.judging(path):
        findings = list(checked(project, project.files[path], WORKER.chosen, WORKER.configuration))
    return findings, project.consulted


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
