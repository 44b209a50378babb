"""A row deleted by one statement goes, and is refused, as one that a session deletes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel, select

from fieldstone import delete
from fieldstone.errors import FieldstoneError
from fieldstone.keys import key_attributes
from fieldstone.writing import single
from fieldstone.writing.removing import why_not
from tests import archive, chronicled, domain, stock
from tests.faces import Face

# Of each case: the model, the key, the options, and whether the statement alone does it.
Case = tuple[type[SQLModel], Any, dict[str, Any], bool]
CASES: dict[str, Case] = {
    "a row": (stock.Item, 2, {}, True),
    "a key as text": (stock.Item, "2", {}, True),
    "a row that is not there": (stock.Item, 99, {}, False),
    "a key that is none": (stock.Item, "x", {}, False),
    "its version": (stock.Item, 1, {"version": 1}, True),
    "its version as text": (stock.Item, 1, {"version": {"1"}}, True),
    "another version": (stock.Item, 1, {"version": 2}, False),
    "a version that is none": (stock.Item, 1, {"version": "01"}, False),
    "a version where none is kept": (stock.Lot, 1, {"version": 1}, False),
    "a row that others are freed of": (stock.Lot, 1, {}, True),
    "a row that others hang on": (domain.Task, 1, {}, True),
    "a row that others point to": (domain.Project, 1, {}, False),
}
TABLES: tuple[type[SQLModel], ...] = (
    stock.Item,
    stock.Lot,
    domain.Task,
    domain.TaskTag,
    domain.Assignment,
    domain.Project,
)


@pytest.fixture
async def filled(face: Face) -> Face:
    for metadata in (stock.METADATA, domain.METADATA):
        await face.create_all(metadata)
    async with face.transaction() as session:
        await face.run(session, _fill)
    return face


def _fill(session: Session) -> None:
    session.add_all(
        [
            stock.Lot(id=1, name="L"),
            stock.Item(id=1, code="a", lot_id=1),
            stock.Item(id=2, code="b"),
            *domain.sample(),
        ]
    )
    session.flush()


def _rows(session: Session) -> dict[str, Any]:
    session.expire_all()
    found: dict[str, Any] = {}
    for model in TABLES:
        columns = [getattr(model, name) for name in model.model_fields]
        statement = select(*columns).order_by(*key_attributes(model))
        found[model.__name__] = [tuple(row) for row in SQLAlchemySession.execute(session, statement)]
    return found


async def _outcome(face: Face, session: Any, case: Case) -> Any:
    model, key, options, _ = case
    try:
        return await face(delete, session, model, key, **options)
    except FieldstoneError as error:
        return type(error), str(error), vars(error)


@pytest.mark.parametrize("name", CASES)
async def test_both_ways_are_one(filled: Face, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    face, case = filled, CASES[name]
    found = _finds(monkeypatch)
    async with face.transaction() as session:
        ordinary = await _outcome(face, session, case)
        if ordinary is not None:
            await face.rollback(session)
        left = await face.run(session, _rows)
        await face.rollback(session)
    found.clear()
    direct = await _outcome(face, face.alone, case)
    assert bool(found) is not case[3]
    async with face.transaction(read_only=True) as session:
        assert (direct, await face.run(session, _rows)) == (ordinary, left)


def _finds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the keys that a session looks for, with which an ordinary delete begins."""
    found: list[Any] = []
    find: Any = single._found

    def noted(session: Session, model: Any, key: Any, **options: Any) -> Any:
        found.append(key)
        return find(session, model, key, **options)

    monkeypatch.setattr(single, "_found", noted)
    return found


def test_models_say_why_a_session_deletes_their_rows() -> None:
    assert why_not(stock.Lot) is None
    assert why_not(domain.Task) is None
    assert why_not(archive.Board) == "its rows are marked, and not deleted"
    assert why_not(domain.Car) == "its rows are told apart by kind, or lie in several tables"
    assert why_not(chronicled.Ticket) == "there is a history of what its deletion changes"


LISTENING: dict[str, Any] = {
    "before_delete": stock.Item,
    "after_delete": stock.Item,
    "load": stock.Item,
    "before_flush": Session,
    "persistent_to_deleted": Session,
}


@contextmanager
def heard(name: str) -> Iterator[list[Any]]:
    found: list[Any] = []

    def listener(*said: Any) -> None:
        found.append(said)

    event.listen(LISTENING[name], name, listener)
    try:
        yield found
    finally:
        event.remove(LISTENING[name], name, listener)


@pytest.mark.parametrize("name", LISTENING)
async def test_whoever_listens_is_heard(filled: Face, name: str) -> None:
    with heard(name) as found:
        await filled(delete, filled.alone, stock.Item, 1)
        assert found
        assert why_not(stock.Item) == f"somebody listens to {name}"
    assert why_not(stock.Item) is None


async def test_a_trigger_that_keeps_the_row_keeps_it_either_way(filled: Face) -> None:
    if filled.dialect == "postgresql":
        pytest.skip("The trigger is written for SQLite.")
    async with filled.transaction() as session:
        keeping = "CREATE TRIGGER keeping BEFORE DELETE ON item BEGIN SELECT RAISE(ABORT, 'kept'); END"
        await filled.run(session, lambda inner: inner.connection().execute(text(keeping)))
    outcomes = []
    for alone in (False, True):
        with pytest.raises(Exception, match="kept") as raised:
            if alone:
                await filled(delete, filled.alone, stock.Item, 1)
            else:
                async with filled.transaction() as session:
                    await filled(delete, session, stock.Item, 1)
        outcomes.append(type(raised.value))
    assert outcomes[0] is outcomes[1]
