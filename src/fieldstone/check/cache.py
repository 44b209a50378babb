"""What the last run learnt, so that the next one looks only at what changed.

The facts of a file hold as long as its content does. Its findings hold as long as its own content, what
every file means that it was judged by, and the outline of the whole project do. The cache lies in
`.fieldstone_cache` below the root; it is JSON, since it may come from a stranger's repository.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
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

    Facts are kept as the JSON that they are stored as, and the files that a file was judged by as the bits of
    a number: as objects, those of a large project would take more room than all the rest of a check.
    """

    def __init__(
        self,
        file: Path | None = None,
        key: str = "",
        before: Mapping[str, Any] | None = None,
        *,
        keeps: bool = True,
    ) -> None:
        self.file = file
        self.key = key
        self.keeps = keeps
        self.before = before or {}
        self.now: dict[str, dict[str, Any]] = {}
        self._world = ""
        self._changed = 0
        self._held: set[str] = set()  # the files whose findings hold now

    @classmethod
    def read(cls, root: Path, asked: list[str]) -> Cache:
        """Read the cache of a project; one that was written otherwise, or cannot be read, counts as none."""
        file = root / FOLDER / "check.json"
        key = digest("\n".join([code_of_the_check(), sys.version, *asked]))
        try:
            kept = json.loads(file.read_bytes())
            return cls(file, key, kept["files"]) if kept["key"] == key else cls(file, key)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(file, key)

    def again(self) -> Cache:
        """Make the cache of the next run in the same process."""
        return Cache(self.file, self.key, self._standing())

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
            told = json.dumps(facts, default=plainly)
            self.now[path] = {"stamp": texts.stamp(path), "facts": told, "meaning": facts.meaning}

    def compare(self, project: Project) -> None:
        """See what has changed of a project, once all its facts are known."""
        self._world = world(project) if self.keeps else ""
        for facts in project.files.values():
            self._changed |= self._change(facts) << project.numbers[facts.path]

    def _change(self, facts: FileFacts) -> int:
        """What has changed of a file: 0 for nothing, 1 for what it says, 3 for methods of classes as well."""
        entry = self.before.get(facts.path, {})
        if facts.error or (isinstance(entry, dict) and entry.get("meaning") == facts.meaning):
            return 0  # an error is part of the outline
        try:
            return 1 if facts_from(json.loads(entry["facts"])).methods == facts.methods else 3
        except (KeyError, TypeError, ValueError):
            return 3

    def findings(self, path: str) -> list[Finding] | None:
        """The findings of a file, if nothing that they follow from has changed."""
        entry = self.now.get(path, {})
        try:
            if not self._stands(entry):
                return None
            found = [finding_from(one) for one in entry["findings"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        self._held.add(path)
        return found

    def _stands(self, entry: Mapping[str, Any]) -> bool:
        return entry.get("world") == self._world and not self._changed & int(entry["judged_by"], 16)

    def keep_findings(self, path: str, findings: list[Finding], judged_by: int) -> None:
        """Keep the findings of a file, and by which files of the project it was judged."""
        if path in self.now:
            self.now[path] |= {
                "world": self._world,
                "judged_by": f"{judged_by:x}",
                "findings": [asdict(found) for found in findings],
            }
            self._held.add(path)

    def _standing(self) -> dict[str, dict[str, Any]]:
        """What the next run may rely on; findings of files that nobody asked for may not hold any more."""
        kept = {}
        for path, entry in self.now.items():
            holds = path in self._held or self.findings(path) is not None
            kept[path] = entry if holds else {name: entry.get(name) for name in ("stamp", "facts", "meaning")}
        return kept

    def write(self) -> None:
        """Write the cache; where that is not allowed, the next run is slower and nothing else."""
        if self.file is None or self.now == self.before:
            return
        try:
            self.file.parent.mkdir(exist_ok=True)
            (self.file.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            fresh = self.file.with_suffix(".new")
            fresh.write_text(json.dumps({"key": self.key, "files": self._standing()}), encoding="utf-8")
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


def world(project: Project) -> str:
    """Fingerprint what any file may know of all others."""
    outlines = [facts.outline for facts in project.files.values()]
    return digest("\n".join([*outlines, project.versions.fingerprint]))


def plainly(facts: FileFacts | ClassFacts | SessionMaker) -> dict[str, object]:
    """Write facts as what JSON knows; what the standard library has for it copies all that they hold."""
    return {name: getattr(facts, name) for name in facts.__slots__}


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
