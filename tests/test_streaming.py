"""Streams give what fetch gives, in bounded memory, and leave no cursor behind."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, closing
from typing import Any

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.orm import aliased, registry
from sqlmodel import Session, col, select

from fieldstone import (
    Database,
    Field,
    Model,
    PlanError,
    SchemaError,
    TransactionError,
    create,
    fetch,
    stream,
    verb,
)
from fieldstone.testing import count_statements
from tests.domain import (
    AssignmentRead,
    Project,
    ProjectFull,
    Task,
    TaskFull,
    TaskRead,
    TaskTree,
    Worker,
    WorkerRead,
)
from tests.faces import AnySession, Face

TASKS = select(Task).order_by(col(Task.id))

NOTES = MetaData()
MANY = 100_000
WATCHED = MANY * 3 // 10  # what reads everything ahead, or keeps what it gave, shows by then


class NoteModel(Model, registry=registry(metadata=NOTES)):
    """Keep this table apart from those of other test modules."""


class Note(NoteModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    body: str


class NoteRead(Model):
    id: int
    body: str


async def each(session: AnySession, statement: Any, schema: Any, **options: Any) -> AsyncGenerator[Any, None]:
    """Read a stream of either face."""
    found: Any = stream(session, statement, schema, **options)
    if isinstance(found, AsyncGenerator):
        async with aclosing(found):
            async for one in found:
                yield one
    else:
        with closing(found):
            for one in found:
                yield one


def step(session: AnySession, statement: Any, schema: Any, **options: Any) -> Callable[[], Awaitable[Any]]:
    """Open a stream that the test itself holds and steps through."""
    found: Any = stream(session, statement, schema, **options)

    async def following() -> Any:
        return await anext(found) if isinstance(found, AsyncGenerator) else next(found)

    return following


@pytest.mark.parametrize("schema", [TaskRead, TaskFull, TaskTree])
@pytest.mark.parametrize("batch", [1, 2, 500])
async def test_a_stream_gives_what_fetch_gives(stored: Face, schema: Any, batch: int) -> None:
    async with stored.transaction(read_only=True) as session:
        fetched = await stored(fetch, session, TASKS, schema)
        assert [one async for one in each(session, TASKS, schema, batch=batch)] == fetched


async def test_a_stream_takes_a_statement_and_one_for_each_batch_and_collection(stored: Face) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction(read_only=True) as session:
            found = [one.id async for one in each(session, TASKS, TaskRead, batch=2)]
    assert found == [1, 2, 3, 4, 5]
    assert len(statements) == 1 + 1 * 3


async def test_filters_joins_aliases_and_limits_stay_as_written(stored: Face) -> None:
    task = aliased(Task)
    statement = (
        select(task).join(Worker, col(task.author_id) == Worker.id).order_by(col(task.id).desc()).limit(1)
    )
    async with stored.transaction(read_only=True) as session:
        assert [one.title async for one in each(session, statement, TaskRead)] == ["Left"]


async def test_a_stream_of_nothing_ends_at_once(stored: Face) -> None:
    none = select(Task).where(col(Task.id) < 0)
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            assert [one async for one in each(session, none, TaskRead)] == []
    assert len(statements) == 1


async def test_other_verbs_run_while_a_stream_is_open(stored: Face) -> None:
    async with stored.transaction() as session:
        async for worker in each(session, select(Worker).order_by(Worker.id), WorkerRead, batch=1):
            data = {"id": 90 + len(worker.name), "title": f"For {worker.name}", "author_id": worker.id}
            await stored(create, session, Task, data)
    async with stored.transaction() as session:
        titles = [one.title async for one in each(session, TASKS, TaskRead)]
    assert titles[5:] == ["For Ada", "For Grace", "For Claude"]


@verb
def titles(session: Session) -> list[str]:
    return [task.title for task in stream(session, TASKS, TaskRead, batch=2)]


async def test_a_verb_may_read_a_stream_for_either_face(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        assert await stored(titles, session) == ["Root", "Left", "Right", "Leaf", "Lone"]


async def test_two_streams_may_be_open_at_once(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        first = step(session, TASKS, TaskRead, batch=1)
        second = step(session, TASKS, TaskRead, batch=2)
        found = [(await first()).id, (await second()).id, (await first()).id, (await second()).id]
    assert found == [1, 1, 2, 2]


async def test_what_no_plan_is_made_for_is_refused_before_the_first_step(stored: Face) -> None:
    async with stored.transaction() as session:
        with pytest.raises(PlanError, match="takes an ordinary select"):
            stream(session, select(Task, Worker), TaskRead)
        with pytest.raises(SchemaError, match="Task"):
            stream(session, select(Task), AssignmentRead)
        with pytest.raises(ValueError, match="A batch of 0 rows never ends"):
            stream(session, select(Task), TaskRead, batch=0)


def test_what_is_no_session_is_refused() -> None:
    with pytest.raises(TypeError, match="stream needs a Session or an AsyncSession first, not str"):
        stream("session", select(Task), TaskRead)  # type: ignore[call-overload]  # the point of this test


async def test_a_stream_that_outlives_its_transaction_says_so(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        following = step(session, TASKS, TaskRead, batch=1)
        assert (await following()).id == 1
    with pytest.raises(TransactionError, match="not read to its end before its transaction ended"):
        await following()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_an_abandoned_stream_does_not_hold_the_connection_back(stored: Face, ending: str) -> None:
    """On SQLite the open cursor would keep an old snapshot, and the next writer would be refused."""
    url = str(stored.database.url) if stored.dialect == "sqlite" else None
    async with Database(url, pool_size=1, max_overflow=0) if url else stored.database as database:
        face = Face(database, stored.is_async)
        async with face.transaction() as session:
            following = step(session, TASKS, TaskRead, batch=1)
            await following()
            await (face.commit if ending == "commit" else face.rollback)(session)
        async with stored.transaction() as session:
            await stored(create, session, Task, {"id": 98, "title": "Meanwhile"})
        async with face.transaction() as session:
            await face(create, session, Task, {"id": 99, "title": "After"})
            assert len(await face(fetch, session, TASKS, TaskRead)) == 7
    with pytest.raises(TransactionError):
        await following()


async def test_leaving_a_loop_early_leaves_the_session_usable(stored: Face) -> None:
    async with stored.transaction() as session:
        async for one in each(session, TASKS, TaskRead, batch=1):
            assert one.id == 1
            break
        assert len(await stored(fetch, session, select(Worker), WorkerRead)) == 3


async def test_rows_come_through_a_cursor_of_the_server(stored: Face) -> None:
    if stored.dialect == "sqlite":
        pytest.skip("SQLite's cursors are all of that kind")
    opened = text(
        "SELECT count(*) FROM pg_cursors WHERE statement LIKE '%task%' AND statement NOT LIKE '%pg_%'"
    )

    async def cursors(session: Any) -> int:
        return int((await stored.run(session, lambda s: s.connection().scalar(opened))) or 0)

    async with stored.transaction(read_only=True) as session:
        items = each(session, TASKS, TaskRead, batch=1)
        await anext(items)
        assert await cursors(session) == 1
        await items.aclose()
        # asyncpg leaves closing to the end of the transaction
        assert await cursors(session) == (1 if stored.is_async else 0)


async def test_a_stream_that_nobody_closes_is_closed_with_its_transaction(stored: Face) -> None:
    for _ in range(20):  # the collector closes an asynchronous generator whenever the loop lets it
        with pytest.raises(ZeroDivisionError):
            async with stored.transaction() as session:
                found: Any = stream(session, TASKS, TaskRead, batch=1)
                if isinstance(found, AsyncGenerator):
                    async for one in found:
                        raise ZeroDivisionError(one.id)
                    raise AssertionError("no row came")
                for one in found:
                    raise ZeroDivisionError(one.id)
    async with stored.transaction() as session:
        for _ in range(20):
            found = stream(session, TASKS, TaskRead, batch=1)
            assert (await anext(found) if isinstance(found, AsyncGenerator) else next(found)).id == 1
    async with stored.transaction() as session:
        assert len(await stored(fetch, session, TASKS, TaskRead)) == 5


async def test_an_error_among_the_rows_ends_the_stream_and_the_transaction_goes_back(stored: Face) -> None:
    with pytest.raises(ZeroDivisionError):
        async with stored.transaction() as session:
            async for one in each(session, TASKS, TaskRead, batch=1):
                raise ZeroDivisionError(one.id)
    async with stored.transaction() as session:
        assert len(await stored(fetch, session, TASKS, TaskRead)) == 5


async def test_a_hundred_thousand_rows_take_the_memory_of_a_batch(face: Face) -> None:
    await face.create_all(NOTES)
    fill = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
        " INSERT INTO note (id, body) SELECT i, 'note ' || i FROM n"
    )
    async with face.transaction() as session:
        await face.run(session, lambda s: s.connection().execute(fill, {"many": MANY}))
    every = select(Note).order_by(col(Note.id))
    async with face.transaction(read_only=True) as session:
        tracemalloc.start()
        try:
            held = len(await face(fetch, session, every.limit(MANY // 10), NoteRead))
            fetched = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            streamed, peak = 0, fetched
            async for one in each(session, every, NoteRead):
                streamed += 1
                assert one.id == streamed
                if streamed == WATCHED:
                    peak = tracemalloc.get_traced_memory()[1]
                    tracemalloc.stop()
        finally:
            tracemalloc.stop()
    assert (held, streamed) == (MANY // 10, MANY)
    assert peak < fetched / 3  # of a tenth of the rows: a thirtieth of what fetching them all takes


async def test_a_nested_collection_is_read_batch_by_batch(stored: Face) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction(read_only=True) as session:
            projects = select(Project).order_by(col(Project.id))
            found = [one async for one in each(session, projects, ProjectFull, batch=1)]
            assert found == await stored(fetch, session, projects, ProjectFull)
    # of the second project no task has an assignment, which still takes its statement
    assert len(statements) == (1 + 2 * 2) + 3
