"""Every verb that reads gives the same on `db.autocommit` as in a session, and does so without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Engine, Sequence, event, func, literal_column, text
from sqlalchemy.orm import Session as AnySession
from sqlmodel import col, select

from fieldstone import (
    AsyncAutocommit,
    Autocommit,
    Database,
    DesignError,
    ReadOnlyTransaction,
    Unavailable,
    count,
    delete,
    exists,
    fetch,
    first,
    get,
    including_deleted,
    json,
    json_get,
    json_page,
    json_seek,
    one,
    one_or_none,
    page,
    plan,
    seek,
)
from fieldstone.database import talking
from fieldstone.reading import get_versioned, json_get_versioned
from fieldstone.testing import count_statements
from tests import archive, domain
from tests.archive import Board, BoardFull, Card, CardFull
from tests.conftest import FreshUrl
from tests.domain import (
    Assignment,
    AssignmentRead,
    Car,
    CarRead,
    Project,
    ProjectFull,
    ProjectRead,
    SubtaskRead,
    Task,
    TaskFull,
    TaskTree,
    Worker,
    WorkerRead,
)
from tests.faces import Face

T: Any = Task
ALL = select(Task).order_by(col(Task.id))
NONE = select(Task).where(col(Task.id) < 0)


class Sessionless:
    """A database whose verbs must do without a session: there is none to give way to."""

    def __init__(self, database: Database) -> None:
        self.directly = database.directly
        self.directly_async = database.directly_async

    def transaction(self, *, read_only: bool = False) -> Any:
        raise AssertionError("the verb gave way")

    async_transaction = transaction


def directly(face: Face) -> Any:
    """Give what verbs are called on that must not give way to a session."""
    made: Any = AsyncAutocommit if face.is_async else Autocommit
    return made(Sessionless(face.database))


Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def call(verb: Callable[..., Any], *arguments: Any, **options: Any) -> Call:
    return verb, arguments, options


READS: dict[str, Call] = {
    "get": call(get, Task, "1", TaskFull),
    "get of nothing": call(get, Task, 4711, TaskFull),
    "get of a wrong key": call(get, Task, "abc", TaskFull),
    "get of a part of a key": call(get, Assignment, 1, AssignmentRead),
    "get by two": call(get, Assignment, (1, "@ada"), AssignmentRead),
    "get with an inheritance": call(get, Car, 1, CarRead),
    "get_versioned": call(get_versioned, Task, 1, SubtaskRead),
    "fetch": call(fetch, ALL, TaskFull),
    "fetch of a schema in itself": call(fetch, ALL, TaskTree),
    "fetch of collections in collections": call(
        fetch, select(Project).order_by(col(Project.id)), ProjectFull
    ),
    "fetch of nothing": call(fetch, NONE, TaskFull),
    "fetch with a list": call(fetch, ALL.where(col(Task.id).in_([1, 3, 99])), TaskFull),
    "fetch with a subquery": call(
        fetch, ALL.where(col(Task.id).in_(select(col(Assignment.task_id)))), domain.TaskRead
    ),
    "fetch with a function": call(fetch, ALL.where(func.lower(T.title) == "left"), SubtaskRead),
    "fetch with a percent sign": call(fetch, ALL.where(T.title.like("%e%")), SubtaskRead),
    "fetch with too large a number": call(fetch, ALL.where(T.id == 2**80), SubtaskRead),
    "fetch with a number too large for the column": call(fetch, ALL.where(T.id == 2**40), SubtaskRead),
    "fetch with text that cannot be sent": call(fetch, ALL.where(T.title == "\ud800"), SubtaskRead),
    "first": call(first, ALL, TaskFull),
    "first of nothing": call(first, NONE, TaskFull),
    "one": call(one, ALL.where(T.id == 2), TaskFull),
    "one of nothing": call(one, NONE, TaskFull),
    "one of many": call(one, ALL, TaskFull),
    "one_or_none": call(one_or_none, NONE, TaskFull),
    "one_or_none of many": call(one_or_none, ALL, TaskFull),
    "page": call(page, select(Task).order_by(T.status), TaskFull, size=2, offset=1),
    "page with a total": call(page, ALL.where(T.id > 1), TaskFull, size=2, total=True),
    "page with a capped total": call(page, ALL, TaskFull, size=2, total=3),
    "page too large": call(page, ALL, TaskFull, size=1001),
    "seek": call(seek, select(Task).order_by(T.status.desc()), TaskFull, size=2),
    "seek with a broken cursor": call(seek, ALL, TaskFull, cursor="broken"),
    "count": call(count, ALL.where(T.id > 2)),
    "count of nothing": call(count, NONE),
    "exists": call(exists, ALL),
    "exists not": call(exists, NONE),
    "json": call(json, ALL, TaskFull),
    "json of nothing": call(json, NONE, TaskFull),
    "json_get": call(json_get, Task, 1, TaskFull),
    "json_get of nothing": call(json_get, Task, 4711, TaskFull),
    "json_get of a wrong key": call(json_get, Worker, "nul\x00", WorkerRead),
    "json_get_versioned": call(json_get_versioned, Task, 1, TaskFull),
    "json_page": call(json_page, ALL, TaskFull, size=2, total=True),
    "json_seek": call(json_seek, ALL, TaskFull, size=2),
    "a schema that has no plan": call(fetch, ALL, CarRead),
}

# Refused by the driver or by the database, so that a session has to say why.
REFUSED = {
    "fetch with too large a number",
    "fetch with a number too large for the column",
    "fetch with text that cannot be sent",
    "json_get of a wrong key",
}


async def outcome(face: Face, one: Call, target: Any = None) -> Any:
    """Give the result of a call, or its error as its caller sees it. Cursors differ by chance.

    Without a target it is called in a read-only transaction.
    """
    called, arguments, options = one
    try:
        if target is None:
            async with face.transaction(read_only=True) as session:
                found = await face(called, session, *arguments, **options)
        else:
            found = await face(called, target, *arguments, **options)
    except (LookupError, ValueError, DesignError) as error:
        return type(error), str(error), error.__dict__
    if called is seek:
        return found.items, found.next is None, found.previous is None
    return found if called is not json_seek else found.partition(b'"next"')[0]


async def test_reads_give_the_same_without_a_session(stored: Face) -> None:
    async with stored.transaction() as session:
        session.add(Car(id=1, owner_id="@ada"))
    for name, one_read in READS.items():
        expected = await outcome(stored, one_read)
        target = stored.alone if name in REFUSED else directly(stored)
        for _ in range(2):  # the second time from what was prepared
            assert await outcome(stored, one_read, target) == expected, name


async def test_each_page_leads_to_the_next(stored: Face) -> None:
    statement = select(Task).order_by(T.status.desc())
    start = await stored(seek, directly(stored), statement, SubtaskRead, size=2)
    rest = await stored(seek, directly(stored), statement, SubtaskRead, size=2, cursor=start.next)
    async with stored.transaction(read_only=True) as session:
        same = await stored(seek, session, statement, SubtaskRead, size=2, cursor=start.next)
    assert rest.items == same.items
    assert len(rest.items) == 2


async def test_deleted_rows_stay_hidden(face: Face) -> None:
    await face.create_all(archive.METADATA)
    async with face.transaction() as session:
        session.add_all(archive.sample())
    async with face.transaction() as session:
        await face(delete, session, Card, 2)
    every = select(Card).order_by(col(Card.id))
    found = await face(fetch, directly(face), every, CardFull)
    assert [one.id for one in found] == [1, 4]
    boards = await face(fetch, directly(face), select(Board).order_by(col(Board.id)), BoardFull)
    assert [[one.id for one in board.cards] for board in boards] == [[1], [4]]
    assert await face(count, directly(face), every) == 2
    assert not await face(exists, directly(face), every.where(col(Card.id) == 2))
    assert await face(count, face.alone, including_deleted(every)) == 4


async def test_what_writes_is_refused_as_in_a_read_only_transaction(stored: Face) -> None:
    if stored.dialect == "postgresql":
        async with stored.database.async_engine.begin() as connection:
            await connection.run_sync(Sequence("counting").create)
        sql = "nextval('counting')"
        effects: tuple[Any, ...] = (func.nextval("counting"), literal_column(sql), text(sql))
        for effect in effects:
            counting: Any = ALL.order_by(None).order_by(effect)
            with pytest.raises(ReadOnlyTransaction):
                await stored(fetch, stored.alone, counting, SubtaskRead)
        with pytest.raises(ReadOnlyTransaction):
            await stored(fetch, stored.alone, ALL.with_for_update(), SubtaskRead)


async def test_statements_are_still_heard(stored: Face) -> None:
    expected = await stored(fetch, directly(stored), ALL, TaskFull)
    with count_statements(stored.database) as statements:
        assert await stored(fetch, stored.alone, ALL, TaskFull) == expected
    assert len(statements) == plan(Task, TaskFull).budget


async def test_who_listens_to_sessions_hears_one(stored: Face) -> None:
    begun: list[Any] = []

    def begin(*arguments: Any) -> None:
        begun.append(arguments)

    for target, name in (
        (AnySession, "after_begin"),
        (Engine, "begin"),
        (Engine, "commit"),
        (Engine, "before_execute"),
    ):
        begun.clear()
        event.listen(target, name, begin)
        try:
            await stored(get, stored.alone, Task, 1, TaskFull)
        finally:
            event.remove(target, name, begin)
        assert begun, name
        await stored(get, directly(stored), Task, 1, TaskFull)


async def test_connections_come_back_whatever_happens(stored: Face) -> None:
    for one_read in READS.values():
        await outcome(stored, one_read, stored.alone)
    database = stored.database
    engine = database.async_engine.sync_engine if stored.is_async else database.engine
    pool: Any = engine.pool
    assert pool.checkedout() == 0
    async with stored.transaction() as session:  # and none is left in a transaction or in autocommit
        session.add(Project(id=9, name="New", slug="new"))
        await stored.flush(session)
        await stored.rollback(session)
    assert await stored(count, directly(stored), select(Project)) == 2


async def test_a_pool_without_connections_says_so(fresh_url: FreshUrl) -> None:
    options: Any = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    async with Database(fresh_url("sqlite"), **options) as database:
        await database.create_all_async(domain.METADATA)
        async with database.async_transaction() as session:
            await session.connection()
            with pytest.raises(Unavailable, match="No database connection became free in time"):
                await count(database.async_autocommit, ALL)
        with database.transaction() as sync_session:
            sync_session.connection()
            with pytest.raises(Unavailable, match="No database connection became free in time"):
                count(database.autocommit, ALL)


@pytest.mark.parametrize("serverless", [False, True], ids=["overflowing", "serverless"])
async def test_connections_that_are_not_kept_are_closed(
    database_url: str, anyio_backend: str, serverless: bool, caplog: pytest.LogCaptureFixture
) -> None:
    options: Any = {"serverless": True} if serverless else {"pool_size": 1, "max_overflow": 3}
    async with Database(database_url, **options) as database:
        await database.create_all_async(domain.METADATA)
        reads = [count(database.async_autocommit, ALL) for _ in range(4)]
        assert await asyncio.gather(*reads) == [0] * 4
        assert await count(database.async_autocommit, ALL) == 0
        pool: Any = database.async_engine.sync_engine.pool
        assert serverless or pool.checkedout() == 0
    assert caplog.records == []


async def test_short_reads_take_no_hop(stored: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []
    enter: Any = aiosqlite.Connection._execute

    def counted(connection: Any, *work: Any, **options: Any) -> Any:
        entered.append(work)
        return enter(connection, *work, **options)

    await stored(get, directly(stored), Project, 1, ProjectRead)
    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    for name in READS.keys() - REFUSED:
        await outcome(stored, READS[name], directly(stored))
    assert entered == []


async def test_the_statements_of_one_read_see_one_state_of_sqlite(
    stored: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stored.dialect == "postgresql":
        return  # READ COMMITTED gives each statement a state of its own, in a transaction as well
    expected = await stored(fetch, directly(stored), ALL, TaskFull)
    talk: Any = talking._Aiosqlite if stored.is_async else talking._Sqlite3
    answer = talk.answer
    other = Database(stored.database.url)

    def change() -> None:
        with other.transaction() as session:
            session.connection().exec_driver_sql("DELETE FROM assignment")

    def answered(self: Any, ask: Any) -> Any:
        found = answer(self, ask)
        change()
        return found

    async def answered_later(self: Any, ask: Any) -> Any:
        found = await answer(self, ask)
        change()
        return found

    monkeypatch.setattr(talk, "answer", answered_later if stored.is_async else answered)
    assert await stored(fetch, directly(stored), ALL, TaskFull) == expected
    monkeypatch.undo()
    other.close()
    assert await stored(fetch, directly(stored), ALL, TaskFull) != expected


async def test_a_read_of_several_statements_keeps_to_a_transaction_where_that_sees_one_state(
    fresh_url: FreshUrl,
) -> None:
    url = f"{fresh_url('postgresql')}?options=-c%20default_transaction_isolation%3Dserializable"
    async with Database(url) as database:
        for face in (Face(database, is_async=False), Face(database, is_async=True)):
            await face.create_all(domain.METADATA)
            assert await face(fetch, directly(face), ALL, SubtaskRead) == []
            with pytest.raises(AssertionError, match="gave way"):
                await face(fetch, directly(face), ALL, TaskFull)
            assert await face(fetch, face.alone, ALL, TaskFull) == []


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_read_that_meets_broken_connections_takes_another(
    fresh_url: FreshUrl, is_async: bool
) -> None:
    url = fresh_url("postgresql")
    mine = f"{url}{'&' if '?' in url else '?'}application_name=broken_connections"
    async with Database(mine) as database:
        face = Face(database, is_async)
        await face.create_all(domain.METADATA)
        async with face.transaction() as one_session, face.transaction() as other:  # two for the pool
            await face.exec(one_session, ALL)
            await face.exec(other, ALL)
        assert await face(count, directly(face), ALL) == 0
        with Database(url) as another, another.transaction() as session:
            session.connection().execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'broken_connections'"
                )
            )
        for _ in range(3):
            assert await face(count, face.alone, ALL) == 0


async def test_a_cancelled_read_leaves_nothing_behind(stored: Face) -> None:
    if not stored.is_async:
        return
    numbers = select(func.generate_series(1, 30_000_000).label("n")).subquery()
    if stored.dialect == "sqlite":
        counting = select(literal_column("1").label("n")).cte(recursive=True)
        counting = counting.union_all(select(counting.c.n + 1).where(counting.c.n < 20_000_000))
        slow: Any = ALL.where(T.id < select(func.count()).select_from(counting).scalar_subquery())
    else:
        slow = ALL.where(T.id < select(func.count()).select_from(numbers).scalar_subquery())
    reading = asyncio.ensure_future(fetch(stored.database.async_autocommit, slow, SubtaskRead))
    await asyncio.sleep(0.05)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    pool: Any = stored.database.async_engine.sync_engine.pool
    assert pool.checkedout() == 0
    assert len(await stored(fetch, directly(stored), ALL, SubtaskRead)) == 5
