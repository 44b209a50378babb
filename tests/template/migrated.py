"""The task app's tables as its users get them: by its migrations, and quickly.

A test that wants them from the start is lent a copy of a database that has them (`TABLES`), or the demo
data as well (`demo`). Where a test begins with an empty database, the first of each kind is migrated in
earnest. What that told the database is kept and told to the others again, which takes a tenth of the
time and leaves the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, inspect

from fieldstone import Database
from fieldstone.template.board import today
from fieldstone.template.seed import seed
from fieldstone.template.tables import migrate
from fieldstone.testing.templates import Schema

_TOLD: dict[str, list[tuple[str, Any]]] = {}
_ASKS = ("SELECT", "SHOW", "SET", "RESET", "PRAGMA foreign_key", "PRAGMA main", "PRAGMA temp")


def migrated(database: Database) -> Database:
    """Bring an empty database to the newest revision; one that is there stays as it is."""
    if inspect(database.engine).has_table("alembic_version"):
        return database
    if database.dialect not in _TOLD:
        _TOLD[database.dialect] = _migrate_in_earnest(database)
        return database
    connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with connection:
        if database.dialect == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        for statement, parameters in _TOLD[database.dialect]:
            connection.exec_driver_sql(statement, parameters or None)
        if database.dialect == "sqlite":
            connection.exec_driver_sql("COMMIT")
    return database


def _with_tables(database: Database) -> None:
    migrated(database)


def _with_demo_data(database: Database) -> None:
    migrated(database)
    assert seed(database)


TABLES = Schema("the task app", _with_tables)


def demo() -> Schema:
    """Say that a database has the demo data of this day, from which its dates are counted."""
    return Schema(("the task app with its demo data", today()), _with_demo_data)


def _migrate_in_earnest(database: Database) -> list[tuple[str, Any]]:
    told: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.lstrip().startswith(_ASKS):
            told.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", keep)
    try:
        assert migrate(database)
    finally:
        event.remove(database.engine, "before_cursor_execute", keep)
    return told
