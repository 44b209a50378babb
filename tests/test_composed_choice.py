"""Who writes the JSON of a read: as the plan allows, as far as the database is away, or as is told."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select

from fieldstone import ConfigurationError, Database, json
from fieldstone.database.bare import Bare
from fieldstone.reading import answers, latency
from fieldstone.testing import count_statements
from tests import bookshop
from tests.bookshop import Author, AuthorDeep, AuthorRead, Book, BookRead, composed_of
from tests.faces import Face


async def test_who_writes_is_decided_by_plan_and_distance(face: Face) -> None:
    await face.create_all(bookshop.METADATA)
    deep, flat = select(Author).order_by(col(Author.id)), select(Book).order_by(col(Book.id))

    async def written_by_database(session: Any, statement: Any, schema: Any) -> bool:
        with count_statements(face.database) as statements:
            await face(json, session, statement, schema)
        return bool(composed_of(statements))

    async with face.transaction(read_only=True) as session:
        pool = await face.run(session, lambda one: one.connection().engine.pool)
        for seconds, at_hand in ((0.0, face.dialect == "sqlite"), (0.005, True)):
            for _ in range(latency.REMEMBERED):
                latency.note(pool, seconds)
            assert await written_by_database(session, deep, AuthorDeep) is at_hand
            assert await written_by_database(session, flat, BookRead) is False


def test_the_distance_is_the_shortest_of_the_last_statements() -> None:
    owner = type("Pool", (), {})()
    assert latency.round_trip(owner) == 0
    for seconds in (0.02, 0.01, 0.03):
        assert latency.round_trip(owner) == 0  # the first statements say too little
        for _ in range(latency.ENOUGH // 3 + 1):
            latency.note(owner, seconds)
    assert latency.round_trip(owner) == 0.01
    for _ in range(latency.REMEMBERED):
        latency.note(owner, 0.5)
    assert latency.round_trip(owner) == 0.5


@pytest.mark.parametrize("way", bookshop.WAYS)
def test_a_database_can_be_told_who_writes(database_url: str, way: Any) -> None:
    with Database(database_url, json_by=way) as database:
        database.create_all(bookshop.METADATA)
        with database.transaction(read_only=True) as session, count_statements(database) as statements:
            assert json(session, select(Author), AuthorDeep) == b"[]"
            assert json(session, select(Author), AuthorRead) == b"[]"
    assert len(composed_of(statements)) == (2 if way == "database" else 0)


def test_who_writes_can_be_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDSTONE_JSON_BY", "nobody")
    with pytest.raises(ConfigurationError, match=r"json_by \(FIELDSTONE_JSON_BY\): Input should be 'auto'"):
        Database("sqlite://")
    monkeypatch.setenv("FIELDSTONE_JSON_BY", "rows")
    assert Database("sqlite://").settings.json_by == "rows"


@pytest.mark.parametrize("way", ["auto", *bookshop.WAYS])
async def test_who_writes_without_a_session(database_url: str, way: Any) -> None:
    """SQLite's rows are the faster way there; a server is asked as within a session."""
    async with Database(database_url, json_by=way) as database:
        await database.create_all_async(bookshop.METADATA)
        engine = database.async_engine.sync_engine
        bare: Any = Bare(engine, lock_timeout=1, pooler=False)
        for seconds in (0.0, 0.005):
            for _ in range(latency.REMEMBERED):
                latency.note(engine.pool, seconds)
            assert await json(database.async_autocommit, select(Author), AuthorDeep) == b"[]"
            ask = next(answers._json_directly(bare, select(Author), AuthorDeep))
            distant = way == "auto" and seconds > 0 and engine.dialect.name == "postgresql"
            assert bool(composed_of([ask.sql])) is (way == "database" or distant)
