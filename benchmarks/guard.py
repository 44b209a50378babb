"""What the guard costs: without its hooks, with its hooks set and nobody recording, and when recording.

Two ways of reading are measured: the common one, with ORM instances (S1), and Fieldstone's. All take turns in
one process, and times are of the processor, as others work on the machine. For `none` the hooks are taken
away before each turn, which a program never does. Printed are medians, the fastest tenth, and both as
multiples of `none`.

    python -m benchmarks.guard [rounds]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from sqlalchemy import event

from benchmarks.stacks.documents import Documents
from benchmarks.stacks.planned import PlannedSync
from benchmarks.workload import TITLES, WORK, Stack, fill
from fieldstone import Database, watch
from fieldstone.guard.recording import hooks, listen
from fieldstone.testing import postgres_server

WARM = 20
MEASURED = ("E1", "E3")

Way = Callable[[int], Awaitable[bytes]]
State = Callable[[], AbstractContextManager[object]]


async def measure(url: str, dialect: str, rounds: int) -> None:
    contenders: list[Stack] = [Documents(url), PlannedSync(url)]
    for one in contenders:
        await one.open()
    listen()
    for name in MEASURED:
        for one in contenders:
            times = await timed(getattr(one, WORK[name]), rounds)
            report(f"{dialect}, {name}: {TITLES[name]}, {one.name}", times)
    for one in contenders:
        await one.close()


async def timed(way: Way, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {state: [] for state in STATES}
    for number in range(1, rounds + WARM):
        for state, enter in STATES.items():
            with enter():
                start = time.process_time()
                await way(number)
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


@contextmanager
def filled(dialect: str) -> Iterator[str]:
    with ExitStack() as lent:
        if dialect == "SQLite":
            directory = lent.enter_context(tempfile.TemporaryDirectory())
            url = f"sqlite:///{directory}/tasks.db"
        else:
            url = lent.enter_context(postgres_server())
        with Database(url) as database:
            fill(database)
        yield url


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for dialect in ("SQLite", "PostgreSQL"):
        with filled(dialect) as url:
            asyncio.run(measure(url, dialect, rounds))


if __name__ == "__main__":
    main()
