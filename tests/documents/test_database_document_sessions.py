"""What the database document's blocks on queries, sessions and mistakes are for, done with Fieldstone.

Blocks B11, B14 to B17, B19, B20, B22 and B23, in the document's order; the numbers are those of
docs/from-the-documents.md, and P1 to P38 are the project's own list of patterns.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlmodel import Session, and_, col, or_, select

from fieldstone import (
    Database,
    InvalidValues,
    NotFound,
    NotLoaded,
    ReadOnlyTransaction,
    count,
    create,
    delete,
    exists,
    fetch,
    first,
    get,
    loading,
    one,
    page,
    patch,
    verb,
)
from fieldstone.testing import count_statements
from tests.documents.rows import store
from tests.documents.tasks import (
    METADATA,
    AuditLog,
    Notification,
    Project,
    Task,
    TaskCreate,
    TaskRead,
    TaskUpdate,
    TaskWithProject,
    Worker,
    WorkerRead,
)
from tests.faces import Face

# B11 Queries


@pytest.fixture
async def forty(empty: Face) -> Face:
    project = Project(name="Apollo", slug="apollo")
    rows = [
        Task(title=f"task {number:02}", status="pending" if number % 2 else "in_progress", project=project)
        for number in range(40)
    ]
    rows[0].title, rows[0].priority = "Example", "high"
    await store(empty, *rows)
    return empty


async def test_b11_p24_filters_all_of_them_or_any_of_them(forty: Face) -> None:
    both = select(Task).where(Task.status == "in_progress", Task.priority == "high")
    either = select(Task).where(or_(Task.status == "completed", and_(Task.status == "pending")))
    async with forty.transaction(read_only=True) as session:
        assert [task.title for task in await forty(fetch, session, both, TaskRead)] == ["Example"]
        assert len(await forty(fetch, session, either, TaskRead)) == 20
        assert len(await forty(fetch, session, select(Task), TaskRead)) == 40


async def test_b11_p24_order_and_offset_and_limit(forty: Face) -> None:
    statement = select(Task).order_by(col(Task.title).desc()).offset(20).limit(10)
    async with forty.transaction(read_only=True) as session:
        found = await forty(fetch, session, statement, TaskRead)
    assert [task.title for task in found] == [f"task {number:02}" for number in range(19, 9, -1)]


async def test_b11_p26_pages_over_an_order_with_ties_give_every_row_once(forty: Face) -> None:
    by_status = select(Task).order_by(col(Task.status))
    seen: list[int] = []
    async with forty.transaction(read_only=True) as session:
        for offset in range(0, 40, 8):
            found = await forty(page, session, by_status, TaskRead, size=8, offset=offset)
            seen += [task.id for task in found.items]
    assert sorted(seen) == list(range(1, 41))


async def test_b11_p24_one_by_its_key_and_the_first_match(forty: Face) -> None:
    async with forty.transaction(read_only=True) as session:
        example = await forty(first, session, select(Task).where(Task.title == "Example"), TaskRead)
        assert example is not None
        assert (await forty(get, session, Task, example.id, TaskRead)) == example
        assert await forty(first, session, select(Task).where(Task.title == "x"), TaskRead) is None
        with pytest.raises(NotFound, match="No Task with key 999"):
            await forty(get, session, Task, 999, TaskRead)


async def test_b11_p24_counting_counts_rows_of_the_statement_as_it_stands(forty: Face) -> None:
    async with forty.transaction(read_only=True) as session:
        assert await forty(count, session, select(Task)) == 40
        assert await forty(count, session, select(Task).where(Task.status == "pending")) == 20
        assert await forty(count, session, select(Task).limit(7)) == 7
        assert await forty(exists, session, select(Task).where(Task.title == "Example"))


async def test_b11_p25_a_join_filters_and_the_schema_loads(forty: Face) -> None:
    statement = select(Task).join(Project).where(Project.slug == "apollo").limit(5)
    async with forty.transaction(read_only=True) as session:
        with count_statements(forty.database) as sent:
            tasks = await forty(fetch, session, statement, TaskWithProject)
    assert {task.project.name for task in tasks if task.project} == {"Apollo"}
    assert (len(tasks), len(sent)) == (5, 1)


# B14, B15 One transaction for a unit of work; services flush and never commit


@verb
def record_action(session: Session, *, task_id: int, actor: WorkerRead) -> None:
    """Write who did it, in the transaction of whoever calls."""
    create(session, AuditLog, {"task_id": task_id, "actor_id": actor.id, "actor_type": actor.type})


@verb
def open_task(session: Session, data: TaskCreate, *, worker_id: str) -> TaskRead:
    """Create a task and log it, as one service that is written once for both faces."""
    actor = get(session, Worker, worker_id, WorkerRead)
    task = create(session, Task, data)
    assert task.id is not None
    record_action(session, task_id=task.id, actor=actor)
    return get(session, Task, task.id, TaskRead)


async def test_b14_p21_p22_a_service_reads_writes_and_logs_in_one_transaction(empty: Face) -> None:
    await store(empty, Worker(id="@ada", name="Ada", type="human"))
    async with empty.transaction() as session:
        task = await empty(open_task, session, TaskCreate(title="t"), worker_id="@ada")
    assert task.model_dump()["title"] == "t"
    async with empty.transaction(read_only=True) as session:
        entry = (await empty.exec(session, select(AuditLog))).one()
    assert (entry.task_id, entry.actor_id, entry.actor_type) == (task.id, "@ada", "human")


async def test_b15_p21_what_fails_later_takes_back_everything_before(empty: Face) -> None:
    await store(empty, Worker(id="@ada", name="Ada", type="human"))

    async def open_two() -> None:
        async with empty.transaction() as session:
            await empty(open_task, session, TaskCreate(title="t"), worker_id="@ada")
            await empty(open_task, session, TaskCreate(title="u"), worker_id="@nobody")

    with pytest.raises(NotFound, match="@nobody"):
        await open_two()
    async with empty.transaction(read_only=True) as session:
        assert await empty(count, session, select(Task)) == 0
        assert await empty(count, session, select(AuditLog)) == 0


async def test_b15_p21_verbs_flush_and_do_not_commit(empty: Face) -> None:
    async with empty.transaction() as session:
        task = await empty(create, session, Task, TaskCreate(title="t"))
        assert task.id is not None
        await empty.rollback(session)
    async with empty.transaction(read_only=True) as session:
        assert await empty(count, session, select(Task)) == 0


async def test_b15_p21_a_unit_that_only_reads_cannot_write(empty: Face) -> None:
    with pytest.raises(ReadOnlyTransaction, match="read-only"):
        async with empty.transaction(read_only=True) as session:
            await empty(create, session, Task, TaskCreate(title="t"))


# B16, B22, B23 Objects after commit


async def test_b16_b22_p22_nothing_needs_to_be_extracted_before_commit(empty: Face) -> None:
    async with empty.transaction() as session:
        worker = Worker(id="@ada", name="Ada", type="human")
        session.add(worker)
        await empty.commit(session)
        assert worker.name == "Ada"
    assert inspect(worker).detached
    assert (worker.name, worker.model_dump()["type"]) == ("Ada", "human")


async def test_b23_p22_a_log_line_after_commit_is_written(
    empty: Face, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with empty.transaction() as session:
        notification = await empty(create, session, Notification, {"user_id": "@ada"})
        await empty.commit(session)
        logging.getLogger("tasks").info("Notified %d for %s", notification.id, notification.user_id)
    assert caplog.messages == ["Notified 1 for @ada"]


async def test_b16_p22_a_relationship_that_was_not_loaded_raises_and_names_itself(empty: Face) -> None:
    await store(empty, Task(title="t"))
    async with empty.transaction() as session:
        task = (await empty.exec(session, select(Task).options(*loading(TaskRead, Task)))).one()
    with pytest.raises(Exception, match="project"):
        _ = task.project


# B17 Passing objects between functions


async def test_b17_p22_what_a_read_returns_can_be_passed_anywhere(empty: Face) -> None:
    await store(empty, Task(title="t", project=Project(name="Apollo", slug="apollo")))
    async with empty.transaction(read_only=True) as session:
        task = await empty(one, session, select(Task), TaskWithProject)
    with count_statements(empty.database) as sent:
        described = f"{task.title} of {task.project.name if task.project else 'none'}"
    assert (described, sent) == ("t of Apollo", [])


async def test_b17_p28_a_row_that_is_not_there_is_named_instead_of_none(empty: Face) -> None:
    async with empty.transaction() as session:
        for act, arguments in (
            (get, (TaskRead,)),
            (patch, (TaskUpdate.model_validate({"title": "x"}),)),
            (delete, ()),
        ):
            with pytest.raises(NotFound, match="No Task with key 999"):
                await empty(act, session, Task, 999, *arguments)


# B19, B20 The wrong session, the forgotten await


async def test_b19_p18_each_face_refuses_the_other_faces_block(empty: Face) -> None:
    db: Any = empty.database
    with pytest.raises(TypeError, match="asynchronous context manager"):
        async with db.transaction():
            pass
    with pytest.raises(TypeError, match="context manager"), db.async_transaction():
        pass


async def test_b19_a_verb_refuses_what_is_no_session(empty: Face) -> None:
    unfit: Any = empty.database
    with pytest.raises(TypeError, match=r"get needs a Session or an AsyncSession first, not Database"):
        get(unfit, Task, 1, TaskRead)


async def test_b20_p37_a_forgotten_await_cannot_pass_for_a_result(database: Database) -> None:
    """tests/typing shows that mypy and pyright refuse it; at run time it is a coroutine that warns."""
    await database.create_all_async(METADATA)
    async with database.async_transaction() as session:
        task: Any = get(session, Task, 1, TaskRead)
        with pytest.raises(AttributeError, match="coroutine"):
            _ = task.title
        task.close()


def test_b10_b16_errors_of_both_kinds_are_what_python_expects() -> None:
    assert issubclass(NotLoaded, AttributeError)
    assert issubclass(NotFound, LookupError)
    assert issubclass(InvalidValues, ValueError)
