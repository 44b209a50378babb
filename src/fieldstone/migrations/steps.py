"""What a revision file may call beside Alembic's `op`: steps that a busy database can bear.

Each can be run again after it was interrupted, because each looks first at what is already done.
On PostgreSQL those that say so leave the revision's transaction, so a revision that calls them
should call nothing else. On SQLite, which has one writer, all run within the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from fieldstone.migrations import backfilling, enums, zones
from fieldstone.migrations.assurance import safe_step, safety_assured
from fieldstone.migrations.failures import MigrationRefused

backfill = safe_step(backfilling.backfill)
create_enum = safe_step(enums.create_enum)
drop_enum = safe_step(enums.drop_enum)
alter_enum = enums.alter_enum
to_utc = zones.to_utc
to_naive = zones.to_naive

__all__ = [
    "alter_enum",
    "backfill",
    "create_enum",
    "create_index",
    "create_unique_constraint",
    "drop_enum",
    "drop_index",
    "drop_unique_constraint",
    "replace_check",
    "safety_assured",
    "set_not_null",
    "to_naive",
    "to_utc",
    "validate",
]


@safe_step
def create_index(
    name: str, table: str, columns: Sequence[Any], *, unique: bool = False, **options: Any
) -> None:
    """Create an index while the table is written to (CONCURRENTLY); an unfinished one is made again."""
    if not _online():
        op.create_index(name, table, columns, unique=unique, if_not_exists=True, **options)
        return
    with backfilling.outside_transaction():
        _drop_unfinished(name)
        try:
            op.create_index(
                name,
                table,
                columns,
                unique=unique,
                if_not_exists=True,
                postgresql_concurrently=True,
                **options,
            )
        except Exception:
            _drop_unfinished(name)  # or it would cost every write, and serve no read
            raise


@safe_step
def drop_index(name: str, table_name: str, **options: Any) -> None:
    """Drop an index while the table is written to (CONCURRENTLY)."""
    if not _online():
        op.drop_index(name, table_name=table_name, if_exists=True)
        return
    with backfilling.outside_transaction():
        op.drop_index(name, table_name=table_name, if_exists=True, postgresql_concurrently=True)


def _drop_unfinished(name: str) -> None:
    bind = op.get_bind()
    if op.get_context().as_sql:
        return
    unfinished = bind.scalar(
        sa.text(
            "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE c.relname = :name AND NOT i.indisvalid AND pg_table_is_visible(c.oid)"
        ),
        {"name": name},
    )
    if unfinished:
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(name)}")


@safe_step
def create_unique_constraint(name: str, table: str, columns: Sequence[str]) -> None:
    """Add a unique constraint while the table is written to: its index first, without a lock."""
    if not _online():
        with op.batch_alter_table(table) as batch_op:
            batch_op.create_unique_constraint(name, list(columns))
        return
    if _has_constraint(table, name):
        return
    create_index(name, table, columns, unique=True)
    op.execute(f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(name)} UNIQUE USING INDEX {quoted(name)}")


@safe_step
def drop_unique_constraint(name: str, table: str) -> None:
    """Drop a unique constraint that create_unique_constraint added."""
    if not _online():
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_constraint(name, type_="unique")
    else:
        op.execute(f"ALTER TABLE {quoted(table)} DROP CONSTRAINT IF EXISTS {quoted(name)}")


@safe_step
def validate(table: str, constraint: str) -> None:
    """Hold the rows that are there to a constraint that was added NOT VALID; writes go on meanwhile."""
    if not _online():
        return
    with backfilling.outside_transaction():
        op.execute(f"ALTER TABLE {quoted(table)} VALIDATE CONSTRAINT {quoted(constraint)}")


@safe_step
def set_not_null(table: str, column: str, type_: Any) -> None:
    """Require a value, once every row has one; PostgreSQL reads the rows without stopping writes."""
    _refuse_nulls(table, column)
    if not _online():
        with op.batch_alter_table(table) as batch_op:
            batch_op.alter_column(column, existing_type=type_, nullable=False)
        return
    check = f"{table}_{column}_not_null"[:63]
    where, what = quoted(table), quoted(column)
    with backfilling.outside_transaction():
        if not _has_constraint(table, check):
            op.execute(
                f"ALTER TABLE {where} ADD CONSTRAINT {quoted(check)} CHECK ({what} IS NOT NULL) NOT VALID"
            )
        op.execute(f"ALTER TABLE {where} VALIDATE CONSTRAINT {quoted(check)}")
        # The validated CHECK spares SET NOT NULL its own reading of the table, under a lock on it.
        op.execute(f"ALTER TABLE {where} ALTER COLUMN {what} SET NOT NULL")
        op.execute(f"ALTER TABLE {where} DROP CONSTRAINT IF EXISTS {quoted(check)}")


def _refuse_nulls(table: str, column: str) -> None:
    if op.get_context().as_sql:
        return
    source = sa.table(table, sa.column(column))
    empty = op.get_bind().scalar(
        sa.select(sa.func.count()).select_from(source).where(source.c[column].is_(None))
    )
    if empty:
        raise MigrationRefused(
            f"{table}.{column} cannot be required: {empty} rows have no value. Give them one before, with "
            f"steps.backfill({table!r}, {column!r}, \"'a value'\"), or write the revision anew with "
            f"--fill {table}.{column}=value"
        )


@safe_step
def replace_check(table: str, name: str, condition: str | None, *, dialect: str) -> None:
    """Replace a CHECK on one kind of database only; None leaves it dropped."""
    if op.get_context().dialect.name != dialect:
        return
    known = set() if op.get_context().as_sql else _checks(table)
    with op.batch_alter_table(table) as batch_op:
        if name in known:
            batch_op.drop_constraint(batch_op.f(name), type_="check")
        if condition is not None:
            batch_op.create_check_constraint(batch_op.f(name), sa.text(condition))


def _checks(table: str) -> set[str | None]:
    return {check["name"] for check in sa.inspect(op.get_bind()).get_check_constraints(table)}


def _has_constraint(table: str, name: str) -> bool:
    if op.get_context().as_sql:
        return False
    found = op.get_bind().scalar(
        sa.text("SELECT count(*) FROM pg_constraint WHERE conrelid = CAST(:t AS regclass) AND conname = :n"),
        {"t": quoted(table), "n": name},
    )
    return bool(found)


def _online() -> bool:
    return op.get_context().dialect.name == "postgresql"


def quoted(name: str) -> str:
    return backfilling.quoted(name)
