"""What the guard costs: without its hooks, with its hooks set and nobody recording, and when recording.

Two ways of reading are measured: the common one, with ORM instances (S1), and Fieldstone's. Each has a
process of its own, where the states take turns, and times are of the processor, as others work on the
machine. For `none` the hooks are taken away before each turn, which a program never does. Printed are
medians, the fastest tenth, and both as multiples of `none`.

    python -m benchmarks.guard [rounds]
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import event

from benchmarks.places import PostgresPlace, SqlitePlace, memory_directory
from benchmarks.stacks.stack import NAMES, Stack
from benchmarks.workload import WORKS, Size, argument
from fieldstone import watch
from fieldstone.guard.recording import hooks, listen
from fieldstone.testing import postgres_server

WARM = 20
MEASURED = ("E1", "E3")
SIZE = Size()

State = Callable[[], AbstractContextManager[object]]


def main() -> None:
    """Measure both ways on both databases."""
    rounds = sys.argv[1] if len(sys.argv) > 1 else "200"
    with memory_directory() as directory, postgres_server() as server:
        for place in (SqlitePlace(directory, SIZE), PostgresPlace(server, SIZE)):
            for stack in ("documents", "fieldstone"):
                command = [sys.executable, "-m", "benchmarks.guard", rounds, stack, place.copy(stack)]
                subprocess.run(command, check=True)


def stack_named(name: str) -> Stack:
    """Import one stack: both declare the same tables."""
    if name == "documents":
        from benchmarks.stacks.documents import Documents

        return Documents()
    from benchmarks.stacks.fieldstone.synchronous import SyncObjects

    return SyncObjects()


async def measure(stack: Stack, url: str, rounds: int) -> None:
    await stack.open(url)
    listen()
    for code in MEASURED:
        times = await timed(getattr(stack, NAMES[code]), code, rounds)
        report(f"{url.partition(':')[0]}, {code}: {WORKS[code].title}, {stack.title}", times)
    await stack.close()


async def timed(way: Callable[[object], Awaitable[bytes]], code: str, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {state: [] for state in STATES}
    for number in range(1, rounds + WARM):
        given = argument(code, number, SIZE)
        for state, enter in STATES.items():
            with enter():
                start = time.process_time()
                await way(given)
                taken = time.process_time() - start
            if number >= WARM:
                times[state].append(taken * 1e6)
    return times


@contextmanager
def without_hooks() -> Iterator[None]:
    for target, name, function, _ in hooks():
        event.remove(target, name, function)
    try:
        yield
    finally:
        for target, name, function, options in hooks():
            event.listen(target, name, function, **options)


STATES: dict[str, State] = {
    "none": without_hooks,
    "idle": nullcontext,
    "record": lambda: watch("record"),
}


def report(title: str, times: dict[str, list[float]]) -> None:
    print(f"\n{title}")
    medians = {state: statistics.median(taken) for state, taken in times.items()}
    fastest = {state: statistics.quantiles(taken, n=10)[0] for state, taken in times.items()}
    print(f"  {'':<8}{'us':>8}{'x none':>9}{'fastest':>9}{'x none':>9}")
    for state, median in medians.items():
        print(
            f"  {state:<8}{median:>8.0f}{median / medians['none']:>9.2f}"
            f"{fastest[state]:>9.0f}{fastest[state] / fastest['none']:>9.2f}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(measure(stack_named(sys.argv[2]), sys.argv[3], int(sys.argv[1])))
    else:
        main()
