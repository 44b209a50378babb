"""Rows that the driver, or the type of a column, cannot read.

Another program may have stored what no Python value stands for: text in a date column of SQLite, bytes
that are no UTF-8, a year before Christ on PostgreSQL. The driver or SQLAlchemy then gives up on the whole
result, good rows included. Only then the statement runs a second time, with its columns in a form that
is always read; each value is converted by itself, and one that cannot be is given as its stored text.

A cursor cannot be read twice, so streams read in that form from the start. A value that is unreadable
is refused on the client alone: the transaction goes on, and the second run takes a savepoint, in case
the statement cannot be written in the other form.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    Dialect,
    LargeBinary,
    Select,
    Text,
    Time,
    case,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from fieldstone.errors import FieldstoneError
from fieldstone.keys import key_names
from fieldstone.violations.failures import failure_of

Statement = Select[*tuple[Any, ...]]
Row = Sequence[Any]
Convert = Callable[[Any], Any]

logger = logging.getLogger("fieldstone")


class Stored(str):
    """The text of a stored value that the type of its column cannot read."""

    __slots__ = ()


def rows_of(session: Any, statement: Statement, parameters: dict[str, Any] | None = None) -> Sequence[Row]:
    """Run a select and give its rows; values that cannot be read are `Stored`, and logged."""
    try:
        return SQLAlchemySession.execute(session, statement, parameters).all()  # exec() gives one column only
    except Exception as error:
        found = _read_again(session, statement, parameters) if is_unreadable(error) else None
        if found is None:
            raise
        return report(statement, found)


def rows_again(session: Any, statement: Statement, parameters: dict[str, Any] | None = None) -> Sequence[Row]:
    """Run a select as `rows_of` does, once it is known that some value of its rows cannot be read."""
    found = _read_again(session, statement, parameters)
    return rows_of(session, statement, parameters) if found is None else report(statement, found)


def readable(session: Any, statement: Statement) -> Statement:
    """Write a select so that each of its values can be read by itself, as `Stored` at worst."""
    connection = session.connection()
    encoding = "utf-8"
    if connection.dialect.name == "sqlite":
        # CAST to BLOB gives the bytes of the file, which another program may have made in UTF-16
        encoding = connection.exec_driver_sql("PRAGMA encoding").scalar_one()
    columns: list[Any] = [one["expr"] for one in statement.column_descriptions]
    plain = all(isinstance(one, (QueryableAttribute, Column)) for one in columns)
    if plain and not statement._distinct:
        return statement.with_only_columns(*_lenient(columns, connection.dialect, encoding))
    # Grouped and DISTINCT rows may be ordered by no more than what is selected as it stands.
    inner = statement.subquery()
    return select(*_lenient(inner.c, connection.dialect, encoding))


def report(statement: Statement, rows: Sequence[Row]) -> Sequence[Row]:
    """Log, once for each row, which columns hold what cannot be read. Values stay out of the log."""
    described = statement.column_descriptions
    for row in rows:
        places = [place for place, value in enumerate(row) if isinstance(value, Stored)]
        if places:
            where = "; ".join(_where(described, row, places))
            logger.warning("A stored value cannot be read and is given as text: %s", where)
    return rows


def is_unreadable(error: Exception) -> bool:
    """Tell a value that was refused on this side from what the database said, and from errors of ours."""
    if isinstance(error, DBAPIError):
        failure = failure_of(error)
        answered = failure is not None and (failure.sqlstate or failure.sqlite_code or failure.lost)
        return not answered
    refused = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
    return isinstance(error, refused) and not isinstance(error, (SQLAlchemyError, FieldstoneError))


def _read_again(
    session: Any, statement: Statement, parameters: dict[str, Any] | None
) -> Sequence[Row] | None:
    """Run the select in the form that is always read; None where that fails as well."""
    try:
        with session.connection().begin_nested():
            return SQLAlchemySession.execute(session, readable(session, statement), parameters).all()
    except Exception:  # noqa: BLE001  # whatever it was, the first error is the one to tell
        return None


def _where(described: Sequence[Any], row: Row, places: Sequence[int]) -> Iterator[str]:
    """Name table, key and columns of the unreadable values, entity by entity."""
    named: dict[Any, dict[str, Any]] = {}
    broken: dict[Any, list[str]] = {}
    for place, one in enumerate(described):
        entity = one.get("entity") if isinstance(one["expr"], QueryableAttribute) else None
        named.setdefault(entity, {})[one["name"]] = row[place]
        if place in places:
            broken.setdefault(entity, []).append(str(one["name"]))
    for entity, names in broken.items():
        yield f"{_subject(entity, named[entity])}, {', '.join(names)}"


def _subject(entity: Any, values: dict[str, Any]) -> str:
    if entity is None:
        return "an aggregated row"
    mapper = sa_inspect(entity).mapper
    key = [f"{name}={values[name]}" for name in key_names(mapper.class_) if name in values]
    return " ".join([str(mapper.local_table.name), *key])


# The form that is always read


def _lenient(columns: Iterable[Any], dialect: Dialect, encoding: str) -> Iterator[Any]:
    """Select columns as what every driver reads, and convert the values afterwards."""
    for place, column in enumerate(columns):
        selected = column
        if dialect.name == "sqlite":
            selected = case((func.typeof(column) == "text", cast(column, LargeBinary)), else_=column)
        elif _is_text(column.type, dialect):
            selected = cast(column, Text)
        yield type_coerce(selected, _Lenient(column.type, encoding)).label(f"value_{place}")


def _is_text(kind: TypeEngine[Any], dialect: Dialect) -> bool:
    """Tell the types whose values PostgreSQL's drivers may refuse to turn into Python's."""
    return isinstance(_plain(kind, dialect), (Date, DateTime, Time, JSON))


def _plain(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    while isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(dialect)
    return kind


class _Lenient(UserDefinedType[Any]):
    """Convert as another type does, and give as `Stored` what that type refuses."""

    cache_ok = True

    def __init__(self, kind: TypeEngine[Any], encoding: str) -> None:
        self.kind = kind
        self.encoding = encoding

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        convert = self._converter(dialect, coltype)
        if convert is None:
            return None

        def process(value: Any) -> Any:
            if value is None:
                return None
            try:
                return convert(value)
            except Exception:  # noqa: BLE001  # a column's type may be anyone's, and raise anything
                return Stored(_text(value, self.encoding))

        return process

    def _converter(self, dialect: Dialect, coltype: object) -> Convert | None:
        """Give what makes the column's value of the form in which it was selected."""
        plain = _plain(self.kind, dialect)
        if dialect.name != "sqlite" and _is_text(self.kind, dialect):
            kind: Any = plain.python_type  # a date, a time or both: ISO 8601 is what the server writes
            parse = json.loads if isinstance(plain, JSON) else kind.fromisoformat
            decorations = [*_decorations(self.kind, dialect)]
            return lambda text: reduce(lambda value, decorate: decorate(value), decorations, parse(text))
        usual = self.kind.dialect_impl(dialect).result_processor(dialect, coltype)
        if dialect.name != "sqlite" or isinstance(plain, LargeBinary):
            return usual
        encoding = self.encoding

        def convert(value: Any) -> Any:
            value = value.decode(encoding) if isinstance(value, bytes) else value
            return value if usual is None else usual(value)

        return convert


def _decorations(kind: TypeEngine[Any], dialect: Dialect) -> Iterator[Convert]:
    """Yield what decorators do to a value, the innermost first."""
    if isinstance(kind, TypeDecorator):
        yield from _decorations(kind.load_dialect_impl(dialect), dialect)
        yield lambda value: kind.process_result_value(value, dialect)


def _text(value: Any, encoding: str) -> str:
    return value.decode(encoding, "backslashreplace") if isinstance(value, bytes) else str(value)
