"""The guard's budgets for tests: they hear every thread, since a client runs the application in another.

In a test nothing else runs beside the code under test, so there is nothing that could be mixed up.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy.orm import QueryableAttribute

from fieldstone import guard
from fieldstone.guard import Recorder, Watch
from fieldstone.guard.budgets import Budget


class Budgeted(Protocol):
    """A block that may send so many statements, or as many as a plan says."""

    def __call__(self, number: Budget, /) -> AbstractContextManager[Recorder]: ...


def max_queries(most: Budget, /) -> AbstractContextManager[Recorder]:
    """Fail a block that sends more statements than so many, or than a plan says, and show them all."""
    return guard.max_queries(most, everywhere=True)


def exact_queries(number: Budget, /) -> AbstractContextManager[Recorder]:
    """Fail a block that sends more or fewer statements than so many, and show them all."""
    return guard.exact_queries(number, everywhere=True)


def watch() -> Watch:
    """Fail a block in which something is one of the mistakes that the guard knows."""
    return guard.watch(everywhere=True)


def no_n_plus_one(*, allow: Iterable[str | QueryableAttribute[Any]] = ()) -> AbstractContextManager[Watch]:
    """Fail a block that sends one statement for each of many rows; `allow` names paths or relationships."""
    return guard.no_n_plus_one(allow=allow, everywhere=True)
