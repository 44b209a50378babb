"""PostgreSQL answers filters and sorts from the indexes that docs/read.md names for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Index, MetaData, event, func, insert, text
from sqlalchemy.orm import registry

from fieldstone import Database, Field, Model, Resource, UtcDatetime, fetch
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import schema_of

METADATA = MetaData()
ROWS = 20_000


class IndexedModel(Model, registry=registry(metadata=METADATA)):
    """Keep this table apart from those of other test modules."""


class Letter(IndexedModel, table=True):
    __table_args__ = (
        Index("by_title", "title"),
        Index("by_title_pattern", "title", postgresql_ops={"title": "text_pattern_ops"}),
        Index("by_sender_sent", "sender", "sent_at", "id"),
        Index("by_answered", "answered_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    title: str
    sender: str
    sent_at: UtcDatetime
    answered_at: UtcDatetime | None = None


LOWER = func.lower(vars(Letter)["__table__"].c.title).label("low")
Index("by_lower_title", LOWER, postgresql_ops={"low": "text_pattern_ops"})


class LetterRead(Model):
    id: int


letters = Resource(
    Letter,
    read=LetterRead,
    filters=["title", "sender", "sent_at", "answered_at"],
    sort=["answered_at", "sent_at"],
)


@pytest.fixture(scope="module")
def filled(fieldstone_lender: Lender) -> Iterator[Database]:
    """Give a table that is large enough for an index to be the cheaper way."""
    lent = fieldstone_lender.templates("postgresql").lend(schema_of(METADATA))
    with lent as url, Database(url) as database:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [
            {
                "title": f"Title {number}",
                "sender": f"@{number % 500}",
                "sent_at": start + timedelta(minutes=number),
                "answered_at": start + timedelta(minutes=number) if number % 3 else None,
            }
            for number in range(ROWS)
        ]
        with database.transaction() as session:
            session.connection().execute(insert(Letter), rows)
        with database.transaction() as session:
            session.connection().execute(text("ANALYZE letter"))
        yield database


def explained(database: Database, statement: Any) -> str:
    """Explain the very statement that a read sends, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_rest: Any) -> None:
        sent.append((sql, parameters))

    with database.transaction(read_only=True) as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        fetch(session, statement, LetterRead)
        event.remove(connection, "before_cursor_execute", note)
        ((sql, parameters),) = sent
        return "\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).scalars())


@pytest.mark.parametrize(
    ("query", "index"),
    [
        # An index for patterns answers equality as cheaply, so the planner may take either.
        ("title=Title 77", "by_title(_pattern)?"),
        ("title__in=Title 77&title__in=Title 78", "by_title(_pattern)?"),
        ("sender=@7", "by_sender_sent"),
        ("sender=@7&sent_at__ge=2026-01-05T00:00:00Z&sent_at__lt=2026-01-06T00:00:00Z", "by_sender_sent"),
        ("answered_at__ge=2026-01-05T00:00:00Z&answered_at__lt=2026-01-05T01:00:00Z", "by_answered"),
        ("title__startswith=Title 77", "by_title_pattern"),
        ("title__istartswith=tItLe 1999", "by_lower_title"),
    ],
)
def test_a_filter_is_answered_from_an_index(filled: Database, query: str, index: str) -> None:
    found = explained(filled, letters.select(letters.selection(query)))
    assert re.search(rf"Index (Only )?Scan (using|on) {index}\b", found), found
    assert "Seq Scan" not in found


@pytest.mark.parametrize("query", ["sort=answered_at", "sort=-answered_at"])
def test_a_sort_is_read_in_the_order_of_an_index_nulls_included(filled: Database, query: str) -> None:
    found = explained(filled, letters.select(letters.selection(query)).limit(20))
    assert "using by_answered" in found
    assert "Sort" not in found
