"""How many statements a block may send: a number, or the plan that knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.orm import QueryableAttribute

from fieldstone.errors import MistakesFound
from fieldstone.guard.findings import Finding
from fieldstone.guard.recording import Recorder
from fieldstone.guard.statements import Statement, report
from fieldstone.guard.watching import Watch, rules


class Planned(Protocol):
    """What knows its number of statements, as `plan(Model, Schema)` does."""

    @property
    def budget(self) -> Any: ...  # an int; Any, since a cached_property is no property to pyright


Budget = int | Planned
Hears = Callable[[Connection], bool]


@contextmanager
def max_queries(most: Budget, *, everywhere: bool = False, hears: Hears | None = None) -> Iterator[Recorder]:
    """Raise MistakesFound if a block sends more statements than so many, with all of them and their lines."""
    with recording(everywhere=everywhere, hears=hears) as seen:
        yield seen
    finding = over(most, seen.statements)
    if finding is not None:
        raise MistakesFound([finding])


@contextmanager
def exact_queries(
    number: Budget, *, everywhere: bool = False, hears: Hears | None = None
) -> Iterator[Recorder]:
    """Raise MistakesFound if a block sends more or fewer statements than so many."""
    with recording(everywhere=everywhere, hears=hears) as seen:
        yield seen
    expected = number_of(number)
    if len(seen.statements) != expected:
        raise MistakesFound([_finding(f"exactly {_count(expected)}", seen.statements)])


@contextmanager
def no_n_plus_one(
    *,
    allow: Iterable[str | QueryableAttribute[Any]] = (),
    everywhere: bool = False,
    hears: Hears | None = None,
) -> Iterator[Watch]:
    """Raise MistakesFound if a block sends one statement for each of many rows."""
    watched = Watch(rules("record", allow=allow), everywhere=everywhere, hears=hears)
    with watched:
        yield watched
    found = [one for one in watched.findings if one.kind in ("n_plus_one", "repeated_query", "expired")]
    if found:
        raise MistakesFound([*found, _Report(watched.statements)])


@contextmanager
def recording(*, everywhere: bool = False, hears: Hears | None = None) -> Iterator[Recorder]:
    """Collect the statements of a block, with the lines that asked for them."""
    seen = Recorder(everywhere=everywhere, hears=hears)
    seen.start()
    try:
        yield seen
    finally:
        seen.stop()


def number_of(budget: Budget) -> int:
    """Give the number that a budget stands for."""
    return budget if isinstance(budget, int) else int(budget.budget)


def over(most: Budget, statements: list[Statement]) -> Finding | None:
    """Say what is wrong where more was sent than the budget allows."""
    number = number_of(most)
    return _finding(f"at most {_count(number)}", statements) if len(statements) > number else None


def _finding(allowed: str, statements: list[Statement]) -> Finding:
    sent = len(statements)
    return Finding(
        "over_budget",
        "statements",
        f"{_count(sent)} {'was' if sent == 1 else 'were'} sent where {allowed} may be:\n{report(statements)}",
        "",
        statements[-1].site if statements else None,
        count=sent,
    )


def _count(number: int) -> str:
    return "1 statement" if number == 1 else f"{number} statements"


class _Report:
    """All statements of a block, after what was found about some."""

    def __init__(self, statements: list[Statement]) -> None:
        self._statements = statements

    def __str__(self) -> str:
        return f"All statements:\n{report(self._statements)}"
