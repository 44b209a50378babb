"""An upsert without a session gives, stores and refuses what one in a session does, in one statement."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlmodel import Session

from fieldstone import Model, Upserted, upsert
from fieldstone.errors import FieldstoneError
from fieldstone.testing import count_statements
from fieldstone.writing import upserting
from fieldstone.writing.merging import Merge
from tests import stock
from tests.archive import Board
from tests.faces import Face
from tests.serving import url_of
from tests.stock import Item, ItemCreate, ItemFull, ItemRead, Stay, StayRead
from tests.stored import LATER, filled_with_rows, known, stored_rows, told


class BoardRead(Model):
    id: int
    slug: str
    version: int


class ItemSize(Model):
    code: str
    size: stock.Size
    extra: dict[str, Any] | None


# Of each case: the model, what is sent, the options, and whether it is done without a session.
Case = tuple[Any, Any, dict[str, Any], bool]
BY_CODE: dict[str, Any] = {"on": "code", "into": ItemRead}
CASES: dict[str, Case] = {
    "a new row": (Item, {"code": "n", "amount": 3}, BY_CODE, True),
    "a new row with its key": (Item, {"id": 9, "code": "n"}, BY_CODE, True),
    "a new row from a schema": (Item, ItemCreate(code="n", shelf="s", place=1), BY_CODE, True),
    "a stored row": (Item, {"code": "a", "name": "N", "amount": 5}, BY_CODE, True),
    "a stored row from a schema": (Item, ItemCreate(code="a", name="N"), BY_CODE, True),
    "a stored row by its key": (Item, {"id": 2, "code": "b2"}, {"on": "id", "into": ItemRead}, True),
    "a stored row by the name of its key": (
        Item, {"code": "a", "name": "N"}, {"on": "uq_item_code", "into": ItemRead}, True
    ),
    "what is stored already": (Item, {"code": "a", "name": "A", "amount": 1}, BY_CODE, True),
    "nothing but the key": (Item, {"code": "a"}, BY_CODE, True),
    "chosen columns": (Item, {"code": "a", "name": "N", "amount": 7}, BY_CODE | {"update": "amount"}, True),
    "no columns": (Item, {"code": "a", "name": "N"}, BY_CODE | {"update": ()}, True),
    "no columns of a new row": (Item, {"code": "n", "name": "N"}, BY_CODE | {"update": ()}, True),
    "its own stamp": (Item, {"code": "a", "updated_at": LATER}, BY_CODE, True),
    "a version that is sent": (Item, {"code": "a", "name": "N", "version": 7}, BY_CODE, True),
    "a version of a new row": (Item, {"code": "n", "version": 7}, BY_CODE, True),
    "documents": (
        Item, {"code": "a", "size": {"width": 3}, "extra": {"a": [1, None]}}, BY_CODE | {"into": ItemSize},
        True,
    ),
    "a null document": (Item, {"code": "a", "extra": None}, BY_CODE | {"into": ItemSize}, True),
    "text that speaks SQL": (Item, {"code": "a", "name": "'; DROP TABLE item; --%s%(x)s:y"}, BY_CODE, True),
    "a row with a partial key": (
        Item, {"code": "p", "label": "l", "name": "N"}, {"on": "live_label", "into": ItemRead}, True
    ),
    "a key over an expression": (
        Item, {"code": "e", "alias": "x"}, {"on": "alias_key", "into": ItemRead}, False
    ),
    "a schema that shows more than the row": (Item, {"code": "n"}, BY_CODE | {"into": ItemFull}, False),
    "a value of another row": (Item, {"id": 1, "code": "b"}, {"on": "id", "into": ItemRead}, False),
    "a pointer to nothing": (Item, {"code": "n", "lot_id": 99}, BY_CODE, False),
    "a rule over two": (Stay, {"guest": "old", "last": 3}, {"on": "guest", "into": StayRead}, False),
    "a broken rule": (Item, {"code": "a", "amount": -1}, BY_CODE, True),
    "a null in the key": (
        Item, {"code": "n", "shelf": "s"}, {"on": ("shelf", "place"), "into": ItemRead}, True
    ),
    "no key": (Item, {"code": "n"}, {"on": "name", "into": ItemRead}, True),
    "no column": (Item, {"code": "n"}, BY_CODE | {"update": "nme"}, True),
    "a row beside a deleted one": (Board, {"slug": "gone"}, {"on": "slug", "into": BoardRead}, True),
    "a key that a deleted row has": (Board, {"id": 2, "slug": "x"}, {"on": "id", "into": BoardRead}, False),
}  # fmt: skip


@pytest.fixture
async def filled(face: Face) -> Face:
    return await filled_with_rows(face)


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the rows that go the ordinary way."""
    rows: list[Any] = []
    store: Any = upserting._stored

    def noted(session: Session, target: Any, row: Any, wanted: Any) -> Any:
        rows.append(row)
        return store(session, target, row, wanted)

    monkeypatch.setattr(upserting, "_stored", noted)
    return rows


