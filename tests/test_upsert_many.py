"""Many rows are upserted in batches, all or none, and counted; a repeated key in the input is refused."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select

from fieldstone import (
    Conflict,
    InvalidValues,
    ModelError,
    UpsertCounts,
    count,
    create,
    fetch,
    upsert_many,
)
from fieldstone.testing import count_statements
from tests.faces import Face
from tests.stock import METADATA, Item, ItemCreate, ItemRead


@pytest.fixture
async def stock(face: Face) -> Face:
    await face.create_all(METADATA)
    return face


async def test_it_counts_created_updated_and_unchanged(stock: Face) -> None:
    async with stock.transaction() as session:
        rows = [{"code": f"c{n}", "amount": n} for n in range(6)]
        assert await stock(upsert_many, session, Item, rows, on="code") == UpsertCounts(created=6)
        before = await stock(fetch, session, select(Item).order_by(col(Item.code)), ItemRead)
        rows = [{"code": f"c{n}", "amount": n if n < 4 else 99} for n in range(8)]
        counts = await stock(upsert_many, session, Item, rows, on="code")
        assert counts == UpsertCounts(created=2, updated=2, unchanged=4)
        stored = await stock(fetch, session, select(Item).order_by(col(Item.code)), ItemRead)
    assert [one.amount for one in stored] == [0, 1, 2, 3, 99, 99, 99, 99]
    assert [one.version for one in stored] == [1, 1, 1, 1, 2, 2, 1, 1]
    moved = [now.updated_at > then.updated_at for now, then in zip(stored, before, strict=False)]
    assert moved == [False] * 4 + [True] * 2


async def test_without_an_update_only_new_rows_are_written(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create, session, Item, {"code": "a", "name": "one"})
        rows = [{"code": "a", "name": "two"}, {"code": "b", "name": "two"}]
        counts = await stock(upsert_many, session, Item, rows, on="code", update=())
        assert counts == UpsertCounts(created=1, unchanged=1)
        stored = await stock(fetch, session, select(Item).order_by(col(Item.code)), ItemRead)
    assert [one.name for one in stored] == ["one", "two"]


async def test_each_row_changes_what_it_sent(stock: Face) -> None:
    async with stock.transaction() as session:
        for code in "ab":
            await stock(create, session, Item, {"code": code, "name": "old", "amount": 1})
        rows: list[Any] = [{"code": "a", "name": "new"}, ItemCreate(code="b", amount=2)]
        await stock(upsert_many, session, Item, rows, on="code")
        stored = await stock(fetch, session, select(Item).order_by(col(Item.code)), ItemRead)
    assert [(one.name, one.amount) for one in stored] == [("new", 1), ("old", 2)]


@pytest.mark.parametrize("distance", [1, 1500])
async def test_a_key_that_the_input_repeats_is_refused_by_index(stock: Face, distance: int) -> None:
    rows = [{"code": f"c{n}"} for n in range(distance)] + [{"code": "c0", "name": "x"}]
    async with stock.transaction() as session:
        with pytest.raises(InvalidValues, match="repeats row 0: only one of them could be kept") as caught:
            await stock(upsert_many, session, Item, rows, on="code")
        assert caught.value.problems[0].pointer == f"/{distance}/code"
        assert await stock(count, session, select(Item)) == 0


async def test_problems_name_the_row_and_nothing_is_kept(stock: Face) -> None:
    rows = [{"code": f"c{n}"} for n in range(1200)] + [{"code": "x", "amount": -1}]
    async with stock.transaction() as session:
        with pytest.raises(InvalidValues) as caught:
            await stock(upsert_many, session, Item, iter(rows), on="code")
        assert [one.path for one in caught.value.problems] == [(1200, "amount")]
        with pytest.raises(InvalidValues) as caught:
            await stock(upsert_many, session, Item, [{"code": "a"}, {"name": "b"}], on="code")
        assert [one.pointer for one in caught.value.problems] == ["/1/code"]
        with pytest.raises(InvalidValues, match=r"0\.place: must not be null"):
            await stock(upsert_many, session, Item, [{"code": "a", "shelf": "s"}], on=("shelf", "place"))
        assert await stock(count, session, select(Item)) == 0


async def test_a_conflict_names_the_field_and_leaves_the_transaction_usable(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create, session, Item, {"code": "a", "shelf": "s", "place": 1})
        rows = [{"code": "b"}, {"code": "c", "shelf": "s", "place": 1}]
        with pytest.raises(Conflict) as caught:
            await stock(upsert_many, session, Item, rows, on="code")
        assert (caught.value.kind, caught.value.fields) == ("unique", ("shelf", "place"))
        assert await stock(count, session, select(Item)) == 1


async def test_instances_in_the_session_follow(stock: Face) -> None:
    async with stock.transaction() as session:
        held = await stock(create, session, Item, {"code": "a", "size": {"width": 1}})
        assert held.size.width == 1
        await stock(upsert_many, session, Item, [{"code": "a", "size": {"width": 2}}], on="code")
        assert (held.size.width, held.version) == (2, 2)
        await stock.flush(session)
        assert held.version == 2


async def test_a_key_over_an_expression_is_refused(stock: Face) -> None:
    async with stock.transaction() as session:
        with pytest.raises(ModelError, match="upsert_many cannot use alias_key of Item"):
            await stock(upsert_many, session, Item, [{"code": "a", "alias": "b"}], on="alias_key")


async def test_statements_grow_with_batches_and_not_with_rows(stock: Face) -> None:
    rows = [{"code": f"c{n}", "amount": n} for n in range(100)]
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements:
            await stock(upsert_many, session, Item, rows, on="code")
    assert len(statements) == (1 if stock.dialect == "postgresql" else 2)


async def test_nothing_is_nothing(stock: Face) -> None:
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements:
            assert await stock(upsert_many, session, Item, [], on="code") == UpsertCounts()
    assert not statements
