"""Many rows from the bytes of a JSON array: what objects of the schema would store, read only once."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session, col, select

from fieldstone import Conflict, Database, InvalidValues, PlanError, count, create_many, fetch
from fieldstone.testing import count_statements
from tests import specimens
from tests.faces import Face
from tests.specimens import Everything, Specimen
from tests.stock import METADATA, Guest, GuestCreate, Item, ItemCreate, ItemRead

# the first and the last year are looked at one by one, since another zone may lie outside
BEGINNING = datetime(2, 1, 1, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=-9, minutes=30)))
ROWS = [{"code": f"c{n}", "name": "café\n東京", "amount": n, "shelf": None} for n in range(30)]


@pytest.fixture
async def items(face: Face) -> Face:
    await face.create_all(METADATA)
    return face


def content(rows: Any) -> bytes:
    return json.dumps(rows).encode()


async def test_rows_are_stored_in_one_statement(items: Face) -> None:
    async with items.transaction() as session:
        with count_statements(items.database) as statements:
            assert await items(create_many, session, Item, content(ROWS), schema=ItemCreate) == 30
        stored = await items(fetch, session, select(Item).order_by(col(Item.amount)), ItemRead)
    assert [(one.code, one.name, one.amount) for one in stored] == [
        (row["code"], row["name"], row["amount"]) for row in ROWS
    ]
    assert all(one.version == 1 and one.created_at.tzinfo is not None for one in stored)
    assert len(statements) == 1
    assert statements[0].startswith("COPY" if items.dialect == "postgresql" else "INSERT")


async def test_rows_are_refused_where_they_stand(items: Face) -> None:
    wrong = [
        ({"code": "x" * 21}, (1, "code"), "string_too_long"),
        ({"code": "x", "amount": True}, (1, "amount"), "int_type"),
        ({"code": "x\0"}, (1, "code"), "bad_text"),
        ({"code": "x", "archived": True}, (1, "archived"), "extra_forbidden"),
        ({"name": "x"}, (1, "code"), "missing"),
        (7, (1,), "model_type"),
    ]
    async with items.transaction() as session:
        for row, path, rule in wrong:
            with pytest.raises(InvalidValues) as caught:
                await items(create_many, session, Item, content([{"code": "a"}, row]), schema=ItemCreate)
            assert [(one.path, one.rule) for one in caught.value.problems] == [(path, rule)]
        with pytest.raises(InvalidValues) as caught:
            await items(create_many, session, Item, b'[{"code": "a"}', schema=ItemCreate)
        assert [one.rule for one in caught.value.problems] == ["json_invalid"]
        assert await items(count, session, select(Item)) == 0


async def test_what_the_database_refuses_is_named(items: Face) -> None:
    async with items.transaction() as session:
        with pytest.raises(Conflict) as caught:
            await items(create_many, session, Item, [*ROWS, {"code": "c3"}])
        assert (caught.value.kind, caught.value.fields) == ("unique", ("code",))
        with pytest.raises(Conflict) as caught:
            await items(create_many, session, Item, [{**row, "lot_id": 9} for row in ROWS])
        assert (caught.value.kind, caught.value.fields) == ("foreign_key", ("lot_id",))
        assert await items(create_many, session, Item, content(ROWS), schema=ItemCreate) == 30


async def test_a_schema_with_rules_of_its_own_is_held_to(items: Face) -> None:
    guests = [{"name": f"g{n}", "password": "12345678"} for n in range(25)]
    async with items.transaction() as session:
        assert await items(create_many, session, Guest, content(guests), schema=GuestCreate) == 25
        hashes = (await items.exec(session, select(Guest.hashed_password))).all()
        assert set(hashes) == {"hashed:87654321"}
        with pytest.raises(InvalidValues, match=r"0\.password"):
            await items(
                create_many, session, Guest, content([{"name": "x", "password": "1"}]), schema=GuestCreate
            )


async def test_bytes_want_a_schema_and_a_schema_wants_bytes(items: Face) -> None:
    async with items.transaction() as session:
        with pytest.raises(PlanError, match="as bytes and a schema that each is held to"):
            await items(create_many, session, Item, content(ROWS))
        with pytest.raises(PlanError, match="schema=ItemCreate"):
            await items(create_many, session, Item, ROWS, schema=ItemCreate)


async def test_every_type_is_stored_as_single_rows_are(face: Face) -> None:
    await face.create_all(specimens.METADATA)
    values = [
        {**one.model_dump(), "id": uuid.uuid4(), "cabinet_id": None, "at": BEGINNING}
        for one in specimens.rows() * 8
        if isinstance(one, Specimen)
    ]
    async with face.transaction() as session:
        with count_statements(face.database) as statements:
            await face(create_many, session, Specimen, values)
        made = await face(fetch, session, select(Specimen).order_by(col(Specimen.id)), Everything)
        await face.rollback(session)
        await face.run(session, lambda inner: inner.add_all([Specimen(**one) for one in values]))
        kept = await face(fetch, session, select(Specimen).order_by(col(Specimen.id)), Everything)
    assert made == kept
    assert len(statements) == 1
    assert statements[0].startswith("COPY" if face.dialect == "postgresql" else "INSERT")


def test_whoever_listens_to_statements_hears_of_the_insert(database: Database) -> None:
    database.create_all(METADATA)
    heard: list[Any] = []
    with database.transaction() as session:
        event.listen(session, "do_orm_execute", heard.append)
        create_many(session, Item, ROWS)
        assert count(session, select(Item)) == 30
    assert heard[0].is_insert
    assert isinstance(heard[0].session, Session)