async def outcome_of(face: Face, session: Any, case: Case) -> Any:
    model, data, options, _ = case
    try:
        found: Upserted[Any] = await face(upsert, session, model, data, **options)
    except FieldstoneError as error:
        return type(error), str(error), vars(error)
    assert type(found.row) is options["into"]
    return {**found.row.model_dump(), "created": found.created}


@pytest.mark.parametrize("name", CASES)
async def test_both_ways_are_one(filled: Face, name: str, ordinary: list[Any]) -> None:
    face, case = filled, CASES[name]
    async with face.transaction() as session:
        before = known(await face.run(session, stored_rows))
        expected = await outcome_of(face, session, case)
        if isinstance(expected, tuple):
            await face.rollback(session)
        left = await face.run(session, stored_rows)
        await face.rollback(session)
    ordinary.clear()
    found = await outcome_of(face, face.alone, case)
    assert bool(ordinary) is not case[3]
    async with face.transaction(read_only=True) as session:
        stored = await face.run(session, stored_rows)
    assert told((found, stored), before) == told((expected, left), before)


async def test_postgresql_needs_one_statement_and_sqlite_two(filled: Face) -> None:
    for data, needed in (({"code": "n"}, (1, 1)), ({"code": "n", "name": "N"}, (1, 2))):
        with count_statements(filled.database) as statements:
            await filled(upsert, filled.alone, Item, data, **BY_CODE)
        assert len(statements) == needed[filled.dialect == "sqlite"], statements


async def test_each_change_has_its_own_moment(filled: Face) -> None:
    moments = []
    for name in ("1", "2"):
        found = await filled(upsert, filled.alone, Item, {"code": "a", "name": name}, **BY_CODE)
        moments.append(found.row.updated_at)
    assert moments[0] < moments[1]


async def test_a_listener_is_heard(filled: Face, ordinary: list[Any]) -> None:
    event.listen(Session, "before_flush", _heard)
    try:
        await filled(upsert, filled.alone, Item, {"code": "a", "name": "N"}, **BY_CODE)
    finally:
        event.remove(Session, "before_flush", _heard)
    assert len(ordinary) == 1


def _heard(*_: Any) -> None:
    """Listen, which nobody can know to do nothing."""


async def test_a_row_that_goes_meanwhile_is_made_anew(
    filled: Face, ordinary: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Merge.take
    taken: list[Any] = []

    def take_and_lose(self: Merge, step: Any) -> Any:
        found = yield from take(self, step)
        taken.append(found)
        if len(taken) == 1:
            delete_elsewhere(filled, "b")
        return found

    monkeypatch.setattr(Merge, "take", take_and_lose)
    found = await filled(upsert, filled.alone, Item, {"code": "b"}, **BY_CODE)
    assert (found.created, found.row.code, found.row.version) == (True, "b", 1)
    assert (set(taken), len(ordinary)) == ({None}, 1)


def delete_elsewhere(face: Face, code: str) -> None:
    """Delete a row as another process would."""
    path, sql = str(face.database.url.database), f"DELETE FROM item WHERE code = '{code}'"
    if face.dialect == "sqlite":
        with closing(sqlite3.connect(path, isolation_level=None)) as process:
            process.execute(sql)
    else:
        with psycopg.connect(url_of(face.database), autocommit=True) as other:
            other.execute(sql.encode())
