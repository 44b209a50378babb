"""Keyset pages in SQL: from a cursor's position to the statement that continues there, never by OFFSET.

"The rows behind this one" is a row comparison, `(a, b) > (x, y)`, where all columns run in one direction
and none is null: an index on them starts right there. Otherwise it is cut into parts that exclude each
other (`a = x AND b < y`, `a > x`, `a IS NULL`), each of which an index can start at. A disjunction of
these in one WHERE could not do that: the database would read and drop every earlier row. So each part
gives the keys of its first rows, and the statement reads the rows with these keys. It remains one statement.

The position's values are parameters of it, so that it is the same for all pages and made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    cast,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from fieldstone.keys import key_attributes
from fieldstone.paging.cursors import Cursors, Position, fingerprint_of
from fieldstone.paging.ordering import Term, order_of

Statement = Select[*tuple[Any, ...]]
Row = Sequence[Any]
Terms = tuple[Term, ...]


@dataclass(frozen=True)
class Walk:
    """One step through a list: the statement to run, and how to read where it led."""

    listed: Statement
    entity: Any
    terms: tuple[Term, ...]
    size: int
    position: Position | None
    cursors: Cursors
    fingerprint: bytes

    @property
    def columns(self) -> tuple[Any, ...]:
        """Give the columns of the order, in which the cursors stand."""
        return tuple([term.column for term in self.terms])

    @property
    def statement(self) -> Statement:
        """Build the statement, which asks for one row more than the page shows. Its values are parameters."""
        sorted_: Any = self.listed.order_by(None).order_by(*[term.clause for term in self.terms])
        limit = bindparam(_LIMIT, type_=Integer)
        if self.position is not None:
            at = [_at(place, *one) for place, one in enumerate(self._placed)]
            sorted_ = _behind(sorted_, self.entity, self.terms, at, self.position.inclusive, limit)
        stepped: Statement = sorted_.limit(limit)
        return stepped

    @property
    def form(self) -> str:
        """Tell apart the statements that steps through one list take."""
        if self.position is None:
            return "first"
        return f"{self.position.side} {[_kind(*one) for one in self._placed]}"

    @property
    def values(self) -> dict[str, Any]:
        """Give the values of the statement's parameters."""
        named = {f"{_AT}{place}": value for place, (_, value) in enumerate(self._placed) if value is not None}
        return {**named, _LIMIT: self.size + 1}

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
    def _placed(self) -> list[tuple[Term, Any]]:
        return [] if self.position is None else list(zip(self.terms, self.position.values, strict=True))

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
    return Walk(statement, entity, terms, size, position, cursors, fingerprint)


# What the parameters of a step are called.
_LIMIT, _AT = "fieldstone_limit", "fieldstone_at_"


def _behind(statement: Any, entity: Any, terms: Terms, at: Row, inclusive: bool, limit: Any) -> Any:
    """Keep what stands behind the position; of several parts, the first `limit` keys of each."""
    parts = list(_parts(terms, at, inclusive))
    if len(parts) == 1:
        return statement.where(parts[0])
    keys: Any = key_attributes(entity)
    columns = [*keys, *[term.column for term in terms]]  # DISTINCT must select what it is ordered by
    cut = statement.with_only_columns(*columns, maintain_column_froms=True).limit(limit)
    heads = [cut.where(part).subquery() for part in parts]
    firsts: list[Any] = [select(*[head.c[place] for place in range(len(keys))]) for head in heads]
    found = union_all(*firsts)
    return statement.where((tuple_(*keys) if len(keys) > 1 else keys[0]).in_(found))


def _parts(terms: Terms, at: Row, inclusive: bool) -> list[ColumnElement[bool]]:
    """Cut the rows behind a position into parts that exclude each other. The terms end in the key."""
    first = terms[0]
    if first.nullable:
        here, beyond = _at_nullable(first, at[0])
        run = 1
    else:
        alike = takewhile(lambda term: (term.nullable, term.descending) == (False, first.descending), terms)
        run = len(list(alike))
        if run == len(terms):
            return [_beyond(terms, at, inclusive)]
        here = and_(*[_is(term, value) for term, value in zip(terms[:run], at, strict=False)])
        beyond = [_beyond(terms[:run], at, False)]
    return [and_(here, part) for part in _parts(terms[run:], at[run:], inclusive)] + beyond


def _at_nullable(term: Term, value: Any) -> tuple[ColumnElement[bool], list[ColumnElement[bool]]]:
    """Say what is equal to the value, and what stands behind it."""
    if value is None:
        return _is(term, value), [term.column.is_not(None)] if term.nulls_first else []
    nulls = [] if term.nulls_first else [term.column.is_(None)]
    return _is(term, value), [_beyond((term,), (value,), False), *nulls]


def _is(term: Term, value: Any) -> ColumnElement[bool]:
    same: ColumnElement[bool] = term.column.is_(None) if value is None else term.column == value
    return same


def _beyond(terms: Terms, at: Row, inclusive: bool) -> ColumnElement[bool]:
    """Compare columns of one direction, none of them null, as one row."""
    left: Any = tuple_(*[term.column for term in terms])
    right: Any = tuple_(*at[: len(terms)])
    if len(terms) == 1:
        left, right = terms[0].column, at[0]
    if terms[0].descending:
        less: ColumnElement[bool] = left <= right if inclusive else left < right
        return less
    greater: ColumnElement[bool] = left >= right if inclusive else left > right
    return greater


def _at(place: int, term: Term, value: Any) -> Any:
    """Give the parameter for a value of the position, or None for a null."""
    kind, name = term.column.type, f"{_AT}{place}"
    match _kind(term, value):
        case "null":
            return None
        case "text":
            return _Stored(cast(bindparam(name, type_=String()), kind))
        case _:
            return bindparam(name, type_=kind)


def _kind(term: Term, value: Any) -> str:
    """Tell apart a null, a text that the column's type could not read, and a value of the type."""
    if value is None:
        return "null"
    return "text" if isinstance(value, str) and not _is_text(term.column.type) else "value"


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
