"""What is found in the text of a file, without its tree."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A file without any of these holds no session, no model and no route.
MARKERS = (
    *("sqlmodel", "sqlalchemy", "fieldstone", "fastapi", "session", "Session", "SQLModel", "Mapped["),
    *(".commit(", ".exec(", ".execute(", "declared_attr", "Depends(", "_repo", "_service", "Repository"),
    "relationship",
)
DATABASE = re.compile(r"\bdb\b")
LONGEST_SCHEME = 60
SCHEME = re.compile(r"""\b(sqlite|postgres(?:ql)?|mysql|mariadb|oracle|mssql)(\+\w+)?:/""")
LONGEST_NAME = 100  # or a file that is one long word would take for ever
CHANGE = re.compile("updat|modif|chang|edited")
# What follows a name of a change where it is set: `task.updated_at = ...`, `{"updated_at": ...}`,
# `setattr(task, "updated_at", ...)` and `values(updated_at=now())`; a function that returns the name gives
# it to who sets it.
SET = re.compile(r"\s*(?:=(?!=)|:\s*\w+\s*=)")
SET_AS_KEY = re.compile(r"['\"]\s*(:|\]\s*=(?!=))")
SET_BY_NAME = re.compile(r"(?:setattr\(\s*[\w.]+\s*,\s*|\breturn\s+)['\"]\Z")
SET_TO_NOW = re.compile(r"\s*=\s*(?:datetime|func|sa\.func|text|_?utc|now|time)")


def concerns(source: str) -> bool:
    """Whether a file may hold a session, a model or a route."""
    return any(marker in source for marker in MARKERS) or DATABASE.search(source) is not None


def uncommented(source: str) -> str:
    """Leave out blank lines and those that are a comment, which change what is found in no other file."""
    return "\n".join([line for line in source.split("\n") if (start := line.lstrip()) and start[0] != "#"])


def schemes(source: str) -> Iterator[str]:
    """Find the schemes of database URLs, looking back from what ends each."""
    before, end = 0, source.find(":/")
    while end >= 0:
        found = SCHEME.search(source, max(before, end - LONGEST_SCHEME), end + 2)
        if found:
            yield "".join(part or "" for part in found.groups())
        before, end = end + 2, source.find(":/", end + 2)


def assigned(source: str) -> Iterator[str]:
    """Find the names that look like a time of change and are assigned."""
    end = 0
    while found := CHANGE.search(source, end):
        start, end = found.span()
        first, last = max(0, start - LONGEST_NAME), min(len(source), end + LONGEST_NAME)
        while start > first and is_of_name(source[start - 1]):
            start -= 1
        while end < last and is_of_name(source[end]):
            end += 1
        if sets(source, start, end):
            yield source[start:end]


def is_of_name(character: str) -> bool:
    """Whether a character may stand in a name."""
    return character.isalnum() or character == "_"


def sets(source: str, start: int, end: int) -> bool:
    """Whether the name between two places is set there; `{"updated_at": task.updated_at}` only reads it."""
    before = source[start - 1 : start]
    if before == "." and SET.match(source, end):
        return True
    if before and before in "'\"" and source[end : end + 1] in {"'", '"'}:
        key = SET_AS_KEY.match(source, end)
        if key and key[1] != ":":
            return True
        if key and f".{source[start:end]}" not in source[key.end() :].partition("\n")[0]:
            return True
        return SET_BY_NAME.search(source, max(0, start - 200), start) is not None
    return SET_TO_NOW.match(source, end) is not None
