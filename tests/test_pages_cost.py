"""A keyset page costs the same at any depth: the database starts at the right place of an index.

It is measured in what the database itself counts: the rows that PostgreSQL touches, and the
instructions that SQLite executes. Times would tell the same, but not on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Index, MetaData, event, text
from sqlalchemy.orm import registry
from sqlmodel import Session, col, select

from fieldstone import Cursors, Database, Field, Model, page, seek
from fieldstone.models import NAMING_CONVENTION
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import schema_of
from tests.faces import DIALECTS

METADATA = MetaData(naming_convention=NAMING_CONVENTION)
ROWS = 30_000
SIZE = 10
CURSORS = Cursors("a secret that is long enough for cursors")


class Local(Model, registry=registry(metadata=METADATA)):
    """Keep this table apart from those of other test modules."""


class Entry(Local, table=True):
    __table_args__ = (
        Index("ix_entry_at_id", "at", "id"),
        Index("ix_entry_rank_id", "rank", "id"),
        Index("ix_entry_done_at_id", "done", text("at DESC"), text("id DESC")),
    )
    id: int | None = Field(default=None, primary_key=True)
    at: int
    done: bool
    rank: int | None = None


class EntryRead(Model):
    id: int


ORDERS: dict[str, Any] = {
    "the key": select(Entry),
    "one direction": select(Entry).order_by(col(Entry.at)),
    "one direction, down": select(Entry).order_by(col(Entry.at).desc()),
    "two directions over large groups": select(Entry).order_by(col(Entry.done), col(Entry.at).desc()),
    "a column with nulls": select(Entry).order_by(col(Entry.rank)),
    "a column with nulls, down": select(Entry).order_by(col(Entry.rank).desc()),
    "a filter": select(Entry).where(col(Entry.done).is_(True)).order_by(col(Entry.at)),
}


FILL = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)
    INSERT INTO entry (id, at, done, rank)
    SELECT n, n * 7919 % :rows / 3, n % 2 = 0, CASE WHEN n % 3 > 0 THEN n / 3 END FROM numbers
"""


def fill(database: Database) -> None:
    METADATA.create_all(database.engine)
    with database.engine.begin() as connection:
        connection.execute(text(FILL), {"rows": ROWS})
        connection.execute(text("ANALYZE"))


@pytest.fixture(scope="module", params=DIALECTS)
def filled(request: pytest.FixtureRequest, fieldstone_lender: Lender) -> Iterator[Database]:
    """Many entries: three at a time, half of them done, two thirds of them with a rank; for reading only."""
    lent = fieldstone_lender.templates(request.param).lend(schema_of(METADATA, fill))
    with lent as url, Database(url) as database:
        yield database


@contextmanager
def captured(session: Session) -> Iterator[list[tuple[str, Any]]]:
    """Collect statements with their parameters, as the driver gets them."""
    found: list[tuple[str, Any]] = []
    connection = session.connection()

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        found.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(connection, "before_cursor_execute", note)


def cost(connection: Connection, statement: str, parameters: Any) -> int:
    """Count PostgreSQL's touched rows or SQLite's instructions, in tens."""
    if connection.dialect.name == "postgresql":
        analysed = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        return touched(analysed.scalar_one()[0]["Plan"])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, 10)
    try:
        connection.exec_driver_sql(statement, parameters).all()
    finally:
        driver.set_progress_handler(None, 0)
    return steps


def touched(node: dict[str, Any]) -> int:
    own = 0
    if "Relation Name" in node:
        dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        own = round((node["Actual Rows"] + dropped) * node["Actual Loops"])
    return own + sum(touched(child) for child in node.get("Plans", ()))


def explained(connection: Connection, statement: str, parameters: Any) -> str:
    how = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{how} {statement}", parameters))


@pytest.mark.parametrize("order", ORDERS)
def test_a_page_costs_the_same_at_any_depth(filled: Database, order: str) -> None:
    statement, costs, plans = ORDERS[order], [], []
    with filled.transaction(read_only=True) as session:
        part = seek(session, statement, EntryRead, size=SIZE, cursors=CURSORS)
        while part.next is not None:
            with captured(session) as ran:
                seek(session, statement, EntryRead, size=SIZE, cursor=part.next, cursors=CURSORS)
            ((sql, parameters),) = ran
            costs.append(cost(session.connection(), sql, parameters))
            plans.append(explained(session.connection(), sql, parameters))
            part = seek(session, statement, EntryRead, size=1000, cursor=part.next, cursors=CURSORS)
    assert len(costs) >= ROWS / 2 / 1000
    # At most three parts of eleven rows, each of them read once more by its key.
    assert max(costs) <= (6 * (SIZE + 1) if filled.dialect == "postgresql" else 300), costs
    assert not any(re.search(r"Seq Scan|SCAN entry$", plan, re.MULTILINE) for plan in plans), plans[-1]


def test_an_offset_page_costs_what_it_skips(filled: Database) -> None:
    """The contrast that keyset pages are for, in the same measure."""
    costs = []
    with filled.transaction(read_only=True) as session:
        for offset in (0, ROWS - SIZE):
            with captured(session) as ran:
                page(session, ORDERS["one direction"], EntryRead, size=SIZE, offset=offset)
            costs.append(cost(session.connection(), *ran[0]))
    assert costs[1] > 20 * costs[0]
