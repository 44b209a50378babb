"""Rows as they are stored: read and locked before a change, read again after it, and compared.

That is how changes are told that no instance saw: by a statement over many rows, or by the database
itself where a foreign key says CASCADE or SET NULL. Locking comes first, parents before children:
a row that another transaction is adding below a locked one has to wait, so none is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Table, select
from sqlalchemy.orm import Session as SQLAlchemySession

from fieldstone.history.audits import Audit, audit_of_table, is_audited
from fieldstone.history.journal import Journal, changed, deleted
from fieldstone.keys import among_each, mapper_of

Key = tuple[Any, ...]
Row = dict[Any, Any]  # by Column
Found = dict[Table, dict[Key, Row]]

_CASCADE = "CASCADE"
_REACHING = (_CASCADE, "SET NULL", "SET DEFAULT")


def keys_of(audit: Audit, table: Table) -> list[Column[Any]]:
    """Give a table's key columns in the order of the model's key."""
    properties = mapper_of(audit.model).attrs
    return [next(one for one in properties[name].columns if one.table is table) for name in audit.keys]


def key_of(audit: Audit, table: Table, row: Row) -> Key:
    return tuple(row[column] for column in keys_of(audit, table))


def values_of(audit: Audit, row: Row) -> dict[str, Any]:
    """Give what is kept of a row, by attribute."""
    return {name: row[column] for name, column in audit.columns.items() if column in row}


def read(session: SQLAlchemySession, table: Table, condition: Any, *, lock: bool) -> dict[Key, Row]:
    """Read rows by their identity."""
    columns = list(table.columns)
    statement: Any = select(*columns).where(condition)
    result = session.execute(statement.with_for_update() if lock else statement)
    rows = [dict(zip(columns, row, strict=True)) for row in result]
    return {_identity(table, row): row for row in rows}


def _identity(table: Table, row: Row) -> Key:
    key = tuple(row[column] for column in table.primary_key.columns)
    return key or tuple(map(repr, row.values()))


# What the database deletes and changes by itself


def is_reaching(table: Any) -> bool:
    """Tell whether deleting rows of a table may change audited rows of others, or of its own."""
    return isinstance(table, Table) and any(_edges(table, set()))


def gather(session: SQLAlchemySession, table: Table, rows: Iterable[Row], found: Found) -> None:
    """Lock and note the rows that go or change when these rows are deleted."""
    parents = list(rows)
    for edge in _edges(table, set()) if parents else ():
        pairs = [(element.parent, element.column) for element in edge.elements]
        wanted = {tuple(row[column] for _, column in pairs) for row in parents}
        known, fresh = found.setdefault(edge.table, {}), dict[Key, Row]()
        for condition in among_each(
            [column for column, _ in pairs], (one for one in wanted if None not in one)
        ):
            rows_below = read(session, edge.table, condition, lock=True)
            fresh |= {key: row for key, row in rows_below.items() if key not in known}
        known |= fresh
        if _action(edge) == _CASCADE:
            gather(session, edge.table, fresh.values(), found)


def _edges(table: Any, seen: set[Any]) -> Iterator[ForeignKeyConstraint]:
    """Yield the foreign keys by which a deletion here reaches something audited."""
    seen = seen | {table}
    for other in table.metadata.tables.values():
        for key in other.foreign_key_constraints:
            if key.referred_table is not table or _action(key) not in _REACHING:
                continue
            goes_on = _action(key) == _CASCADE and other not in seen and any(_edges(other, seen))
            if is_audited(other) or goes_on:
                yield key


def _action(key: ForeignKeyConstraint) -> str:
    return (key.ondelete or "").upper()


# What became of them


def settle(session: SQLAlchemySession, found: Found, journal: Journal) -> None:
    """Read the rows again and note which are gone, and which differ."""
    for table, rows in found.items():
        if not rows or not is_audited(table):
            continue
        audit = audit_of_table(table)
        now: dict[Key, Row] = {}
        for condition in among_each(list(table.primary_key.columns), rows):
            now |= read(session, table, condition, lock=False)
        for identity, row in rows.items():
            key, old = key_of(audit, table, row), values_of(audit, row)
            if identity in now:
                journal.note(audit, "changed", key, changed(audit, old, values_of(audit, now[identity])))
            else:
                journal.note(audit, "deleted", key, deleted(audit, old))
