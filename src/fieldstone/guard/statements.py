"""The statements that a block of code sent, with the lines that asked for them, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

from sqlalchemy import Engine

from fieldstone.guard.sites import Moment, Site

if TYPE_CHECKING:
    from fieldstone.guard.lives import Query

Purpose = Literal["query", "lazy load", "eager load", "reload"]

_SETUP = {"BEGIN", "COMMIT", "PRAGMA", "RELEASE", "ROLLBACK", "SAVEPOINT", "SET"}
_READS = {"SELECT", "WITH"}
_WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE"}
_WIDTH = 100

_PLACEHOLDER = r"(?:\?|\$\d+|%\(\w+\)s|%s)(?:::\w+(?:\[\])?)?"
_LIST = re.compile(rf"\(\s*{_PLACEHOLDER}(?:\s*,\s*{_PLACEHOLDER})*\s*\)")
# A value that picks rows: compared for equality, perhaps within a function, or alone in an IN.
_PICKED = re.compile(
    rf"(?:(?<![<>!=])=\s*|\bIS(?: NOT DISTINCT FROM)?\s+)(?:\w*\(\s*)*(?P<equal>{_PLACEHOLDER})"
    rf"|\bIN\s*\(\s*(?P<alone>{_PLACEHOLDER})\s*\)"
    rf"|(?P<other>{_PLACEHOLDER})"
)


@dataclass(slots=True, eq=False)
class Statement:
    """One statement that was sent: its SQL, and who asked for it.

    `seconds` counts until the database has answered, without fetching. `parameters` stay out of every
    text that the guard makes. `attempt` is not 0 where a rollback has undone the statement.
    """

    sql: str
    parameters: Any = field(repr=False)
    moment: Moment
    started: float
    connection: int = field(repr=False)
    engine: ref[Engine] = field(repr=False)
    query: Query | None = field(default=None, repr=False)
    seconds: float | None = None
    failed: bool = False
    attempt: int = 0

    @property
    def verb(self) -> str:
        return first_word(self.sql)

    @property
    def is_read(self) -> bool:
        return self.verb in _READS

    @property
    def is_write(self) -> bool:
        return self.verb in _WRITES

    @property
    def site(self) -> Site | None:
        return self.moment.site

    @property
    def purpose(self) -> Purpose:
        """Say whether the code asked for it, or an attribute did."""
        return self.query.purpose if self.query is not None else "query"

    @property
    def fingerprint(self) -> str:
        """Give the SQL with every list of values shortened to one."""
        return fingerprint(self.sql)

    def picked(self) -> tuple[str, ...]:
        """Give the values that pick its rows: equal to something, not bounds, limits or lists."""
        return tuple(repr(self._value(name, place)) for name, place in _picks(self.sql))

    def _value(self, name: str, place: int) -> Any:
        if isinstance(self.parameters, dict):
            return self.parameters.get(name)
        if isinstance(self.parameters, Sequence) and place < len(self.parameters):
            return self.parameters[place]
        return None


def is_setup(sql: str) -> bool:
    """Tell whether a statement only opens, closes or sets up a transaction or a connection."""
    return first_word(sql) in _SETUP


@lru_cache(maxsize=2048)
def first_word(sql: str) -> str:
    """Give the word that a statement begins with, in capitals."""
    words = sql.split(None, 1)
    return words[0].rstrip(";").lstrip("(").upper() if words else ""


@lru_cache(maxsize=2048)
def fingerprint(sql: str) -> str:
    """Give a statement with every list of values shortened to one, so that its length does not matter."""
    return " ".join(_LIST.sub("(…)", sql).split())


@lru_cache(maxsize=2048)
def _picks(sql: str) -> tuple[tuple[str, int], ...]:
    found = []
    for place, match in enumerate(_PICKED.finditer(sql)):
        picked = match["equal"] or match["alone"]
        if picked:
            numbered = re.match(r"\$(\d+)", picked)
            named = re.match(r"%\((\w+)\)s", picked)
            found.append((named[1] if named else "", int(numbered[1]) - 1 if numbered else place))
    return tuple(found)


# Reports


def grouped(statements: Iterable[Statement]) -> list[list[Statement]]:
    """Gather statements that are alike and were asked for by the same line, in the order of the first."""
    groups: dict[object, list[Statement]] = {}
    for statement in statements:
        groups.setdefault((statement.site, statement.fingerprint), []).append(statement)
    return list(groups.values())


def report(statements: Sequence[Statement]) -> str:
    """Write statements as a person reads them: how often, by which line, and what; no parameter is shown."""
    return "\n".join(_report(statements)) if statements else "No statement was sent."


def _report(statements: Sequence[Statement]) -> Iterator[str]:
    for group in grouped(statements):
        first = group[0]
        why = "" if first.purpose == "query" else f"  ({first.query.label if first.query else ''})"
        yield f"{len(group):>4}x {first.moment.place}{why}"
        if first.site is not None and first.site.code:
            yield f"       {first.site.code}"
        yield f"       {shortened(first.sql)}"


def shortened(sql: str, width: int = _WIDTH) -> str:
    """Give a statement on one line, its columns left out where it is long."""
    line = " ".join(sql.split())
    if len(line) > width:
        line = re.sub(r"^(SELECT) .*? (FROM) ", r"\1 … \2 ", line, count=1)
    return line if len(line) <= width else f"{line[: width - 1]}…"
