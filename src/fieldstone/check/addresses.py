"""Which name means what, whatever module it came through.

An address says where a thing is defined: `app.models:Task` for the project's own (the module's place
below the root, then the name), `sqlmodel.Session` for others' libraries, always under one spelling
(`fieldstone.check.names`). What names mean follows from the outlines of files, which the cache compares
as a whole, so that no file has to be looked at for it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping

from fieldstone.check import names
from fieldstone.check.facts import FileFacts
from fieldstone.check.memory import Memory

LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "sqlmodel",
    "sqlalchemy",
    "fastapi",
    "pydantic",
    "alembic",
    "starlette",
    "fieldstone",
    "pytest",
    "asyncpg",
}
DEEPEST = 12
STARRED = frozenset(
    f"{module}.{name}"
    for module, bound in {
        "sqlmodel": "SQLModel Field Relationship Session select create_engine Column func text or_ and_",
        "sqlalchemy": "Column select create_engine func text or_ and_",
        "sqlalchemy.orm": "Session sessionmaker relationship mapped_column Mapped DeclarativeBase",
        "fastapi": "FastAPI APIRouter Depends",
    }.items()
    for name in bound.split()
)


class Addresses(Memory):
    """The files of a project, and what a name means in each."""

    def __init__(self, files: Iterable[FileFacts]) -> None:
        self.files: Mapping[str, FileFacts] = {facts.path: facts for facts in files}
        super().__init__(self.files)
        self._by_name: dict[str, FileFacts] = {facts.module: facts for facts in self.files.values()}
        self._by_end: dict[str, list[FileFacts]] = defaultdict(list)
        for facts in self.files.values():
            self._by_end[facts.module.rpartition(".")[2]].append(facts)
        self._found: dict[tuple[str, str], FileFacts | None] = {}
        self._addresses: dict[tuple[str, str], str | None] = {}

    def file_of(self, address: str) -> FileFacts | None:
        """Find the file in which an address of the project is defined."""
        return self._by_name.get(address.partition(":")[0])

    def find_module(self, dotted: str, importer: FileFacts) -> FileFacts | None:
        """Find the file that `import dotted` means in a file; None for others' libraries."""
        key = (dotted, importer.path.rpartition("/")[0])
        if key not in self._found:
            self._found[key] = self._find_module(dotted, importer)
        return self._found[key]

    def _find_module(self, dotted: str, importer: FileFacts) -> FileFacts | None:
        if dotted.startswith("."):
            return self._by_name.get(dotted[1:])
        if dotted.partition(".")[0] in LIBRARIES:
            return None
        end = "." + dotted
        candidates = [
            facts
            for facts in self._by_end[dotted.rpartition(".")[2]]
            if facts.module == dotted or facts.module.endswith(end)
        ]
        here = importer.module.split(".")

        def closeness(facts: FileFacts) -> tuple[bool, int, int]:
            above = facts.module.split(".")[: -dotted.count(".") - 1]
            shared = next(
                (i for i, (a, b) in enumerate(zip(above, here, strict=False)) if a != b),
                min(len(above), len(here)),
            )
            return above == here[: len(above)], shared, -len(above)

        if "." not in dotted:
            candidates = [facts for facts in candidates if closeness(facts)[0]]
        return max(candidates, key=closeness, default=None)

    def address(self, facts: FileFacts, dotted: str) -> str | None:
        """Say where the thing is defined that a file spells `dotted`; None if that cannot be seen."""
        if (
            not facts.stars
            and (head := dotted.partition(".")[0]) not in facts.imports
            and head not in facts.names
        ):
            return None
        key = (facts.path, dotted)
        if key not in self._addresses:
            self._addresses[key] = None  # a circle of imports ends here
            self._addresses[key] = self._address(facts, dotted, 0)
        return self._addresses[key]

    def _address(self, facts: FileFacts, dotted: str, depth: int) -> str | None:
        if depth > DEEPEST:
            return None
        head, _, rest = dotted.partition(".")
        if head in facts.names:
            return f"{facts.module}:{dotted}"
        if head in facts.imports:
            target = facts.imports[head]
            return self.locate(f"{target}.{rest}" if rest else target, facts, depth)
        for star in facts.stars:
            source = self.find_module(star, facts)
            found = self._address(source, dotted, depth + 1) if source and source is not facts else None
            if found:
                return found
            if source is None and f"{star}.{head}" in STARRED:
                return names.canonical(f"{star}.{dotted}")
        return None

    def locate(self, target: str, facts: FileFacts, depth: int = 0) -> str | None:
        """Say where the thing is defined that an import in a file names: in the project, or a library."""
        parts = target.split(".")
        if parts[0] in LIBRARIES:
            return names.canonical(target)
        first = 2 if target.startswith(".") else 1
        for size in range(len(parts), first - 1, -1):
            module = self.find_module(".".join(parts[:size]), facts)
            if module is None:
                continue
            rest = ".".join(parts[size:])
            if not rest:
                return f"{module.module}:"
            if module is facts and rest.partition(".")[0] in facts.imports:
                continue
            return self._address(module, rest, depth + 1)
        return None if target.startswith(".") else names.canonical(target)

    def submodule(self, facts: FileFacts, name: str) -> str | None:
        """Find a module in a package that does not import it by itself."""
        found = self._by_name.get(f"{facts.module}.{name}")
        return f"{found.module}:" if found else None
