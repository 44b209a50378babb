"""What each module of the package imports, and which room of the architecture it belongs to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "fieldstone"

# Packages whose modules are rooms of their own; their `__init__` is the face that others take from.
PACKAGES = {"models", "schemas", "violations", "database", "reading", "paging", "writing", "migrations"}


@dataclass(frozen=True)
class Import:
    """One name that a file takes from a module."""

    line: int
    module: str
    name: str | None

    def __str__(self) -> str:
        return f"line {self.line}: {self.module}" + (f" ({self.name})" if self.name else "")

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]

    @property
    def room(self) -> str:
        """Name the room of Fieldstone that this takes from; `fieldstone` where it is the public face."""
        parts = self.module.split(".")[1:]
        if parts and parts[0] not in PACKAGES:
            return parts[0]
        named = ".".join([*parts, self.name or ""])
        return named if named in ROOM_NAMES else ".".join(parts) or "fieldstone"


def room_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] not in PACKAGES:
        return parts[0]
    return parts[0] if parts[1] == "__init__" else ".".join(parts)


FILES = sorted(PACKAGE.rglob("*.py"))
ROOM_NAMES = {room_of(file) for file in FILES} - {"__init__"}


def file_name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def imports(file: Path) -> Iterator[Import]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file_name(file)}:{node.lineno}: write the import from fieldstone on"
            yield from (Import(node.lineno, node.module or "", alias.name) for alias in node.names)
