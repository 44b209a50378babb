"""PostgreSQL's own enum types, in a revision: made, changed and dropped. SQLite has none.

Alembic makes them with the first table and forgets them: not for an added column, not when their
members change, and not when the table goes, so that a second `up` fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from fieldstone.migrations.backfilling import quoted


def create_enum(name: str, members: Sequence[str]) -> None:
    """Create an enum type, unless it is there."""
    if _postgresql() and _members(name) is None:
        op.execute(f"CREATE TYPE {quoted(name)} AS ENUM ({_listed(members)})")


def drop_enum(name: str) -> None:
    """Drop an enum type, unless a column still has it."""
    if _postgresql() and not _columns(name):
        op.execute(f"DROP TYPE IF EXISTS {quoted(name)}")


def alter_enum(
    name: str, members: Sequence[str], *, columns: Sequence[str], rename: Mapping[str, str] | None = None
) -> None:
    """Give an enum type these members; renamed ones keep their rows.

    `columns` ("task.mood") are those that hold it, for databases that store it as text. A member
    that rows still hold cannot be taken away: the revision fails and is rolled back.
    """
    renamed = dict(rename or {})
    if not _postgresql():
        for column in columns:
            _rename_in_text(column, renamed)
        return
    for old, new in renamed.items():
        op.execute(f"ALTER TYPE {quoted(name)} RENAME VALUE {_literal(old)} TO {_literal(new)}")
    present = _members(name)
    if present is None or present == tuple(members):
        return
    if [member for member in members if member in present] == list(present):
        _add(name, present, members)
    else:
        _make_anew(name, members)


def _rename_in_text(column: str, renamed: Mapping[str, str]) -> None:
    table, _, field = column.partition(".")
    for old, new in renamed.items():
        op.execute(
            f"UPDATE {quoted(table)} SET {quoted(field)} = {_literal(new)} "  # noqa: S608  # of a revision
            ""  # no word from a client
            ""  # a revision's own text
            f"WHERE {quoted(field)} = {_literal(old)}"
        )


def _add(name: str, present: Sequence[str], members: Sequence[str]) -> None:
    """Add members where they belong, without touching a row; they can be used once this is committed."""
    previous: str | None = None
    for member in members:
        if member not in present:
            place = (
                f"AFTER {_literal(previous)}" if previous is not None else f"BEFORE {_literal(present[0])}"
            )
            op.execute(f"ALTER TYPE {quoted(name)} ADD VALUE IF NOT EXISTS {_literal(member)} {place}")
        previous = member


def _make_anew(name: str, members: Sequence[str]) -> None:
    """Put a new type in the old one's place, which unlike ADD VALUE can be rolled back and used at once."""
    previous = f"{name}_previous"
    op.execute(f"ALTER TYPE {quoted(name)} RENAME TO {quoted(previous)}")
    op.execute(f"CREATE TYPE {quoted(name)} AS ENUM ({_listed(members)})")
    for table, column, default in _columns(previous):
        where, what = table, quoted(column)
        if default is not None:
            op.execute(f"ALTER TABLE {where} ALTER COLUMN {what} DROP DEFAULT")
        op.execute(
            f"ALTER TABLE {where} ALTER COLUMN {what} TYPE {quoted(name)} "
            f"USING CAST(CAST({what} AS text) AS {quoted(name)})"
        )
        if default is not None:
            text = default.partition("::")[0]
            op.execute(f"ALTER TABLE {where} ALTER COLUMN {what} SET DEFAULT {text}::{quoted(name)}")
    op.execute(f"DROP TYPE {quoted(previous)}")


def _columns(name: str) -> list[tuple[str, str, str | None]]:
    if op.get_context().as_sql:
        return []
    rows = op.get_bind().execute(
        sa.text(
            "SELECT CAST(a.attrelid AS regclass), a.attname, pg_get_expr(d.adbin, d.adrelid) "
            "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid "
            "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
            "WHERE t.typname = :name AND pg_type_is_visible(t.oid) AND c.relkind IN ('r', 'p') "
            "AND NOT a.attisdropped"
        ),
        {"name": name},
    )
    return [(str(row[0]), str(row[1]), row[2]) for row in rows]


def stored_members(bind: Any, name: str) -> tuple[str, ...] | None:
    """Read the members of an enum type, in order; None where there is no such type."""
    rows = bind.execute(
        sa.text(
            "SELECT e.enumlabel FROM pg_type t LEFT JOIN pg_enum e ON e.enumtypid = t.oid "
            "WHERE t.typname = :name AND t.typtype = 'e' AND pg_type_is_visible(t.oid) ORDER BY "
            "e.enumsortorder"
        ),
        {"name": name},
    ).all()
    return tuple(str(row[0]) for row in rows if row[0] is not None) if rows else None


def _members(name: str) -> tuple[str, ...] | None:
    return None if op.get_context().as_sql else stored_members(op.get_bind(), name)


def _postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _listed(members: Sequence[str]) -> str:
    return ", ".join(_literal(member) for member in members)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
