"""The ways of a read: prepared, over the driver's own rows, and whole, through SQLAlchemy's execution.

Both give the same, so the verbs do not know which one they go: rows are found, cut to a page, completed with
their collections, and given as schema objects or as bytes. The whole way is open to every statement; the
prepared one to those that ask for nothing but rows, in a session that has no scope and where nobody listens
to what it leaves out. A stored value that cannot be read leads from the prepared way to the whole one.

Without a session there is the prepared way alone, and whatever would lead off it leads to a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from sqlmodel import Session

from fieldstone.autocommit import Direct, Steps
from fieldstone.keys import key_names
from fieldstone.reading.assembly import Layout, Parents, Statement, Values, attach, child_statements
from fieldstone.reading.composed import Composed, ComposedDirectly, compose, compose_directly
from fieldstone.reading.gathering import DirectReader, Gathered, Reader, Unprepared, Unreadable
from fieldstone.reading.objects import construct, object_of
from fieldstone.reading.plans import ReadPlan
from fieldstone.reading.preparation import NOTHING, Given
from fieldstone.reading.rendering import values_of, written
from fieldstone.reading.unreadable import Stored, rows_again, rows_of
from fieldstone.scopes import is_scoped
from fieldstone.visibility import NORMAL, Sight, sight_of

Derive = Callable[[], tuple[Statement, Layout]]


@dataclass(frozen=True)
class Question:
    """What a read asks: its plan, the user's statement by shape and values, and what `derive` makes of it.

    `given` is None where the statement asks for more than rows, and NOTHING where there is none.
    `form` tells apart what else that depends on; `named` are the values of its own parameters. `as_json`:
    what is wanted are the bytes of a response, which the database may write. `more`: the read asks for
    something else besides.
    """

    plan: ReadPlan
    derive: Derive
    given: Given | None = NOTHING
    form: str = ""
    named: Mapping[str, Any] = field(default_factory=dict)
    as_json: bool = False
    more: bool = False

    def taken(self) -> Given:
        """Give shape and values of the user's statement. Raises Unprepared where it asks for more."""
        if self.given is None:
            raise Unprepared
        return self.given

    @property
    def key(self) -> tuple[Any, ...]:
        """Tell apart what is asked, but for the user's statement."""
        return self.plan, self.form


class Found(Protocol):
    """Rows of a read, found one way or the other."""

    @property
    def count(self) -> int:
        """Count the rows."""
        ...

    def ends(self) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        """Give what stands beside the plan's columns in the first and in the last row."""
        ...

    def keep(self, rows: slice) -> None:
        """Keep some rows, before anything but their number is asked for."""

    def objects(self) -> list[Any]:
        """Read the collections and make the objects of the schema."""
        ...

    def written(self) -> list[Any] | None:
        """Read the collections and give what JSON shows, or None where objects must say that."""
        ...

    def documents(self) -> list[str] | None:
        """Give the JSON of each row as the database wrote it, or None where it did not."""


def ask(session: Session, question: Question) -> Found:
    """Run the first statement of a read."""
    try:
        reader = Reader(session, question.plan)
        taken = question.taken()
    except Unprepared as reason:
        return _whole(session, question, reason)
    by_rows = partial(_by_rows, session, question, reader, taken)
    if question.as_json:
        key = (*question.key, taken.shape)
        gathered = compose(reader, question.plan, key, taken, question.derive, question.named)
        if gathered is not None:
            return Composed(gathered, by_rows)
    return by_rows()


def _by_rows(session: Session, question: Question, reader: Reader, taken: Given) -> _Prepared | _Whole:
    try:
        key = (*question.key, taken.shape)
        gathered = reader.rows(key, taken, question.derive, question.named)
    except Unprepared as reason:
        return _whole(session, question, reason)
    return _Prepared(reader, question.plan, gathered, partial(_whole, session, question))


def ask_directly(direct: Direct, question: Question) -> Steps[FoundDirectly | ComposedDirectly]:
    """Ask for the first statement of a read, without a session. Raises GiveWay."""
    taken = question.taken()
    key = (*question.key, taken.shape)
    if question.as_json:
        alone = DirectReader(direct, direct.added, question.more)
        composed = yield from compose_directly(
            alone, question.plan, key, taken, question.derive, question.named
        )
        if composed is not None:
            return composed
    reader = DirectReader(direct, direct.added, question.more or question.plan.budget > 1)
    gathered = yield from reader.rows(key, taken, question.derive, question.named)
    return FoundDirectly(reader, question.plan, gathered)


def _whole(session: Session, question: Question, reason: Unprepared) -> _Whole:
    statement, layout = question.derive()
    read = rows_again if isinstance(reason, Unreadable) else rows_of
    rows = read(session, statement, dict(question.named) or None)
    return _Whole(session, question.plan, layout, rows, sight_of(statement))


class FoundDirectly:
    """Rows of a read without a session. Raises GiveWay where a value cannot be read."""

    def __init__(self, reader: DirectReader, plan: ReadPlan, gathered: Gathered) -> None:
        self._reader = reader
        self._plan = plan
        self._gathered = gathered
        self._complete = False

    @property
    def count(self) -> int:
        return self._gathered.count

    def ends(self) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        return (self._gathered.beside(0), self._gathered.beside(-1)) if self.count else None

    def keep(self, rows: slice) -> None:
        self._gathered.cut(rows)

    def complete(self) -> Steps[None]:
        """Ask for the collections, once."""
        if not self._complete:
            self._complete = True
            yield from self._reader.follow(self._gathered)

    def objects(self) -> list[Any]:
        return objects_of(self._plan, values_of(self._gathered))

    def documents(self) -> None:
        return None

    def written(self) -> list[Any] | None:
        return written(self._gathered)


