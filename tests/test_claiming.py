"""A queue hands each row to one worker, whatever the others do; a locked row is read as it is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fieldstone import (
    InvalidValues,
    NotFound,
    PlanError,
    TransactionError,
    claim,
    claim_many,
    get_for_update,
)
from fieldstone.testing import count_statements
from tests.domain import (
    Assignment,
    AssignmentRead,
    Car,
    CarRead,
    Task,
    TaskRead,
    TaskUpdate,
    Worker,
)
from tests.faces import Face
from tests.stock import METADATA as STOCK
from tests.stock import Item

PENDING = select(Task).where(Task.status == "pending").order_by(col(Task.id))
TAKEN = {"status": "in_progress"}


async def statuses(face: Face) -> dict[int | None, str]:
    async with face.transaction(read_only=True) as session:
        return {task.id: task.status for task in await face.exec(session, select(Task))}


# One row after the other


async def test_a_claim_takes_the_first_row_and_changes_it(stored: Face) -> None:
    async with stored.transaction() as session:
        task = await stored(claim, session, PENDING, {**TAKEN, "author_id": "@grace"})
        assert (task.id, task.status, task.author_id) == (1, "in_progress", "@grace")
    assert task.updated_at > task.created_at
    assert (await statuses(stored))[1] == "in_progress"


async def test_claims_go_on_until_nothing_is_left(stored: Face) -> None:
    claimed = []
    async with stored.transaction() as session:
        while task := await stored(claim, session, PENDING, TAKEN):
            claimed.append(task.id)
    assert claimed == [1, 2, 4, 5]
    assert "pending" not in (await statuses(stored)).values()


async def test_a_claim_takes_two_statements_and_one_that_finds_nothing_one(stored: Face) -> None:
    async with stored.transaction() as session:
        with count_statements(stored.database) as statements:
            assert await stored(claim, session, PENDING, TAKEN)
        assert len(statements) == 2
        with count_statements(stored.database) as statements:
            assert await stored(claim, session, PENDING.where(col(Task.id) < 0), TAKEN) is None
            assert await stored(claim, session, PENDING.where(col(Task.id) < 0), TAKEN, into=TaskRead) is None
        assert len(statements) == 2


async def test_a_claim_into_a_schema_takes_the_statements_of_its_plan_as_well(stored: Face) -> None:
    async with stored.transaction() as session:
        with count_statements(stored.database) as statements:
            task = await stored(claim, session, PENDING, TAKEN, into=TaskRead)
    assert len(statements) == 2 + 2
    assert isinstance(task, TaskRead)
    assert (task.status, [one.worker.name for one in task.assignments]) == ("in_progress", ["Ada", "Claude"])


async def test_a_batch_is_claimed_in_the_order_of_the_select(stored: Face) -> None:
    last_first = PENDING.order_by(None).order_by(col(Task.id).desc())
    async with stored.transaction() as session:
        with count_statements(stored.database) as statements:
            shown = await stored(claim_many, session, last_first, TAKEN, limit=3, into=TaskRead)
        assert len(statements) == 2 + 2
        rest = await stored(claim_many, session, last_first, TAKEN, limit=3)
    assert [task.id for task in shown] == [5, 4, 2]
    assert [type(task) for task in rest] == [Task]
    assert rest[0].id == 1


async def test_a_select_that_joins_claims_each_row_once(stored: Face) -> None:
    assigned = PENDING.join(Assignment).where(col(Assignment.worker_id).in_(["@ada", "@claude-code"]))
    async with stored.transaction() as session:
        claimed = await stored(claim_many, session, assigned, TAKEN, limit=10)
    assert [task.id for task in claimed] == [1, 2]


async def test_a_composite_key_is_claimed_into_a_schema(stored: Face) -> None:
    last_first = select(Assignment).order_by(col(Assignment.worker_id).desc(), col(Assignment.task_id))
    async with stored.transaction() as session:
        found = await stored(claim_many, session, last_first, {"role": "owner"}, limit=3, into=AssignmentRead)
    assert [(one.role, one.worker.name) for one in found] == [
        ("owner", "Claude"),
        ("owner", "Claude"),
        ("owner", "Ada"),
    ]


async def test_only_what_a_partial_schema_sends_is_set(stored: Face) -> None:
    async with stored.transaction() as session:
        task = await stored(claim, session, PENDING, TaskUpdate.model_validate(TAKEN))
    assert (task.title, task.status) == ("Root", "in_progress")


async def test_a_version_counts_a_claim(face: Face) -> None:
    await face.create_all(STOCK)
    async with face.transaction() as session:
        session.add_all([Item(code="a"), Item(code="b")])
    async with face.transaction() as session:
        items = select(Item).order_by(Item.code)
        with count_statements(face.database) as statements:
            claimed = await face(claim_many, session, items, {"amount": 1}, limit=2)
        assert len(statements) == 1 + 2  # SQLAlchemy checks the version of each row by its own UPDATE
        assert [(item.code, item.version) for item in claimed] == [("a", 2), ("b", 2)]


async def test_an_alias_and_a_subclass_can_be_claimed(stored: Face) -> None:
    task = aliased(Task)
    below = select(task).join(Task, col(task.parent_id) == Task.id).order_by(col(task.id))
    async with stored.transaction() as session:
        session.add(Car(id=1, doors=3))
    async with stored.transaction() as session:
        assert (await stored(claim, session, below, TAKEN)).id == 2
        car = await stored(claim, session, select(Car), {"doors": 5, "wheels": 3}, into=CarRead)
        assert (car.doors, car.wheels) == (5, 3)


async def test_without_values_a_row_is_only_locked(stored: Face) -> None:
    async with stored.transaction() as session:
        with count_statements(stored.database) as statements:
            task = await stored(claim, session, PENDING, {})
        assert (task.id, task.status, len(statements)) == (1, "pending", 1)


# Refusals


async def test_a_bad_value_is_refused_and_nothing_is_claimed(stored: Face) -> None:
    with pytest.raises(InvalidValues, match="Task refuses status"):
        async with stored.transaction() as session:
            await stored(claim, session, PENDING, {"status": "lost"})
    with pytest.raises(InvalidValues, match="colour: is not a field of Task"):
        async with stored.transaction() as session:
            await stored(claim, session, PENDING, {"colour": "red"})
    assert list((await statuses(stored)).values()).count("pending") == 4


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (select(Task.id), "A claim takes an ordinary select(Task), and nothing beside it."),
        (select(Task, Worker), "A claim takes an ordinary select(Task), and nothing beside it."),
        (PENDING.limit(1), "A claim locks rows of Task, and this select gives groups or a slice of them."),
        (PENDING.offset(1), "A claim locks rows of Task, and this select gives groups or a slice of them."),
        (PENDING.distinct(), "A claim locks rows of Task, and this select gives groups or a slice of them."),
        (select(Task).group_by(col(Task.id)), "A claim locks rows of Task, and this select gives groups"),
    ],
)
async def test_what_cannot_be_locked_row_by_row_is_refused(
    stored: Face, statement: Any, message: str
) -> None:
    async with stored.transaction() as session:
        with pytest.raises(PlanError) as refused:
            await stored(claim, session, statement, TAKEN)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("limit", [0, -1, 1_001])
async def test_the_size_of_a_batch_is_bounded(stored: Face, limit: int) -> None:
    async with stored.transaction() as session:
        with pytest.raises(InvalidValues, match="A claim refuses limit: must be from 1 to 1000"):
            await stored(claim_many, session, PENDING, TAKEN, limit=limit)


# Workers that die


async def test_what_a_worker_claimed_is_back_when_its_transaction_fails(stored: Face) -> None:
    with pytest.raises(ZeroDivisionError):
        async with stored.transaction() as session:
            task = await stored(claim, session, PENDING, TAKEN)
            raise ZeroDivisionError(task.id)
    async with stored.transaction() as session:
        assert (await stored(claim, session, PENDING, TAKEN)).id == 1


async def test_what_a_killed_connection_had_claimed_is_back(stored: Face) -> None:
    if stored.dialect == "sqlite":
        pytest.skip("SQLite has no connection that another could end")
    ended = text(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND state = 'idle in transaction'"
    )
    with pytest.raises(TransactionError):
        async with stored.transaction() as session:
            assert (await stored(claim, session, PENDING, TAKEN)).id == 1
            with stored.database.engine.connect() as other:
                assert other.scalar(ended) == 1
    async with stored.transaction() as session:
        assert (await stored(claim, session, PENDING, TAKEN)).id == 1


async def test_a_claimed_row_is_passed_over_and_not_waited_for(stored: Face) -> None:
    if stored.dialect == "sqlite":
        pytest.skip("SQLite lets one writer in at a time")
    async with stored.transaction() as first, stored.transaction() as second:
        assert (await stored(claim, first, PENDING, TAKEN)).id == 1
        assert (await stored(claim, second, PENDING, TAKEN)).id == 2


async def test_a_row_that_others_are_just_pointing_to_can_be_claimed(stored: Face) -> None:
    if stored.dialect == "sqlite":
        pytest.skip("SQLite lets one writer in at a time")
    async with stored.transaction() as first, stored.transaction() as second:
        first.add(Assignment(task_id=1, worker_id="@grace"))
        await stored.flush(first)
        assert (await stored(claim, second, PENDING, TAKEN)).id == 1


# Read, modify, write


async def test_a_row_is_locked_and_read_afresh_by_one_statement(stored: Face) -> None:
    async with stored.transaction() as session:
        held = (await stored.exec(session, select(Task).where(Task.id == 1))).one()
        behind = text("UPDATE task SET progress_percent = 40 WHERE id = 1")
        await stored.run(session, lambda s: s.connection().execute(behind))
        with count_statements(stored.database) as statements:
            task = await stored(get_for_update, session, Task, "1")
        assert task is held
        assert (task.progress_percent, len(statements)) == (40, 1)


async def test_what_was_changed_before_the_lock_is_kept(stored: Face) -> None:
    async with stored.transaction() as session:
        task = await stored(get_for_update, session, Task, 1)
        task.title = "Renamed"
        again = await stored(get_for_update, session, Task, 1)
        assert again.title == "Renamed"
        again.title = "Renamed twice"
        assert await stored(claim, session, PENDING, TAKEN) is again
        assert again.title == "Renamed twice"


async def test_an_inherited_row_is_locked_in_both_tables(stored: Face) -> None:
    async with stored.transaction() as session:
        session.add(Car(id=1, doors=3))
    async with stored.transaction() as session:
        car = await stored(get_for_update, session, Car, 1)
        assert (car.doors, car.wheels) == (3, 4)


async def test_a_missing_row_and_a_bad_key_are_named(stored: Face) -> None:
    async with stored.transaction() as session:
        with pytest.raises(NotFound, match="No Task with key 99 was found"):
            await stored(get_for_update, session, Task, 99)
        with pytest.raises(InvalidValues, match="The key of Task refuses id"):
            await stored(get_for_update, session, Task, "one")
