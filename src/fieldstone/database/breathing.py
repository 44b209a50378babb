"""Let the event loop turn between statements that run within it.

A statement that waits for nothing never suspends the task that awaits it. A task that runs one after the
other would have the loop for itself until it is done, while all others wait.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

LONGEST = 0.001
"""Seconds after which the next statement lets others go first; a turn of the loop costs some microseconds."""

_since: WeakKeyDictionary[asyncio.AbstractEventLoop, float] = WeakKeyDictionary()


async def breathe() -> None:
    """Let the other tasks of the loop run where statements have kept them from it for too long."""
    loop = asyncio.get_running_loop()
    since = _since.get(loop)
    if since is None:
        _since[loop] = loop.time()
        loop.call_soon(_since.pop, loop, None)  # as soon as it turns
    elif loop.time() - since > LONGEST:
        await asyncio.sleep(0)
