"""The start and the end of an ASGI application, around the requests of a client that runs in the loop.

A TestClient does this in a thread and a loop of its own. Here the application starts in the loop of
the test, in a task of its own: an asynchronous fixture may be ended by another task than began it,
and the task groups of a lifespan would not bear that.

Source: asgi.readthedocs.io, "Lifespan Protocol".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """Run the startup before the block and the shutdown after it; yield what to send requests to."""
    state: dict[str, Any] = {}
    received: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": state.copy()}, receive, send)

    running = asyncio.ensure_future(app(scope, received.get, sent.put))
    await _told(received, sent, running, "lifespan.startup")
    try:
        yield with_state
    finally:
        await _told(received, sent, running, "lifespan.shutdown")
        await running


async def _told(
    received: asyncio.Queue[Message], sent: asyncio.Queue[Message], running: asyncio.Future[None], what: str
) -> None:
    """Send a message and wait for what the application answers, or for the error it ends with."""
    received.put_nowait({"type": what})
    answer = asyncio.ensure_future(sent.get())
    waiting: set[asyncio.Future[Any]] = {answer, running}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        answer.cancel()
        running.result()
    elif answer.result()["type"] == f"{what}.failed":
        await running
