"""Keyset pages in SQL: from a cursor's position to the statement that continues there, never by OFFSET.

"The rows behind this one" is a row comparison, `(a, b) > (x, y)`, where all columns run in one direction
and none is null: an index on them starts right there. Otherwise it is cut into parts that exclude each
other (`a = x AND b < y`, `a > x`, `a IS NULL`), each of which an index can start at. A disjunction of
these in one WHERE could not do that: the database would read and drop every earlier row. So each part
gives the keys of its first rows, and the statement reads the rows with these keys. It remains one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, literal, select, tuple_, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from fieldstone.keys import key_attributes
from fieldstone.paging.cursors import Cursors, Position, fingerprint_of
from fieldstone.paging.ordering import Term, order_of

Statement = Select[*tuple[Any, ...]]
Row = Sequence[Any]


@dataclass(frozen=True)
class Walk:
    """One step through a list: the statement to run, and how to read where it led."""

    statement: Statement
    columns: tuple[Any, ...]
    size: int
    position: Position | None
    cursors: Cursors
    fingerprint: bytes

    @property
    def shown(self) -> tuple[slice, ...]:
        """Say what the page shows of the up to `size + 1` rows read, one slice after the other."""
        kept = slice(self.size)
        return (kept, slice(None, None, -1)) if self._backward else (kept,)

    def edges(self, ends: tuple[Row, Row] | None, *, more: bool) -> tuple[str | None, str | None]:
        """Give the cursors to the pages around, from the order's values in the first and last row shown."""
        if ends is None:
            return self._edges_of_nothing()
        before, after = Position("before", tuple(ends[0])), Position("after", tuple(ends[1]))
        previous = more if self._backward else self.position is not None
        following = self._backward or more
        return self._write(before) if previous else None, self._write(after) if following else None

    @property
    def _backward(self) -> bool:
        return self.position is not None and self.position.backward

    def _edges_of_nothing(self) -> tuple[str | None, str | None]:
        """Lead back from a page whose rows have gone: to where the cursor stood, its own row included."""
        if self.position is None:
            return None, None
        values, inclusive = self.position.values, self.position.inclusive
        if self.position.backward:
            return None, self._write(Position("after" if inclusive else "from", values))
        return self._write(Position("before" if inclusive else "until", values)), None

    def _write(self, position: Position) -> str:
        return self.cursors.write(position, self.fingerprint)


def walk(statement: Any, entity: Any, *, size: int, cursor: str | None, cursors: Cursors) -> Walk:
    """Build the step that a cursor asks for, or the first one. Raises InvalidValues and PlanError."""
    order = order_of(statement, entity)
    fingerprint = fingerprint_of(*order.identity)
    position = (
        None if cursor is None else cursors.read(cursor, fingerprint, [term.enum for term in order.terms])
    )
    terms = order.terms
    if position is not None and position.backward:
        terms = tuple(term.reverse for term in terms)
    columns = tuple(term.column for term in terms)
    sorted_ = statement.order_by(None).order_by(*[term.clause for term in terms])
    if position is not None:
        sorted_ = _behind(sorted_, entity, terms, position, size + 1)
    return Walk(sorted_.limit(size + 1), columns, size, position, cursors, fingerprint)


def _behind(statement: Any, entity: Any, terms: tuple[Term, ...], position: Position, limit: int) -> Any:
    """Keep what stands behind the position; of several parts, the first `limit` keys of each."""
    parts = list(_parts(terms, position.values, position.inclusive))
    if len(parts) == 1:
        return statement.where(parts[0])
    keys: Any = key_attributes(entity)
    columns = [*keys, *[term.column for term in terms]]  # DISTINCT must select what it is ordered by
    cut = statement.with_only_columns(*columns, maintain_column_froms=True).limit(limit)
    heads = [cut.where(part).subquery() for part in parts]
    firsts: list[Any] = [select(*[head.c[place] for place in range(len(keys))]) for head in heads]
    found = union_all(*firsts)
    return statement.where((tuple_(*keys) if len(keys) > 1 else keys[0]).in_(found))


def _parts(terms: tuple[Term, ...], values: Row, inclusive: bool) -> list[ColumnElement[bool]]:
    """Cut the rows behind these values into parts that exclude each other. The terms end in the key."""
    first = terms[0]
    if first.nullable:
        here, beyond = _at_nullable(first, values[0])
        run = 1
    else:
        alike = takewhile(lambda term: (term.nullable, term.descending) == (False, first.descending), terms)
        run = len(list(alike))
        if run == len(terms):
            return [_beyond(terms, values, inclusive)]
        here = and_(*[_is(term, value) for term, value in zip(terms[:run], values, strict=False)])
        beyond = [_beyond(terms[:run], values, False)]
    return [and_(here, part) for part in _parts(terms[run:], values[run:], inclusive)] + beyond


def _at_nullable(term: Term, value: Any) -> tuple[ColumnElement[bool], list[ColumnElement[bool]]]:
    """Say what is equal to the value, and what stands behind it."""
    if value is None:
        return _is(term, value), [term.column.is_not(None)] if term.nulls_first else []
    nulls = [] if term.nulls_first else [term.column.is_(None)]
    return _is(term, value), [_beyond((term,), (value,), False), *nulls]


def _is(term: Term, value: Any) -> ColumnElement[bool]:
    same: ColumnElement[bool] = (
        term.column.is_(None) if value is None else term.column == _literal(term, value)
    )
    return same


def _beyond(terms: tuple[Term, ...], values: Row, inclusive: bool) -> ColumnElement[bool]:
    """Compare columns of one direction, none of them null, as one row."""
    left: Any = tuple_(*[term.column for term in terms])
    right: Any = tuple_(*[_literal(term, value) for term, value in zip(terms, values, strict=False)])
    if len(terms) == 1:
        left, right = terms[0].column, _literal(terms[0], values[0])
    if terms[0].descending:
        less: ColumnElement[bool] = left <= right if inclusive else left < right
        return less
    greater: ColumnElement[bool] = left >= right if inclusive else left > right
    return greater


def _literal(term: Term, value: Any) -> Any:
    kind = term.column.type
    if isinstance(value, str) and not _is_text(kind):
        return _Stored(cast(literal(value, String()), kind))
    return literal(value, kind)


def _is_text(kind: Any) -> bool:
    try:
        return issubclass(kind.python_type, str)
    except NotImplementedError:  # a type of the user's own, which may read text
        return True


class _Stored(FunctionElement[Any]):
    """The text of a value that the column's type could not read, as the database compares it."""

    inherit_cache = True


@compiles(_Stored)
def _as_column(element: Any, compiler: Any, **options: Any) -> str:
    (converted,) = element.clauses
    return str(compiler.process(converted, **options))


@compiles(_Stored, "sqlite")
def _as_it_stands(element: Any, compiler: Any, **options: Any) -> str:
    (converted,) = element.clauses  # SQLite's CAST would make a number of it
    return str(compiler.process(converted.clause, **options))
