"""The actor of a request is the actor of its writes, however many requests run at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2 as httpx
from fastapi import Depends, FastAPI, Header
from sqlmodel import Session

from fieldstone import Database, create
from fieldstone.fastapi import AsyncWriteSession, WriteSession, install
from fieldstone.history import acting, timeline
from tests.chronicled import METADATA, Plain


async def known_actor(x_actor: Annotated[str, Header()]) -> AsyncIterator[None]:
    with acting(x_actor, kind="agent" if x_actor.startswith("@agent") else "human"):
        yield


def application(database: Database) -> FastAPI:
    app = FastAPI(dependencies=[Depends(known_actor)])
    install(app, database)

    @app.post("/sync/{number}")
    def make(number: int, session: WriteSession) -> None:
        session.add(Plain(id=number))  # left to the flush at commit

    @app.post("/async/{number}")
    async def make_async(number: int, session: AsyncWriteSession) -> None:
        await asyncio.sleep(0.001 * (number % 7))
        await create(session, Plain, {"id": number})

    return app


async def test_concurrent_requests_are_recorded_under_their_own_actors(database: Database) -> None:
    database.create_all(METADATA)
    transport = httpx.ASGITransport(app=application(database))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def ask(number: int) -> int:
            face, actor = ("sync", "@human") if number % 2 else ("async", "@agent")
            headers = {"x-actor": f"{actor}-{number}"}
            return (await client.post(f"/{face}/{number}", headers=headers)).status_code

        assert set(await asyncio.gather(*map(ask, range(1, 31)))) == {200}
        refused = await client.post("/sync/99", headers={"x-actor": "a" * 300})
    assert refused.status_code == 422

    def look(session: Session) -> list[Any]:
        found = [timeline(session, Plain, number).items for number in range(1, 31)]
        return [(one.actor, one.actor_kind) for [one] in found]

    with database.transaction() as session:
        assert look(session) == [
            (f"@human-{n}", "human") if n % 2 else (f"@agent-{n}", "agent") for n in range(1, 31)
        ]
