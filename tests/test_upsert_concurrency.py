"""Workers that upsert the same keys at once lose nothing, and exactly one of them creates each row."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sqlmodel import Session, select

from fieldstone import Database, UpsertCounts, upsert, upsert_many
from tests.stock import METADATA, Item

WORKERS, ROUNDS, KEYS = 8, 12, 5


def upsert_often(database: Database, worker: int) -> Counter[str]:
    created: Counter[str] = Counter()
    for number in range(ROUNDS):
        for key in range(KEYS):
            code = f"c{(key + worker) % KEYS}"
            with database.transaction() as session:
                data = {"code": code, "name": f"{worker}-{number}"}
                created[code] += upsert(session, Item, data, on=("code",)).created
    return created


def expect_every_write(database: Database, created: Counter[str]) -> None:
    """Each key was created once, and each of the other writes, all different, has counted up its version."""
    assert created == {f"c{key}": 1 for key in range(KEYS)}
    with database.transaction(read_only=True) as session:
        assert [one.version for one in session.exec(select(Item)).all()] == [WORKERS * ROUNDS] * KEYS


def test_eight_threads_create_each_key_once_and_lose_no_update(database: Database) -> None:
    database.create_all(METADATA)
    with ThreadPoolExecutor(WORKERS) as pool:
        counts = pool.map(upsert_often, [database] * WORKERS, range(WORKERS))
        expect_every_write(database, sum(counts, Counter()))


async def test_eight_tasks_create_each_key_once_and_lose_no_update(database: Database) -> None:
    await database.create_all_async(METADATA)
    created: Counter[str] = Counter()

    async def work(worker: int) -> None:
        for number in range(ROUNDS):
            for key in range(KEYS):
                code = f"c{(key + worker) % KEYS}"
                async with database.async_transaction() as session:
                    data = {"code": code, "name": f"{worker}-{number}"}
                    outcome = await upsert(session, Item, data, on=("code",))
                created[code] += outcome.created

    await asyncio.gather(*map(work, range(WORKERS)))
    expect_every_write(database, created)


def test_many_rows_in_opposite_orders_do_not_lock_each_other_out(database: Database) -> None:
    database.create_all(METADATA)
    codes = [f"c{number}" for number in range(200)]

    def work(worker: int) -> list[UpsertCounts]:
        order = codes if worker % 2 else codes[::-1]
        found = []
        for number in range(4):
            with database.transaction() as session:
                rows = [{"code": code, "name": f"{worker}-{number}"} for code in order]
                found.append(upsert_many(session, Item, rows, on="code"))
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        counts = sum((one for found in pool.map(work, range(WORKERS)) for one in found), UpsertCounts())
    assert counts == UpsertCounts(created=200, updated=(WORKERS * 4 - 1) * 200)


def test_get_or_create_at_once_gives_everyone_the_same_row(database: Database) -> None:
    database.create_all(METADATA)

    def get_or_create(session: Session, worker: int) -> tuple[int | None, bool]:
        data = {"code": "only", "name": f"{worker}"}
        outcome = upsert(session, Item, data, on="code", update=())
        return outcome.row.id, outcome.created

    def work(worker: int) -> tuple[int | None, bool]:
        with database.transaction() as session:
            return get_or_create(session, worker)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(work, range(WORKERS * 4)))
    assert len({key for key, _ in found}) == 1
    assert sum(created for _, created in found) == 1
