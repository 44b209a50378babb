"""A stack behind uvicorn, in a process of its own on the loopback address.

    python -m benchmarks.serving STACK URL CORE

prints its port, and ends when its input is closed.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import Any

import uvicorn

from benchmarks.stacks import Stack, stack_named


class Served:
    """An application that opens its stack when the server starts, in the server's own event loop."""

    def __init__(self, stack: Stack, url: str) -> None:
        self.stack = stack
        self.url = url
        self.app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self.stack.open(self.url)
            self.app = self.stack.served()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.stack.close()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await self.app(scope, receive, send)


def main() -> None:
    name, url, core = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core)})
    served = Served(stack_named(name), url)
    server = uvicorn.Server(uvicorn.Config(served, log_level="warning", access_log=False, lifespan="on"))

    def wait_for_the_end() -> None:
        sys.stdin.read()
        server.should_exit = True

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=wait_for_the_end, daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
