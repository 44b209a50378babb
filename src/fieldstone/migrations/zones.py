"""Between datetimes without an offset and datetimes in UTC.

PostgreSQL would read a naive value in the time zone of whoever runs the migration, and shift every
row without a word. So the zone is always said: `AT TIME ZONE` on PostgreSQL, and the same arithmetic
in Python on SQLite, which stores text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

from fieldstone.migrations.backfilling import quoted
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.recording import looking

_STORED = "%Y-%m-%d %H:%M:%S.%f"


def to_utc(table: str, column: str, *, zone: str) -> None:
    """Turn a column of naive datetimes, which are in `zone`, into one of UTC."""
    place = ZoneInfo(zone)

    def convert(value: datetime) -> datetime:
        return value.replace(tzinfo=place).astimezone(UTC)

    _change(table, column, zone, sa.DateTime(), sa.DateTime(timezone=True), convert)


def to_naive(table: str, column: str, *, zone: str) -> None:
    """Turn a column of UTC datetimes into naive ones as clocks in `zone` show them."""
    place = ZoneInfo(zone)

    def convert(value: datetime) -> datetime:
        return value.replace(tzinfo=UTC).astimezone(place)

    _change(table, column, zone, sa.DateTime(timezone=True), sa.DateTime(), convert)


def _change(
    table: str,
    column: str,
    zone: str,
    old: sa.DateTime,
    new: sa.DateTime,
    convert: Callable[[datetime], datetime],
) -> None:
    if op.get_context().dialect.name == "postgresql" or looking():
        op.alter_column(
            table,
            column,
            existing_type=old,
            type_=new,
            postgresql_using=f"{quoted(column)} AT TIME ZONE '{zone}'",
        )
    elif zone not in ("UTC", "Etc/UTC"):
        _rewrite(table, column, convert)


def _rewrite(table: str, column: str, convert: Callable[[datetime], datetime]) -> None:
    if op.get_context().as_sql:
        raise MigrationRefused(
            f"The datetimes of {table}.{column} are turned by Python on SQLite, which has no time zones: "
            "that cannot be written as SQL. Run the revision with: fieldstone migrate up"
        )
    bind = op.get_bind()
    kept = sa.table(table, sa.column("rowid"), sa.column(column))
    values = (
        bind.execute(sa.select(kept.c[column]).distinct().where(kept.c[column].is_not(None))).scalars().all()
    )
    # A clock that is set back shows an hour twice: the target of one value may be another's source.
    rows = bind.execute(sa.select(kept.c.rowid, kept.c[column]).where(kept.c[column].is_not(None))).all()
    turned = {value: convert(_read(str(value))).strftime(_STORED) for value in values}
    for row, value in rows:
        bind.execute(sa.update(kept).where(kept.c.rowid == row).values({column: turned[value]}))


def _read(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=None)
