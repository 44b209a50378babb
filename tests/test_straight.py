"""A write that goes straight to the database gives, stores and refuses what one through an instance does.

Each case runs three times from the same rows: in a session that somebody listens to, which sends the write
through an instance; in a session; and without one. What comes back, the errors and all stored rows are
compared. Whether the statement was tried is looked at too, so no case can pass by never going straight.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import event
from sqlmodel import Session

from fieldstone import (
    Conflict,
    Database,
    Model,
    RolledBack,
    create,
    get,
    json_create,
    json_patch,
    partial,
    patch,
)
from fieldstone.errors import FieldstoneError
from fieldstone.violations import explained
from fieldstone.writing import answers, storing
from fieldstone.writing.answers import create_whole, patch_whole
from fieldstone.writing.storing import Order, Written
from fieldstone.writing.straight import why_not
from tests import archive, chronicled, domain, specimens, stock
from tests.faces import Face
from tests.stored import LATER, filled_with_rows, known, stored_rows, told


class BoardRead(Model):
    id: int
    slug: str
    version: int


class LotRead(Model):
    id: int
    name: str


class ItemSize(Model):
    code: str
    size: stock.Size
    extra: dict[str, Any] | None


class GuestRead(Model):
    name: str
    hashed_password: str


@partial
class BoardUpdate(Model):
    slug: str


@dataclass
class Case:
    """A verb with its arguments, whether the statement alone does it, and what a session does before."""

    verb: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    straight: bool = True


def case(verb: Callable[..., Any], *arguments: Any, straight: bool = True, **options: Any) -> Case:
    return Case(verb, arguments, options, straight)


ITEM, BOARD = stock.Item, archive.Board

CASES = {
    "a row from a mapping": case(create, ITEM, {"id": 9, "code": "n", "amount": 3}, into=stock.ItemRead),
    "a row from a schema": case(create, ITEM, stock.ItemCreate(code="n", shelf="s"), into=stock.ItemRead),
    "a row as JSON": case(json_create, ITEM, {"id": 9, "code": "é\U0001f600"}, stock.ItemRead),
    "a row with documents": case(
        create, ITEM, {"code": "n", "size": {"width": 3}, "extra": {"a": [1, None]}}, into=ItemSize
    ),
    "a derived value": case(
        create, stock.Guest, stock.GuestCreate(name="g", password="12345678"), into=GuestRead
    ),
    "a row with its moment": case(json_create, ITEM, {"code": "n", "created_at": LATER}, stock.ItemRead),
    "a version that is sent": case(create, ITEM, {"code": "n", "version": 7}, into=stock.ItemRead),
    "a row that may be deleted": case(create, BOARD, {"slug": "new"}, into=BoardRead),
    "a unique value that is taken": case(create, ITEM, {"code": "a"}, into=stock.ItemRead),
    "a key that is taken": case(create, ITEM, {"id": 1, "code": "n"}, into=stock.ItemRead),
    "a foreign key to nothing": case(create, ITEM, {"code": "n", "lot_id": 99}, into=stock.ItemRead),
    "values that break rules": case(
        create, ITEM, {"code": "x" * 21, "amount": True, "colour": 1}, into=stock.ItemRead, straight=False
    ),
    "text that cannot be stored": case(create, ITEM, {"code": "x\0"}, into=stock.ItemRead, straight=False),
    "a lone surrogate": case(create, ITEM, {"code": "\ud800"}, into=stock.ItemRead, straight=False),
    "a number for a moment": case(
        create, ITEM, {"code": "n", "created_at": "1767225600"}, into=stock.ItemRead, straight=False
    ),
    "a moment without a zone": case(
        create, ITEM, {"code": "n", "created_at": "2026-01-01T00:00:00"}, into=stock.ItemRead, straight=False
    ),
    "a moment out of range": case(
        create,
        ITEM,
        {"code": "n", "created_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))},
        into=stock.ItemRead,
        straight=False,
    ),
    "a rule over two fields": case(
        create, stock.Stay, {"id": uuid.UUID(int=2), "guest": "g"}, into=stock.StayRead, straight=False
    ),
    "a broken rule over two": case(
        create, stock.Stay, {"guest": "g", "first": 9, "last": 1}, into=stock.StayRead, straight=False
    ),
    "nested rows": case(
        create, stock.Lot, {"name": "L", "items": [{"code": "n"}]}, into=LotRead, straight=False
    ),
    "a change": case(patch, ITEM, 1, {"name": "N", "amount": 4}, into=stock.ItemRead),
    "a change by a schema": case(
        patch, ITEM, 1, stock.ItemUpdate.model_validate({"name": "N"}), into=stock.ItemRead
    ),
    "a change as JSON": case(json_patch, ITEM, "1", {"label": None, "archived": True}, stock.ItemRead),
    "a change on its version": case(patch, ITEM, 1, {"name": "N"}, into=stock.ItemRead, version=1),
    "a version as text": case(patch, ITEM, 1, {"name": "N"}, into=stock.ItemRead, version="1"),
    "a version among one": case(patch, ITEM, 1, {"name": "N"}, into=stock.ItemRead, version={"1"}),
    "a change on a stale version": case(patch, ITEM, 1, {"name": "N"}, into=stock.ItemRead, version=2),
    "a version that is none": case(
        patch, ITEM, 1, {"name": "N"}, into=stock.ItemRead, version="01", straight=False
    ),
    "a version where none is kept": case(
        patch, stock.Lot, 1, {"name": "N"}, into=LotRead, version=1, straight=False
    ),
    "a change that changes nothing": case(patch, ITEM, 1, {"name": "A", "amount": 1}, into=stock.ItemRead),
    "a change of nothing": case(patch, ITEM, 1, {}, into=stock.ItemRead, straight=False),
    "nothing new in the version that is stored": case(
        patch, ITEM, 1, {"name": "A"}, into=stock.ItemRead, version=1
    ),
    "nothing new in another version": case(patch, ITEM, 1, {"name": "A"}, into=stock.ItemRead, version=2),
    "nothing new in a deleted row": case(patch, BOARD, 2, {"slug": "gone"}, into=BoardRead),
    "a change of no row": case(patch, ITEM, 99, {"name": "N"}, into=stock.ItemRead),
    "a key that is none": case(patch, ITEM, "x", {"name": "N"}, into=stock.ItemRead, straight=False),
    "a change of the key": case(patch, ITEM, 1, {"id": 5}, into=stock.ItemRead, straight=False),
    "the key as it is": case(patch, ITEM, 1, {"id": 1, "name": "N"}, into=stock.ItemRead, straight=False),
    "a null that is not allowed": case(patch, ITEM, 1, {"name": None}, into=stock.ItemRead, straight=False),
    "a value of another row": case(patch, ITEM, 1, {"code": "b"}, into=stock.ItemRead),
    "a pointer to nothing": case(patch, ITEM, 1, {"lot_id": 99}, into=stock.ItemRead),
    "a document": case(patch, ITEM, 1, {"size": {"width": 9}}, into=ItemSize, straight=False),
    "a change of its own stamp": case(patch, ITEM, 1, {"updated_at": LATER}, into=stock.ItemRead),
    "a change of a deleted row": case(
        patch, BOARD, 2, BoardUpdate.model_validate({"slug": "x"}), into=BoardRead
    ),
    "a change beside a deleted row": case(patch, BOARD, 1, {"slug": "gone"}, into=BoardRead),
    "a change of a rule over two": case(
        patch, stock.Stay, uuid.UUID(int=1), {"last": 3}, into=stock.StayRead, straight=False
    ),
}


@pytest.fixture
async def filled(face: Face) -> Face:
    return await filled_with_rows(face)


def _heard(*_: Any) -> None:
    """Listen, which nobody can know to do nothing."""


async def _outcome(face: Face, session: Any, one: Case) -> Any:
    try:
        shown = await face(one.verb, session, *one.arguments, **one.options)
    except FieldstoneError as error:
        return type(error), str(error), vars(error)
    return (
        shown.model_dump()
        if isinstance(shown, BaseModel)
        else stock.ItemRead.model_validate_json(shown).model_dump()
    )


@pytest.mark.parametrize("name", CASES)
async def test_both_ways_are_one(filled: Face, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    face, one = filled, CASES[name]
    async with face.transaction() as session:
        rows = await face.run(session, stored_rows)
    before = known(rows)
    tried = _spy(monkeypatch)
    results = [await _in_session(face, one, listening=listening) for listening in (True, False)]
    assert len(tried) == one.straight
    alone = face.alone
    outcome = await _outcome(face, alone, one)
    async with face.transaction() as session:
        results.append((outcome, await face.run(session, stored_rows)))
    ordinary, straight, direct = [told(result, before) for result in results]
    assert straight == ordinary
    assert direct == ordinary


def _spy(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    tried: list[Order] = []

    def run(session: Session, order: Order) -> Written:
        tried.append(order)
        return storing.run(session, order)

    monkeypatch.setattr(answers, "run", run)
    return tried


async def _in_session(face: Face, one: Case, *, listening: bool) -> tuple[Any, Any]:
    """Give the outcome in a session and all rows, then undo it."""
    async with face.transaction() as session:
        if listening:
            await face.run(session, lambda inner: event.listen(inner, "before_flush", _heard))
        outcome = await _outcome(face, session, one)
        if isinstance(outcome, tuple):  # a refused write has ended the transaction, on either way
            await face.rollback(session)
        rows = await face.run(session, stored_rows)
        await face.rollback(session)
    return outcome, rows


async def test_a_refused_write_ends_the_transaction_either_way(filled: Face) -> None:
    for listening in (True, False):
        async with filled.transaction() as session:
            if listening:
                await filled.run(session, lambda inner: event.listen(inner, "before_flush", _heard))
            with pytest.raises(Conflict):
                await filled(create, session, ITEM, {"code": "a"}, into=stock.ItemRead)
            with pytest.raises(RolledBack), explained():
                await filled(get, session, ITEM, 1, stock.ItemRead)
            await filled.rollback(session)


async def test_every_type_is_stored_alike(face: Face) -> None:
    await face.create_all(specimens.METADATA)
    values = [
        {**one.model_dump(), "id": uuid.uuid4(), "cabinet_id": None}
        for one in specimens.rows()
        if isinstance(one, specimens.Specimen)
    ]
    assert why_not(specimens.Specimen) is None
    for one in values:
        shown = []
        for listening in (True, False):
            async with face.transaction() as session:
                if listening:
                    await face.run(session, lambda inner: event.listen(inner, "before_flush", _heard))
                made = await face(create, session, specimens.Specimen, one, into=specimens.Everything)
                read = await face(get, session, specimens.Specimen, one["id"], specimens.Everything)
                shown.append((made, read))
                await face.rollback(session)
        made = await face(create, face.alone, specimens.Specimen, one, into=specimens.Everything)
        assert shown[0] == shown[1] == (made, made)
        bare = {
            name: value
            for name, value in one.items()
            if name not in ("id", "facts", "clock", "raw", "duration")
        }
        again = await face(patch, face.alone, specimens.Specimen, one["id"], bare, into=specimens.Everything)
        assert again == made


async def test_an_instance_that_the_session_has_sees_the_change(filled: Face) -> None:
    async with filled.transaction() as session:
        item = await filled.run(session, lambda inner: inner.get_one(ITEM, 1))
        shown = await filled(patch, session, ITEM, 1, {"name": "N"}, into=stock.ItemRead)
        assert (item.name, item.version) == (shown.name, shown.version) == ("N", 2)


async def test_what_waits_in_the_session_is_written_first(filled: Face) -> None:
    async with filled.transaction() as session:
        session.add(stock.Lot(id=7, name="new"))
        shown = await filled(create, session, ITEM, {"code": "n", "lot_id": 7}, into=stock.ItemRead)
        assert (await filled(get, session, stock.Lot, 7, LotRead)).name == "new"
    assert shown.code == "n"


async def test_key_and_version_come_with_the_row(filled: Face) -> None:
    for place in ("session", "alone"):
        async with filled.transaction() as session:
            where = session if place == "session" else filled.alone
            made = await filled(create_whole, where, ITEM, {"code": place}, ItemSize, as_json=True)
            assert (made.key, made.version) == ((made.key[0],), 1)
            changed = await filled(
                patch_whole, where, ITEM, made.key, {"name": "N"}, ItemSize, as_json=False, version=1
            )
            assert (changed.key, changed.version, changed.shown.code) == (made.key, 2, place)
            assert ItemSize.model_validate_json(made.shown).code == place
            if place == "session":
                await filled.rollback(session)


def test_models_say_why_they_are_not_written_straight() -> None:
    assert why_not(ITEM) is None
    assert why_not(stock.Stay) == "it has a rule over more than one field"
    assert why_not(domain.Car) == "its rows are told apart by kind, or lie in several tables"
    assert why_not(chronicled.Ticket) == "it has a history"
    assert why_not(chronicled.Plain) == "it is a plain SQLModel, which validates nothing by itself"


LISTENING: dict[str, Any] = {
    "before_insert": ITEM,
    "after_update": ITEM,
    "load": ITEM,
    "init": ITEM,
    "set": ITEM.name,
    "before_flush": Session,
    "after_flush": Session,
    "pending_to_persistent": Session,
}


@pytest.mark.parametrize("name", LISTENING)
def test_whoever_listens_is_heard(database: Database, name: str) -> None:
    database.create_all(stock.METADATA)
    heard: list[Any] = []

    def listener(*found: Any) -> None:
        heard.append(found)

    event.listen(LISTENING[name], name, listener)
    try:
        create(database.autocommit, ITEM, {"code": "n", "name": "A"}, into=stock.ItemRead)
        with database.transaction() as session:
            patch(session, ITEM, 1, {"name": "N"}, into=stock.ItemRead)
        assert heard
        assert why_not(ITEM) == f"somebody listens to {name}"
    finally:
        event.remove(LISTENING[name], name, listener)
