"""Foreign keys of SQLite, which act on rows while a table is rebuilt unless they are off.

Dropping the old table of a rebuild would delete what refers to it. Turning foreign keys off can only
be said outside a transaction; what a revision broke is looked for before it is committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from fieldstone.migrations.failures import MigrationRefused


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Keep SQLite from acting on foreign keys until the block ends; nothing elsewhere."""
    if connection.dialect.name != "sqlite":
        yield
        return
    _set_foreign_keys(connection, on=False)
    try:
        yield
    finally:
        _set_foreign_keys(connection, on=True)


def _set_foreign_keys(connection: Connection, *, on: bool) -> None:
    # On the driver's cursor, because SQLAlchemy would begin a transaction, in which it has no effect.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")
    cursor.close()


def broken_references(connection: Connection) -> Counter[tuple[str, str]]:
    """Count the rows that point nowhere, by table and by the one they point to."""
    if connection.dialect.name != "sqlite":
        return Counter()
    rows = connection.execute(text("PRAGMA foreign_key_check")).all()
    return Counter((str(row[0]), str(row[2])) for row in rows)


def refuse_broken(connection: Connection, before: Counter[tuple[str, str]]) -> None:
    """Refuse to commit rows that point to rows that are gone; those that did before are left alone."""
    for (table, parent), number in (broken_references(connection) - before).items():
        raise MigrationRefused(
            f"After this revision {number} rows of {table!r} would point to rows of {parent!r} that do not "
            "exist. While a revision runs, SQLite does not follow ON DELETE: change or delete those "
            "rows in the "
            "revision as well."
        )
