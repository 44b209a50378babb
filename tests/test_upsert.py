"""An upsert inserts or changes one row, by any unique key, and says which of both it did."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select

from fieldstone import (
    Conflict,
    InvalidValues,
    ModelError,
    SchemaError,
    Upserted,
    count,
    create,
    get,
    patch,
    upsert,
)
from fieldstone.testing import count_statements
from tests.domain import METADATA as DOMAIN
from tests.domain import Car
from tests.faces import Face
from tests.stock import (
    METADATA,
    Guest,
    GuestCreate,
    Item,
    ItemCreate,
    ItemFull,
    ItemRead,
    ItemUpdate,
    Lot,
    LotRead,
    Stay,
)


@pytest.fixture
async def stock(face: Face) -> Face:
    await face.create_all(METADATA)
    return face


async def test_it_creates_then_updates_and_says_which(stock: Face) -> None:
    async with stock.transaction() as session:
        first = await stock(upsert, session, Item, {"code": "a", "name": "one"}, on=("code",))
        second = await stock(upsert, session, Item, {"code": "a", "name": "two"}, on=("code",))
        assert await stock(count, session, select(Item)) == 1
    assert isinstance(first, Upserted)
    assert (first.created, second.created) == (True, False)
    assert second.row.name == "two"


async def test_it_knows_what_another_transaction_created(stock: Face) -> None:
    for created in (True, False, False):
        async with stock.transaction() as session:
            outcome = await stock(upsert, session, Item, {"code": "a", "amount": 1}, on="code")
        assert outcome.created is created


async def test_the_instance_in_the_session_is_the_one_that_comes_back_changed(stock: Face) -> None:
    async with stock.transaction() as session:
        held = await stock(create, session, Item, {"code": "a", "name": "one"})
        outcome = await stock(upsert, session, Item, {"code": "a", "name": "two"}, on=("code",))
        assert outcome.row is held
        assert (held.name, held.version) == ("two", 2)
        await stock(patch, session, Item, held.id, {"name": "three"})
    assert held.version == 3


async def test_it_flushes_what_is_pending_first(stock: Face) -> None:
    async with stock.transaction() as session:
        pending = Item(code="a", name="one")
        session.add(pending)
        outcome = await stock(upsert, session, Item, {"code": "a", "name": "two"}, on=("code",))
        assert (outcome.created, outcome.row is pending) == (False, True)


@pytest.mark.parametrize("schema", [ItemRead, ItemFull])
async def test_into_gives_the_schema_and_keeps_the_session_true(stock: Face, schema: Any) -> None:
    async with stock.transaction() as session:
        held = await stock(create, session, Item, {"code": "a", "name": "one"})
        created = await stock(upsert, session, Item, {"code": "b"}, on=("code",), into=schema)
        changed = await stock(upsert, session, Item, {"code": "a", "name": "x"}, on=("code",), into=schema)
        again = await stock(upsert, session, Item, {"code": "a", "name": "x"}, on=("code",), into=schema)
        assert (created.created, changed.created, again.created) == (True, False, False)
        assert type(changed.row) is schema
        assert (changed.row.id, changed.row.name, held.name, held.version) == (held.id, "x", "x", 2)
        assert again.row == changed.row


async def test_only_what_was_sent_is_changed(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create, session, Item, {"code": "a", "name": "one", "amount": 7})
        outcome = await stock(upsert, session, Item, ItemCreate(code="a", name="two"), on=("code",))
        assert (outcome.row.name, outcome.row.amount) == ("two", 7)
        sent = ItemUpdate.model_validate({"code": "a", "amount": 8})
        outcome = await stock(upsert, session, Item, sent, on=("code",))
        assert (outcome.row.name, outcome.row.amount) == ("two", 8)


async def test_chosen_columns_are_changed_and_no_others(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create, session, Item, {"code": "a", "name": "one", "amount": 7})
        data = {"code": "a", "name": "two", "amount": 9}
        outcome = await stock(upsert, session, Item, data, on=("code",), update=("amount",))
    assert (outcome.row.name, outcome.row.amount) == ("one", 9)


async def test_nothing_to_update_leaves_the_row_and_gives_it_back(stock: Face) -> None:
    async with stock.transaction() as session:
        first = await stock(create, session, Item, {"code": "a", "name": "one"})
        before = first.model_dump()
        outcome = await stock(upsert, session, Item, {"code": "a", "name": "two"}, on=("code",), update=())
        assert (outcome.created, outcome.row.model_dump()) == (False, before)
        only_the_key = await stock(upsert, session, Item, {"code": "a"}, on=("code",))
        assert (only_the_key.created, only_the_key.row.model_dump()) == (False, before)


async def test_a_change_moves_updated_at_and_version_and_keeps_created_at(stock: Face) -> None:
    async with stock.transaction() as session:
        before = (
            await stock(upsert, session, Item, {"code": "a", "name": "1"}, on="code", into=ItemRead)
        ).row
        stamp = before.created_at.replace(year=2001)
        data = {"code": "a", "name": "2", "created_at": stamp, "id": 77, "version": 50}
        after = (await stock(upsert, session, Item, data, on="code", into=ItemRead)).row
    assert (after.created_at, after.id, after.version) == (before.created_at, before.id, 2)
    assert after.updated_at > before.updated_at


async def test_the_same_values_again_change_nothing(stock: Face) -> None:
    data = {"code": "a", "name": "1", "size": {"width": 2}, "extra": {"k": [1]}}
    async with stock.transaction() as session:
        before = (await stock(upsert, session, Item, data, on="code", into=ItemRead)).row
        after = (await stock(upsert, session, Item, data, on="code", into=ItemRead)).row
        assert after == before
        other = {**data, "extra": {"k": [2]}}
        assert (await stock(upsert, session, Item, other, on="code", into=ItemRead)).row.version == 2


@pytest.mark.parametrize(
    ("on", "data"),
    [
        ("uq_item_code", {"code": "a"}),
        (("id",), {"code": "b", "id": 1}),
        ("pk_item", {"code": "b", "id": 1}),
        (("place", "shelf"), {"code": "b", "shelf": "s", "place": 1}),
        ("uq_item_shelf_place", {"code": "b", "shelf": "s", "place": 1}),
        (("label",), {"code": "b", "label": "l"}),
        ("live_label", {"code": "b", "label": "l"}),
        ("alias_key", {"code": "b", "alias": "ALIAS"}),
    ],
)
@pytest.mark.parametrize("update", [None, ("name",), ()])
async def test_any_unique_key_finds_the_row(stock: Face, on: Any, data: Any, update: Any) -> None:
    stored = {"id": 1, "code": "a", "shelf": "s", "place": 1, "label": "l", "alias": "alias"}
    async with stock.transaction() as session:
        await stock(create, session, Item, {**stored, "name": "one"})
        data = {**data, "name": "two"}
        outcome = await stock(upsert, session, Item, data, on=on, update=update, into=ItemRead)
        assert (outcome.created, outcome.row.id) == (False, 1)
        assert outcome.row.name == ("one" if update == () else "two")


async def test_a_partial_index_does_not_hold_for_other_rows(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create, session, Item, {"code": "a", "label": "l", "archived": True})
        outcome = await stock(upsert, session, Item, {"code": "b", "label": "l"}, on="live_label")
        assert outcome.created is True
        again = await stock(upsert, session, Item, {"code": "c", "label": "l"}, on="live_label", update=())
        assert (again.created, again.row.code) == (False, "b")


@pytest.mark.parametrize("on", ["name", ("code", "name"), "uq_nothing", ("nothing",)])
async def test_what_is_no_unique_key_is_refused_with_those_there_are(stock: Face, on: Any) -> None:
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements, pytest.raises(ModelError) as caught:
            await stock(upsert, session, Item, {"code": "a"}, on=on)
    assert "Item has no unique key" in str(caught.value)
    for key in (
        "id (pk_item)",
        "code (uq_item_code)",
        "shelf, place (uq_item_shelf_place)",
        "label (live_label)",
    ):
        assert key in str(caught.value)
    assert "lower(" in str(caught.value)
    assert not statements


async def test_unknown_columns_and_schemas_are_refused_before_anything_runs(stock: Face) -> None:
    async with stock.transaction() as session:
        with count_statements(stock.database) as statements:
            with pytest.raises(ModelError, match="cannot update 'colour': Item has no such column"):
                await stock(upsert, session, Item, {"code": "a"}, on="code", update=("colour",))
            with pytest.raises(SchemaError, match=r"ItemWrong\.colour has no counterpart"):
                await stock(upsert, session, Item, {"code": "a"}, on="code", into=ItemWrong)
    assert not statements


class ItemWrong(ItemCreate):
    colour: str


@pytest.mark.parametrize(
    ("data", "path", "rule"),
    [
        ({"code": "a" * 21}, ("code",), "string_too_long"),
        ({"code": "a", "amount": -1}, ("amount",), "greater_than_equal"),
        ({"code": "a", "colour": 1}, ("colour",), "extra_forbidden"),
        ({"name": "x"}, ("code",), "missing"),
        ({"code": "a", "lot": None}, ("lot",), "relationship"),
        ({"code": "a\0"}, ("code",), "bad_text"),
        ([], (), "model_type"),
    ],
)
async def test_bad_values_are_refused_by_field(stock: Face, data: Any, path: Any, rule: str) -> None:
    async with stock.transaction() as session:
        with pytest.raises(InvalidValues) as caught:
            await stock(upsert, session, Item, data, on="code")
    assert [(one.path, one.rule) for one in caught.value.problems] == [(path, rule)]


@pytest.mark.parametrize("data", [{"code": "a"}, {"code": "a", "shelf": "s", "place": None}])
async def test_a_null_in_the_key_is_refused(stock: Face, data: Any) -> None:
    async with stock.transaction() as session:
        with pytest.raises(InvalidValues, match="place: must not be null: an upsert finds"):
            await stock(upsert, session, Item, data, on=("shelf", "place"))


async def test_another_unique_key_is_a_conflict_that_names_its_field(stock: Face) -> None:
    async with stock.transaction() as session:
        await stock(create, session, Item, {"code": "a", "shelf": "s", "place": 1})
    with pytest.raises(Conflict) as caught:
        async with stock.transaction() as session:
            await stock(upsert, session, Item, {"code": "b", "shelf": "s", "place": 1}, on="code")
    assert (caught.value.kind, caught.value.fields) == ("unique", ("shelf", "place"))


async def test_a_missing_parent_is_a_conflict_that_names_the_field(stock: Face) -> None:
    with pytest.raises(Conflict) as caught:
        async with stock.transaction() as session:
            await stock(upsert, session, Item, {"code": "b", "lot_id": 9}, on="code")
    assert (caught.value.kind, caught.value.fields) == ("foreign_key", ("lot_id",))


async def test_a_derived_value_and_a_rule_over_two_fields_hold(stock: Face) -> None:
    async with stock.transaction() as session:
        guest = GuestCreate(name="ada", password="12345678")
        assert (
            await stock(upsert, session, Guest, guest, on="name")
        ).row.hashed_password == "hashed:87654321"
        with pytest.raises(InvalidValues, match="last must not be before first"):
            await stock(upsert, session, Stay, {"guest": "ada", "first": 3, "last": 2}, on="guest")
        stay = await stock(upsert, session, Stay, {"guest": "ada", "first": 3}, on="guest")
    assert stay.row.id.version == 7


async def test_a_changed_foreign_key_is_followed(stock: Face) -> None:
    async with stock.transaction() as session:
        lots = [await stock(create, session, Lot, {"name": name}) for name in ("one", "two")]
        await stock(upsert, session, Item, {"code": "a", "lot_id": lots[0].id}, on="code")
        full = await stock(
            upsert, session, Item, {"code": "a", "lot_id": lots[1].id}, on="code", into=ItemFull
        )
    assert full.row.lot == LotRead(name="two")


async def test_statements_are_few_and_the_same_on_both_faces(stock: Face) -> None:
    async def taken(**options: Any) -> int:
        with count_statements(stock.database) as statements:
            await stock(upsert, session, Item, on="code", **options)
        return len(statements)

    postgres = stock.dialect == "postgresql"
    async with stock.transaction() as session:
        assert await taken(data={"code": "a", "name": "1"}) == 1
        assert await taken(data={"code": "a", "name": "2"}) == (1 if postgres else 2)
        assert await taken(data={"code": "a", "name": "2"}) == (2 if postgres else 3)
        assert await taken(data={"code": "a"}) == 2
        await stock.run(session, lambda s: s.expunge_all())
        assert await taken(data={"code": "a", "name": "3"}, into=ItemRead) == (1 if postgres else 2)
        assert await taken(data={"code": "b", "name": "3"}, into=ItemFull) == 2


async def test_a_model_in_two_tables_is_refused(face: Face) -> None:
    await face.create_all(DOMAIN)
    async with face.transaction() as session:
        with pytest.raises(ModelError, match="Car cannot be upserted: its rows lie in 2 tables"):
            await face(upsert, session, Car, {"doors": 3}, on="id")


async def test_without_commit_nothing_is_stored(stock: Face) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        async with stock.transaction() as session:
            await stock(upsert, session, Item, {"code": "a"}, on="code")
            raise RuntimeError("stop")
    async with stock.transaction() as session:
        assert await stock(count, session, select(Item).where(col(Item.code) == "a")) == 0


async def test_the_row_stays_readable_after_the_commit(stock: Face) -> None:
    async with stock.transaction() as session:
        outcome = await stock(upsert, session, Item, {"code": "a", "size": {"width": 3}}, on="code")
    assert outcome.row.model_dump()["size"] == {"width": 3, "height": 0}
    async with stock.transaction() as session:
        assert (await stock(get, session, Item, outcome.row.id, ItemRead)).version == 1
