"""Requests that are watched: how a page fails, what an endpoint may send, and the page for developers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from fieldstone import ConfigurationError, Database, MistakesFound, fetch, plan
from fieldstone.fastapi import AsyncReadSession, ReadSession, install
from fieldstone.guard import GuardMiddleware, GuardWarning, budget, development_page
from tests.guard.shop import METADATA, Item, ItemRead, Shelf, ShelfRead, sample


@pytest.fixture
def shop(database_url: str) -> Iterator[Database]:
    with Database(database_url) as database:
        database.create_all(METADATA)
        with database.transaction() as session:
            session.add_all(sample())
        yield database


def application(shop: Database) -> FastAPI:
    app = FastAPI()
    install(app, shop)

    @app.get("/counts")
    def counts(session: ReadSession) -> list[int]:
        return [len(shelf.items) for shelf in session.exec(select(Shelf)).all()]

    @app.get("/shelves")
    @budget(plan(Shelf, ShelfRead))
    def shelves(session: ReadSession) -> list[ShelfRead]:
        return fetch(session, select(Shelf), ShelfRead)

    @app.get("/shelves-and-more")
    @budget(plan(Shelf, ShelfRead))
    async def more(session: AsyncReadSession) -> list[ShelfRead]:
        await session.exec(select(Item))
        return await fetch(session, select(Shelf), ShelfRead)

    @app.get("/items")
    def items(session: ReadSession, name: str) -> list[ItemRead]:
        found = session.exec(select(Item).where(Item.name == name).order_by(col(Item.id)))
        return [ItemRead.model_validate(item, from_attributes=True) for item in found]

    session_of_shop = Depends(opened(shop))

    @app.post("/items")
    def add(session: Session = session_of_shop) -> None:
        session.add(Item(name="new"))
        session.commit()

    return app


def opened(shop: Database) -> Any:
    def session() -> Iterator[Session]:
        with Session(shop.engine) as session:
            yield session

    return session


def test_a_mistake_makes_the_page_fail(shop: Database) -> None:
    app = application(shop)
    app.add_middleware(GuardMiddleware, mode="raise")
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/counts").status_code == 500
        assert len(client.get("/shelves").json()) == 3


def test_a_test_client_raises_what_was_found(shop: Database) -> None:
    app = application(shop)
    app.add_middleware(GuardMiddleware, mode="raise")
    refused = pytest.raises(MistakesFound, match=r"Shelf\.items was loaded 3 times")
    with TestClient(app) as client, refused:
        client.get("/counts")


def test_a_warning_lets_the_page_work(shop: Database) -> None:
    app = application(shop)
    app.add_middleware(GuardMiddleware)
    with warnings.catch_warnings(record=True) as caught, TestClient(app) as client:
        warnings.simplefilter("always", GuardWarning)
        assert client.get("/counts").json() == [2, 2, 2]
    (warning,) = [one for one in caught if one.category is GuardWarning]
    assert warning.filename == __file__


def test_an_endpoint_may_send_what_its_plan_says(shop: Database) -> None:
    app = application(shop)
    app.add_middleware(GuardMiddleware, mode="raise")
    refused = pytest.raises(MistakesFound, match="3 statements were sent where at most 2 statements may be")
    with TestClient(app) as client:
        assert client.get("/shelves").status_code == 200
        with refused:
            client.get("/shelves-and-more")


def test_what_is_no_request_passes(shop: Database) -> None:
    started: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.append(scope["type"])

    import asyncio

    asyncio.run(GuardMiddleware(app)({"type": "websocket"}, None, None))  # type: ignore[arg-type]  # it takes none
    assert started == ["websocket"]


# The development page


@pytest.fixture
def client(shop: Database) -> Iterator[TestClient]:
    app = application(shop)
    development_page(app, production=False)
    with TestClient(app) as client:
        yield client


def test_the_page_shows_requests_with_what_was_found(client: TestClient) -> None:
    assert "No request yet" in client.get("/_guard").text
    client.get("/counts")
    client.get("/shelves")
    page = client.get("/_guard").text
    assert page.index("/shelves") < page.index("/counts")
    assert '<span class="mark">N+1</span>' in page
    assert "3x the same" in page
    shown = client.get("/_guard/1").text
    assert "N+1: Shelf.items" in shown
    assert "selectinload(Shelf.items)" in shown
    assert "session.exec(select(Shelf)).all()" in shown
    assert "lazy load of Shelf.items" in shown


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    client.get("/counts")
    for path in ("/_guard", "/_guard/1", "/_guard/1/0"):
        answer = client.get(path)
        assert "//" not in answer.text.replace("<!--", "")
        assert "<script" not in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/_guard/page.css").headers["content-type"] == "text/css; charset=utf-8"


def test_a_plan_is_shown_on_demand_and_without_values(client: TestClient, shop: Database) -> None:
    client.get("/items", params={"name": "a secret"})
    shown, planned = client.get("/_guard/1").text, client.get("/_guard/1/0").text
    assert ("SCAN item" if shop.dialect == "sqlite" else "Seq Scan on item") in planned
    assert "a secret" not in shown + planned.replace("a%20secret", "")
    assert "value, not shown" in planned


def test_values_are_shown_where_they_are_asked_for(shop: Database) -> None:
    app = application(shop)
    development_page(app, production=False, values=True, path="/seen")
    with TestClient(app) as client:
        client.get("/items", params={"name": "shown here"})
        assert "shown here" in client.get("/seen/1/0").text


def test_an_async_statement_is_explained_too(client: TestClient, shop: Database) -> None:
    client.get("/shelves-and-more")
    assert ("SCAN item" if shop.dialect == "sqlite" else "Seq Scan on item") in client.get("/_guard/1/0").text


def test_a_write_is_not_explained(client: TestClient) -> None:
    client.post("/items")
    assert "INSERT is not explained" in client.get("/_guard/1/0").text
    assert ">plan</a>" not in client.get("/_guard/1").text


@pytest.mark.parametrize("path", ["/7", "/1/9", "/1/x", "/1/0/0", "/x"])
def test_what_is_not_kept_is_not_found(client: TestClient, path: str) -> None:
    client.get("/counts")
    assert client.get(f"/_guard{path}").status_code == 404
    assert client.post("/_guard").status_code == 404


def test_the_page_answers_this_machine_alone(shop: Database) -> None:
    app = application(shop)
    development_page(app, production=False)
    with TestClient(app, client=("192.0.2.1", 50000)) as client:
        assert client.get("/_guard").status_code == 404


def test_the_page_is_refused_in_production(shop: Database) -> None:
    with pytest.raises(ConfigurationError, match="this application says that it runs in production"):
        development_page(application(shop), production=True)
    with TestClient(application(shop)) as client:
        assert client.get("/_guard").status_code == 404


def test_what_is_shown_is_escaped(client: TestClient) -> None:
    client.get("/<script>alert(1)</script>")
    assert "<script>" not in client.get("/_guard").text
