"""Eight workers on one queue: no row goes to two of them, none is lost, whoever dies on the way."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import insert
from sqlmodel import Session, col, func, select

from fieldstone import Database, claim, claim_many, get_for_update
from tests.domain import METADATA, Task

PENDING = select(Task).where(Task.status == "pending").order_by(col(Task.id))
TAKEN = {"status": "in_progress"}
WORKERS, TASKS = 8, 2_000


def expect_each_once(database: Database, claimed: list[tuple[int, int | None]]) -> None:
    counted = Counter(task for _, task in claimed)
    assert counted == dict.fromkeys(range(1, TASKS + 1), 1)
    with database.transaction(read_only=True) as session:
        stored = session.exec(select(Task.id, Task.progress_percent).where(Task.status == "in_progress"))
        assert {(percent, number) for number, percent in stored} == set(claimed)


def fill(database: Database, tasks: int) -> None:
    with database.transaction() as session:
        session.connection().execute(insert(Task), [{"title": f"Task {number}"} for number in range(tasks)])


def test_eight_threads_claim_two_thousand_tasks_once_each(database: Database) -> None:
    database.create_all(METADATA)
    fill(database, TASKS)
    start = threading.Barrier(WORKERS)

    def work(worker: int) -> list[tuple[int, int | None]]:
        start.wait()
        found: list[tuple[int, int | None]] = []
        while True:
            with database.transaction() as session:
                some = claim_many(session, PENDING, {**TAKEN, "progress_percent": worker}, limit=4)
                one = claim(session, PENDING, {**TAKEN, "progress_percent": worker})
            found += [(worker, task.id) for task in (*some, *([one] if one else []))]
            if not one:
                return found

    with ThreadPoolExecutor(WORKERS) as pool:
        expect_each_once(database, [one for found in pool.map(work, range(WORKERS)) for one in found])


async def test_eight_tasks_claim_two_thousand_tasks_once_each(database: Database) -> None:
    await database.create_all_async(METADATA)
    fill(database, TASKS)

    async def work(worker: int) -> list[tuple[int, int | None]]:
        found: list[tuple[int, int | None]] = []
        while True:
            async with database.async_transaction() as session:
                some = await claim_many(session, PENDING, {**TAKEN, "progress_percent": worker}, limit=4)
                one = await claim(session, PENDING, {**TAKEN, "progress_percent": worker})
            found += [(worker, task.id) for task in (*some, *([one] if one else []))]
            if not one:
                return found

    claimed = await asyncio.gather(*map(work, range(WORKERS)))
    expect_each_once(database, [one for found in claimed for one in found])


def test_workers_that_die_lose_no_task(database: Database) -> None:
    database.create_all(METADATA)
    fill(database, 200)

    def work(worker: int) -> list[int | None]:
        found: list[int | None] = []
        for attempt in range(1_000):
            try:
                with database.transaction() as session:
                    task = claim(session, PENDING, TAKEN)
                    if attempt % 3 == worker % 3:
                        raise ZeroDivisionError
                if task is None:
                    return found
                found.append(task.id)
            except ZeroDivisionError:
                continue
        raise AssertionError("the queue never came to its end")

    with ThreadPoolExecutor(WORKERS) as pool:
        found = Counter(one for some in pool.map(work, range(WORKERS)) for one in some)
    assert found == dict.fromkeys(range(1, 201), 1)


def count_up(session: Session) -> None:
    task = get_for_update(session, Task, 1)
    task.progress_percent += 1


def test_threads_that_count_up_a_locked_row_lose_nothing(database: Database) -> None:
    database.create_all(METADATA)
    with database.transaction() as session:
        session.add(Task(id=1, title="Counter"))

    def work(_: int) -> None:
        for _round in range(10):
            with database.transaction() as session:
                count_up(session)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    with database.transaction(read_only=True) as session:
        assert session.exec(select(func.sum(Task.progress_percent))).one() == 10 * WORKERS


async def test_tasks_that_count_up_a_locked_row_lose_nothing(database: Database) -> None:
    await database.create_all_async(METADATA)
    async with database.async_transaction() as session:
        session.add(Task(id=1, title="Counter"))

    async def work(_: int) -> None:
        for _round in range(10):
            async with database.async_transaction() as session:
                task = await get_for_update(session, Task, 1)
                task.progress_percent += 1

    await asyncio.gather(*map(work, range(WORKERS)))
    with database.transaction(read_only=True) as reading:
        assert reading.exec(select(func.sum(Task.progress_percent))).one() == 10 * WORKERS
