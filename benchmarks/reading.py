"""Reads side by side: the plan against the ORM as it is commonly used, from call to JSON bytes.

Both run in one process, taking turns, on the same engine and data; both answers are compared before
anything is timed. Printed are medians, their spread (quartiles) and how many times faster the plan is.

    python -m benchmarks.reading [rounds]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy.orm import joinedload, selectinload
from sqlmodel import col, select

from benchmarks.shop import Assignment, Task, TaskFlat, TaskFull, fill
from fieldstone import Database, fetch, get
from fieldstone.testing import postgres_server

FLAT = TypeAdapter(list[TaskFlat])
FULL = TypeAdapter(list[TaskFull])
Way = Callable[[Database, int], bytes]


def orm_one(database: Database, number: int) -> bytes:
    with database.transaction(read_only=True) as session:
        task = session.get(Task, number)
        return FLAT.dump_json([TaskFlat.model_validate(task, from_attributes=True)])


def plan_one(database: Database, number: int) -> bytes:
    with database.transaction(read_only=True) as session:
        return FLAT.dump_json([get(session, Task, number, TaskFlat)])


def orm_flat(database: Database, number: int) -> bytes:
    with database.transaction(read_only=True) as session:
        tasks = session.exec(
            select(Task).where(col(Task.id) > number).order_by(col(Task.id)).limit(100)
        ).all()
        return FLAT.dump_json(FLAT.validate_python(tasks, from_attributes=True))


def plan_flat(database: Database, number: int) -> bytes:
    with database.transaction(read_only=True) as session:
        statement = select(Task).where(col(Task.id) > number).order_by(col(Task.id)).limit(100)
        return FLAT.dump_json(fetch(session, statement, TaskFlat))


def orm_full(database: Database, number: int) -> bytes:
    with database.transaction(read_only=True) as session:
        statement = select(Task).where(col(Task.id) > number).order_by(col(Task.id)).limit(100)
        eager = [joinedload(Task.project), selectinload(Task.assignments).joinedload(Assignment.worker)]  # type: ignore[arg-type]  # SQLModel types attributes as their values
        return FULL.dump_json(
            FULL.validate_python(session.exec(statement.options(*eager)).all(), from_attributes=True)
        )


def plan_full(database: Database, number: int) -> bytes:
    with database.transaction(read_only=True) as session:
        statement = select(Task).where(col(Task.id) > number).order_by(col(Task.id)).limit(100)
        return FULL.dump_json(fetch(session, statement, TaskFull))


CASES: dict[str, tuple[Way, Way]] = {
    "E1 one task": (orm_one, plan_one),
    "E2 100 flat tasks": (orm_flat, plan_flat),
    "E3 100 tasks, project, assignments": (orm_full, plan_full),
}


def compare(database: Database, rounds: int) -> None:
    print(f"{database.dialect:<36}{'ORM ms':>22}{'plan ms':>22}{'times':>8}")
    for name, (orm, planned) in CASES.items():
        if orm(database, 77) != planned(database, 77):
            raise SystemExit(f"{name}: the two answers differ, so their times mean nothing")
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds):
            for way, taken in zip((orm, planned), times, strict=True):
                start = time.perf_counter()
                way(database, number + 1)
                taken.append((time.perf_counter() - start) * 1000)
        slow, fast = (statistics.quantiles(taken, n=4) for taken in times)
        print(f"  {name:<34}{_spread(slow):>22}{_spread(fast):>22}{slow[1] / fast[1]:>7.1f}x")


def _spread(quartiles: list[float]) -> str:
    low, median, high = quartiles
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as directory, postgres_server() as server:
        for url in (f"sqlite:///{Path(directory) / 'shop.db'}", server):
            with Database(url) as database:
                fill(database)
                compare(database, rounds)


if __name__ == "__main__":
    main()
