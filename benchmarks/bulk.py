"""Writes of many rows side by side: create_many against instances, and against the driver alone.

All ways write the same rows into the same table, taking turns in one process; the number of rows is
compared after each. Instances (`add_all` and a commit) are the common way and validate as create_many
does; the driver's executemany validates nothing and is what cannot be beaten. Printed are medians,
their spread (quartiles) and how many times as long as create_many each takes.

    python -m benchmarks.bulk [rounds [rows]]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from fieldstone import Database, Field, Model, count, create_many, delete_where
from fieldstone.testing import postgres_server

COLUMNS = ("title", "status", "progress_percent")
Values = list[dict[str, Any]]
Way = Callable[[Database, Values], None]


class Task(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    status: str = "pending"
    progress_percent: int = 0


def instances(database: Database, values: Values) -> None:
    with database.transaction() as session:
        session.add_all([Task(**one) for one in values])


def many(database: Database, values: Values) -> None:
    with database.transaction() as session:
        create_many(session, Task, values)


def driver(database: Database, values: Values) -> None:
    mark = "?" if database.dialect == "sqlite" else "%s"
    sql = f"INSERT INTO task ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))})"
    rows = [tuple(one[name] for name in COLUMNS) for one in values]
    with database.transaction() as session:
        cursor = session.connection().connection.cursor()
        cursor.executemany(sql, rows)
        cursor.close()


WAYS: dict[str, Way] = {
    "create_many": many,
    "add_all of instances": instances,
    "driver's executemany": driver,
}


def compare(database: Database, rounds: int, values: Values) -> None:
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            start = time.perf_counter()
            way(database, values)
            times[name].append((time.perf_counter() - start) * 1000)
            with database.transaction() as session:
                _expect(session, len(values))
    print(f"{database.dialect:<26}{'ms':>28}{'us a row':>12}{'times':>8}")
    base = statistics.median(times["create_many"])
    for name, taken in times.items():
        low, median, high = statistics.quantiles(taken, n=4)
        spread = f"{median:.1f} ({low:.1f}-{high:.1f})"
        print(f"  {name:<24}{spread:>28}{median * 1000 / len(values):>12.1f}{median / base:>7.2f}x")


def _expect(session: Session, rows: int) -> None:
    """Check what was written, and make room for the next."""
    if count(session, select(Task)) != rows:
        raise SystemExit("the ways wrote different numbers of rows, so their times mean nothing")
    delete_where(session, select(Task), everything=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    values = [{"title": f"Task {n}", "status": "pending", "progress_percent": n % 101} for n in range(rows)]
    with tempfile.TemporaryDirectory() as directory, postgres_server() as server:
        for url in (f"sqlite:///{Path(directory) / 'shop.db'}", server):
            with Database(url) as database:
                database.create_all()
                compare(database, rounds, values)


if __name__ == "__main__":
    main()
