"""Fieldstone: the schema is the query. As objects that the response model dumps, or as bytes at once."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from sqlmodel import col, select

from benchmarks.workload import PAGE, Task, TaskFlat, TaskFull
from fieldstone import Database, fetch, get, json, json_get

ONE = TypeAdapter(TaskFlat)
FLAT = TypeAdapter(list[TaskFlat])
FULL = TypeAdapter(list[TaskFull])


class Planned:
    """Read schema objects, asynchronously, and dump them as FastAPI does."""

    name = "objects"

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    async def open(self) -> None:
        """Connect at the first read."""

    async def close(self) -> None:
        await self.database.aclose()

    async def one(self, number: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return ONE.dump_json(await get(session, Task, number, TaskFlat))

    async def flat(self, after: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return FLAT.dump_json(await fetch(session, listed(after), TaskFlat))

    async def full(self, after: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return FULL.dump_json(await fetch(session, listed(after), TaskFull))


class PlannedSync:
    """Read schema objects through a sync session, and dump them as FastAPI does."""

    name = "objects, sync"

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    async def open(self) -> None:
        """Connect at the first read."""

    async def close(self) -> None:
        self.database.close()

    async def one(self, number: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return ONE.dump_json(get(session, Task, number, TaskFlat))

    async def flat(self, after: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return FLAT.dump_json(fetch(session, listed(after), TaskFlat))

    async def full(self, after: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return FULL.dump_json(fetch(session, listed(after), TaskFull))


class Written:
    """Read the bytes of the answer, asynchronously."""

    name = "json"

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    async def open(self) -> None:
        """Connect at the first read."""

    async def close(self) -> None:
        await self.database.aclose()

    async def one(self, number: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return await json_get(session, Task, number, TaskFlat)

    async def flat(self, after: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return await json(session, listed(after), TaskFlat)

    async def full(self, after: int) -> bytes:
        async with self.database.async_transaction(read_only=True) as session:
            return await json(session, listed(after), TaskFull)


class WrittenSync:
    """Read the bytes of the answer through a sync session."""

    name = "json, sync"

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    async def open(self) -> None:
        """Connect at the first read."""

    async def close(self) -> None:
        self.database.close()

    async def one(self, number: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return json_get(session, Task, number, TaskFlat)

    async def flat(self, after: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return json(session, listed(after), TaskFlat)

    async def full(self, after: int) -> bytes:
        with self.database.transaction(read_only=True) as session:
            return json(session, listed(after), TaskFull)


def listed(after: int) -> Any:
    return select(Task).where(col(Task.id) > after).order_by(col(Task.id)).limit(PAGE)
