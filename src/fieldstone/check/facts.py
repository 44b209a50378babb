"""What one file tells the others: small, comparable, and storable without its tree.

Everything here is found by reading one file alone. What it means over files (which class is a table,
whether sessions expire) is worked out by `fieldstone.check.project`. Two runs that gather the same
facts need not look again at files that did not change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from sys import intern
from typing import Literal

NameKind = Literal["class", "def", "async def", "value"]
TRIAL = re.compile(
    r"(?:^|/)(?:(?:tests?|testing|examples?|scripts?|migrations?|alembic|docs(?:_src)?|seed(?:er)?s?|fixtures?"
    r"|benchmarks?|e2e)/|(?:test_|conftest|seed)[^/]*$|[^/]*_(?:tests?|seed(?:er)?s?)\.py$)"
)


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """A class statement: its bases as written, and the keywords that decide what it is."""

    name: str
    bases: tuple[str, ...]
    table: bool | None
    tablename: str | None
    line: int
    fields: tuple[str, ...]
    abstract: bool = False
    methods: dict[str, bool] = field(default_factory=dict)  # by name, whether it is a coroutine function


@dataclass(frozen=True, slots=True)
class SessionMaker:
    """A place that makes sessions or session factories, and what it says about them.

    None means that the source does not tell.
    """

    line: int
    kind: str
    asynchronous: bool | None
    expires: bool | None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """All that one file tells the others.

    `digest` changes with anything in the file, `meaning` only with what may matter to another file.
    """

    path: str
    module: str
    package: bool
    digest: str
    lines: int
    error: tuple[int, str] | None = None
    matters: bool = False
    imports: dict[str, str] = field(default_factory=dict)
    stars: tuple[str, ...] = ()
    names: dict[str, NameKind] = field(default_factory=dict)
    classes: tuple[ClassFacts, ...] = ()
    makers: tuple[SessionMaker, ...] = ()
    schemes: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    handmade: bool = False  # whether it makes tables of SQLAlchemy that are no classes
    meaning: str = ""

    @property
    def outline(self) -> str:
        """What other files may have learnt from these facts; not what stands in which line.

        Methods are left out: who asks for those of a class is judged by them alone.
        """
        classes = [(c.name, c.bases, c.table, c.tablename, c.fields, c.abstract) for c in self.classes]
        makers = [(m.kind, m.asynchronous, m.expires) for m in self.makers]
        rest = (
            self.imports,
            self.stars,
            self.names,
            self.schemes,
            self.assigned,
            self.depends,
            self.handmade,
        )
        return repr((self.path, self.error, self.matters, classes, makers, rest))

    @property
    def methods(self) -> list[tuple[str, dict[str, bool]]]:
        """The methods of each class."""
        return [(found.name, found.methods) for found in self.classes]

    def interned(self) -> FileFacts:
        """Share its names with the facts of other files: most of what a large project imports is the same."""
        imports = {intern(name): intern(target) for name, target in self.imports.items()}
        kinds = {intern(name): kind for name, kind in self.names.items()}
        return replace(self, imports=imports, names=kinds)

    @property
    def revision(self) -> bool:
        """Whether the file is a revision of Alembic."""
        return "revision" in self.names and "down_revision" in self.names

    @property
    def trial(self) -> bool:
        """Whether the file is a test, an example, a script or a migration: not what serves requests."""
        return self.revision or tried(self.path)


@cache
def tried(path: str) -> bool:
    """Whether a file's place says that it serves nothing."""
    return TRIAL.search(path.replace("\\", "/")) is not None
