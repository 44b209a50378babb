"""The same work in several processes, which keep what they have read from one step to the next.

Where the system can fork, they start with what this one has read; elsewhere it is sent to them. A small
project is done before they would have started. What a process has worked on before goes to it again, as
long as all have something to do.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from fieldstone.errors import Unavailable

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

# Fewer files than this are not worth a second process.
FEW = 64
# So many are handed over at once, and two such parcels wait at each process so that it never does.
PARCEL = 16
AHEAD = 2
FORKS = sys.platform == "linux"


@dataclass
class Member:
    """A process, and what it has been given."""

    process: BaseProcess
    connection: Connection
    waiting: deque[list[int]] = field(default_factory=deque)


class Team:
    """The processes of one check; none as long as there is little to do."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs or processors()
        self.members: list[Member] = []
        self.homes: dict[Hashable, int] = {}

    def prepare(self, count: int, work: Callable[..., None], *given: object) -> None:
        """Run a function in each process of those that work on so many items; the first start the others."""
        work(*given)
        older = self.members
        jobs = min(self.jobs, count // FEW + 1)
        if not older and jobs > 1:
            self.members = [started() for _ in range(jobs)]
        told = older if FORKS else self.members  # what forks knows it already
        message = pickle.dumps((work, given)) if told else b""
        for member in told:
            with heard_of(member):
                member.connection.send_bytes(message)
        for member in told:
            received(member)

    def spread(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Do work for each item, and yield the results in the order of these."""
        if not self.members:
            yield from map(work, items)
            return
        parcels = self._parcels(items)
        done: dict[int, Result] = {}
        for number in range(len(items)):
            while number not in done:
                self._supply(work, items, parcels)
                done.update(self._received())
            yield done.pop(number)

    def _parcels(self, items: Sequence[Item]) -> list[deque[list[int]]]:
        """Share the items out: to each process what it knows, the rest evenly, neighbours together."""
        shares: list[list[int]] = [[] for _ in self.members]
        for number, item in enumerate(items):
            home = self.homes.get(item, number * len(self.members) // len(items))
            shares[home].append(number)
        return [deque(share[i : i + PARCEL] for i in range(0, len(share), PARCEL)) for share in shares]

    def _supply(
        self, work: Callable[[Item], Result], items: Sequence[Item], parcels: list[deque[list[int]]]
    ) -> None:
        """Give each process its next parcels; one that has none left takes the last of the fullest."""
        for place, member in enumerate(self.members):
            while len(member.waiting) < AHEAD and any(parcels):
                parcel = parcels[place].popleft() if parcels[place] else max(parcels, key=len).pop()
                member.waiting.append(parcel)
                with heard_of(member):
                    member.connection.send((each, (work, [items[number] for number in parcel])))
                self.homes.update((items[number], place) for number in parcel)

    def _received(self) -> dict[int, Any]:
        """Wait until a process has done a parcel; its results by their numbers."""
        from multiprocessing.connection import wait

        ready = wait([member.connection for member in self.members if member.waiting])
        found: dict[int, Any] = {}
        for member in self.members:
            if member.connection in ready:
                found.update(zip(member.waiting[0], received(member), strict=True))
                member.waiting.popleft()
        return found

    def dismiss(self) -> None:
        """End the processes."""
        for member in self.members:
            member.connection.close()
            member.process.terminate()
            member.process.join()
        self.members = []


def started() -> Member:
    """Start a process that does what it is sent."""
    import multiprocessing  # a small project never needs it

    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork") if FORKS else multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    there.close()
    return Member(process, here)


def serve(connection: Connection) -> None:
    """Do what is sent, and send what it gives, or what it raises, until the other end closes."""
    while True:
        try:
            work, given = connection.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        try:
            result, raised = work(*given), None
        except Exception as error:  # noqa: BLE001 - it is raised where the work was asked for
            result, raised = None, error
        connection.send((result, raised))


def received(member: Member) -> Any:
    """Take what a process has done. Raises what it raised, and Unavailable where it was ended."""
    with heard_of(member):
        result, error = member.connection.recv()
    if error is not None:
        raise error
    return result


def each(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    """Do work for each of some items."""
    return [work(item) for item in items]


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def heard_of(member: Member) -> Iterator[None]:
    """Say what it means that a process does not answer."""
    try:
        yield
    except (EOFError, OSError) as error:
        member.process.join()
        raise Unavailable(
            f"A process of the check was ended from outside (exit code {member.process.exitcode}), mostly "
            "for want of memory. Check again with --jobs 1, or part of the project."
        ) from error
