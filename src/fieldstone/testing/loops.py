"""What must be closed in the event loop that opened it, and before that loop ends.

A connection of an asynchronous engine belongs to the loop in which it was opened. In tests that loop
is someone else's: AnyIO's, pytest-asyncio's, the one in the thread of a TestClient. All of them end
alike, by `loop.shutdown_asyncgens()`, which closes every asynchronous generator that was started in
the loop. So what has to be closed is held by such a generator.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util.concurrency import await_


class Ending:
    """Work that is done once, in the loop that registered it: when told to, or when that loop ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop, held: Any) -> None:
        self.loop = loop
        self._held = held
        self._done = False

    @classmethod
    async def register(cls, work: Callable[[], Awaitable[None]]) -> Ending:
        """Have the work done before the running loop ends."""
        held = _held_to_the_end(work)
        await anext(held)
        return cls(asyncio.get_running_loop(), held)

    def now(self) -> None:
        """Do it from outside the loop; nothing is left to do where that has ended."""
        if self._done or self.loop.is_closed():
            return
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self.here(), self.loop).result()
        else:
            self.loop.run_until_complete(self.here())

    async def here(self) -> None:
        """Do it from inside the loop."""
        self._done = True
        await self._held.aclose()


async def _held_to_the_end(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await work()


def close_with_its_loop(engine: AsyncEngine, close: Callable[[], Awaitable[None]]) -> list[Ending]:
    """Close what an engine opens before the loop ends in which it was opened; give what does so earlier."""
    endings: list[Ending] = []

    @event.listens_for(engine.sync_engine, "connect")
    def connected(_connection: Any, _record: Any) -> None:
        running = asyncio.get_running_loop()
        if all(ending.loop is not running for ending in endings):
            endings.append(await_(Ending.register(close)))

    return endings
