"""Which versions of the libraries a project declares or locks.

Some mistakes are mistakes on one side of a version only. A lock file says which one is installed; a
requirement says at least what may be. Neither is ever imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Version: TypeAlias = tuple[int, ...]

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt", "requirements.lock")
REQUIREMENT = re.compile(
    r"^\s*[\"']?([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(===?|>=|~=|\^|>)\s*v?(\d+(?:\.\d+)*)", re.MULTILINE
)
# How a lock file states a name or version. To read one as TOML takes longer than to parse the project.
STATED = re.compile(r"^(name|version)\s*=\s*[\"']([^\"'\n]*)[\"']", re.MULTILINE)
LIBRARIES = frozenset(
    {
        "sqlmodel",
        "sqlalchemy",
        "pydantic",
        "fastapi",
        "asyncpg",
        "psycopg",
        "psycopg2",
        "psycopg2-binary",
        "aiosqlite",
        "aiomysql",
        "asyncmy",
        "fieldstone",
    }
)


@dataclass(frozen=True, slots=True)
class Versions:
    """The version of each library that is named anywhere, and whether a lock file says so."""

    known: Mapping[str, Version] = field(default_factory=dict)
    named: frozenset[str] = frozenset()

    def at_least(self, library: str, *version: int) -> bool | None:
        """Whether that version or a later one is installed; None if nothing says."""
        found = self.known.get(library)
        return None if found is None else found >= version

    def uses(self, library: str) -> bool:
        """Whether the project names a library."""
        return library in self.named

    @property
    def fingerprint(self) -> str:
        """The same text in every process, as long as the files say the same."""
        return repr((sorted(self.known.items()), sorted(self.named)))


NO_VERSIONS = Versions()


def versions_of(root: Path) -> Versions:
    """Read what the files at a project's root, or one or two levels below, declare and lock."""
    known: dict[str, Version] = {}
    named: set[str] = set()
    for path in declarations(root):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for library, version in declared(path.name, text):
            named.add(library)
            if version:
                known.setdefault(library, version)
    return Versions(known, frozenset(named))


def declarations(root: Path) -> Iterator[Path]:
    """Files that declare versions, those that lock them first."""
    folders = [root, *(p for p in sorted(root.glob("*")) if p.is_dir() and not p.name.startswith("."))]
    folders += [p for folder in folders[1:] for p in sorted(folder.glob("*")) if p.is_dir()][:200]
    for name in (*LOCKS, "pyproject.toml", "setup.cfg"):
        for folder in folders:
            if (folder / name).is_file():
                yield folder / name
    yield from sorted(root.glob("requirements/*.txt"))


def declared(name: str, text: str) -> Iterator[tuple[str, Version | None]]:
    """Libraries and versions that one file names."""
    if name in {"uv.lock", "poetry.lock", "pdm.lock"}:
        yield from locked(text)
    elif name == "Pipfile.lock":
        for library, version in re.findall(r'"([\w.-]+)":\s*{[^{}]*?"version":\s*"==([\d.]+)', text):
            yield from known_only(library, version)
    else:
        text = re.sub(r"[\[,]\s*(?=[\"'])", "\n", text)  # requirements that share a line
        for library, _, version in REQUIREMENT.findall(re.sub(r'"\s*=\s*"|\s=\s"', " ", text)):
            yield from known_only(library, version)
        for library in LIBRARIES:
            if re.search(rf"^\s*[\"']?{library}\b", text, re.MULTILINE | re.IGNORECASE):
                yield library, None


def locked(text: str) -> Iterator[tuple[str, Version | None]]:
    """Packages of a lock file in TOML."""
    for package in re.split(r"^\[\[package\]\]\s*$", text, flags=re.MULTILINE)[1:]:
        own = re.split(r"^\[", package, maxsplit=1, flags=re.MULTILINE)[0]
        said = dict(STATED.findall(own))
        yield from known_only(said.get("name", ""), said.get("version", ""))


def known_only(library: str, version: str) -> Iterator[tuple[str, Version | None]]:
    """Keep the libraries that rules ask about."""
    name = library.lower().replace("_", "-")
    if name in LIBRARIES:
        yield name, tuple(int(part) for part in re.findall(r"\d+", version)[:3]) or None
