"""Rows that a session must not see come through no verb, whatever was prepared for sessions that may.

A statement is prepared once and runs for every session. So what hides rows (soft deletion, scopes) has to
be part of what it is kept by, or the first session that asks decides what all others see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from json import loads
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from sqlmodel import col, select

from fieldstone import (
    NotFound,
    delete,
    fetch,
    first,
    get,
    including_deleted,
    json,
    json_get,
    json_page,
    json_seek,
    one_or_none,
    page,
    patch,
    seek,
    visibility,
    within,
)
from fieldstone.reading import get_versioned
from fieldstone.reading.fetching import every
from fieldstone.reading.ways import ask
from tests import archive, tenants
from tests.archive import Board, BoardFull, Card, CardFull
from tests.faces import Face
from tests.tenants import Area, AreaRead, Job, JobFull

HERE, DELETED = [1, 4], [1, 2, 3, 4]
MINE, THEIRS = [1, 2, 4], [1, 2, 3, 4]


@pytest.fixture
async def cards(face: Face) -> Face:
    """Give the archive with the card 2 deleted, and so the card 3 below it."""
    await face.create_all(archive.METADATA)
    async with face.transaction() as session:
        session.add_all(archive.sample())
    async with face.transaction() as session:
        await face(delete, session, Card, 2)
    return face


@pytest.fixture
async def jobs(face: Face) -> Face:
    await face.create_all(tenants.METADATA)
    await tenants.stock(face)
    return face


@contextmanager
def nothing_hidden() -> Iterator[None]:
    """Let statements be prepared as in a program that has no model to hide rows of."""
    event.remove(Session, "do_orm_execute", visibility._hide)
    try:
        yield
    finally:
        event.listen(Session, "do_orm_execute", visibility._hide)


def way_of(session: Any, statement: Any, schema: Any) -> str:
    return type(ask(session, every(statement, schema))).__name__


def by_key(session: Any, verb: Any, model: Any, schema: Any) -> list[Any]:
    """Call a verb with each key that there may be, and give what it found."""
    found = []
    for key in range(1, 7):
        try:
            found.append(verb(session, model, key, schema))
        except NotFound:
            continue
    return found


def ids_seen(session: Any, model: Any, schema: Any) -> dict[str, list[int]]:
    """Read the rows of a model with every verb that may be prepared, and name their keys."""
    every = select(model).order_by(col(model.id))
    singles = [select(model).where(col(model.id) == key) for key in range(1, 7)]
    objects = {
        "fetch": fetch(session, every, schema),
        "page": page(session, every, schema).items,
        "seek": seek(session, every, schema).items,
        "get": by_key(session, get, model, schema),
        "get_versioned": [found for found, _ in by_key(session, get_versioned, model, schema)],
        "first": [one for one in (first(session, single, schema) for single in singles) if one],
        "one_or_none": [one for one in (one_or_none(session, single, schema) for single in singles) if one],
    }
    written = {
        "json": loads(json(session, every, schema)),
        "json_page": loads(json_page(session, every, schema))["items"],
        "json_seek": loads(json_seek(session, every, schema))["items"],
        "json_get": [loads(one) for one in by_key(session, json_get, model, schema)],
    }
    return {verb: [one.id for one in found] for verb, found in objects.items()} | {
        verb: [one["id"] for one in found] for verb, found in written.items()
    }


def all_alike(seen: dict[str, list[int]]) -> list[int]:
    """Give what every verb saw, if that is one and the same."""
    known = seen["fetch"]
    assert seen == dict.fromkeys(seen, known)
    return known


def below(session: Any, model: Any, schema: Any, name: str) -> list[list[int]]:
    """Name the keys in a collection of all rows, as objects have them and as JSON has them."""
    every = select(model).order_by(col(model.id))
    objects = [[one.id for one in getattr(row, name)] for row in fetch(session, every, schema)]
    assert objects == [[one["id"] for one in row[name]] for row in loads(json(session, every, schema))]
    assert objects == [
        [one["id"] for one in row[name]] for row in loads(json_page(session, every, schema))["items"]
    ]
    return objects


async def test_what_was_prepared_to_show_deleted_rows_shows_none_where_they_are_hidden(cards: Face) -> None:
    every = select(Card).order_by(col(Card.id))
    for _ in range(2):
        with nothing_hidden():
            async with cards.transaction(read_only=True) as session:
                assert await cards.run(session, way_of, every, CardFull) == "_Prepared"
                assert all_alike(await cards.run(session, ids_seen, Card, CardFull)) == DELETED
                assert await cards.run(session, below, Board, BoardFull, "cards") == [[1, 2, 3], [4]]
        async with cards.transaction(read_only=True) as session:
            assert await cards.run(session, way_of, every, CardFull) == "_Prepared"
            assert all_alike(await cards.run(session, ids_seen, Card, CardFull)) == HERE
            assert await cards.run(session, below, Board, BoardFull, "cards") == [[1], [4]]


async def test_who_asks_for_deleted_rows_asks_for_himself_alone(cards: Face) -> None:
    every = select(Card).order_by(col(Card.id))
    async with cards.transaction(read_only=True) as session:
        for _ in range(2):
            assert [one["id"] for one in loads(await cards(json, session, every, CardFull))] == HERE
            shown = including_deleted(every)
            assert await cards.run(session, way_of, shown, CardFull) == "_Whole"
            assert [one["id"] for one in loads(await cards(json, session, shown, CardFull))] == DELETED
            assert [one.id for one in await cards(fetch, session, shown, CardFull)] == DELETED
            assert [one.id for one in (await cards(page, session, every, CardFull)).items] == HERE


async def test_conditions_through_relationships_hide_rows_in_what_is_prepared(cards: Face) -> None:
    holding = select(Board).where(Board.cards.any(col(Card.label) == "left"))  # type: ignore[attr-defined]
    joined = select(Board).join(Card, col(Card.board_id) == Board.id).where(col(Card.label) == "left")
    among = select(Board).where(col(Board.id).in_(select(Card.board_id).where(col(Card.label) == "left")))
    for statement in (holding, joined, among):
        with nothing_hidden():
            async with cards.transaction(read_only=True) as session:
                assert [one.id for one in await cards(fetch, session, statement, archive.BoardRead)] == [1]
        async with cards.transaction(read_only=True) as session:
            assert await cards.run(session, way_of, statement, archive.BoardRead) == "_Prepared"
            assert await cards(fetch, session, statement, archive.BoardRead) == []
            assert await cards(json, session, statement, archive.BoardRead) == b"[]"


async def test_a_deleted_row_that_another_needs_is_shown_alike_both_ways(cards: Face) -> None:
    async with cards.transaction() as session:
        await cards(patch, session, Card, 4, {"owner_id": "@grace"})
        await cards(delete, session, archive.Person, "@grace")
    every = select(archive.Note).order_by(col(archive.Note.id))
    async with cards.transaction(read_only=True) as session:
        assert await cards.run(session, way_of, every, archive.NoteRead) == "_Prepared"
        short = await cards(fetch, session, every, archive.NoteRead)
        whole = await cards(fetch, session, every.execution_options(whole=True), archive.NoteRead)
        written = loads(await cards(json, session, every, archive.NoteRead))
    assert short == whole
    assert written == [one.model_dump(mode="json") for one in whole]
    assert [one.card.owner for one in short] == [None] * len(short)


async def test_what_was_prepared_for_all_rows_shows_a_scoped_session_its_own(jobs: Face) -> None:
    for _ in range(2):
        async with jobs.transaction(read_only=True) as session:
            assert await jobs.run(session, way_of, select(Job), JobFull) == "_Prepared"
            assert all_alike(await jobs.run(session, ids_seen, Job, JobFull)) == THEIRS
            everywhere = await jobs.run(session, below, Area, AreaRead, "jobs")
        async with jobs.transaction(read_only=True) as session:
            within(session, Job, {"owner_id": 7})
            assert await jobs.run(session, way_of, select(Job), JobFull) == "_Whole"
            assert all_alike(await jobs.run(session, ids_seen, Job, JobFull)) == MINE
            within_scope = await jobs.run(session, below, Area, AreaRead, "jobs")
        assert within_scope == [[one for one in area if one in MINE] for area in everywhere]
        assert within_scope != everywhere


async def test_a_row_whose_needs_are_out_of_scope_is_not_written_either(jobs: Face) -> None:
    async with jobs.transaction(read_only=True) as session:
        remarks = await jobs.run(session, ids_seen, tenants.Remark, tenants.RemarkRead)
    async with jobs.transaction(read_only=True) as session:
        within(session, Job, {"owner_id": 7})
        kept = await jobs.run(session, ids_seen, tenants.Remark, tenants.RemarkRead)
        shown = await jobs(fetch, session, select(tenants.Remark), tenants.RemarkRead)
    assert {one.job.id for one in shown} <= set(MINE)
    assert len(all_alike(kept)) < len(all_alike(remarks))


async def test_a_session_that_gets_its_scope_late_is_held_to_it(jobs: Face) -> None:
    async with jobs.transaction(read_only=True) as session:
        assert len(await jobs(fetch, session, select(Job), JobFull)) == len(THEIRS)
        within(session, Job, {"owner_id": 7})
        assert all_alike(await jobs.run(session, ids_seen, Job, JobFull)) == MINE


async def test_a_statement_that_hides_rows_says_so_to_the_database(cards: Face) -> None:
    """The rows are left out by the database, not afterwards."""
    engine: Engine = cards.database.async_engine.sync_engine if cards.is_async else cards.database.engine
    said: list[str] = []

    def note(connection: Any, cursor: Any, sql: str, *rest: Any) -> None:
        said.append(sql)

    event.listen(engine, "before_cursor_execute", note)
    async with cards.transaction() as session:
        await cards(json, session, select(Board), BoardFull)
    event.remove(engine, "before_cursor_execute", note)
    reads = [sql for sql in said if "FROM board" in sql or "FROM card" in sql]
    assert len(reads) >= 2
    assert all("deleted_at IS NULL" in sql for sql in reads)
