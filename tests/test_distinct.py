"""DISTINCT rows in an order: the same on both databases, or refused with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fieldstone import PlanError, fetch, first, page, seek
from fieldstone.testing import count_statements
from tests.domain import Assignment, Car, CarRead, Project, SubtaskRead, Task, Vehicle
from tests.faces import Face

T: Any = Task
P: Any = Project
A: Any = Assignment
OTHER: Any = aliased(Task)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (select(Task).join(Assignment).distinct().order_by(T.author_id.desc(), T.id), [2, 1]),
        (select(Task).distinct().order_by(T.status, T.title.desc()), [3, 1, 5, 2, 4]),
        (select(OTHER).distinct().order_by(OTHER.progress_percent, OTHER.id), [1, 2, 3, 4, 5]),
        (select(Task).join(Assignment).distinct(), [1, 2]),
    ],
)
async def test_distinct_rows_are_ordered_by_columns_that_no_schema_shows(
    stored: Face, statement: Any, expected: list[int]
) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            fetched = await stored(fetch, session, statement, SubtaskRead)
        paged = await stored(page, session, statement, SubtaskRead)
        one = await stored(first, session, statement, SubtaskRead)
        sought = await stored(seek, session, statement, SubtaskRead)
    found = [row.id for row in fetched]
    assert (found if statement._order_by_clauses else sorted(found)) == expected
    assert [row.id for row in paged.items] == [row.id for row in sought.items] == expected
    assert one.id == found[0]
    assert len(statements) == 1


async def test_columns_of_both_tables_of_an_inherited_model_may_order_it(stored: Face) -> None:
    async with stored.transaction() as session:
        session.add_all([Car(wheels=3, doors=2), Car(wheels=4, doors=1)])
        await stored.flush(session)
        statement = select(Car).distinct().order_by(col(Car.doors), col(Vehicle.kind))
        found = await stored(fetch, session, statement, CarRead)
    assert [row.doors for row in found] == [1, 2]


@pytest.mark.parametrize(
    ("order", "named"), [(P.name, "project.name"), (func.lower(T.title), r"lower\(task.title\)")]
)
async def test_distinct_rows_ordered_by_anything_else_are_refused(
    stored: Face, order: Any, named: str
) -> None:
    statement = select(Task).join(Project).distinct().order_by(order)
    message = rf"A DISTINCT select of Task cannot be ordered by '{named}', which is no column of Task\. Order"
    async with stored.transaction(read_only=True) as session:
        for verb in (fetch, first, page):
            with count_statements(stored.database) as statements, pytest.raises(PlanError, match=message):
                await stored(verb, session, statement, SubtaskRead)
            assert statements == []


async def test_a_keyset_page_of_distinct_rows_is_ordered_by_what_it_joins_one_of(stored: Face) -> None:
    statement = select(Task).join(Project).join(Assignment).distinct().order_by(P.name)
    async with stored.transaction(read_only=True) as session:
        found = await stored(seek, session, statement, SubtaskRead)
    assert [row.id for row in found.items] == [1, 2]
