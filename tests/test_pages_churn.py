"""Keyset pages neither skip nor repeat a row that stayed, while other connections insert and delete.

A page is read only once the writers have committed again since the page before, so every run has
changes between all of its pages, however the threads and tasks take turns.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import delete, insert
from sqlmodel import Session, select

from fieldstone import Database, KeysetPage, seek
from tests.domain import METADATA, SubtaskRead, Task

WRITERS, STAYING, SIZE, PATIENCE = 3, 60, 7, 60

T: Any = Task

ORDERS = {
    "one direction": select(Task).order_by(T.progress_percent, T.title),
    "two directions": select(Task).order_by(T.progress_percent.desc(), T.title),
    "a column with nulls": select(Task).order_by(T.author_id.desc(), T.progress_percent),
}


class Churn:
    """Rows that come and go, and the count of the transactions in which they did."""

    def __init__(self) -> None:
        self.committed = 0
        self.over = False
        self._changed = threading.Condition()

    def note(self) -> None:
        with self._changed:
            self.committed += 1
            self._changed.notify_all()

    def wait_beyond(self, number: int) -> int:
        with self._changed:
            assert self._changed.wait_for(lambda: self.committed > number, PATIENCE)
            return self.committed


def rows(numbers: Iterator[int] | range, mark: str) -> list[dict[str, Any]]:
    """Spread rows over the whole of every order; `secret` says whose they are."""
    return [
        {"id": number, "title": f"T{number * 31 % 17}", "progress_percent": number * 7 % 13, "secret": mark}
        for number in numbers
    ]


def disturb(session: Session, writer: int, chance: random.Random) -> None:
    """Replace the rows of one writer by others, at other places."""
    first = 1_000 * (writer + 1)
    session.connection().execute(delete(Task).where(T.secret == f"writer {writer}"))
    fresh = sorted(chance.sample(range(first, first + 1_000), 12))
    session.connection().execute(insert(Task), rows(iter(fresh), f"writer {writer}"))


def fill(database: Database) -> None:
    database.create_all(METADATA)
    with database.transaction() as session:
        session.connection().execute(insert(Task), rows(range(1, STAYING + 1), "stays"))


def expected(database: Database, statement: Any) -> list[int]:
    with database.transaction(read_only=True) as session:
        whole = seek(session, statement.where(T.secret == "stays"), SubtaskRead, size=1_000)
    return [one.id for one in whole.items]


def check(database: Database, statement: Any, forward: list[Any], back: list[Any]) -> None:
    stayed = expected(database, statement)
    assert len(stayed) == STAYING
    assert [one for one in forward if one <= STAYING] == stayed
    assert [one for one in back if one <= STAYING] == stayed


@pytest.mark.parametrize("order", ORDERS)
def test_threads_that_insert_and_delete_disturb_no_walk(database: Database, order: str) -> None:
    fill(database)
    churn = Churn()

    def write(writer: int) -> None:
        chance = random.Random(writer)
        while not churn.over:
            database.run(lambda session: disturb(session, writer, chance), attempts=50)
            churn.note()

    def read(cursor: str | None) -> KeysetPage[SubtaskRead]:
        churn.wait_beyond(churn.committed)
        with database.transaction(read_only=True) as session:
            return seek(session, ORDERS[order], SubtaskRead, size=SIZE, cursor=cursor)

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, number) for number in range(WRITERS)]
        try:
            forward, back = walk(read)
        finally:
            churn.over = True
        for one in writing:
            one.result()
    check(database, ORDERS[order], forward, back)


def walk(read: Any) -> tuple[list[int], list[int]]:
    """Walk to the end of a list, and from there to its start."""
    part = read(None)
    forward = [one.id for one in part.items]
    while part.next is not None:
        part = read(part.next)
        forward += [one.id for one in part.items]
    back = [one.id for one in part.items]
    while part.previous is not None:
        part = read(part.previous)
        back = [one.id for one in part.items] + back
    return forward, back


@pytest.mark.parametrize("order", ORDERS)
async def test_tasks_that_insert_and_delete_disturb_no_walk(database: Database, order: str) -> None:
    fill(database)
    churn, ended = Churn(), asyncio.Event()

    async def write(writer: int) -> None:
        chance = random.Random(writer)
        while not ended.is_set():
            await database.run_async(
                lambda session: session.run_sync(disturb, writer, chance),  # type: ignore[arg-type]  # typed for SQLAlchemy's Session
                attempts=50,
            )
            churn.note()

    async def read(cursor: str | None) -> KeysetPage[SubtaskRead]:
        await asyncio.to_thread(churn.wait_beyond, churn.committed)
        async with database.async_transaction(read_only=True) as session:
            return await seek(session, ORDERS[order], SubtaskRead, size=SIZE, cursor=cursor)

    async with asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(write(number))
        try:
            loop = asyncio.get_running_loop()
            forward, back = await asyncio.to_thread(
                walk, lambda cursor: asyncio.run_coroutine_threadsafe(read(cursor), loop).result(PATIENCE)
            )
        finally:
            ended.set()
    check(database, ORDERS[order], forward, back)
