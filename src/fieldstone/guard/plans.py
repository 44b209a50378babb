"""How a database would run a statement: EXPLAIN, which runs nothing."""

from __future__ import annotations

import asyncio
import re

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.util.concurrency import greenlet_spawn

from fieldstone.guard.statements import Statement

_EXPLAIN = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}
_TEXT = re.compile(r"'(?:[^']|'')*'")


async def plan_of(statement: Statement, *, values: bool) -> list[str]:
    """Ask the database how it would run a statement, on the engine that ran it.

    Only reads are asked about, in a transaction that is rolled back. PostgreSQL writes the values into
    its answer; texts are left out of it unless `values` are asked for.
    """
    engine = statement.engine()
    if not statement.is_read or engine is None or engine.dialect.name not in _EXPLAIN:
        return [f"{statement.verb} is not explained: it is no read, or its engine is gone."]

    def ask() -> list[str]:
        with engine.connect() as connection:
            return _asked(connection, statement)

    lines = await (greenlet_spawn(ask) if engine.dialect.is_async else asyncio.to_thread(ask))
    return lines if values else [_TEXT.sub("'…'", line) for line in lines]


def _asked(connection: Connection, statement: Statement) -> list[str]:
    if connection.dialect.name == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    explain = _EXPLAIN[connection.dialect.name] + statement.sql
    try:
        rows = connection.exec_driver_sql(explain, statement.parameters).all()
    except SQLAlchemyError as error:
        return [f"It could not be explained: {type(error).__name__}."]
    finally:
        connection.rollback()
    if connection.dialect.name == "postgresql":
        return [row[0] for row in rows]
    depth = {0: 0}
    lines = []
    for number, parent, _, text in rows:
        depth[number] = depth.get(parent, 0) + 1
        lines.append("  " * (depth[number] - 1) + text)
    return lines
