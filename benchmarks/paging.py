"""Pages at the start of a list and deep in it: by offset and by cursor, from call to objects.

All four read in one process, taking turns, on the same data; before anything is timed, both ways must
give the same deep page. Printed are medians with their quartiles, and how many times dearer deep is than
the start: that number is what a keyset page promises to keep near 1.

    python -m benchmarks.paging [rounds] [rows]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import col, select

from fieldstone import Cursors, Database, Field, Model, page, seek
from fieldstone.testing import postgres_server

SIZE = 20
CURSORS = Cursors("a secret for benchmarks, of no other use")


class Event(Model, table=True):
    __table_args__ = (
        Index("ix_event_at_id", "at", "id"),
        Index("ix_event_rank_id", "rank", "id"),
        Index("ix_event_kind_at_id", "kind", text("at DESC"), text("id DESC")),
    )
    id: int | None = Field(default=None, primary_key=True)
    at: int
    kind: str
    rank: int | None = None


class EventRead(Model):
    id: int
    at: int
    kind: str


ORDERS: dict[str, Any] = {
    "one direction": select(Event).order_by(col(Event.at).desc()),
    "two directions": select(Event).order_by(col(Event.kind), col(Event.at).desc()),
    "with nulls": select(Event).order_by(col(Event.rank)),
}

FILL = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)
    INSERT INTO event (id, at, kind, rank)
    SELECT n, n * 7919 % :rows, CASE WHEN n % 2 = 0 THEN 'note' ELSE 'task' END,
           CASE WHEN n % 3 > 0 THEN n / 3 END
    FROM numbers
"""


def fill(database: Database, rows: int) -> None:
    """Make the table and its rows, and let the database look at them once."""
    database.create_all()
    with database.engine.begin() as connection:
        connection.execute(text(FILL), {"rows": rows})
        connection.execute(text("ANALYZE"))


def by_offset(database: Database, statement: Any, offset: int) -> list[EventRead]:
    with database.transaction(read_only=True) as session:
        return page(session, statement, EventRead, size=SIZE, offset=offset).items


def by_cursor(database: Database, statement: Any, cursor: str | None) -> list[EventRead]:
    with database.transaction(read_only=True) as session:
        return seek(session, statement, EventRead, size=SIZE, cursor=cursor, cursors=CURSORS).items


def cursor_at(database: Database, statement: Any, depth: int) -> str | None:
    """Walk to the cursor that stands behind `depth` rows."""
    cursor = None
    with database.transaction(read_only=True) as session:
        while depth:
            step = min(depth, 1000)
            cursor = seek(session, statement, EventRead, size=step, cursor=cursor, cursors=CURSORS).next
            depth -= step
    return cursor


def compare(database: Database, rounds: int, rows: int) -> None:
    depth = rows * 9 // 10
    print(f"{database.dialect}, {rows} rows, deep is row {depth}; medians in ms")
    print(f"  {'':<18}{'':<8}{'first page':>22}{'deep page':>26}{'deep/first':>12}")
    for name, statement in ORDERS.items():
        cursor = cursor_at(database, statement, depth)
        if by_offset(database, statement, depth) != by_cursor(database, statement, cursor):
            raise SystemExit(f"{name}: the two pages differ, so their times mean nothing")
        ways: dict[tuple[str, str], Callable[[], object]] = {
            ("offset", "first"): partial(by_offset, database, statement, 0),
            ("offset", "deep"): partial(by_offset, database, statement, depth),
            ("cursor", "first"): partial(by_cursor, database, statement, None),
            ("cursor", "deep"): partial(by_cursor, database, statement, cursor),
        }
        _report(name, _timed(ways, rounds))


def _timed(
    ways: dict[tuple[str, str], Callable[[], object]], rounds: int
) -> dict[tuple[str, str], list[float]]:
    times: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            times[way].append((time.perf_counter() - start) * 1000)
    return {way: statistics.quantiles(taken, n=4) for way, taken in times.items()}


def _report(name: str, quartiles: dict[tuple[str, str], list[float]]) -> None:
    for way in ("offset", "cursor"):
        first, deep = quartiles[way, "first"], quartiles[way, "deep"]
        ratio = deep[1] / first[1]
        print(f"  {name:<18}{way:<8}{_spread(first):>22}{_spread(deep):>26}{ratio:>11.1f}x")


def _spread(quartiles: list[float]) -> str:
    low, median, high = quartiles
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    with tempfile.TemporaryDirectory() as directory, postgres_server() as server:
        for url in (f"sqlite:///{Path(directory) / 'events.db'}", server):
            with Database(url) as database:
                fill(database, rows)
                compare(database, rounds, rows)


if __name__ == "__main__":
    main()
