"""Hooks run when the work is stored, and only then."""

from __future__ import annotations

import logging
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKeyConstraint, MetaData
from sqlalchemy.orm import registry
from sqlmodel import Session, select

from fieldstone import Conflict, Database, Field, Model, after_commit, create, exists
from fieldstone.fastapi import AsyncWriteSession, WriteSession, install
from tests.faces import Face

METADATA = MetaData()


class HookModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Order(HookModel, table=True):
    id: int = Field(primary_key=True)


class Delivery(HookModel, table=True):
    """Its foreign key is checked at COMMIT only, so that a commit can be made to fail."""

    __table_args__ = (
        ForeignKeyConstraint(["order_id"], ["order.id"], deferrable=True, initially="DEFERRED"),
    )
    id: int = Field(primary_key=True)
    order_id: int


@pytest.fixture
async def stored(face: Face) -> Face:
    await face.create_all(METADATA)
    return face


async def insert(face: Face, session: Any, number: int) -> None:
    await face(create, session, Order, {"id": number})


async def test_hooks_run_once_and_in_order_when_the_block_has_committed(stored: Face) -> None:
    ran: list[str] = []
    async with stored.transaction() as session:
        await stored(after_commit, session, lambda: ran.append("first"))
        await insert(stored, session, 1)
        await stored(after_commit, session, lambda: ran.append("second"))
        assert not ran
    assert ran == ["first", "second"]


async def test_a_session_that_commits_twice_runs_each_hook_once(stored: Face) -> None:
    ran: list[int] = []
    async with stored.transaction() as session:
        for number in (1, 2):
            await insert(stored, session, number)
            await stored(after_commit, session, lambda number=number: ran.append(number))
            await stored.commit(session)
            assert ran == list(range(1, number + 1))
    assert ran == [1, 2]


async def test_no_hook_runs_after_an_error_or_a_rollback(stored: Face) -> None:
    ran: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with stored.transaction() as session:
            await stored(after_commit, session, lambda: ran.append("error"))
            raise ZeroDivisionError
    async with stored.transaction() as session:
        await insert(stored, session, 1)
        await stored(after_commit, session, lambda: ran.append("rollback"))
        await stored.rollback(session)
        await insert(stored, session, 2)
    assert not ran


async def test_no_hook_runs_after_a_failed_flush(stored: Face) -> None:
    ran: list[str] = []
    with pytest.raises(Conflict):
        async with stored.transaction() as session:
            await insert(stored, session, 1)
            await stored(after_commit, session, lambda: ran.append("flush"))
            session.expunge_all()
            await insert(stored, session, 1)
    assert not ran


async def test_no_hook_runs_when_the_commit_itself_fails(stored: Face) -> None:
    ran: list[str] = []
    with pytest.raises(Conflict):
        async with stored.transaction() as session:
            await stored(create, session, Delivery, {"id": 1, "order_id": 9})
            await stored(after_commit, session, lambda: ran.append("commit"))
    assert not ran


async def test_a_hook_of_a_savepoint_that_was_rolled_back_does_not_run(stored: Face) -> None:
    ran: list[str] = []

    def work(session: Session) -> None:
        after_commit(session, lambda: ran.append("outer"))
        with session.begin_nested() as kept:
            after_commit(session, lambda: ran.append("kept"))
            kept.commit()
        assert not ran
        lost = session.begin_nested()
        with session.begin_nested():
            after_commit(session, lambda: ran.append("within the lost"))
        after_commit(session, lambda: ran.append("lost"))
        lost.rollback()
        after_commit(session, lambda: ran.append("last"))

    async with stored.transaction() as session:
        await stored.run(session, work)
    assert ran == ["outer", "kept", "last"]


async def test_the_work_is_stored_and_the_database_free_when_a_hook_runs(stored: Face) -> None:
    seen: list[bool] = []
    database = stored.database

    def look() -> None:
        with database.transaction() as session:
            seen.append(exists(session, orders()))
            create(session, Order, {"id": 2})

    async def look_async() -> None:
        async with database.async_transaction() as session:
            seen.append(await exists(session, orders()))
            await create(session, Order, {"id": 2})

    async with stored.transaction() as session:
        await insert(stored, session, 1)
        await stored(after_commit, session, look_async if stored.is_async else look)
    assert seen == [True]


def orders() -> Any:
    return select(Order).where(Order.id == 1)


async def test_a_failing_hook_is_logged_and_neither_undoes_nor_stops_anything(
    stored: Face, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError("no mail today")

    with caplog.at_level(logging.ERROR, logger="fieldstone"):
        async with stored.transaction() as session:
            await insert(stored, session, 1)
            await stored(after_commit, session, fail)
            await stored(after_commit, session, lambda: ran.append("next"))
    assert ran == ["next"]
    assert [record.message.split("<locals>.")[-1] for record in caplog.records] == [
        "fail failed; what was committed stands"
    ]
    async with stored.transaction() as session:
        assert await stored(exists, session, orders())


async def test_a_coroutine_function_is_awaited_by_an_async_session_and_refused_by_a_sync_one(
    stored: Face, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    async def notify() -> None:
        ran.append("awaited")

    async with stored.transaction() as session:
        if stored.is_async:
            await stored(after_commit, session, notify)
        else:
            with pytest.raises(TypeError, match=r"after_commit cannot await .*notify: a Session commits"):
                after_commit(session, notify)
            after_commit(session, lambda: notify())
    assert ran == (["awaited"] if stored.is_async else [])
    assert bool(caplog.records) is not stored.is_async


async def test_a_hook_of_a_request_runs_before_its_response(database: Database) -> None:
    database.create_all(METADATA)
    ran: list[int] = []
    app = FastAPI()
    install(app, database)

    @app.post("/sync/{number}")
    def order(number: int, session: WriteSession) -> list[int]:
        after_commit(session, lambda: ran.append(number))
        create(session, Order, {"id": number})
        return list(ran)

    @app.post("/async/{number}")
    async def order_async(number: int, session: AsyncWriteSession) -> list[int]:
        async def notify() -> None:
            ran.append(number)

        await after_commit(session, notify)
        await create(session, Order, {"id": number})
        return list(ran)

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.post("/sync/1")).json() == []
        assert ran == [1]
        assert (await client.post("/async/2")).json() == [1]
        assert ran == [1, 2]
        assert (await client.post("/sync/2")).status_code == 409
        assert ran == [1, 2]
