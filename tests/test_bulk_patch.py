"""A condition says which rows are changed: validated like one patch, never all of them by accident."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy.orm import aliased
from sqlmodel import col, or_, select, true

from fieldstone import (
    Conflict,
    Database,
    InvalidValues,
    PlanError,
    ReadOnlyTransaction,
    create,
    create_many,
    fetch,
    patch_where,
)
from fieldstone.testing import count_statements
from tests.domain import METADATA as DOMAIN
from tests.domain import Car, Document, Letter, Vehicle
from tests.faces import Face
from tests.stock import METADATA, Item, ItemFull, ItemRead, ItemUpdate, Lot, Stay

EVERY_ITEM = select(Item).order_by(col(Item.code))


@pytest.fixture
async def stock(face: Face) -> Face:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        await face(create_many, session, Lot, [{"name": "x"}, {"name": "y"}])
        rows = [{"code": f"c{n}", "amount": n, "lot_id": 1 + n % 2} for n in range(6)]
        await face(create_many, session, Item, rows)
    return face


async def test_it_changes_what_was_sent_where_the_filter_says_and_counts(stock: Face) -> None:
    async with stock.transaction() as session:
        before = await stock(fetch, session, EVERY_ITEM, ItemRead)
        with count_statements(stock.database) as statements:
            data = ItemUpdate.model_validate({"name": "few"})
            assert await stock(patch_where, session, select(Item).where(col(Item.amount) < 2), data) == 2
        assert len(statements) == 1
        after = await stock(fetch, session, EVERY_ITEM, ItemRead)
    assert [one.name for one in after] == ["few", "few", "", "", "", ""]
    assert [one.version for one in after] == [2, 2, 1, 1, 1, 1]
    moved = [now.updated_at > then.updated_at for now, then in zip(after, before, strict=True)]
    assert moved == [True, True, False, False, False, False]
    assert [one.created_at for one in after] == [one.created_at for one in before]


async def test_it_gives_the_rows_as_they_are_now(stock: Face) -> None:
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements:
            few = select(Item).where(col(Item.amount) < 2)
            rows = await stock(patch_where, session, few, {"amount": 50}, into=ItemRead)
    assert sorted((one.code, one.amount, one.version) for one in rows) == [("c0", 50, 2), ("c1", 50, 2)]
    assert len(statements) == 1


@pytest.mark.parametrize("statement", [select(Item), select(Item).where(true()), select(Item).limit(3)])
async def test_without_a_filter_it_refuses_and_says_how_to_mean_it(stock: Face, statement: Any) -> None:
    async with stock.transaction() as session:
        with pytest.raises(PlanError, match="patch_where was given no filter, which would reach every Item"):
            await stock(patch_where, session, statement, {"name": "x"})
        changed = await stock(patch_where, session, statement, {"name": "x"}, everything=True)
    assert changed == (3 if statement._limit_clause is not None else 6)


@pytest.mark.parametrize("statement", [select(Item.id), select(Item, Lot), "item", Item])
async def test_what_is_no_select_of_a_model_is_refused(stock: Face, statement: Any) -> None:
    async with stock.transaction() as session:
        with pytest.raises(PlanError, match=r"patch_where takes an ordinary select\((Item|Model)\), and"):
            await stock(patch_where, session, statement, {"name": "x"})


@pytest.mark.parametrize(
    ("data", "path", "rule"),
    [
        ({"amount": -1}, "amount", "greater_than_equal"),
        ({"name": None}, "name", "string_type"),
        ({"id": None}, "id", "not_null"),
        ({"colour": "red"}, "colour", "extra_forbidden"),
        ({"lot": None}, "lot", "relationship"),
        ({"name": "\0"}, "name", "bad_text"),
        ({"amount": 2**40}, "amount", "less_than_equal"),
    ],
)
async def test_bad_values_are_refused_by_field_before_anything_runs(
    stock: Face, data: Any, path: str, rule: str
) -> None:
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements, pytest.raises(InvalidValues) as caught:
            await stock(patch_where, session, select(Item).where(col(Item.id) > 0), data)
    assert [(one.path, one.rule) for one in caught.value.problems] == [((path,), rule)]
    assert not statements


async def test_nothing_sent_changes_nothing(stock: Face) -> None:
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements:
            few = select(Item).where(col(Item.amount) < 2)
            assert await stock(patch_where, session, few, ItemUpdate.model_validate({})) == 0
            assert await stock(patch_where, session, few, {}, into=ItemRead) == []
    assert not statements


async def test_a_value_may_be_an_expression(stock: Face) -> None:
    async with stock.transaction() as session:
        held = (await stock.exec(session, select(Item).where(col(Item.code) == "c3"))).one()
        few = select(Item).where(col(Item.amount) > 2)
        assert await stock(patch_where, session, few, {"amount": col(Item.amount) + 10}) == 3
        assert (held.amount, held.version) == (13, 2)


async def test_what_the_database_refuses_is_named(stock: Face) -> None:
    for data, kind, fields in [
        ({"code": "same"}, "unique", ("code",)),
        ({"lot_id": 99}, "foreign_key", ("lot_id",)),
    ]:
        with pytest.raises(Conflict) as caught:
            async with stock.transaction() as session:
                await stock(patch_where, session, select(Item).where(col(Item.amount) > 1), data)
        assert (caught.value.kind, caught.value.fields) == (kind, fields)
    with pytest.raises(InvalidValues) as refused:
        async with stock.transaction() as session:
            data = {"amount": col(Item.amount) - 100}
            await stock(patch_where, session, select(Item).where(col(Item.amount) > 1), data)
    assert [one.path for one in refused.value.problems] == [("amount",)]


async def test_instances_in_the_session_agree_afterwards(stock: Face) -> None:
    async with stock.transaction() as session:
        held = list((await stock.exec(session, EVERY_ITEM)).all())
        held[0].name = "pending"
        assert held[1].size.width == 0
        with count_statements(stock.database) as statements:
            data = {"amount": 70, "size": {"width": 4}, "lot_id": 2}
            await stock(patch_where, session, select(Item).where(col(Item.amount) < 2), data)
        assert [one.split()[0] for one in statements] == ["UPDATE", "UPDATE", "SELECT"]
        assert [one.amount for one in held] == [70, 70, 2, 3, 4, 5]
        assert (held[0].name, held[0].size.width, held[1].size.width) == ("pending", 4, 4)
        versions = [one.version for one in held]
        await stock.flush(session)
        assert [one.version for one in held] == versions
        held[1].name = "still usable"
    async with stock.transaction() as session:
        stored = await stock(fetch, session, EVERY_ITEM, ItemFull)
    assert (stored[1].name, stored[0].lot and stored[0].lot.name) == ("still usable", "y")


async def test_joins_orders_limits_and_aliases_select_by_key(stock: Face) -> None:
    other = aliased(Item)
    statements: list[tuple[Any, list[str]]] = [
        (select(Item).join(Lot).where(Lot.name == "y"), ["c1", "c3", "c5"]),
        (select(Item).where(Item.lot_id == Lot.id, Lot.name == "x"), ["c0", "c2", "c4"]),
        (select(Item).where(col(Item.amount) > 0).order_by(col(Item.amount).desc()).limit(2), ["c4", "c5"]),
        (select(other).where(col(other.amount) > 3), ["c4", "c5"]),
        (select(Item).where(col(Item.amount) > 4).distinct(), ["c5"]),
        (select(Item).where(col(Item.lot).has(col(Lot.name) == "y"), col(Item.amount) < 2), ["c1"]),
        (select(Item).where(or_(Item.amount == 1, Item.amount == 2)), ["c1", "c2"]),
    ]
    async with stock.transaction() as session:
        for number, (statement, codes) in enumerate(statements):
            with count_statements(stock.database) as counted:
                rows = await stock(patch_where, session, statement, {"name": f"n{number}"}, into=ItemRead)
            assert sorted(one.code for one in rows) == codes, statement
            assert len(counted) == 1
            name = select(Item).where(Item.name == f"n{number}")
            assert len(await stock(fetch, session, name, ItemRead)) == len(codes)


async def test_a_rule_over_two_fields_holds_row_by_row(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create_many, session, Stay, [{"guest": "a", "first": 1}, {"guest": "b", "first": 5}])
    async with stock.transaction() as session:
        early = select(Stay).where(col(Stay.first) < 3)
        assert await stock(patch_where, session, early, {"last": 4}) == 1
    with pytest.raises(InvalidValues, match="last must not be before first"):
        async with stock.transaction() as session:
            await stock(patch_where, session, select(Stay).where(col(Stay.last) > 0), {"last": 4})


async def test_inherited_rows_are_changed_in_all_their_tables(face: Face) -> None:
    await face.create_all(DOMAIN)
    async with face.transaction() as session:
        await face(create_many, session, Car, [{"doors": 3}, {"doors": 5}])
        await face(create, session, Vehicle, {"wheels": 2})
        cars = select(Car).where(col(Car.doors) > 3)
        assert await face(patch_where, session, cars, {"wheels": 6, "doors": 7}) == 1
        await face(create_many, session, Letter, [{"title": "letter"}])
        await face(create_many, session, Document, [{"title": "document"}])
        assert await face(patch_where, session, select(Letter), {"title": "x"}, everything=True) == 1
    async with face.transaction() as session:
        found = (await face.exec(session, select(Car).order_by(col(Car.doors)))).all()
        assert [(one.wheels, one.doors) for one in found] == [(4, 3), (6, 7)]
        assert sorted((await face.exec(session, select(Document.title))).all()) == ["document", "x"]


async def test_a_read_only_unit_refuses_it(stock: Face) -> None:
    with pytest.raises(ReadOnlyTransaction):
        async with stock.transaction(read_only=True) as session:
            await stock(patch_where, session, select(Item).where(col(Item.amount) > 0), {"name": "x"})


@pytest.mark.parametrize("limited", [False, True])
def test_a_row_is_claimed_by_one_of_eight_workers(database: Database, limited: bool) -> None:
    database.create_all(METADATA)
    with database.transaction() as session:
        create_many(session, Item, [{"code": f"c{n}"} for n in range(40)])
    claimed: list[str] = []

    def work(worker: int) -> None:
        while True:
            free = select(Item).where(Item.name == "")
            free = free.order_by(col(Item.id)).limit(3) if limited else free
            with database.transaction() as session:
                rows = patch_where(session, free, {"name": f"w{worker}"}, into=ItemRead)
            claimed.extend(one.code for one in rows)
            if not rows:
                return

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"c{n}" for n in range(40))
