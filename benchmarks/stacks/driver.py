"""S7, the limit: SQL and code written by hand for one database driver and one answer, with orjson.

sqlite3 runs in the event loop; asyncpg keeps a pool. Nothing is checked: no stack that keeps its promises for
any schema can be faster by more than luck, and how close one comes is what the benchmarks measure.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from benchmarks.workload import PAGE

COLUMNS = "t.id, t.title, t.status, t.progress_percent, t.created_at"
FULL = f"{COLUMNS}, p.id, p.name FROM task t LEFT JOIN project p ON p.id = t.project_id"
CHILDREN = "a.task_id, a.role, w.id, w.name FROM assignment a JOIN worker w ON w.id = a.worker_id"


class SqliteDriver:
    """Speak to SQLite through sqlite3 alone."""

    name = "S7"

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("sqlite:///")
        self.connection: Any = None

    async def open(self) -> None:
        self.connection = sqlite3.connect(self.path, isolation_level=None)

    async def close(self) -> None:
        self.connection.close()

    async def one(self, number: int) -> bytes:
        found = self.connection.execute(f"SELECT {COLUMNS} FROM task t WHERE t.id = ?", (number,)).fetchone()
        return orjson.dumps(flat(found, instant(found[4])))

    async def flat(self, after: int) -> bytes:
        found = self.connection.execute(
            f"SELECT {COLUMNS} FROM task t WHERE t.id > ? ORDER BY t.id LIMIT ?", (after, PAGE)
        ).fetchall()
        return orjson.dumps([flat(row, instant(row[4])) for row in found])

    async def full(self, after: int) -> bytes:
        found = self.connection.execute(
            f"SELECT {FULL} WHERE t.id > ? ORDER BY t.id LIMIT ?", (after, PAGE)
        ).fetchall()
        marks = ", ".join("?" * len(found))
        children = self.connection.execute(
            f"SELECT {CHILDREN} WHERE a.task_id IN ({marks}) ORDER BY a.task_id, a.worker_id",
            [row[0] for row in found],
        ).fetchall()
        return orjson.dumps(nested(found, [instant(row[4]) for row in found], children))


class PostgresDriver:
    """Speak to PostgreSQL through asyncpg alone."""

    name = "S7"

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool: Any = None

    async def open(self) -> None:
        self.pool = await asyncpg.create_pool(self.url, min_size=1, max_size=5)

    async def close(self) -> None:
        await self.pool.close()

    async def one(self, number: int) -> bytes:
        async with self.pool.acquire() as connection:
            found = await connection.fetchrow(f"SELECT {COLUMNS} FROM task t WHERE t.id = $1", number)
        return orjson.dumps(flat(found, found[4]), option=orjson.OPT_UTC_Z)

    async def flat(self, after: int) -> bytes:
        async with self.pool.acquire() as connection:
            found = await connection.fetch(
                f"SELECT {COLUMNS} FROM task t WHERE t.id > $1 ORDER BY t.id LIMIT $2", after, PAGE
            )
        return orjson.dumps([flat(row, row[4]) for row in found], option=orjson.OPT_UTC_Z)

    async def full(self, after: int) -> bytes:
        async with self.pool.acquire() as connection:
            found = await connection.fetch(
                f"SELECT {FULL} WHERE t.id > $1 ORDER BY t.id LIMIT $2", after, PAGE
            )
            children = await connection.fetch(
                f"SELECT {CHILDREN} WHERE a.task_id = ANY($1) ORDER BY a.task_id, a.worker_id",
                [row[0] for row in found],
            )
        answer = nested(found, [row[4] for row in found], children)
        return orjson.dumps(answer, option=orjson.OPT_UTC_Z)


def instant(stored: str) -> str:
    """Write a stored UTC datetime as JSON has it."""
    text = datetime.fromisoformat(stored).isoformat()
    return text + "Z"


def flat(row: Any, created: Any) -> dict[str, Any]:
    return {
        "id": row[0],
        "title": row[1],
        "status": row[2],
        "progress_percent": row[3],
        "created_at": created,
    }


def nested(found: Any, created: Any, children: Any) -> list[dict[str, Any]]:
    assignments: dict[int, list[Any]] = {row[0]: [] for row in found}
    for number, role, worker, name in children:
        assignments[number].append({"role": role, "worker": {"id": worker, "name": name}})
    return [
        flat(row, when)
        | {
            "project": None if row[5] is None else {"id": row[5], "name": row[6]},
            "assignments": assignments[row[0]],
        }
        for row, when in zip(found, created, strict=True)
    ]
