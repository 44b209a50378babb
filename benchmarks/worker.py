"""The process of one stack, which does as the driver says: one JSON object a line, and one back.

So no stack pays for the imports, the threads, the event loop or the heap of another, and the driver lets
them take turns. Whatever a stack prints goes to standard error.

    python -m benchmarks.worker STACK TASKS BULK EVENTS
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Self

from benchmarks.calling import asgi, wsgi
from benchmarks.stacks import Stack, stack_named
from benchmarks.stacks.stack import Request
from benchmarks.workload import Size, argument, body, bulk

Turn = Callable[[], Awaitable[bytes]]


class NotOffered(Exception):
    """Say that a stack has nothing to do some work with."""


class WrongStatus(Exception):
    """Say that an application answered with an error."""


class Worker:
    """A stack, opened on a database."""

    def __init__(self, stack: Stack, size: Size) -> None:
        self.stack = stack
        self.size = size
        self.runner = asyncio.Runner()
        self.place: Any = None

    def open(self, url: str) -> dict[str, Any]:
        self.run(self.stack.open(url))
        return {"title": self.stack.title, "paging": self.stack.paging, "envelope": self.stack.envelope}

    def close(self) -> dict[str, Any]:
        self.run(self.stack.close())
        return {}

    def answers(self, code: str, level: str, numbers: list[int]) -> dict[str, Any]:
        """Give the answers to some calls, to be checked."""
        return {"answers": [self.run(turn()).decode() for turn in self.turns(code, level, numbers)]}

    def refuses(self, level: str) -> dict[str, Any]:
        """Say whether many rows of which the last is wrong are refused."""
        content = body(bulk(self.size, progress_percent=101))
        try:
            self.run(self.turn("E6", level, content)())
        except Exception as error:  # noqa: BLE001  # each stack refuses in its own way
            return {"refused": type(error).__name__}
        return {"refused": ""}

    def warm(self, code: str, level: str, numbers: list[int], core: int) -> dict[str, Any]:
        """Make some calls that are not counted, on the processor that those to come are measured on."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})
        gc.collect()
        self.run(timed(list(self.turns(code, level, numbers))))
        return {}

    def times(self, code: str, level: str, numbers: list[int]) -> dict[str, Any]:
        """Measure some calls, each by itself, in nanoseconds."""
        wall, cpu = self.run(timed(list(self.turns(code, level, numbers))))
        return {"wall": wall, "cpu": cpu}

    def peak(self, code: str, level: str, number: int) -> dict[str, Any]:
        """Measure the memory that one answer takes at its height, in bytes."""
        [turn] = self.turns(code, level, [number])
        self.run(turn())
        gc.collect()
        tracemalloc.start()
        try:
            self.run(turn())
            return {"peak": tracemalloc.get_traced_memory()[1]}
        finally:
            tracemalloc.stop()

    def requests(self, code: str, numbers: list[int]) -> dict[str, Any]:
        """Give some requests as HTTP/1.1 has them, in Latin-1, which keeps every byte."""
        found = [self.stack.request(code, self.given(code, number)) for number in numbers]
        if None in found:
            raise NotOffered
        return {"requests": [written(one).decode("latin-1") for one in found if one]}

    def growth(self) -> dict[str, Any]:
        """Measure by how much the process grows while it streams, in bytes."""
        with Watch() as watch:
            started = time.perf_counter()
            try:
                rows = self.run(self.stack.stream())
            except NotImplementedError:
                raise NotOffered from None
            seconds = time.perf_counter() - started
        return {"rows": rows, "growth": watch.highest - watch.first, "seconds": seconds}

    def turns(self, code: str, level: str, numbers: list[int]) -> Iterator[Turn]:
        for number in numbers:
            yield self.turn(code, level, self.given(code, number))

    def given(self, code: str, number: int) -> Any:
        if code == "P9":
            if self.place is None:
                self.place = self.run(self.stack.place_of(self.size.depth))
            return self.place
        return argument(code, number, self.size)

    def turn(self, code: str, level: str, given: Any) -> Turn:
        """Give what does the work once."""
        if level == "library":
            call = self.stack.call(code)
            if call is None:
                raise NotOffered
            return functools.partial(call, given)
        request = self.stack.request(code, given)
        if request is None:
            raise NotOffered
        send = wsgi if self.stack.blocking else asgi
        app = self.stack.app

        async def turn() -> bytes:
            status, content = await send(app, request)
            if status >= 300:
                raise WrongStatus(f"{status}: {content[:200].decode(errors='replace')}")
            return content

        return turn

    def run(self, work: Awaitable[Any]) -> Any:
        """Run to the end: in the event loop, or without one where the stack must not see any."""
        assert isinstance(work, Coroutine)
        if not self.stack.blocking:
            return self.runner.run(work)
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        raise RuntimeError(f"{self.stack.title} waits for an event loop, though it says that it blocks.")


class Watch:
    """Look at the resident memory of this process again and again, from a thread."""

    def __enter__(self) -> Self:
        gc.collect()
        self.first = self.highest = resident()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self) -> None:
        while not self.done.wait(0.01):
            self.highest = max(self.highest, resident())

    def __exit__(self, *_error: object) -> None:
        self.done.set()
        self.thread.join()


def resident() -> int:
    """Give the resident memory of this process in bytes, as Linux counts it."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def written(request: Request) -> bytes:
    query = f"?{request.query}" if request.query else ""
    kind = "Content-Type: application/json\r\n" if request.body else ""
    head = f"{request.method} {request.path}{query} HTTP/1.1\r\nHost: testserver\r\n{kind}"
    return f"{head}Content-Length: {len(request.body)}\r\n\r\n".encode() + request.body


async def timed(turns: list[Turn]) -> tuple[list[int], list[int]]:
    wall, cpu = list[int](), list[int]()
    for turn in turns:
        cpu_start, start = time.process_time_ns(), time.perf_counter_ns()
        await turn()
        end, cpu_end = time.perf_counter_ns(), time.process_time_ns()
        wall.append(end - start)
        cpu.append(cpu_end - cpu_start)
    return wall, cpu


def main() -> None:
    name, *numbers = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(stack_named(name), Size(*map(int, numbers)))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except NotOffered:
            answer = {"missing": True}
        except Exception as error:  # noqa: BLE001  # the driver shows it beside the stack's name
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
