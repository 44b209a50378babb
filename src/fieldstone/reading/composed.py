"""Rows that come as the JSON of a response, when that is wanted, and what to do when one of them is not.

Which way is taken depends on the plan, which says whether the database can, and on the connection. SQLite is
in the same process, so what it writes costs no row and no object. Within a session that is less than what
its statements for rows cost; without one they cost less. PostgreSQL does more work than the rows would have
been, and is asked where that saves a long way. The Database may say otherwise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pydantic_core import to_json
from sqlalchemy import Connection, Dialect

from fieldstone.autocommit import Steps
from fieldstone.cache import cached
from fieldstone.database.settings import JSON_BY
from fieldstone.reading import latency
from fieldstone.reading.assembly import Layout, Statement
from fieldstone.reading.composition import composed
from fieldstone.reading.exactness import refusal
from fieldstone.reading.expressions import UNFIT
from fieldstone.reading.gathering import DirectReader, Gathered, Reader, Unprepared
from fieldstone.reading.plans import ReadPlan
from fieldstone.reading.preparation import Derive, Given, Options

# For the hundred rows of the benchmark's E3, PostgreSQL takes a millisecond longer to write JSON than rows.
FAR = 0.003

_FIRST_WITH_MATERIALIZED = (12,)


class ByRows(Protocol):
    """Rows that were found by another way."""

    def ends(self) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None: ...
    def keep(self, rows: slice) -> None: ...
    def objects(self) -> list[Any]: ...
    def written(self) -> list[Any] | None: ...


@dataclass(frozen=True)
class Where:
    """What decides who writes: the database, what it was told, and what is known of the way there.

    `alone`: there is no session. Without one a statement costs SQLite less than what writing JSON adds to it.
    """

    dialect: Dialect
    owner: Any
    options: Mapping[str, Any]
    alone: bool = False

    @classmethod
    def of(cls, connection: Connection) -> Where:
        return cls(connection.dialect, connection.engine.pool, connection.get_execution_options())


class Composed:
    """Rows of a read, each as the text of its JSON. They are found again by rows where one does not fit."""

    def __init__(self, gathered: Gathered, by_rows: Callable[[], ByRows]) -> None:
        self._gathered = gathered
        self._find_again = by_rows
        self._kept: list[slice] = []
        self._instead: ByRows | None = None

    @property
    def count(self) -> int:
        return self._gathered.count

    def ends(self) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        if not self.count:
            return None
        try:
            return _beside(self._gathered, 0), _beside(self._gathered, -1)
        except Unprepared:
            return self._by_rows().ends()

    def keep(self, rows: slice) -> None:
        self._gathered.cut(rows)
        self._kept.append(rows)

    def documents(self) -> list[str] | None:
        """Give the JSON of each row, or None where a row breaks the schema's rules."""
        return None if self._instead is not None else _documents(self._gathered)

    def written(self) -> list[Any] | None:
        return self._by_rows().written()

    def objects(self) -> list[Any]:
        return self._by_rows().objects()

    def _by_rows(self) -> ByRows:
        if self._instead is None:
            self._instead = self._find_again()
            for rows in self._kept:
                self._instead.keep(rows)
        return self._instead


class ComposedDirectly:
    """Rows without a session, each as the text of its JSON. Raises GiveWay where one does not fit.

    To find them again by rows would be to look at another state of the database.
    """

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    @property
    def count(self) -> int:
        return self._gathered.count

    def ends(self) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        return (_beside(self._gathered, 0), _beside(self._gathered, -1)) if self.count else None

    def keep(self, rows: slice) -> None:
        self._gathered.cut(rows)

    def documents(self) -> list[str]:
        found = _documents(self._gathered)
        if found is None:
            raise Unprepared
        return found

    def written(self) -> None:
        return None

    def objects(self) -> list[Any]:
        raise Unprepared


def _documents(gathered: Gathered) -> list[str] | None:
    found: list[str] = list(gathered.columns[0])
    return None if any(UNFIT in one for one in found) else found


def _beside(gathered: Gathered, row: int) -> tuple[Any, ...]:
    return tuple([gathered.value(column, row) for column in range(1, gathered.width)])


def compose(
    reader: Reader, plan: ReadPlan, key: tuple[Any, ...], taken: Given, derive: Derive, named: Any
) -> Gathered | None:
    """Run a statement whose rows are JSON; None where rows are wanted, or the statement cannot be one."""
    where = Where.of(reader.connection)
    if not is_wanted(plan, where):
        return None
    rewritten = partial(_rewritten, derive, where.dialect, reader.added)
    try:
        return reader.rows((*key, "json"), taken, rewritten, named)
    except Unprepared:
        return None


def compose_directly(
    reader: DirectReader, plan: ReadPlan, key: tuple[Any, ...], taken: Given, derive: Derive, named: Any
) -> Steps[ComposedDirectly | None]:
    """Do the same without a session.

    What is put around a statement for rows only reads, so it is that statement which has to be known.
    """
    direct = reader.direct
    if not is_wanted(plan, Where(direct.dialect, direct.owner, direct.options, alone=True)):
        return None
    rewritten = partial(_rewritten, derive, direct.dialect, reader.added)
    try:
        by_rows = reader.prepared(key, taken.binds, derive)
        found = reader.prepared((*key, "json"), taken.binds, rewritten)
    except Unprepared:
        return None
    if not (by_rows.stands_alone if reader.more else by_rows.only_reads):
        return None
    return ComposedDirectly((yield from reader.run(found, taken, named)))


def _rewritten(derive: Derive, dialect: Dialect, added: Options) -> tuple[Statement, Layout]:
    statement, layout = derive()
    assert layout is not None
    return composed(statement, layout, dialect.name, added), layout


def is_wanted(plan: ReadPlan, where: Where) -> bool:
    """Decide whether the database writes the JSON of a plan."""
    manner = where.options.get(JSON_BY, "auto")
    if manner == "rows" or (manner == "auto" and plan.budget == 1):
        return False  # with nothing below them, rows come as fast
    if not _able(plan, where.dialect):
        return False
    if manner == "database":
        return True
    if where.dialect.name == "sqlite":
        return not where.alone
    return latency.round_trip(where.owner) >= FAR


def _able(plan: ReadPlan, dialect: Dialect) -> bool:
    if refusal(plan, dialect.name) is not None:
        return False
    if dialect.name == "sqlite":
        return sqlite_writes_json()
    return (dialect.server_version_info or ()) >= _FIRST_WITH_MATERIALIZED


@cached
def sqlite_writes_json() -> bool:
    """Tell whether this SQLite, which may be any, nests and escapes JSON as is needed."""
    wanted: Sequence[Any] = [{"n": None, "list": [{"text": _HARD}], "flag": True}]
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            (found,) = connection.execute(_PROBE, (_HARD,)).fetchone()
    except sqlite3.Error:
        return False
    return bool(found == to_json(wanted).decode())


_HARD = "".join(map(chr, range(1, 0xA1))) + "\u2028\u2029\ufeff\uffff\U0001f600"
_PROBE = """
WITH page AS MATERIALIZED (SELECT ? AS text)
SELECT json_group_array(json_object(
    'n', NULL,
    'list', (
        SELECT json_group_array(CASE WHEN x.text IS NULL THEN 0 ELSE json_object('text', x.text) END)
        FROM (SELECT page.text AS text) AS x
    ),
    'flag', CASE WHEN 1 THEN json(CASE 1 WHEN 1 THEN 'true' ELSE 'false' END) END
)) FROM page
"""
