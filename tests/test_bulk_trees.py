"""No write of many rows, and no upsert, puts a row below itself in its own tree."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select

from fieldstone import InvalidValues, count, create_many, patch_where, upsert, upsert_many
from tests.domain import METADATA, Task, TaskRead
from tests.faces import Face


@pytest.fixture
async def chain(face: Face) -> Face:
    """Four tasks, each below the one before."""
    await face.create_all(METADATA)
    async with face.transaction() as session:
        rows = [{"id": n, "title": f"t{n}", "parent_id": n - 1 or None} for n in range(1, 5)]
        assert await face(create_many, session, Task, rows) == 4
    return face


async def refuses(face: Face, verb: Any, *args: Any, **options: Any) -> None:
    with pytest.raises(InvalidValues, match="would put a Task below itself") as caught:
        async with face.transaction() as session:
            await face(verb, session, *args, **options)
    assert [one.rule for one in caught.value.problems] == ["cycle"]


async def test_an_upsert_does_not(chain: Face) -> None:
    for options in ({}, {"into": TaskRead}):
        await refuses(chain, upsert, Task, {"id": 1, "title": "t", "parent_id": 4}, on="id", **options)
        await refuses(chain, upsert, Task, {"id": 9, "title": "t", "parent_id": 9}, on="id", **options)
    async with chain.transaction() as session:
        moved = await chain(upsert, session, Task, {"id": 4, "title": "t", "parent_id": 1}, on="id")
    assert moved.row.parent_id == 1


async def test_many_upserts_do_not(chain: Face) -> None:
    rows = [{"id": 3, "title": "t", "parent_id": 2}, {"id": 2, "title": "t", "parent_id": 4}]
    await refuses(chain, upsert_many, Task, rows, on="id")
    async with chain.transaction() as session:
        rows[1]["parent_id"] = 1
        assert (await chain(upsert_many, session, Task, rows, on="id")).updated == 2


async def test_many_creates_do_not(chain: Face) -> None:
    await refuses(chain, create_many, Task, [{"id": 9, "title": "t", "parent_id": 9}])
    async with chain.transaction() as session:
        assert await chain(create_many, session, Task, [{"id": 8, "title": "t", "parent_id": 4}]) == 1


async def test_a_patch_of_many_does_not(chain: Face) -> None:
    await refuses(chain, patch_where, select(Task).where(col(Task.id) < 3), {"parent_id": 4})
    async with chain.transaction() as session:
        last = select(Task).where(col(Task.id) > 2)
        assert await chain(patch_where, session, last, {"parent_id": 1}) == 2
        assert await chain(patch_where, session, last, {"parent_id": None}) == 2
        assert await chain(count, session, select(Task).where(col(Task.parent_id).is_(None))) == 3
