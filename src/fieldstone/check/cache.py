"""What the last run learnt, so that the next one looks only at what changed.

The facts of a file hold as long as its content does. Its findings hold as long as its own content, that
of every file it was judged by, and the outline of the whole project do. The cache lies in
`.fieldstone_cache` below the root; it is JSON, since it may come from a stranger's repository.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache as once
from pathlib import Path
from typing import Any

from fieldstone.check.facts import ClassFacts, FileFacts, SessionMaker
from fieldstone.check.findings import Edit, Finding, Fix, Severity, Span
from fieldstone.check.project import Project
from fieldstone.check.texts import Texts, stamp

FOLDER = ".fieldstone_cache"


class Cache:
    """What was learnt before, and what is learnt now; without a file it is not written down.

    Facts are kept as the JSON that they are stored as, and files that a file was judged by as numbers:
    as objects, those of a large project would take more room than all the rest of a check.
    """

    def __init__(
        self,
        file: Path | None = None,
        key: str = "",
        before: Mapping[str, Any] | None = None,
        paths: Iterable[str] = (),
        *,
        keeps: bool = True,
    ) -> None:
        self.file = file
        self.key = key
        self.keeps = keeps
        self.before = before or {}
        self.now: dict[str, dict[str, Any]] = {}
        self.paths = list(paths)
        self._numbers = {path: number for number, path in enumerate(self.paths)}
        self._world: str | None = None

    @classmethod
    def read(cls, root: Path, asked: list[str]) -> Cache:
        """Read the cache of a project; one that was written otherwise, or cannot be read, counts as none."""
        file = root / FOLDER / "check.json"
        key = digest("\n".join([code_of_the_check(), sys.version, *asked]))
        try:
            kept = json.loads(file.read_bytes())
            return cls(file, key, kept["files"], kept["paths"]) if kept["key"] == key else cls(file, key)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(file, key)

    def again(self) -> Cache:
        """Make the cache of the next run in the same process."""
        return Cache(self.file, self.key, self.now, self.paths)

    def facts(self, texts: Texts, path: str) -> FileFacts | None:
        """The facts of a file that has not changed since they were gathered."""
        entry = self.before.get(path)
        try:
            if not isinstance(entry, dict) or entry["stamp"] != texts.stamp(path):
                return None
            facts = facts_from(json.loads(entry["facts"]))
        except (OSError, KeyError, TypeError, ValueError):
            return None
        self.now[path] = entry
        return facts

    def keep_facts(self, texts: Texts, path: str, facts: FileFacts) -> None:
        """Keep facts for the next run."""
        if self.keeps and not facts.error:
            self.now[path] = {"stamp": texts.stamp(path), "facts": json.dumps(asdict(facts))}

    def findings(self, project: Project, path: str) -> list[Finding] | None:
        """The findings of a file, if nothing that they follow from has changed."""
        entry = self.now.get(path, {})
        try:
            if entry["world"] != self.world(project) or entry["digest"] != project.files[path].digest:
                return None
            if entry["meaning"] != meaning(project, [self.paths[number] for number in entry["judged_by"]]):
                return None
            return [finding_from(found) for found in entry["findings"]]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            return None

    def keep_findings(
        self, project: Project, path: str, findings: list[Finding], consulted: list[str]
    ) -> None:
        """Keep the findings of a file, and what the files mean that it was judged by."""
        if path in self.now:
            judged_by = [other for other in consulted if other != path]
            self.now[path] |= {
                "world": self.world(project),
                "digest": project.files[path].digest,
                "judged_by": [self._number(other) for other in judged_by],
                "meaning": meaning(project, judged_by),
                "findings": [asdict(f) for f in findings],
            }

    def _number(self, path: str) -> int:
        if path not in self._numbers:
            self._numbers[path] = len(self.paths)
            self.paths.append(path)
        return self._numbers[path]

    def world(self, project: Project) -> str:
        """Fingerprint what any file may know of all others."""
        if self._world is None:
            outlines = [facts.outline for facts in project.files.values()]
            self._world = digest("\n".join([*outlines, project.versions.fingerprint]))
        return self._world

    def write(self) -> None:
        """Write the cache; where that is not allowed, the next run is slower and nothing else."""
        if self.file is None or self.now == self.before:
            return
        try:
            self.file.parent.mkdir(exist_ok=True)
            (self.file.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            fresh = self.file.with_suffix(".new")
            fresh.write_text(
                json.dumps({"key": self.key, "paths": self.paths, "files": self.now}), encoding="utf-8"
            )
            fresh.replace(self.file)
        except OSError:
            return


def digest(text: str) -> str:
    """Fingerprint a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@once
def code_of_the_check() -> str:
    """Fingerprint the check itself, whose next version may find other things."""
    here = Path(__file__).parent
    own = sorted(str(path) for folder in (here, here / "rules") for path in folder.glob("*.py"))
    return digest(repr([(path, stamp(path)) for path in own]))


def meaning(project: Project, paths: Iterable[str]) -> str:
    """Fingerprint what files mean to one that was judged by them."""
    return digest("\n".join(f"{path} {project.files[path].meaning}" for path in paths))


def facts_from(kept: Mapping[str, Any]) -> FileFacts:
    """Make facts of what JSON kept."""
    lists = {name: tuple(kept[name]) for name in ("stars", "schemes", "assigned", "depends")}
    classes = tuple(
        ClassFacts(**{**one, "bases": tuple(one["bases"]), "fields": tuple(one["fields"])})
        for one in kept["classes"]
    )
    makers = tuple(SessionMaker(**one) for one in kept["makers"])
    return FileFacts(**{**kept, **lists, "classes": classes, "makers": makers})


def finding_from(kept: Mapping[str, Any]) -> Finding:
    """Make a finding of what JSON kept."""
    fix = kept["fix"] and Fix(
        tuple(Edit(Span(**edit["span"]), edit["text"]) for edit in kept["fix"]["edits"]), kept["fix"]["safe"]
    )
    severity = Severity(kept["severity"])
    return Finding(**{**kept, "span": Span(**kept["span"]), "severity": severity, "fix": fix})
