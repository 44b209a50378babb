"""Say in the model's own words what the database refused.

A database names constraints and columns; people know models and fields. `explain` translates by
SQLSTATE (or SQLite's extended code) and by the constraint's name, never by exception class or by
the sentence, which is in the server's language. The texts hold no SQL and no value.

Source: PostgreSQL documentation, appendix A; sqlite.org, "Result and Error Codes".
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import walk_tb

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, MetaData, Table, UniqueConstraint
from sqlalchemy.exc import PendingRollbackError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import SQLModel

from fieldstone.errors import (
    ConfigurationError,
    Conflict,
    FieldstoneError,
    InvalidValues,
    Problem,
    ReadOnlyTransaction,
    RolledBack,
    StaleVersion,
    TransactionConflict,
    Unavailable,
)
from fieldstone.violations import naming
from fieldstone.violations.evidence import Evidence, evidence_of
from fieldstone.violations.failures import Failure, failure_of


def explain(error: BaseException, *, metadata: MetaData | None = None) -> FieldstoneError | None:
    """Give the Fieldstone error that says what a database error means; None where it has none.

    Errors in the program itself (a syntax error) have none: they stay as they are. `metadata`
    holds the tables to name; by default SQLModel's.
    """
    if isinstance(error, PoolTimeout):
        return Unavailable(
            "No database connection became free in time: all are in use. Keep transactions short, or "
            "raise pool_size."
        )
    tables = SQLModel.metadata if metadata is None else metadata
    if isinstance(error, PendingRollbackError):
        return _rolled_back()
    if isinstance(error, StaleDataError):
        return _stale(error, tables)
    failure = failure_of(error)
    if failure is None:
        return _unsendable(error)
    if failure.sqlite_code is not None:
        return _sqlite(failure, evidence_of(error), tables)
    return _postgresql(failure, evidence_of(error), tables)


@contextmanager
def explained(*, metadata: MetaData | None = None) -> Iterator[None]:
    """Raise database errors inside the block as the Fieldstone errors that `explain` makes of them."""
    try:
        yield
    except (SQLAlchemyError, OverflowError, UnicodeEncodeError) as error:
        meaning = explain(error, metadata=metadata)
        if meaning is None:
            raise
        raise meaning from error


def _postgresql(failure: Failure, evidence: Evidence, tables: MetaData) -> FieldstoneError | None:
    state = failure.sqlstate or ""
    table = naming.find_table(tables, failure.table) if failure.table else evidence.table
    columns = naming.constraint_columns(table, failure.constraint) or _detail_columns(failure.detail)
    match state:
        case "23505":
            return _conflict("unique", table, columns, failure)
        case "23P01":
            return _conflict("exclusion", table, columns, failure)
        case "23503":
            return _foreign_key(failure, evidence, table, columns)
        case "23502":
            return _invalid(table, [failure.column] if failure.column else [], "not_null")
        case "23514":
            return _check(table, failure.constraint, tables)
        case "40001" | "40P01":
            return TransactionConflict(
                "The transaction met another one and was rolled back. Repeat it whole; db.run(...) does that."
            )
        case "25006":
            return _read_only()
        case "42P01" | "42703":
            return _not_migrated(failure)
        case "57014":
            return Unavailable(
                "The database cancelled the statement: it ran too long. Narrow it, or allow more time."
            )
        case "55P03":
            return Unavailable(
                "The rows stayed locked: another transaction holds them. Repeat the unit later."
            )
    if state.startswith("22"):
        return _invalid(table, evidence.columns, _VALUE_RULES.get(state) or _rule_of(evidence))
    if failure.lost or state.startswith(("53", "58")):
        return Unavailable(f"The database went away: {failure.reason}. Repeat the unit later.")
    return None if state else _unsendable_text(failure, evidence)


def _sqlite(failure: Failure, evidence: Evidence, tables: MetaData) -> FieldstoneError | None:
    if failure.locked:
        return Unavailable(
            "The database stayed locked: another transaction is writing. Keep writing transactions short."
        )
    _, _, rest = failure.message.partition(" constraint failed: ")
    table, columns = naming.sqlite_columns(tables, rest, evidence.table)
    match failure.sqlite_code:
        case code if code in _SQLITE_UNIQUE:
            return _conflict("unique", table, columns, failure)
        case sqlite3.SQLITE_CONSTRAINT_NOTNULL:
            return _invalid(table, columns, "not_null")
        case sqlite3.SQLITE_CONSTRAINT_CHECK:
            return _check(evidence.table, rest, tables)
        case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            return _sqlite_foreign_key(evidence)
        case sqlite3.SQLITE_TOOBIG:
            return _invalid(evidence.table, evidence.columns, "too_long")
        case sqlite3.SQLITE_MISMATCH:
            return _invalid(evidence.table, evidence.columns, "bad_value")
        case sqlite3.SQLITE_ERROR if failure.message.startswith(_SQLITE_UNKNOWN):
            return _not_migrated(failure)
    primary = (failure.sqlite_code or 0) & 0xFF
    if primary == sqlite3.SQLITE_READONLY:
        return _read_only()
    if primary in _SQLITE_UNUSABLE:
        return Unavailable(
            f"SQLite cannot use its file: {failure.message} ({failure.reason}). Check the disk."
        )
    return None


_SQLITE_UNIQUE = (
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
)

# SQLite has one code for all that is wrong with a statement; its sentences are always English.
_SQLITE_UNKNOWN = ("no such table", "no such column", "table ")

_SQLITE_UNUSABLE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
)


def _conflict(kind: str, table: Table | None, columns: Sequence[str], failure: Failure) -> Conflict:
    return Conflict(
        naming.subject(table),
        kind="exclusion" if kind == "exclusion" else "unique",
        fields=naming.fields(table, columns),
        constraint=failure.constraint or naming.unique_name(table, columns),
    )


def _foreign_key(
    failure: Failure, evidence: Evidence, table: Table | None, columns: Sequence[str]
) -> Conflict:
    """Read which end is at fault: the server names the pointing table and its key in both cases."""
    key = naming.foreign_key(table, failure.constraint)
    # The sentence quotes table and key, and a second table only when rows elsewhere point here.
    quoted = re.findall(r"[\"«„“][^\"«»„“”]+[\"»“”]", failure.message)
    if evidence.deleting or len(quoted) == 3:
        pointed_to = key.referred_table if key is not None else None
        return Conflict(
            naming.subject(pointed_to, default=quoted[0][1:-1] if quoted else None),
            kind="referenced",
            other=naming.subject(table, default=failure.table),
            constraint=failure.constraint,
        )
    return Conflict(
        naming.subject(table, default=failure.table),
        kind="foreign_key",
        fields=naming.fields(table, columns),
        other=naming.subject(key.referred_table) if key is not None else None,
        constraint=failure.constraint,
    )


def _sqlite_foreign_key(evidence: Evidence) -> Conflict:
    key = evidence.foreign_key
    subject = naming.subject(evidence.table)
    if evidence.deleting or evidence.referenced:
        other = naming.subject(key.table) if key is not None else None
        return Conflict(subject, kind="referenced", other=other, constraint=_name(key))
    if key is None:
        return _unclear_key(evidence)
    return Conflict(
        subject,
        kind="foreign_key",
        fields=naming.fields(evidence.table, [column.name for column in key.columns]),
        other=naming.subject(key.referred_table),
        constraint=_name(key),
    )


def _unclear_key(evidence: Evidence) -> Conflict:
    """List the keys that may be at fault in the text; `fields` stays empty, since none is known."""
    keys = () if evidence.table is None else evidence.table.foreign_key_constraints
    candidates = naming.fields(evidence.table, sorted({name for key in keys for name in key.column_keys}))
    return Conflict(naming.subject(evidence.table), kind="foreign_key", candidates=candidates)


def _check(table: Table | None, name: str | None, tables: MetaData) -> InvalidValues:
    """Name the fields of a CHECK; its `info["message"]` says it better than its name does."""
    found = naming.find_check(tables, table, name)
    if found is None:
        return InvalidValues(naming.subject(table), [Problem((), "check", f"must satisfy the rule {name}")])
    message = found.info.get("message") or f"must satisfy the rule {found.name or name}"
    owner = found.table
    return InvalidValues(
        naming.subject(owner),
        [Problem((field,), "check", message) for field in naming.fields(owner, naming.check_columns(found))]
        or [Problem((), "check", message)],
    )


def _invalid(table: Table | None, columns: Sequence[str], rule: str) -> InvalidValues:
    message = _RULES[rule]
    return InvalidValues(
        naming.subject(table),
        [Problem((field,), rule, message) for field in naming.fields(table, columns)]
        or [Problem((), rule, f"a value: it {message}")],
    )


_RULES = {
    "not_null": "must not be null",
    "too_long": "is longer than the column allows",
    "out_of_range": "is outside the range that the column can hold",
    "bad_text": "holds a NUL character or half a surrogate pair, which cannot be stored as text",
    "bad_value": "is not of the column's type",
}

_VALUE_RULES = {
    "22001": "too_long",
    "22003": "out_of_range",
    "22008": "out_of_range",
    "22021": "bad_text",
    "22P05": "bad_text",
}


def _stale(error: StaleDataError, tables: MetaData) -> StaleVersion:
    name = re.search(r"on table '([^']+)'", str(error))
    return StaleVersion(naming.subject(naming.find_table(tables, name[1]) if name else None))


def _not_migrated(failure: Failure) -> ConfigurationError:
    return ConfigurationError(
        f"The database does not have what the models say: {failure.message.splitlines()[0]}. Bring its "
        "tables up to date (a new database: db.create_all(), for tests and demos), or correct DATABASE_URL."
    )


def _rolled_back() -> RolledBack:
    return RolledBack(
        "The transaction was rolled back when a write in it was refused, so nothing of it is stored. Catch "
        "that error outside the transaction, or make the attempt inside session.begin_nested()."
    )


def _read_only() -> ReadOnlyTransaction:
    return ReadOnlyTransaction(
        "This unit was declared read-only, and it writes. Open it without read_only=True."
    )


def _name(constraint: ForeignKeyConstraint | CheckConstraint | UniqueConstraint | None) -> str | None:
    return None if constraint is None or constraint.name is None else str(constraint.name)


def _detail_columns(detail: str | None) -> list[str]:
    """Read the columns from 'Key (a, b)=(...)'; the values after the equals sign stay unread."""
    found = re.search(r"\(([^()]*)\)=\(", detail or "")
    return [name.strip().strip('"') for name in found[1].split(",")] if found else []


def _rule_of(evidence: Evidence) -> str:
    return evidence.rule or "bad_value"


def _unsendable(error: BaseException) -> FieldstoneError | None:
    """Explain a value that the driver refused before it was sent, with one of Python's own errors."""
    refused = getattr(error, "orig", error)
    if refused is error and not _raised_by_driver(error):
        return None
    evidence = evidence_of(error)
    if isinstance(refused, OverflowError):
        return _invalid(evidence.table, evidence.columns, "out_of_range")
    if isinstance(refused, UnicodeEncodeError):
        return _invalid(evidence.table, evidence.columns, "bad_text")
    if isinstance(error, StatementError) and isinstance(refused, (TypeError, ValueError)):
        # A column's type refused it, as SQLModel's UTCDateTime does a naive datetime on a plain table.
        return _invalid(evidence.table, evidence.columns, "bad_value")
    return None


def _raised_by_driver(error: BaseException) -> bool:
    """Tell a value refused on its way to the database from the same error in the caller's own code."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(name == "sqlalchemy.engine.default" for name in modules)


def _unsendable_text(failure: Failure, evidence: Evidence) -> FieldstoneError | None:
    # psycopg refuses NUL by itself, without a SQLSTATE.
    bad_text = evidence.rule == "bad_text" or "NUL (0x00)" in failure.message
    return _invalid(evidence.table, evidence.columns, "bad_text") if bad_text else None
