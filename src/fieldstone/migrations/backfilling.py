"""Give a column's rows their values in batches, so that no lock is held long and nothing starts over.

Rows are walked in the order of the primary key, a batch to a transaction. What is done is told by
the rows themselves (`where`, by default: the column has no value yet), so a backfill that was killed
goes on where it was when the revision is run again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

from fieldstone.migrations.failures import MigrationRefused


def backfill(table: str, column: str, value: str, *, where: str | None = None, batch: int = 5_000) -> int:
    """Set a column to an SQL expression where it has no value yet, and return how many rows that were.

    `where` says in SQL which rows are still to do; it must be false for a row once it is done. With
    PostgreSQL each batch is committed by itself, so call it in a revision of its own.
    """
    context = op.get_context()
    left = where if where is not None else f"{quoted(column)} IS NULL"
    change = f"UPDATE {quoted(table)} SET {quoted(column)} = ({value})"  # noqa: S608  # of a revision
    if context.as_sql:
        op.execute(f"{change} WHERE {left}")
        return 0
    bind = op.get_bind()
    keys = sa.inspect(bind).get_pk_constraint(table)["constrained_columns"]
    if not keys:
        raise MigrationRefused(
            f"{table!r} has no primary key, so it cannot be walked in batches. Use op.execute({change!r})."
        )
    with outside_transaction(), _progress(f"{table}.{column}", bind, table, left) as advance:
        return sum(_batches(change, table, keys, left, batch, advance))


def _batches(
    change: str, table: str, keys: Sequence[str], left: str, size: int, advance: Any
) -> Iterator[int]:
    names = ", ".join(quoted(key) for key in keys)
    previous: tuple[Any, ...] | None = None
    while True:
        bind = op.get_bind()
        behind, values = _behind(names, keys, previous)
        upper = bind.execute(
            sa.text(
                f"SELECT {names} FROM {quoted(table)} WHERE ({left}){behind} "  # noqa: S608  # of a revision
                ""  # no word from a client
                ""  # a revision's own text
                f"ORDER BY {names} LIMIT {int(size)}"
            ),
            values,
        ).all()
        if not upper:
            return
        last = tuple(upper[-1])
        to, more = _up_to(names, keys, last)
        done = bind.execute(sa.text(f"{change} WHERE ({left}){behind}{to}"), {**values, **more}).rowcount
        previous = last
        advance(done)
        yield done


def _behind(names: str, keys: Sequence[str], previous: tuple[Any, ...] | None) -> tuple[str, dict[str, Any]]:
    if previous is None:
        return "", {}
    places = ", ".join(f":after_{number}" for number in range(len(keys)))
    return f" AND ({names}) > ({places})", {f"after_{number}": value for number, value in enumerate(previous)}


def _up_to(names: str, keys: Sequence[str], last: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    places = ", ".join(f":upto_{number}" for number in range(len(keys)))
    return f" AND ({names}) <= ({places})", {f"upto_{number}": value for number, value in enumerate(last)}


@contextmanager
def outside_transaction() -> Iterator[None]:
    """Commit what the revision has done, and let each statement stand by itself; nothing on SQLite."""
    context = op.get_context()
    if context.dialect.name != "postgresql":
        yield
        return
    with context.autocommit_block():
        if not context.as_sql:
            # These statements stop nobody while they wait, so they may wait.
            op.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            if not context.as_sql:
                op.execute("SET lock_timeout = '4s'")


@contextmanager
def _progress(what: str, bind: Any, table: str, left: str) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    total = bind.scalar(sa.text(f"SELECT count(*) FROM {quoted(table)} WHERE {left}"))  # noqa: S608  # of a revision
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


def quoted(name: str) -> str:
    """Quote an identifier for both databases."""
    return '"' + name.replace('"', '""') + '"'
