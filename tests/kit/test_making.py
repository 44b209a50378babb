"""The fixtures make and watch: rows on the session of the test, and the guard over the whole of it."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import AsyncClient
from sqlmodel import Session, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Database
from fieldstone.guard import Watch
from fieldstone.testing import AsyncMake, Make, make
from tests.kit.shop import Item, Shelf


def test_the_application_sees_what_was_made(make: Make, client: TestClient) -> None:
    item = make(Item, name="nail")
    assert client.get(f"/items/{item.id}").json()["name"] == "nail"


async def test_the_application_sees_what_was_made_async(make: AsyncMake, async_client: AsyncClient) -> None:
    item = await make(Item, name="nail")
    assert (await async_client.get(f"/items/{item.id}")).json()["name"] == "nail"


def test_rows_are_made_on_the_session_of_the_test(make: Make, session: Session) -> None:
    shelf = make(Shelf)
    items = make.many(Item, 3, shelf=shelf)
    assert session.get(Shelf, shelf.id) is shelf
    assert [item.shelf for item in session.exec(select(Item).order_by(Item.name))] == [shelf] * 3
    assert items[0] in session


async def test_rows_are_made_on_the_async_session_of_the_test(
    make: AsyncMake, async_session: AsyncSession
) -> None:
    shelf = await make(Shelf)
    items = await make.many(Item, 3, shelf=shelf)
    assert await async_session.get(Shelf, shelf.id) is shelf
    assert len((await async_session.exec(select(Item))).all()) == 3
    assert items[0].shelf is shelf


@pytest.mark.real_commits
def test_another_connection_sees_what_was_made(db: Database, make: Make) -> None:
    make(Item, name="nail")
    with Database(db.url) as other, other.transaction(read_only=True) as session:
        assert session.exec(select(Item.name)).all() == ["nail"]


def test_the_function_leaves_the_commit_to_the_test(session: Session) -> None:
    make(session, Item, name="nail")
    session.rollback()
    assert session.exec(select(Item)).all() == []


def test_a_watch_hears_the_application_and_lets_a_good_test_pass(
    watch: Watch, make: Make, client: TestClient
) -> None:
    make.many(Item, 3, shelf={})
    before = len(watch.statements)
    client.get("/items")
    assert len(watch.statements) > before
    assert watch.findings == []


def test_what_the_session_of_the_test_throws_away_is_no_lost_write(watch: Watch, session: Session) -> None:
    make(session, Item, name="nail")
    assert watch.findings == []


def read_shelves(session: Session) -> list[Any]:
    return [item.shelf for item in session.exec(select(Item)).all()]


def test_a_watch_finds_what_a_test_does_wrong(session: Session, make: Make, watch: Watch) -> None:
    for name in ("a", "b", "c"):
        make(Item, name=name, shelf={})
    session.expire_all()
    read_shelves(session)
    (finding,) = watch.findings
    assert "Item.shelf was loaded 3 times, by a statement for each Item" in str(finding)
    assert "read_shelves" in str(finding)
    watch.statements.clear()  # else this test would fail when it ends
