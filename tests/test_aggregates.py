"""Group-by reads become schema objects, in one statement, when labels and fields agree."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import literal, text
from sqlmodel import col, func, select

from fieldstone import Model, PlanError, aggregate
from fieldstone.testing import count_statements
from tests.domain import Assignment, Task, Worker
from tests.faces import Face


class TaskStats(Model):
    status: str
    count: int
    progress: float


class Workload(Model):
    name: str
    tasks: int


class Counted(Model):
    count: int


STATS = select(
    Task.status, func.count().label("count"), func.avg(Task.progress_percent).label("progress")
).group_by(Task.status)


async def test_groups_become_objects_in_one_statement(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            found = await stored(aggregate, session, STATS.order_by(Task.status), TaskStats)
    assert found == [
        TaskStats(status="completed", count=1, progress=0.0),
        TaskStats(status="pending", count=4, progress=0.0),
    ]
    assert all(type(one.progress) is float for one in found)
    assert len(statements) == 1


async def test_joins_and_filters_stay_as_written(stored: Face) -> None:
    statement = (
        select(Worker.name, func.count(col(Assignment.task_id)).label("tasks"))
        .join(Assignment, isouter=True)
        .group_by(Worker.name)
        .order_by(Worker.name)
    )
    async with stored.transaction(read_only=True) as session:
        found = await stored(aggregate, session, statement, Workload)
    assert [(one.name, one.tasks) for one in found] == [("Ada", 1), ("Claude", 2), ("Grace", 0)]


async def test_a_row_that_breaks_the_schema_is_given_as_stored(
    stored: Face, caplog: pytest.LogCaptureFixture
) -> None:
    statement = select(literal("ten").label("count"))
    async with stored.transaction(read_only=True) as session:
        (found,) = await stored(aggregate, session, statement, Counted)
    assert found.count == "ten"
    assert "An aggregated row does not fit Counted and is given as stored: count:" in caplog.text
    assert "ten" not in caplog.text


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        (select(Task.status, func.count().label("count")), "status, count"),
        (select(Task.status, func.count(), func.avg(Task.progress_percent)), "status, count, avg"),
        (select(Task.status, col(Task.id) / 2, func.count()), r"status, \(no label\), count"),
        (select(Task.status, col(Task.title).label("status"), func.count()), "status, status_1, count"),
    ],
)
async def test_labels_and_fields_that_differ_are_refused_with_both(
    stored: Face, statement: Any, columns: str
) -> None:
    async with stored.transaction() as session:
        with pytest.raises(PlanError, match=f"The columns: {columns}; the fields: status, count, progress"):
            await stored(aggregate, session, statement, TaskStats)


async def test_a_whole_model_is_refused(stored: Face) -> None:
    async with stored.transaction() as session:
        with pytest.raises(PlanError, match="takes columns, and Task is a whole model"):
            await stored(aggregate, session, select(Task), TaskStats)


async def test_what_is_no_select_is_refused(stored: Face) -> None:
    async with stored.transaction() as session:
        with pytest.raises(PlanError, match=r"takes a select of labelled columns, not TextClause\. Write"):
            await stored(aggregate, session, text("SELECT 1"), TaskStats)
