"""The files of a project as one: their trees, their classes, and what holds for all of them.

Trees are parsed when they are first asked for, and let go again; facts stay.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fieldstone.check import names
from fieldstone.check.addresses import Addresses
from fieldstone.check.facts import ClassFacts, FileFacts, SessionMaker
from fieldstone.check.modules import Module
from fieldstone.check.parsing import Unparsable
from fieldstone.check.searching import uncommented
from fieldstone.check.shelf import Shelf, room
from fieldstone.check.texts import Texts
from fieldstone.check.versions import NO_VERSIONS, Versions

if TYPE_CHECKING:
    from fieldstone.check.models import Model

# What a class is as a model is remembered under this word and its address; these parts of it hold the tree
# that declares them.
MODEL = "model"
HOLDING = ("own columns", "own relations", "columns", "relations")
DEFINED = frozenset({"class", "def", "async def"})


class Project(Addresses):
    """All files of a check, and what their names mean."""

    def __init__(
        self,
        root: Path,
        files: Iterable[FileFacts],
        versions: Versions = NO_VERSIONS,
        texts: Texts | None = None,
        processes: int = 1,
    ) -> None:
        super().__init__(files)
        self.root = root
        self.texts = texts or Texts(root)
        self.versions = versions
        self.models: dict[str | None, Model] = {}
        self._shelf = Shelf(room(len(self.files), processes))

    @contextmanager
    def judging(self, path: str) -> Iterator[None]:
        """Note anew which files are looked at, while one of them is checked."""
        self.begin()
        self._shelf.begin(path)
        yield
        self._shelf.done()

    def close(self) -> None:
        """Let all trees go at once, rather than when somebody looks for garbage."""
        self.forget_all()
        self.models = {}
        self._shelf = Shelf(0)

    # Modules

    def module(self, facts: FileFacts) -> Module | None:
        """Parse a file of the project; None for one that cannot be parsed."""
        self.look_at(facts.path)
        module = self._shelf.get(facts.path)
        if module is None and not facts.error:
            try:
                module = Module.load(self, facts)
            except Unparsable:
                return None  # it changed since its facts were gathered
            self._keep(module)
        return module

    def adopt(self, trees: Mapping[str, tuple[str, ast.Module]]) -> None:
        """Keep trees of files that have been parsed already, until they are checked."""
        for path, (source, tree) in trees.items():
            if path in self.files:
                self._shelf.wait(Module(self, self.files[path], source, tree))

    def _keep(self, module: Module) -> None:
        for gone in self._shelf.put(module):
            for found in gone.facts.classes:
                for part in HOLDING:
                    self.forget((MODEL, f"{gone.facts.module}:{found.name}", part))

    def text(self, facts: FileFacts) -> str:
        """The code of a file, which need not be parsed to look for a word; empty if it cannot be read."""
        self.look_at(facts.path)
        module = self._shelf.get(facts.path)
        if module is not None:
            return module.code
        try:
            return uncommented(self.texts.text(facts.path))
        except Unparsable:
            return ""

    def module_of(self, address: str) -> Module | None:
        """Parse the module in which an address of the project is defined."""
        facts = self.file_of(address)
        return self.module(facts) if facts else None

    def defines(self, address: str) -> bool:
        """Whether a class or function stands at an address; most questions about it need no tree."""
        facts, name = self.file_of(address), address.partition(":")[2]
        if facts is None or facts.names.get(name.partition(".")[0]) not in DEFINED:
            return False
        self.look_at(facts.path)
        return True

    # Classes

    @cached_property
    def classes(self) -> dict[str, tuple[FileFacts, ClassFacts]]:
        """All classes at the top of a module, by address."""
        return {
            f"{facts.module}:{found.name}": (facts, found)
            for facts in self.files.values()
            for found in facts.classes
        }

    @cached_property
    def classes_named(self) -> dict[str, list[str]]:
        """The addresses of classes by their last name."""
        named: dict[str, list[str]] = defaultdict(list)
        for address, (_, found) in self.classes.items():
            named[found.name].append(address)
        return named

    @cached_property
    def importers(self) -> dict[str, list[FileFacts]]:
        """The files that serve requests and may concern a rule, by the names that they import, or "*"."""
        found: dict[str, list[FileFacts]] = defaultdict(list)
        for facts in self.files.values():
            if facts.matters and not facts.trial:
                for name in [*facts.imports, *(["*"] if facts.stars else [])]:
                    found[name].append(facts)
        return found

    @cached_property
    def subclasses(self) -> dict[str, list[str]]:
        """The classes that name a class among their bases, by its address."""
        below: dict[str, list[str]] = defaultdict(list)
        for address in self.classes:
            for base in self.bases(address):
                below[base].append(address)
        return below

    def bases(self, address: str) -> list[str]:
        """Addresses of a class's direct bases; "?" for one that cannot be resolved."""
        if address not in self.classes:
            return self.remember(("below", address), lambda: self.given_class(address), [])
        facts, found = self.classes[address]
        return [(self.address(facts, base) if base != "?" else None) or "?" for base in found.bases]

    def given_class(self, address: str) -> list[str]:
        """The class that `Base = declarative_base(cls=...)` puts below what is made of it."""
        module = self.module_of(address) if ":" in address else None
        for statement in module.bindings.get(address.partition(":")[2], ()) if module else ():
            value = getattr(statement, "value", None)
            given = names.keyword(value, "cls") if isinstance(value, ast.Call) else None
            if module and given is not None:
                return [module.address(given) or "?"]
        return []

    def ancestry(self, address: str) -> tuple[str, ...]:
        """A class and all above it, nearest first; others' classes and "?" included."""
        return self.remember(("ancestry", address), lambda: self._ancestry(address), (address,))

    def _ancestry(self, address: str) -> tuple[str, ...]:
        seen: dict[str, None] = {address: None}
        queue = [address]
        while queue:
            for base in self.bases(queue.pop(0)):
                if base not in seen:
                    seen[base] = None
                    queue.append(base)
        return tuple(seen)

    def descendants(self, address: str) -> list[str]:
        """All classes below one, itself not included."""
        seen: dict[str, None] = {}
        queue = [address]
        while queue:
            for below in self.subclasses.get(queue.pop(0), ()):
                if below not in seen:
                    seen[below] = None
                    queue.append(below)
        return list(seen)

    # Facts of the whole

    @cached_property
    def makers(self) -> list[SessionMaker]:
        """All places that make sessions in what serves requests; in trials if there are no others."""
        serving = [maker for facts in self.files.values() if not facts.trial for maker in facts.makers]
        return serving or [maker for facts in self.files.values() for maker in facts.makers]

    def expires(self, asynchronous: bool | None) -> bool | None:
        """Whether a commit expires what sessions hold, if all factories of that kind agree."""
        said = {
            maker.expires
            for maker in self.makers
            if asynchronous is None or maker.asynchronous is asynchronous
        }
        return said.pop() if len(said) == 1 else None

    @cached_property
    def dependencies(self) -> frozenset[str]:
        """Addresses of what files that serve requests name in `Depends(...)`."""
        found = (
            self.address(facts, spelled)
            for facts in self.files.values()
            if not facts.trial
            for spelled in facts.depends
        )
        return frozenset(address for address in found if address)

    @cached_property
    def schemes(self) -> frozenset[str]:
        """The database URLs seen in the sources, by scheme."""
        return frozenset(scheme for facts in self.files.values() for scheme in facts.schemes)

    @cached_property
    def assigned(self) -> frozenset[str]:
        """Names that look like a time of change and are assigned, or stand as a key, anywhere."""
        serving = (facts for facts in self.files.values() if not facts.trial)
        return frozenset(name for facts in serving for name in facts.assigned)
