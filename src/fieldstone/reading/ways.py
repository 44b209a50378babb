"""The two ways of a read: prepared, over the driver's own rows, and whole, through SQLAlchemy's execution.

Both give the same, so the verbs do not know which one they go: rows are found, cut to a page, completed with
their collections, and given as schema objects or as bytes. The whole way is open to every statement; the
prepared one to those that ask for nothing but rows, in a session where nobody listens to what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from pydantic import BaseModel
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session

from fieldstone.reading.anatomy import Inexact
from fieldstone.reading.assembly import Layout, Parents, Statement, Values, attach, child_statements
from fieldstone.reading.forms import Unfit
from fieldstone.reading.gathering import Gathered, Reader, Unprepared
from fieldstone.reading.objects import object_of
from fieldstone.reading.plans import ReadPlan
from fieldstone.reading.preparation import NOTHING, Given, given
from fieldstone.reading.rendering import values_of, written

Derive = Callable[[], tuple[Statement, Layout]]


@dataclass(frozen=True)
class Question:
    """What a read asks: the plan, the user's statement, and the one that `derive` makes of it by the plan.

    `form` tells apart what else that depends on; `named` are the values of its own parameters.
    """

    plan: ReadPlan
    derive: Derive
    statement: Statement | None = None
    form: str = ""
    named: Mapping[str, Any] = field(default_factory=dict)

    def taken(self) -> Given:
        """Split the user's statement. Raises Unprepared where it asks for more than rows."""
        if self.statement is None:
            return NOTHING
        taken = None if self.statement.get_execution_options() else given(self.statement)
        if taken is None:
            raise Unprepared
        return taken


class Found(Protocol):
    """Rows of a read, found one way or the other."""

    @property
    def count(self) -> int:
        """Count the rows."""
        ...

    def edge(self, place: int) -> tuple[Any, ...]:
        """Give what stands beside the plan's columns in one row."""
        ...

    def keep(self, rows: slice) -> None:
        """Keep some rows, before `objects` or `written` is asked for."""

    def objects(self) -> list[Any]:
        """Read the collections and make the objects of the schema."""
        ...

    def written(self) -> list[Any] | None:
        """Read the collections and give what JSON shows, or None where objects must say that."""


def ask(session: Session, question: Question) -> Found:
    """Run the first statement of a read."""
    try:
        reader = Reader(session, question.plan)
        taken = question.taken()
        key = (question.plan, question.form, taken.shape)
        return _Prepared(reader, question, reader.rows(key, taken, question.derive, question.named))
    except Unprepared:
        statement, layout = question.derive()
        return _Whole(session, question.plan, layout, [*_rows(session, statement, question.named)])


class _Prepared:
    def __init__(self, reader: Reader, question: Question, gathered: Gathered) -> None:
        self._reader = reader
        self._plan = question.plan
        self._gathered = gathered
        self._complete = False

    @property
    def count(self) -> int:
        return self._gathered.count

    def edge(self, place: int) -> tuple[Any, ...]:
        gathered = self._gathered
        return tuple([gathered.value(column, place) for column in range(gathered.layout.end, gathered.width)])

    def keep(self, rows: slice) -> None:
        self._gathered.cut(rows)

    def objects(self) -> list[Any]:
        return objects_of(self._plan, values_of(self._completed()))

    def written(self) -> list[Any] | None:
        try:
            return written(self._completed())
        except (Inexact, Unfit):
            return None

    def _completed(self) -> Gathered:
        if not self._complete:
            self._reader.follow(self._gathered)
            self._complete = True
        return self._gathered


class _Whole:
    def __init__(self, session: Session, plan: ReadPlan, layout: Layout, rows: list[Any]) -> None:
        self._session = session
        self._plan = plan
        self._layout = layout
        self._rows = rows

    @property
    def count(self) -> int:
        return len(self._rows)

    def edge(self, place: int) -> tuple[Any, ...]:
        return tuple(self._rows[place][self._layout.end :])

    def keep(self, rows: slice) -> None:
        self._rows = self._rows[rows]

    def objects(self) -> list[Any]:
        return assemble(self._session, self._plan, self._layout, self._rows)

    def written(self) -> None:
        return None


def assemble(session: Session, plan: ReadPlan, layout: Layout, rows: Iterable[Any]) -> list[Any]:
    """Make objects of SQLAlchemy's rows, once the collections that wait for them are read."""
    parents: Parents = {}
    values = [layout.read(row, parents) for row in rows]
    while parents:
        deeper: Parents = {}
        for related, waiting in parents.items():
            for statement, below in child_statements(related, waiting.parents):
                for row in _rows(session, statement):
                    key = tuple(row[: below.start])
                    attach(related, waiting, key, below.read(row, deeper))
        parents = deeper
    return objects_of(plan, values)


def _rows(session: Session, statement: Statement, named: Mapping[str, Any] | None = None) -> Any:
    return SQLAlchemySession.execute(session, statement, named or None)  # exec() gives one column only


def objects_of(plan: ReadPlan, rows: Sequence[Values]) -> list[Any]:
    """Make the objects of a plan's schema by their own rules; what breaks them is given as stored."""
    as_stored = partial(_as_stored, plan.schema, plan)
    name = plan.model.__name__
    return [object_of(plan.schema, values, subject=name, as_stored=as_stored) for values in rows]


def _as_stored(schema: type[BaseModel], made: ReadPlan, values: Values) -> Any:
    """Make the object and what is nested in it without their rules."""
    nested = dict(values)
    for related in (*made.joins, *made.collections):
        stored = values[related.name]
        if related.many:
            nested[related.name] = [_as_stored(related.plan.schema, related.plan, one) for one in stored]
        elif stored is not None:
            nested[related.name] = _as_stored(related.plan.schema, related.plan, stored)
    return schema.model_construct(**nested)
