"""What the database document's blocks on models and input are for, done with Fieldstone.

Blocks B2, B10, B18, B24 and B25, in the document's order; the numbers are those of
docs/from-the-documents.md, and P1 to P38 are the project's own list of patterns.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import registry
from sqlmodel import select

from fieldstone import (
    AssumedUtc,
    Field,
    InvalidValues,
    Model,
    ModelError,
    PlanError,
    Resource,
    SchemaError,
    create,
    first,
    get,
    one,
    patch,
)
from tests.documents.rows import store
from tests.documents.tasks import (
    Task,
    TaskCreate,
    TaskRead,
    TaskUpdate,
    task_resource,
)
from tests.faces import Face

# B2 Base, table, Create, Update and Read


async def test_b2_p1_a_task_goes_from_its_create_schema_to_its_read_schema(empty: Face) -> None:
    async with empty.transaction() as session:
        task = await empty(create, session, Task, TaskCreate(title="Write", priority="high"))
        read = await empty(get, session, Task, task.id, TaskRead)
    assert (read.title, read.status, read.priority, read.progress_percent) == ("Write", "pending", "high", 0)
    assert read.id == task.id


def test_b2_p1_the_schemas_of_the_document_fit_their_table() -> None:
    assert task_resource().plan.budget == 1


@pytest.mark.parametrize(
    ("wrong", "about"),
    [
        ({"status": "nonsense"}, "status"),
        ({"priority": "urgent"}, "priority"),
        ({"progress_percent": 101}, "progress_percent"),
        ({"progress_percent": -1}, "progress_percent"),
        ({"title": "x" * 201}, "title"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_b2_p4_table_and_schemas_refuse_the_same_values(wrong: dict[str, Any], about: str) -> None:
    with pytest.raises(InvalidValues, match=about):
        Task(**{"title": "t", **wrong})
    for schema in (TaskCreate, TaskUpdate):
        with pytest.raises(ValueError, match=about):
            schema.model_validate({"title": "t", **wrong})


def test_b2_p4_a_refused_assignment_is_not_kept() -> None:
    task = Task(title="t")
    with pytest.raises(InvalidValues, match="progress_percent"):
        task.progress_percent = 900
    assert task.progress_percent == 0


async def test_b2_p2_p3_the_database_itself_refuses_them(empty: Face) -> None:
    await store(empty, Task(title="t"))

    async def write(assignment: str) -> None:
        async with empty.transaction() as session:
            await empty.exec(session, text(f"UPDATE task SET {assignment}"))

    for assignment, told in (
        ("status = 'bad'", "status"),
        ("priority = 'bad'", "priority"),
        ("progress_percent = 900", "progress_percent"),
        (f"title = '{'x' * 201}'", "title|longer than the column allows"),  # PostgreSQL names no column here
    ):
        with pytest.raises(InvalidValues, match=told):
            await write(assignment)
    async with empty.transaction(read_only=True) as session:
        assert (await empty(one, session, select(Task), TaskRead)).title == "t"


async def test_b2_p7_updated_at_changes_with_every_update(empty: Face) -> None:
    async with empty.transaction() as session:
        task = await empty(create, session, Task, TaskCreate(title="t"))
    made, first_change = task.created_at, task.updated_at
    await asyncio.sleep(0.002)
    async with empty.transaction() as session:
        changed = await empty(patch, session, Task, task.id, TaskUpdate.model_validate({"title": "u"}))
        assert changed.updated_at > first_change
    await asyncio.sleep(0.002)
    async with empty.transaction() as session:
        await empty.exec(session, update(Task).values(title="v"))
    async with empty.transaction(read_only=True) as session:
        read = await empty(get, session, Task, task.id, TaskRead)
    assert read.updated_at > changed.updated_at
    assert read.created_at == made


async def test_b2_p7_times_come_back_in_utc(empty: Face) -> None:
    async with empty.transaction() as session:
        await empty(create, session, Task, TaskCreate(title="t"))
        read = await empty(one, session, select(Task), TaskRead)
    assert read.created_at.tzinfo is read.updated_at.tzinfo is UTC


def test_b2_p1_a_read_field_without_counterpart_is_refused_before_anything_runs() -> None:
    class TaskRead(Model):
        id: int
        progress: int

    with pytest.raises((PlanError, SchemaError), match="progress_percent"):
        Resource(Task, read=TaskRead)


def test_b2_p7_a_default_without_an_offset_is_refused_where_the_object_is_made() -> None:
    class Apart(Model, registry=registry()):
        pass

    class Note(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        made: datetime = Field(default_factory=datetime.now)

    with pytest.raises(InvalidValues, match="Note refuses made: Input should have a UTC offset"):
        Note()


# B10 Partial update


async def test_b10_p5_what_was_not_sent_stays_and_null_is_stored_where_it_may_be(empty: Face) -> None:
    task = Task(title="t", description="d", priority="low")
    await store(empty, task)
    for sent, expected in (
        ({}, ("t", "d", "low")),
        ({"priority": "high"}, ("t", "d", "high")),
        ({"description": None}, ("t", None, "high")),
    ):
        async with empty.transaction() as session:
            changed = await empty(patch, session, Task, task.id, TaskUpdate.model_validate(sent))
            assert (changed.title, changed.description, changed.priority) == expected


async def test_b10_p5_garbage_and_null_are_refused_also_as_a_plain_mapping(empty: Face) -> None:
    task = Task(title="t")
    await store(empty, task)

    async def change(sent: dict[str, Any]) -> None:
        async with empty.transaction() as session:
            await empty(patch, session, Task, task.id, sent)

    for name, value in (("title", None), ("status", "bad"), ("titel", "x"), ("progress_percent", 101)):
        with pytest.raises(ValueError, match=name):
            TaskUpdate.model_validate({name: value})
        with pytest.raises(InvalidValues, match=name):
            await change({name: value})
    async with empty.transaction(read_only=True) as session:
        read = await empty(get, session, Task, task.id, TaskRead)
    assert (read.title, read.status) == ("t", "pending")


# B18 A class without table=True


def test_b18_p37_a_class_that_is_no_table_is_refused_with_the_word_that_is_missing() -> None:
    class Plain(Model):
        id: int

    class PlainRead(Model):
        id: int

    with pytest.raises(Exception, match="table=True"):
        Resource(Plain, read=PlainRead)


def test_b18_p37_a_table_without_a_key_is_refused_and_told_what_to_write() -> None:
    class Apart(Model, registry=registry()):
        pass

    with pytest.raises(ModelError, match="primary_key"):

        class Keyless(Apart, table=True):
            id: int


# B24 Zero for an optional foreign key


@pytest.mark.parametrize("schema", [TaskCreate, TaskUpdate])
def test_b24_p9_zero_means_none_in_every_schema(schema: Any) -> None:
    read = schema.model_validate({"title": "t", "project_id": 0, "parent_id": "0"})
    assert (read.project_id, read.parent_id) == (None, None)
    assert schema.model_validate({"title": "t", "project_id": 7}).project_id == 7


async def test_b24_p9_zero_means_none_on_the_table_and_in_assignments(empty: Face) -> None:
    task = Task(title="t", project_id=0)
    assert task.project_id is None
    task.parent_id = 0
    assert task.model_dump()["parent_id"] is None
    await store(empty, task)


# B25 Time zones


async def test_b25_p10_any_offset_is_stored_as_utc_and_comes_back_as_utc(empty: Face) -> None:
    noon = datetime(2026, 5, 1, 10, tzinfo=UTC)
    sent = TaskCreate.model_validate({"title": "t", "due_date": "2026-05-01T12:00:00+02:00"})
    async with empty.transaction() as session:
        await empty(create, session, Task, sent)
    async with empty.transaction(read_only=True) as session:
        read = await empty(first, session, select(Task).where(Task.due_date == noon), TaskRead)
    assert read is not None
    assert read.due_date == noon
    assert read.due_date.tzinfo is UTC
    assert read.model_dump(mode="json")["due_date"] == "2026-05-01T10:00:00Z"


def test_b25_p7_a_time_without_an_offset_is_refused_with_an_example() -> None:
    for refused in (TaskCreate, Task):
        with pytest.raises(ValueError, match=r"UTC offset.*Z"):
            refused(title="t", due_date=datetime(2026, 5, 1, 12))  # noqa: DTZ001  # the mistake under test


def test_b25_p7_a_field_may_say_that_such_a_time_is_utc() -> None:
    class Import(Model):
        due_date: AssumedUtc

    east = timezone(timedelta(hours=2))
    assert Import(due_date=datetime(2026, 5, 1, 12)).due_date == datetime(2026, 5, 1, 12, tzinfo=UTC)  # noqa: DTZ001
    assert Import(due_date=datetime(2026, 5, 1, 12, tzinfo=east)).due_date.hour == 10
