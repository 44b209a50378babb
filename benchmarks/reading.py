"""Reads side by side, from a call to the bytes of its answer: as is common, as Fieldstone does it, by hand.

All run in one process and one event loop, taking turns, on the same rows; the answers are compared before
anything is timed. Printed are medians with their quartiles, how many times faster than S1 (the common way)
each is, and what share of S7's speed (the limit, written by hand) it has.

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
    medians = {stack: statistics.median(taken) for stack, taken in times.items()}
    print(f"  {'':<20}{'median us':>11}{'quartiles':>17}{'x S1':>8}{'of S7':>8}{'peak KiB':>10}")
    for stack, taken in times.items():
        low, _, high = statistics.quantiles(taken, n=4)
        faster, share = medians["S1"] / medians[stack], medians["S7"] / medians[stack]
        spread = f"{low:.0f}-{high:.0f}"
        print(
            f"  {stack:<20}{medians[stack]:>11.0f}{spread:>17}{faster:>8.1f}{share:>8.0%}{peaks[stack]:>10}"
        )


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
