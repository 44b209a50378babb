"""The same work in several processes.

Where the system can fork, the others start with what this one has read; elsewhere it is sent to them.
A small project is done before they would have started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Fewer files than this are not worth a second process.
FEW = 64


def spread(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    prepare: Callable[..., None] | None = None,
    prepared: tuple[object, ...] = (),
) -> Iterator[Result]:
    """Do work for each item, in order; `prepare(*prepared)` runs once in each process before."""
    jobs = min(jobs or processors(), len(items) // FEW + 1)
    if jobs <= 1:
        if prepare:
            prepare(*prepared)
        yield from map(work, items)
        return
    import multiprocessing  # a small project never needs it

    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with context.Pool(jobs, prepare, prepared) as pool:
        yield from pool.imap(work, items, chunksize=max(1, min(16, len(items) // (jobs * 8))))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
