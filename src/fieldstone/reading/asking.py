"""What a read asks for, one thing after the other, written once for all ways of answering.

A verb's logic is a generator: it yields a question, is sent the rows that were found, cuts them to a page,
asks for them as objects or as JSON shows them, and returns what its caller gets. `within` answers in a
session, `directly` on a bare connection (`autocommit`), where each statement is yielded in turn.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select, func, literal_column, select
from sqlmodel import Session

from fieldstone.autocommit import Direct, GiveWay, Steps
from fieldstone.keys import key_attributes, selected
from fieldstone.reading.gathering import DirectReader
from fieldstone.reading.preparation import given
from fieldstone.reading.ways import Found, FoundDirectly, Question, ask, ask_directly
from fieldstone.visibility import sight_of

R = TypeVar("R")

Statement = Select[*tuple[Any, ...]]


class Asked(Protocol):
    """One thing that a read asks for."""

    def within(self, session: Session) -> Any:
        """Answer in a session."""

    def directly(self, direct: Direct) -> Steps[Any]:
        """Answer without one. Raises GiveWay."""
        ...


Reading = Generator[Asked, Any, R]


def within(session: Session, reading: Reading[R]) -> R:
    """Answer a read in a session."""
    answer = None
    try:
        while True:
            answer = reading.send(answer).within(session)
    except StopIteration as done:
        result: R = done.value
        return result


def directly(direct: Direct, reading: Reading[R]) -> Steps[R]:
    """Answer a read without a session."""
    answer = None
    try:
        while True:
            answer = yield from reading.send(answer).directly(direct)
    except StopIteration as done:
        result: R = done.value
        return result


@dataclass(frozen=True)
class Rows:
    """The rows of a question: a Found."""

    question: Question

    def within(self, session: Session) -> Found:
        return ask(session, self.question)

    def directly(self, direct: Direct) -> Steps[Found]:
        return ask_directly(direct, self.question)


@dataclass(frozen=True)
class Objects:
    """Rows that were found, with their collections, as objects of the schema."""

    found: Found

    def within(self, session: Session) -> list[Any]:
        return self.found.objects()

    def directly(self, direct: Direct) -> Steps[list[Any]]:
        yield from _complete(self.found)
        return self.found.objects()


@dataclass(frozen=True)
class Written:
    """Rows that were found, with their collections, as JSON shows them; None where objects must say that."""

    found: Found

    def within(self, session: Session) -> list[Any] | None:
        return self.found.written()

    def directly(self, direct: Direct) -> Steps[list[Any] | None]:
        yield from _complete(self.found)
        return self.found.written()


@dataclass(frozen=True)
class Count:
    """How many rows a statement selects. Past `cap` it counts no further."""

    statement: Statement
    cap: int | None = None

    def within(self, session: Session) -> int:
        found = session.scalar(self._counted(), execution_options=sight_of(self.statement))
        return found or 0

    def directly(self, direct: Direct) -> Steps[int]:
        found = yield from _scalar(direct, ("count", self.cap), self.statement, self._counted)
        return found or 0

    def _counted(self) -> Statement:
        keys = self.statement.with_only_columns(
            *key_attributes(selected(self.statement, "A count")), maintain_column_froms=True
        ).order_by(None)
        if self.cap is not None:
            keys = select(keys.subquery()).limit(self.cap + 1)
        return select(func.count()).select_from(keys.subquery())


@dataclass(frozen=True)
class Presence:
    """Whether a statement selects any row."""

    statement: Statement

    def within(self, session: Session) -> bool:
        return bool(session.scalar(self._probe(), execution_options=sight_of(self.statement)))

    def directly(self, direct: Direct) -> Steps[bool]:
        return bool((yield from _scalar(direct, ("exists",), self.statement, self._probe)))

    def _probe(self) -> Statement:
        one: Any = literal_column("1")
        probe = self.statement.with_only_columns(one, maintain_column_froms=True).order_by(None)
        return select(probe.exists())


def _complete(found: Found) -> Steps[None]:
    if isinstance(found, FoundDirectly):
        yield from found.complete()


def _scalar(direct: Direct, form: tuple[Any, ...], statement: Statement, make: Any) -> Steps[Any]:
    """Ask for the one value that is made of a statement."""
    options = statement.get_execution_options() or statement._with_options
    taken = None if options else given(statement)
    if taken is None:
        raise GiveWay
    reader = DirectReader(direct, direct.added, more=False)
    gathered = yield from reader.rows((*form, taken.shape), taken, lambda: (make(), None))
    return gathered.value(0, 0)
