"""Many rows are created from a stream: validated like one, all or none, in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
from sqlmodel import col, select

from fieldstone import Conflict, Database, InvalidValues, Model, PlanError, count, create_many, fetch
from fieldstone.testing import count_statements
from tests.domain import METADATA as DOMAIN
from tests.domain import Assignment, Car, Letter
from tests.faces import Face
from tests.stock import METADATA, Guest, GuestCreate, Item, ItemCreate, ItemFull, ItemRead, Stay, StayRead


@pytest.fixture
async def stock(face: Face) -> Face:
    await face.create_all(METADATA)
    return face


async def test_it_counts_what_it_created_from_schemas_and_mappings(stock: Face) -> None:
    rows: list[Any] = [ItemCreate(code="a", amount=3), {"code": "b", "size": {"width": 2}}]
    async with stock.transaction() as session:
        assert await stock(create_many, session, Item, rows) == 2
        items = (await stock.exec(session, select(Item).order_by(col(Item.code)))).all()
    assert [(one.code, one.amount, one.size.width) for one in items] == [("a", 3, 0), ("b", 0, 2)]
    assert all(one.version == 1 and one.created_at.tzinfo is not None for one in items)


async def test_it_gives_the_rows_back_in_the_order_of_the_input(stock: Face) -> None:
    rows = [{"code": f"c{n}", **({"id": 5000 + n} if n % 3 else {})} for n in range(1500)]
    async with stock.transaction() as session:
        made = await stock(create_many, session, Item, rows, into=ItemRead)
        stays = await stock(create_many, session, Stay, [{"guest": f"g{n}"} for n in range(9)], into=StayRead)
    assert [one.code for one in made] == [f"c{n}" for n in range(1500)]
    assert made[1].id == 5001
    assert [one.guest for one in stays] == [f"g{n}" for n in range(9)]
    assert [one.id for one in stays] == sorted(one.id for one in stays)


async def test_problems_name_the_row_and_nothing_is_kept(stock: Face) -> None:
    rows: list[Any] = [{"code": f"c{n}"} for n in range(1100)]
    rows += [{"code": "x", "amount": -1}, {"name": "no code"}, {"code": "x\0"}, {"code": "y", "colour": 1}, 7]
    async with stock.transaction() as session:
        with pytest.raises(InvalidValues) as caught:
            await stock(create_many, session, Item, rows)
        assert await stock(count, session, select(Item)) == 0
    found = [(one.path, one.rule) for one in caught.value.problems]
    assert found == [
        ((1100, "amount"), "greater_than_equal"),
        ((1101, "code"), "missing"),
        ((1102, "code"), "bad_text"),
        ((1103, "colour"), "extra_forbidden"),
        ((1104,), "model_type"),
    ]
    assert caught.value.problems[0].pointer == "/1100/amount"


async def test_problems_are_not_listed_without_end(stock: Face) -> None:
    async with stock.transaction() as session:
        with pytest.raises(InvalidValues) as caught:
            await stock(create_many, session, Item, ({"code": "x" * 30} for _ in range(900)))
    assert len(caught.value.problems) == 100


async def test_a_required_foreign_key_is_asked_for_before_the_database_is(face: Face) -> None:
    await face.create_all(DOMAIN)
    async with face.transaction() as session:
        with count_statements(face.database) as statements, pytest.raises(InvalidValues) as caught:
            await face(create_many, session, Assignment, [{"worker_id": "@ada"}])
    assert [one.path for one in caught.value.problems] == [(0, "task_id")]
    assert not statements


async def test_what_the_database_refuses_is_named_and_the_transaction_stays_usable(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create_many, session, Item, [{"code": "a"}])
        with pytest.raises(Conflict) as caught:
            await stock(create_many, session, Item, ({"code": f"{n}"} for n in [*range(1200), 3]))
        assert (caught.value.kind, caught.value.fields) == ("unique", ("code",))
        with pytest.raises(Conflict) as caught:
            await stock(create_many, session, Item, [{"code": "b", "lot_id": 1}, {"code": "c", "lot_id": 2}])
        assert (caught.value.kind, caught.value.fields) == ("foreign_key", ("lot_id",))
        assert await stock(count, session, select(Item)) == 1


async def test_derived_values_defaults_and_rules_hold(stock: Face) -> None:
    async with stock.transaction() as session:
        guests = [GuestCreate(name=f"g{n}", password="12345678") for n in range(3)]
        assert await stock(create_many, session, Guest, guests) == 3
        assert (await stock.exec(session, select(Guest.hashed_password))).all() == ["hashed:87654321"] * 3
        with pytest.raises(InvalidValues, match="1: Value error, last must not be before first"):
            await stock(create_many, session, Stay, [{"guest": "a"}, {"guest": "b", "first": 5, "last": 4}])
        assert await stock(create_many, session, Stay, [{"guest": "a", "first": 5}]) == 1


async def test_inherited_rows_are_created_in_all_their_tables(face: Face) -> None:
    await face.create_all(DOMAIN)
    async with face.transaction() as session:
        cars = await face(create_many, session, Car, [{"doors": 3}, {"wheels": 3}], into=CarShort)
        assert [(one.wheels, one.doors) for one in cars] == [(4, 3), (3, 5)]
        assert await face(create_many, session, Letter, [{"title": "x", "recipient": "Ada"}]) == 1
        assert (await face.exec(session, select(Letter))).one().recipient == "Ada"
        assert {type(one) for one in (await face.exec(session, select(Car))).all()} == {Car}


class CarShort(Model):
    wheels: int
    doors: int


async def test_a_schema_with_related_rows_is_refused(stock: Face) -> None:
    async with stock.transaction() as session:
        with pytest.raises(PlanError, match="ItemFull shows lot of Item, but a write over many rows"):
            await stock(create_many, session, Item, [{"code": "a"}], into=ItemFull)
        with pytest.raises(InvalidValues, match=r"0\.lot: is a relationship"):
            await stock(create_many, session, Item, [{"code": "a", "lot": {"name": "x"}}])


async def test_statements_grow_with_batches_and_not_with_rows(stock: Face) -> None:
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements:
            await stock(create_many, session, Item, ({"code": f"{n}"} for n in range(2500)))
        assert len(statements) == 3
        with count_statements(stock.database) as statements:
            assert await stock(create_many, session, Item, []) == 0
        assert not statements


class Sent(dict[str, Any]):
    """A row that can be watched going away."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # by identity, for the set of those alive


def test_a_hundred_thousand_rows_take_little_memory(database: Database) -> None:
    database.create_all(METADATA)
    alive: WeakSet[Sent] = WeakSet()
    most = 0

    def rows() -> Iterator[Sent]:
        nonlocal most
        for number in range(100_000):
            row = Sent(name=f"worker {number}", hashed_password=f"{number}" * 30)
            alive.add(row)
            most = max(most, len(alive))
            if number == 90_000:
                tracemalloc.start()  # from here, since it makes everything slow
            yield row

    with database.transaction() as session:
        try:
            assert create_many(session, Guest, rows()) == 100_000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        last = fetch(session, select(Guest).where(col(Guest.name) == "worker 99999"), GuestName)
    assert last == [GuestName(name="worker 99999")]
    assert most <= 2_000
    assert peak < 4_000_000  # ten thousand rows that stayed would be more than twice as much


class GuestName(Model):
    name: str
