"""The load generator: a process of its own that keeps some connections to a server busy.

Each line it reads names a port, some requests, how many connections, how long and how many at most. It sends
the requests in turn over connections that stay open, and answers with the time of each. A response that is an
error ends it.

    python -m benchmarks.load
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any


async def load(port: int, requests: list[str], connections: int, seconds: float, most: int) -> dict[str, Any]:
    """Send until it is enough; give the times in nanoseconds, and how long it took."""
    sent = itertools.cycle([one.encode("latin-1") for one in requests])
    left = iter(range(most))
    start = time.perf_counter()
    clients = (client(port, sent, left, start + seconds) for _ in range(connections))
    taken = await asyncio.gather(*clients)
    return {"wall": list(itertools.chain(*taken)), "seconds": time.perf_counter() - start}


async def client(port: int, sent: Iterator[bytes], left: Iterator[int], stop: float) -> list[int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    try:
        while time.perf_counter() < stop and next(left, None) is not None:
            start = time.perf_counter_ns()
            writer.write(next(sent))
            await answered(reader)
            taken.append(time.perf_counter_ns() - start)
    finally:
        writer.close()
    return taken


async def answered(reader: asyncio.StreamReader) -> None:
    """Read one whole response."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if status >= 300:
        raise ConnectionError(f"the server answered {status}")
    length = head.partition(b"content-length:")[2]
    if length:
        await reader.readexactly(int(length.partition(b"\r\n")[0]))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):  # chunked
        await reader.readexactly(size + 2)
    await reader.readuntil(b"\r\n")


def main() -> None:
    for line in sys.stdin:
        try:
            answer = asyncio.run(load(**json.loads(line)))
        except Exception as error:  # noqa: BLE001  # the driver shows it beside the stack's name
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