class _Prepared:
    def __init__(
        self, reader: Reader, plan: ReadPlan, gathered: Gathered, whole: Callable[[Unprepared], _Whole]
    ) -> None:
        self._reader = reader
        self._plan = plan
        self._gathered = gathered
        self._complete = False
        self._kept: list[slice] = []
        self._begin_again = whole
        self._instead: _Whole | None = None

    @property
    def count(self) -> int:
        return self._gathered.count

    def ends(self) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        if self._instead is None and self.count:
            try:
                return self._gathered.beside(0), self._gathered.beside(-1)
            except Unprepared as reason:
                self._change_ways(reason)
        return None if self._instead is None else self._instead.ends()

    def keep(self, rows: slice) -> None:
        self._gathered.cut(rows)
        self._kept.append(rows)

    def objects(self) -> list[Any]:
        if self._instead is None:
            try:
                return objects_of(self._plan, values_of(self._completed()))
            except Unprepared as reason:
                self._change_ways(reason)
        return [] if self._instead is None else self._instead.objects()

    def written(self) -> list[Any] | None:
        if self._instead is not None:
            return None
        try:
            return written(self._completed())
        except Unprepared as reason:
            self._change_ways(reason)
            return None

    def documents(self) -> None:
        return None

    def _change_ways(self, reason: Unprepared) -> None:
        """Find the rows again the whole way: a value of theirs, or of a row below them, cannot be read."""
        self._instead = self._begin_again(reason)
        for rows in self._kept:
            self._instead.keep(rows)

    def _completed(self) -> Gathered:
        if not self._complete:
            self._reader.follow(self._gathered)
            self._complete = True
        return self._gathered


class _Whole:
    def __init__(
        self, session: Session, plan: ReadPlan, layout: Layout, rows: Sequence[Any], sight: Sight
    ) -> None:
        self._session = session
        self._plan = plan
        self._layout = layout
        self._rows = rows
        self._sight = sight

    @property
    def count(self) -> int:
        return len(self._rows)

    def ends(self) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        if not self._rows:
            return None
        first, last = self._rows[0], self._rows[-1]
        return tuple(first[self._layout.end :]), tuple(last[self._layout.end :])

    def keep(self, rows: slice) -> None:
        self._rows = self._rows[rows]

    def objects(self) -> list[Any]:
        return assemble(self._session, self._plan, self._layout, self._rows, self._sight)

    def written(self) -> None:
        return None

    def documents(self) -> None:
        return None


def assemble(
    session: Session, plan: ReadPlan, layout: Layout, rows: Iterable[Any], sight: Sight = NORMAL
) -> list[Any]:
    """Make objects of the rows, once the collections that wait for them are read, as the rows were."""
    parents: Parents = {}
    values = [layout.read(row, parents) for row in rows]
    _follow(session, parents, sight)
    if is_scoped(session):
        values = [one for one in values if _is_whole(plan, one)]
    return objects_of(plan, values)


def _is_whole(made: ReadPlan, values: Values) -> bool:
    """Tell whether all that a row needs lies within the session's scopes, after leaving out what does not."""
    for related in made.collections:
        found = values[related.name]
        kept = [one for one in (found if related.many else [found]) if one and _is_whole(related.plan, one)]
        values[related.name] = kept if related.many else next(iter(kept), None)
    for related in made.joins:
        found = values[related.name]
        if found is not None and not _is_whole(related.plan, found):
            values[related.name] = None
    return not any(related.needed and values[related.name] is None for related in made.joins)


def _follow(session: Session, parents: Parents, sight: Sight) -> None:
    while parents:
        deeper: Parents = {}
        for related, waiting in parents.items():
            for statement, layout in child_statements(related, filter(_can_be_sought, waiting.parents)):
                for row in rows_of(session, statement.execution_options(**sight) if sight else statement):
                    key = tuple(row[: layout.start])
                    attach(related, waiting, key, layout.read(row, deeper))
        parents = deeper


def _can_be_sought(key: tuple[Any, ...]) -> bool:
    """Tell a key from what its column cannot read: that cannot be sent back either."""
    return not any(isinstance(value, Stored) for value in key)


def objects_of(plan: ReadPlan, rows: Sequence[Values]) -> list[Any]:
    """Make the objects of a plan's schema by their own rules; what breaks them is given as stored."""
    as_stored = partial(_as_stored, plan.schema, plan)
    subject, keys = plan.model.__name__, key_names(plan.model)
    return [object_of(plan.schema, one, subject=subject, keys=keys, as_stored=as_stored) for one in rows]


def _as_stored(schema: type[Any], made: ReadPlan, values: Values) -> Any:
    """Make the object and what is nested in it without their rules."""
    nested = dict(values)
    for related in (*made.joins, *made.collections):
        stored = values[related.name]
        if related.many:
            nested[related.name] = [_as_stored(related.plan.schema, related.plan, one) for one in stored]
        elif stored is not None:
            nested[related.name] = _as_stored(related.plan.schema, related.plan, stored)
    return construct(schema, nested)
