"""The rows of a whole read as the driver gives them: the statement's, then those of each collection.

They come over the session's own connection, after its flush and in its transaction, so nothing of what a
session promises changes: engine events see every statement, errors arrive as SQLAlchemy's. What is left
out is what a read by plan has no use for: building and compiling the statement again, and a Row for each row.

Who listens to what that would pass over, or asks a statement for more than rows, gets the whole way instead.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Connection, any_, bindparam, tuple_
from sqlalchemy import inspect as sa_inspect
from sqlmodel import Session

from fieldstone.autocommit import APART, AT_ONCE, Ask, Direct, GiveWay, Steps
from fieldstone.keys import batched
from fieldstone.listeners import added_at_reads
from fieldstone.reading.assembly import Layout, Statement, child_statement
from fieldstone.reading.latency import note
from fieldstone.reading.plans import ReadPlan, Related
from fieldstone.reading.preparation import NOTHING, Derive, Given, Options, Prepared, Processor, prepared
from fieldstone.reading.shapes import waiting_at
from fieldstone.reading.unreadable import is_unreadable
from fieldstone.violations.evidence import COMPILED

Column = Sequence[Any]

_KEYS = "fieldstone_keys"


class Unprepared(GiveWay):
    """A read that has to go the whole way, in a session."""


class Unreadable(Unprepared):
    """A stored value that cannot be read: the whole way reads value by value."""


@dataclass(eq=False, slots=True)
class Gathered:
    """The rows of one statement by column, and what waits at them."""

    layout: Layout | None
    count: int
    columns: list[Column]
    processors: Sequence[Processor]
    keys: dict[int, Column] = field(default_factory=dict)
    below: list[tuple[Related, Gathered | None]] = field(default_factory=list)

    @classmethod
    def of(cls, found: Prepared, description: Sequence[Any] | None, rows: Sequence[Any]) -> Gathered:
        """Take the rows of a statement as its driver gave them."""
        processors = found.processors(description)
        columns: list[Column] = list(zip(*rows, strict=True)) if rows else [()] * len(processors)
        return cls(found.layout, len(rows), columns, processors)

    @property
    def shape(self) -> Layout:
        """Give the layout, which only the answer of a count lacks."""
        assert self.layout is not None
        return self.layout

    def values(self, place: int) -> Column:
        """Give one column as Python values. Raises Unreadable where one cannot be read."""
        column, processor = self.columns[place], self.processors[place]
        if processor is None:
            return column
        try:
            return list(map(processor, column))
        except Exception as error:
            _give_way(error)
            raise

    @property
    def width(self) -> int:
        return len(self.columns)

    def value(self, column: int, row: int) -> Any:
        """Give one Python value. Raises Unreadable where it cannot be read."""
        value, processor = self.columns[column][row], self.processors[column]
        if processor is None:
            return value
        try:
            return processor(value)
        except Exception as error:
            _give_way(error)
            raise

    def beside(self, row: int) -> tuple[Any, ...]:
        """Give what stands in a row behind the columns of the layout."""
        return tuple([self.value(column, row) for column in range(self.shape.end, self.width)])

    def key(self, place: int) -> Column:
        """Give a column that rows are found by, and remember it."""
        if place not in self.keys:
            self.keys[place] = self.values(place)
        return self.keys[place]

    def cut(self, rows: slice) -> None:
        """Keep some rows, in the order of the slice, before anything below them is read."""
        self.columns = [column[rows] for column in self.columns]
        self.count = len(self.columns[0]) if self.columns else 0


class Reader:
    """Runs the statements of one read on a session's connection. Raises Unprepared where it may not.

    `added` are the options that the session adds to what it reads.
    """

    def __init__(self, session: Session, made: ReadPlan) -> None:
        added = None if session.execution_options else added_at_reads(session)
        if added is None:
            raise Unprepared
        self.added = added
        session._autoflush()  # as Session.execute does
        connection = session.connection(bind_arguments={"mapper": sa_inspect(made.model)})
        events = connection.dispatch
        if events.before_execute or events.after_execute:
            raise Unprepared
        if connection.get_execution_options().get("schema_translate_map"):
            raise Unprepared
        self.connection = connection
        self._owner = connection.engine.pool

    def rows(self, key: Any, taken: Given, derive: Derive, named: Mapping[str, Any]) -> Gathered:
        """Run what `derive` makes of a statement."""
        return _run(self.connection, self._prepared(key, taken.binds, derive), taken.values, named)

    def follow(self, gathered: Gathered) -> None:
        """Read every collection that waits at the rows, at any depth."""
        calls = following(gathered, self.connection.dialect.name)
        answer = None
        try:
            while True:
                call = calls.send(answer)
                found = self._prepared(call.key, (), call.derive)
                answer = _run(self.connection, found, (), call.named)
        except StopIteration:
            return

    def _prepared(self, key: Any, known: Sequence[Any], derive: Derive) -> Prepared:
        found = prepared(self._owner, self.connection.dialect, key, known, derive, self.added)
        if found is None:
            raise Unprepared
        return found


@dataclass
class DirectReader:
    """Asks for the statements of one read without a session. Raises Unprepared where it may not."""

    direct: Direct
    added: Options
    more: bool

    def rows(
        self, key: Any, taken: Given, derive: Derive, named: Mapping[str, Any] = MappingProxyType({})
    ) -> Steps[Gathered]:
        """Ask for what `derive` makes of a statement."""
        found = self.prepared(key, taken.binds, derive)
        if not (found.stands_alone if self.more else found.only_reads):
            raise Unprepared
        return (yield from self.run(found, taken, named))

    def prepared(self, key: Any, known: Sequence[Any], derive: Derive) -> Prepared:
        """Prepare what `derive` makes of a statement."""
        found = prepared(self.direct.owner, self.direct.dialect, key, known, derive, self.added)
        if found is None:
            raise Unprepared
        return found

    def run(self, found: Prepared, taken: Given, named: Mapping[str, Any]) -> Steps[Gathered]:
        """Ask for the rows of a statement that is known to do nothing but read."""
        sql, arguments = call_of(found, taken.values, named)
        start = perf_counter()
        description, rows = yield Ask(sql, arguments, described=not found.is_described, more=self.more)
        note(self.direct.owner, perf_counter() - start)
        return Gathered.of(found, description, rows)

    def follow(self, gathered: Gathered) -> Steps[None]:
        """Ask for every collection that waits at the rows, at any depth."""
        calls = following(gathered, self.direct.dialect.name)
        answer = None
        try:
            while True:
                call = calls.send(answer)
                answer = yield from self.rows(call.key, NOTHING, call.derive, call.named)
        except StopIteration:
            return


class Call(NamedTuple):
    """The statement for the children of some parents."""

    key: Any
    derive: Derive
    named: Mapping[str, Any]


def following(gathered: Gathered, dialect: str) -> Generator[Call, Gathered | None, None]:
    """Yield the statement of each collection that waits at the rows, at any depth; take its rows."""
    for _, related, places in waiting_at(gathered.shape):
        keys = _keys(gathered, places)
        below: Gathered | None = None
        if keys:
            derive = partial(_by_keys, related, dialect)
            for part in batched(keys, len(related.local_names)):
                found = yield Call(related, derive, {_KEYS: part})
                assert found is not None
                below = found if below is None else _together(below, found)
        gathered.below.append((related, below))
        if below is not None:
            yield from following(below, dialect)


def _run(
    connection: Connection, found: Prepared, values: Sequence[Any], named: Mapping[str, Any]
) -> Gathered:
    sql, arguments = call_of(found, values, named)
    carried = found.compiled, lambda: [found.parameters(values, named)]
    start = perf_counter()
    try:
        with _before_beginning(connection, found):
            result: Any = connection.exec_driver_sql(sql, arguments, {COMPILED: carried})
        description = result.cursor.description  # gone with the cursor, which closes at the last row
        # As the result reads its own rows, errors of the driver included, without making a Row of each.
        rows = result.cursor_strategy.fetchall(result, result.cursor)
    except Exception as error:
        _give_way(error)
        raise
    note(connection.engine.pool, perf_counter() - start)
    return Gathered.of(found, description, rows)


def call_of(found: Prepared, values: Sequence[Any], named: Mapping[str, Any]) -> tuple[str, Any]:
    """Give the text and the arguments of one execution. Raises Unprepared for a value that cannot be sent."""
    try:
        return found.call(values, named)
    except Exception as error:  # SQLAlchemy's own execution fails at it as well, and says where
        raise Unprepared from error


def _before_beginning(connection: Connection, found: Prepared) -> AbstractContextManager[None]:
    """Let a read-only unit on PostgreSQL begin no transaction for what gives the same without one.

    The driver sends BEGIN with the first statement that needs it, and COMMIT only if it has sent BEGIN.
    """
    options, dialect = connection.get_execution_options(), connection.dialect
    if not (options.get(AT_ONCE) and found.stands_alone) or dialect.name != "postgresql":
        return _NOTHING
    if "isolation_level" in options or dialect.default_isolation_level not in APART:
        return _NOTHING
    driven: Any = connection.connection.dbapi_connection
    if dialect.driver == "psycopg":
        begun = driven.info.transaction_status
    elif dialect.driver == "asyncpg":
        begun = driven.driver_connection.is_in_transaction()
    else:
        return _NOTHING
    return _NOTHING if begun else _autocommitted(driven)


@contextmanager
def _autocommitted(driven: Any) -> Iterator[None]:
    driven.autocommit = True
    try:
        yield
    finally:
        if not getattr(driven, "closed", False):
            driven.autocommit = False


_NOTHING = nullcontext()


def _give_way(error: Exception) -> None:
    """Go the whole way where it is a stored value that failed."""
    if is_unreadable(error):
        raise Unreadable from error


def _keys(gathered: Gathered, places: Sequence[int]) -> list[Any]:
    """List the keys that children are found by, each once; a row that has a null in its key has none."""
    columns = [gathered.key(place) for place in places]
    if len(columns) == 1:
        return [key for key in dict.fromkeys(columns[0]) if key is not None]
    return [key for key in dict.fromkeys(zip(*columns, strict=True)) if None not in key]


def _by_keys(related: Related, dialect: str) -> tuple[Statement, Layout]:
    """Write the statement for the children of any number of parents."""
    statement, owner, layout = child_statement(related)
    if len(owner) > 1:
        condition: Any = tuple_(*owner).in_(bindparam(_KEYS, expanding=True))
    elif dialect == "postgresql":
        # One array is one parameter: however many keys, the text is the same, and so is the server's plan.
        condition = owner[0] == any_(bindparam(_KEYS, type_=ARRAY(owner[0].type)))
    else:
        condition = owner[0].in_(bindparam(_KEYS, expanding=True))
    return statement.where(condition), layout


def _together(first: Gathered, other: Gathered) -> Gathered:
    first.count += other.count
    first.columns = [(*one, *more) for one, more in zip(first.columns, other.columns, strict=True)]
    return first
