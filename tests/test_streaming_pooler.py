"""Streams and claims through PgBouncer in transaction mode: cursors and locks live within one transaction."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlmodel import col, select

from fieldstone import Database, claim, stream
from tests.domain import METADATA, Task, TaskRead, sample
from tests.faces import Face
from tests.test_pooler import PGBOUNCER, pooled_url

__all__ = ["pooled_url"]

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None, reason="PgBouncer is not installed: apt-get install pgbouncer"
)

TASKS = select(Task).order_by(col(Task.id))


async def read_and_claim(face: Face) -> list[int]:
    async with face.transaction() as session:
        found: Any = stream(session, TASKS, TaskRead, batch=2)
        read = [one.id async for one in found] if face.is_async else [one.id for one in found]
        await face(claim, session, TASKS, {"status": "in_progress"})
        return read


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_streams_and_claims_survive_a_transaction_pooler(
    pooled_url: str,
    is_async: bool,
) -> None:
    async with Database(f"{pooled_url}?pgbouncer=true") as database:
        face = Face(database, is_async)
        await face.create_all(METADATA)
        async with face.transaction() as session:
            session.add_all(sample())
        many = [read_and_claim(face) for _ in range(20)]
        if is_async:
            found = await asyncio.gather(*many)
        else:
            found = await asyncio.gather(*(asyncio.to_thread(asyncio.run, one) for one in many))
        assert found == [[1, 2, 3, 4, 5]] * 20
