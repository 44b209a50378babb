"""What a failing budget shows: the statements, alike ones together, with the lines that asked for them."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, select

from fieldstone import Database
from fieldstone.errors import MistakesFound
from fieldstone.testing import count_statements, make_many, no_n_plus_one
from fieldstone.testing.queries import Budgeted
from tests.kit.shop import Item, Shelf


def test_a_budget_hears_the_application_in_its_thread(client: TestClient, exact_queries: Budgeted) -> None:
    with exact_queries(1):
        client.get("/items")


def test_a_broken_budget_shows_statements_by_line(session: Session, max_queries: Budgeted) -> None:
    items = make_many(session, Item, 3, shelf={})
    session.expire_all()
    with pytest.raises(MistakesFound) as caught, max_queries(2):
        for item in session.exec(select(Item).limit(len(items))).all():
            assert item.shelf is not None
    message = str(caught.value)
    assert "4 statements were sent where at most 2 statements may be:" in message
    assert "   3x " in message
    assert "in test_a_broken_budget_shows_statements_by_line" in message
    assert "assert item.shelf is not None" in message


def test_an_exact_budget_is_broken_by_fewer(session: Session, exact_queries: Budgeted) -> None:
    with (
        pytest.raises(MistakesFound, match="1 statement was sent where exactly 2 statements may be"),
        exact_queries(2),
    ):
        session.exec(select(Item)).all()


def test_a_statement_for_each_row_is_named_with_its_remedy(session: Session) -> None:
    make_many(session, Item, 3, shelf={})
    session.commit()
    session.expire_all()
    with pytest.raises(MistakesFound, match=r"Item\.shelf[\s\S]*joinedload\(Item\.shelf\)"), no_n_plus_one():
        for item in session.exec(select(Item)).all():
            assert item.shelf is not None


def test_one_statement_for_each_request_is_none_for_each_row(
    session: Session, client: TestClient, no_n_plus_one: object
) -> None:
    shelves = make_many(session, Shelf, 3)
    for item in make_many(session, Item, 3, shelf=shelves[0]):
        assert client.get(f"/items/{item.id}").status_code == 200


def test_statements_on_an_isolated_database_are_counted(db: Database) -> None:
    with count_statements(db) as statements, db.transaction(read_only=True) as session:
        session.exec(select(Item)).all()
    assert [statement.split()[0] for statement in statements] == ["SELECT"]
