"""S7, the limit: SQL and code written by hand for one database driver and one answer, with orjson.

sqlite3 runs in the event loop; asyncpg keeps a pool, whose connections come back without the round trip
that resets them. The application is bare ASGI. Only E6 checks what it is sent, since its work says so: no
stack that keeps its promises for any schema can be faster by more than luck, and how close one comes is
what the benchmark measures.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import asyncpg
import orjson
from annotated_types import Ge, Le, MaxLen
from pydantic import AwareDatetime, TypeAdapter, with_config
from typing_extensions import TypedDict

from benchmarks.stacks.stack import NAMES, Call, Request, Stack
from benchmarks.workload import PAGE

FIELDS = ("title", "status", "progress_percent", "created_at", "project_id")
COLUMNS = "id, title, status, progress_percent, created_at"
FULL = (
    "SELECT t.id, t.title, t.status, t.progress_percent, t.created_at, p.id, p.name "
    "FROM task t LEFT JOIN project p ON p.id = t.project_id ORDER BY t.id"
)
CHILDREN = (
    "SELECT a.task_id, a.role, w.id, w.name FROM assignment a JOIN worker w ON w.id = a.worker_id "
    "WHERE a.task_id {those} ORDER BY a.task_id, a.worker_id"
)
LATEST = f"ORDER BY at DESC, id DESC LIMIT {PAGE}"


@with_config({"extra": "forbid"})
class TaskValues(TypedDict):
    """What E6 is sent, a row."""

    title: Annotated[str, MaxLen(200)]
    status: Literal["pending", "in_progress", "completed"]
    progress_percent: Annotated[int, Ge(0), Le(100)]
    created_at: AwareDatetime
    project_id: int


MANY = TypeAdapter(list[TaskValues])


class Driver(Stack):
    """A bare application over the driver of the URL's database."""

    title = "S7: by hand, driver and orjson"
    paging = "keyset"
    hand: SqliteHand | PostgresHand

    def __init__(self) -> None:
        self.app = self.respond

    async def open(self, url: str) -> None:
        self.hand = SqliteHand() if url.startswith("sqlite") else PostgresHand()
        await self.hand.open(url)

    async def close(self) -> None:
        await self.hand.close()

    def call(self, code: str) -> Call | None:
        return getattr(self.hand, NAMES[code], None)

    async def place_of(self, before: int) -> Any:
        return await self.hand.place_of(before)

    async def stream(self) -> int:
        return await self.hand.stream()

    def ask_events(self, place: Any) -> Request:
        return Request("GET", "/events", f"at={place[0]}&id={place[1]}" if place else "")

    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
        status, answer = await self.answer(scope["method"], scope["path"], scope["query_string"], receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def answer(self, method: str, path: str, query: bytes, receive: Any) -> tuple[int, bytes]:
        if method == "GET" and path.startswith("/tasks/") and path != "/tasks/full":
            return 200, await self.hand.one(int(path[7:]))
        if method == "GET":
            asked = {name.decode(): int(value[0]) for name, value in parse_qs(query).items()}
            if path == "/events":
                return 200, await self.hand.events((asked["at"], asked["id"]) if asked else 0)
            return 200, await (self.hand.flat if path == "/tasks" else self.hand.full)(asked["offset"])
        content = await whole(receive)
        if path == "/tasks/bulk":
            return 201, await self.hand.bulk(content)
        if path == "/tasks":
            return 201, await self.hand.create(content)
        return 200, await self.hand.change((int(path[7:]), content))


class SqliteHand:
    """Speak to SQLite through sqlite3 alone."""

    async def open(self, url: str) -> None:
        self.connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")

    async def close(self) -> None:
        self.connection.close()

    async def one(self, number: int) -> bytes:
        found = self.connection.execute(f"SELECT {COLUMNS} FROM task WHERE id = ?", (number,)).fetchone()
        return orjson.dumps(flat(found, sent(found[4])))

    async def flat(self, offset: int) -> bytes:
        sql = f"SELECT {COLUMNS} FROM task ORDER BY id LIMIT {PAGE} OFFSET ?"
        return orjson.dumps([flat(row, sent(row[4])) for row in self.connection.execute(sql, (offset,))])

    async def full(self, offset: int) -> bytes:
        found = self.connection.execute(f"{FULL} LIMIT {PAGE} OFFSET ?", (offset,)).fetchall()
        those = f"IN ({', '.join('?' * len(found))})"
        children = self.connection.execute(CHILDREN.format(those=those), [row[0] for row in found])
        return orjson.dumps(nested(found, [sent(row[4]) for row in found], children))

    async def create(self, content: bytes) -> bytes:
        values = orjson.loads(content)
        sql = f"INSERT INTO task ({', '.join(FIELDS)}) VALUES (?, ?, ?, ?, ?) RETURNING {COLUMNS}"
        given = [values[name] for name in FIELDS]
        given[3] = stored(datetime.fromisoformat(given[3]))
        [found] = self.connection.execute(sql, given).fetchall()
        return orjson.dumps(flat(found, sent(found[4])))

    async def change(self, given: tuple[int, bytes]) -> bytes:
        values = orjson.loads(given[1])
        marks = ", ".join(f"{name} = ?" for name in FIELDS if name in values)
        sql = f"UPDATE task SET {marks} WHERE id = ? RETURNING {COLUMNS}"
        changes = [values[name] for name in FIELDS if name in values]
        [found] = self.connection.execute(sql, (*changes, given[0])).fetchall()
        return orjson.dumps(flat(found, sent(found[4])))

    async def bulk(self, content: bytes) -> bytes:
        rows = [
            (
                row["title"],
                row["status"],
                row["progress_percent"],
                stored(row["created_at"]),
                row["project_id"],
            )
            for row in MANY.validate_json(content)
        ]
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(
            f"INSERT INTO task ({', '.join(FIELDS)}) VALUES (?, ?, ?, ?, ?)", rows
        ).close()
        self.connection.execute("COMMIT")
        return b'{"created":%d}' % len(rows)

    async def events(self, place: Any) -> bytes:
        where = "WHERE (at, id) < (?, ?)" if place else ""
        found = self.connection.execute(f"SELECT id, at, kind FROM event {where} {LATEST}", place or ())
        return orjson.dumps([event(row) for row in found])

    async def stream(self) -> int:
        sql = "SELECT id, at, kind FROM event ORDER BY at DESC, id DESC"
        return sum(1 for row in self.connection.execute(sql) if event(row))

    async def place_of(self, before: int) -> Any:
        sql = "SELECT at, id FROM event ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?"
        return self.connection.execute(sql, (before - 1,)).fetchone()


class PostgresHand:
    """Speak to PostgreSQL through asyncpg alone."""

    async def open(self, url: str) -> None:
        self.pool: Any = await asyncpg.create_pool(url, min_size=1, max_size=5, reset=nothing)

    async def close(self) -> None:
        await self.pool.close()

    async def one(self, number: int) -> bytes:
        async with self.pool.acquire() as connection:
            found = await connection.fetchrow(f"SELECT {COLUMNS} FROM task WHERE id = $1", number)
        return dumped(flat(found, found[4]))

    async def flat(self, offset: int) -> bytes:
        sql = f"SELECT {COLUMNS} FROM task ORDER BY id LIMIT {PAGE} OFFSET $1"
        async with self.pool.acquire() as connection:
            found = await connection.fetch(sql, offset)
        return dumped([flat(row, row[4]) for row in found])

    async def full(self, offset: int) -> bytes:
        async with self.pool.acquire() as connection:
            found = await connection.fetch(f"{FULL} LIMIT {PAGE} OFFSET $1", offset)
            those = [row[0] for row in found]
            children = await connection.fetch(CHILDREN.format(those="= ANY($1)"), those)
        return dumped(nested(found, [row[4] for row in found], children))

    async def create(self, content: bytes) -> bytes:
        values = orjson.loads(content)
        sql = f"INSERT INTO task ({', '.join(FIELDS)}) VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}"
        given = [values[name] for name in FIELDS]
        given[3] = datetime.fromisoformat(given[3])
        async with self.pool.acquire() as connection:
            found = await connection.fetchrow(sql, *given)
        return dumped(flat(found, found[4]))

    async def change(self, given: tuple[int, bytes]) -> bytes:
        values = orjson.loads(given[1])
        named = [name for name in FIELDS if name in values]
        marks = ", ".join(f"{name} = ${n}" for n, name in enumerate(named, start=2))
        sql = f"UPDATE task SET {marks} WHERE id = $1 RETURNING {COLUMNS}"
        async with self.pool.acquire() as connection:
            found = await connection.fetchrow(sql, given[0], *(values[name] for name in named))
        return dumped(flat(found, found[4]))

    async def bulk(self, content: bytes) -> bytes:
        rows = [tuple(row[name] for name in FIELDS) for row in MANY.validate_json(content)]  # type: ignore[literal-required]  # all are keys of it
        async with self.pool.acquire() as connection:
            await connection.copy_records_to_table("task", records=rows, columns=FIELDS)
        return b'{"created":%d}' % len(rows)

    async def events(self, place: Any) -> bytes:
        where = "WHERE (at, id) < ($1, $2)" if place else ""
        async with self.pool.acquire() as connection:
            found = await connection.fetch(f"SELECT id, at, kind FROM event {where} {LATEST}", *(place or ()))
        return dumped([event(row) for row in found])

    async def stream(self) -> int:
        count = 0
        async with self.pool.acquire() as connection, connection.transaction(readonly=True):
            sql = "SELECT id, at, kind FROM event ORDER BY at DESC, id DESC"
            async for row in connection.cursor(sql, prefetch=500):
                count += bool(event(row))
        return count

    async def place_of(self, before: int) -> Any:
        sql = "SELECT at, id FROM event ORDER BY at DESC, id DESC LIMIT 1 OFFSET $1"
        async with self.pool.acquire() as connection:
            return tuple(await connection.fetchrow(sql, before - 1))


async def nothing(_connection: object) -> None:
    """Keep a connection as it is: nothing here leaves anything behind in it."""


async def whole(receive: Any) -> bytes:
    """Read the body of a request."""
    message = await receive()
    content: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        content += message["body"]
    return content


def stored(moment: datetime) -> str:
    """Write a moment as SQLAlchemy stores it in SQLite."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def sent(text: str) -> str:
    """Write a moment stored in SQLite as JSON has it."""
    return datetime.fromisoformat(text).isoformat() + "Z"


def dumped(answer: Any) -> bytes:
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z)


def flat(row: Any, created: Any) -> dict[str, Any]:
    return {
        "id": row[0],
        "title": row[1],
        "status": row[2],
        "progress_percent": row[3],
        "created_at": created,
    }


def event(row: Any) -> dict[str, Any]:
    return {"id": row[0], "at": row[1], "kind": row[2]}


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
