"""Reads side by side, from a call to the bytes of its answer: as is common, as Fieldstone does it, by hand.

All run in one process and one event loop, taking turns, on the same rows; the answers are compared before
anything is timed. Printed are medians with their quartiles, how many times faster than S1 (the common way)
each is, and what share of S7's speed (the limit, written by hand) it has; then the same for the fastest
tenth, which other work on the machine disturbs least.

    python -m benchmarks.reading [rounds]
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from benchmarks.stacks.documents import Documents
from benchmarks.stacks.driver import PostgresDriver, SqliteDriver
from benchmarks.stacks.planned import Planned, PlannedSync, Written, WrittenSync
from benchmarks.workload import TITLES, WORK, Stack, fill, same
from fieldstone import Database
from fieldstone.testing import postgres_server

WARM = 20


def stacks(url: str) -> list[Stack]:
    driver: Stack = SqliteDriver(url) if url.startswith("sqlite") else PostgresDriver(url)
    return [Documents(url), Planned(url), PlannedSync(url), Written(url), WrittenSync(url), driver]


async def compare(contenders: Sequence[Stack], dialect: str, rounds: int) -> None:
    for name, method in WORK.items():
        ways = {stack.name: getattr(stack, method) for stack in contenders}
        same({stack: await way(77) for stack, way in ways.items()})
        times: dict[str, list[float]] = {stack: [] for stack in ways}
        for number in range(1, rounds + WARM):
            for stack, way in ways.items():
                start = time.perf_counter()
                await way(number)
                taken = time.perf_counter() - start
                if number >= WARM:
                    times[stack].append(taken * 1e6)
        print(f"\n{dialect}, {name}: {TITLES[name]}")
        report(times, {stack: await peak(way) for stack, way in ways.items()})


def report(times: dict[str, list[float]], peaks: dict[str, int]) -> None:
    quartiles = {stack: statistics.quantiles(taken, n=4) for stack, taken in times.items()}
    medians = {stack: found[1] for stack, found in quartiles.items()}
    fastest = {stack: statistics.quantiles(taken, n=10)[0] for stack, taken in times.items()}
    print(f"  {'':<15}{'us':>7}{'quartiles':>14}{'x S1':>7}{'of S7':>7}", end="")
    print(f"{'fastest':>9}{'x S1':>7}{'of S7':>7}{'peak KiB':>10}")
    for stack, (low, median, high) in quartiles.items():
        row = f"  {stack:<15}{median:>7.0f}{f'{low:.0f}-{high:.0f}':>14}{against(medians, stack)}"
        print(f"{row}{fastest[stack]:>9.0f}{against(fastest, stack)}{peaks[stack]:>10}")


def against(medians: dict[str, float], stack: str) -> str:
    return f"{medians['S1'] / medians[stack]:>7.1f}{medians['S7'] / medians[stack]:>7.0%}"


async def peak(way: object) -> int:
    """Measure the memory that one answer takes at its height, in KiB."""
    gc.collect()
    tracemalloc.start()
    try:
        await way(4711)  # type: ignore[operator]  # one of a stack's methods
        return tracemalloc.get_traced_memory()[1] // 1024
    finally:
        tracemalloc.stop()


async def run(url: str, rounds: int) -> None:
    contenders = stacks(url)
    try:
        for stack in contenders:
            await stack.open()
        await compare(contenders, url.partition(":")[0], rounds)
    finally:
        for stack in contenders:
            await stack.close()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as directory, postgres_server() as server:
        for url in (f"sqlite:///{Path(directory) / 'work.db'}", server):
            with Database(url) as database:
                fill(database)
            asyncio.run(run(url, rounds))


if __name__ == "__main__":
    main()
