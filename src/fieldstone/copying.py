"""COPY in the place of an executemany: PostgreSQL takes rows in a stream, without a statement for each.

SQLAlchemy has no word for it, but lets a dialect's executemany be replaced. So a COPY is an execution like
any other: whoever counts or traces statements sees it, and its errors are the driver's, wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Engine, Table, event
from sqlalchemy.util import await_only

COPY = "fieldstone_copy"
"""The execution option of a COPY: a `Copy`."""


@dataclass(frozen=True)
class Copy:
    """Where rows are copied to."""

    schema: str | None
    table: str
    columns: tuple[str, ...]
    sql: str


def copy_into(table: Table, columns: Iterable[str], dialect: Dialect) -> Copy:
    """Write the statement."""
    names = tuple(columns)
    quoted = dialect.identifier_preparer
    listed = ", ".join(map(quoted.quote, names))
    sql = f"COPY {quoted.format_table(table)} ({listed}) FROM STDIN"
    return Copy(table.schema, table.name, names, sql)


def can_copy(dialect: Dialect) -> bool:
    """Tell whether executions with COPY are understood there."""
    return _copy in dialect.dispatch.do_executemany


def prepare(engine: Engine) -> None:
    """Let an engine of PostgreSQL understand executions with COPY."""
    event.listen(engine, "do_executemany", _copy)


def _copy(cursor: Any, statement: str, rows: Sequence[Any], context: Any) -> bool:
    target: Copy | None = context.execution_options.get(COPY)
    if target is None:
        return False
    if context.dialect.driver == "asyncpg":
        _by_asyncpg(cursor, target, rows)
    elif context.dialect.is_async:
        await_only(_by_async_psycopg(cursor._cursor, statement, rows))
    else:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    return True


def _by_asyncpg(cursor: Any, target: Copy, rows: Sequence[Any]) -> None:
    adapted = cursor._adapt_connection
    try:
        await_only(_in_transaction(adapted, target, rows))
    except Exception as error:  # noqa: BLE001 - it always raises, what SQLAlchemy makes of asyncpg's error
        adapted._handle_exception(error)


async def _in_transaction(adapted: Any, target: Copy, rows: Sequence[Any]) -> None:
    async with adapted._execute_mutex:
        if adapted._transaction is None:
            await adapted._start_transaction()
        await adapted.driver_connection.copy_records_to_table(
            target.table, schema_name=target.schema, columns=target.columns, records=rows
        )


async def _by_async_psycopg(cursor: Any, statement: str, rows: Sequence[Any]) -> None:
    async with cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)
