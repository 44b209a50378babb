"""Lines in which threads and tasks of this process wait together, and nobody waits for ever.

The line that matters most is that of the writers of a SQLite database. SQLite lets one transaction write and
tells the others to try again. Each sleeps, longer every time, and takes its chance; so under load the fresh
ones pass by those that have waited longest, some for a second and more. Here they are woken in the order in
which they came.

Other processes stand in no line. For them a writer waits as SQLite does, but only the one whose turn it is.

A connection that nobody closed may be found by the garbage collector, between any two steps of the code
below, and gives its place back right there. So the lock may be entered twice by one thread, and every step
leaves what the next can go on from.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from time import monotonic
from weakref import WeakKeyDictionary, WeakValueDictionary

from sqlalchemy import Engine

LATE = 0.01
"""Seconds after which whoever waits is handed the next place, and nobody who comes then may take it.

Up to there a place is left to whoever is there first, as handing each over would make all of them wait for
each other's threads and tasks to wake up (so does Go's sync.Mutex).
"""


class Turns:
    """A line before something that so many may have at a time."""

    def __init__(self, places: int = 1) -> None:
        self._lock = threading.RLock()
        self._free = [None] * places
        self._waiting: deque[_Waiter] = deque()

    def take_at_once(self) -> bool:
        """Take a place if one is free."""
        with self._lock:
            if not self._free:
                return False
            self._free.pop()
            return True

    def take(self, patience: float) -> bool:
        """Wait for a place for so many seconds; tell whether there was one."""
        waiter = self._stand(None)
        deadline = monotonic() + patience
        try:
            while not self._has(waiter):
                waiter.woken.result(max(0.0, deadline - monotonic()))
        except TimeoutError:
            return self._left(waiter)
        except BaseException:
            self._give_up(waiter)
            raise
        return True

    async def take_async(self, patience: float) -> bool:
        """Wait like `take`, in a task."""
        waiter = self._stand(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(patience):
                while not self._has(waiter):
                    await asyncio.wrap_future(waiter.woken)
        except TimeoutError:
            return self._left(waiter)
        except BaseException:
            self._give_up(waiter)
            raise
        return True

    def give(self) -> None:
        """Give a place back, to whoever has waited longest or to whoever comes first."""
        with self._lock:
            self._free.append(None)
            self._serve()

    def _stand(self, loop: asyncio.AbstractEventLoop | None) -> _Waiter:
        waiter = _Waiter(loop)
        with self._lock:
            self._waiting.append(waiter)
        return waiter

    def _has(self, waiter: _Waiter) -> bool:
        """Tell whether a waiter has a place, which the first in the line takes if it is free."""
        with self._lock:
            if not waiter.served and self._free and self._waiting[0] is waiter:
                self._let_in(waiter)
                self._serve()
            if not waiter.served:
                waiter.woken = Future()
            return waiter.served

    def _let_in(self, waiter: _Waiter) -> None:
        self._waiting.popleft()
        self._free.pop()
        waiter.served = True

    def _serve(self) -> None:
        """Hand free places to those who are late, and wake the first of the others."""
        while self._waiting:
            first = self._waiting[0]
            if first.is_gone():
                self._waiting.popleft()
                continue
            if not self._free:
                return
            late = first.is_late()
            if late:
                self._let_in(first)
            first.wake()
            if not late:
                return

    def _left(self, waiter: _Waiter) -> bool:
        """Leave the line; tell whether it was too late for that, because there is a place."""
        with self._lock:
            if not waiter.served:
                self._waiting.remove(waiter)
                self._serve()
            return waiter.served

    def _give_up(self, waiter: _Waiter) -> None:
        if self._left(waiter):
            self.give()


class _Waiter:
    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._since = monotonic()
        self.woken: Future[None] = Future()
        self.served = False

    def is_gone(self) -> bool:
        return self._loop is not None and self._loop.is_closed()

    def is_late(self) -> bool:
        return monotonic() - self._since > LATE

    def wake(self) -> None:
        with suppress(InvalidStateError):  # it is awake, or its task was cancelled
            self.woken.set_result(None)


class TurnConnection(sqlite3.Connection):
    """sqlite3's connection, which hands over its turn when its transaction is over."""

    turns: Turns | None = None

    def commit(self) -> None:
        super().commit()
        self.hand_over()

    def rollback(self) -> None:
        super().rollback()
        self.hand_over()

    def close(self) -> None:
        super().close()
        self._hand_over()

    def hand_over(self) -> None:
        """Hand over, unless a transaction is still open."""
        if self.turns is not None and not self.in_transaction:
            self._hand_over()

    def _hand_over(self) -> None:
        turns, self.turns = self.turns, None
        if turns is not None:
            turns.give()

    def __del__(self) -> None:
        self._hand_over()


def turns_at(place: str) -> Turns:
    """Give the line before the database of a file, or of a name in memory."""
    return _lines.setdefault(os.path.realpath(place), Turns())


def stand(engine: Engine, turns: Turns) -> None:
    """Let an engine's writers stand in a line."""
    _of_engines[engine] = turns


def turns_of(engine: Engine) -> Turns | None:
    """Give the line of an engine's writers; None where nobody writes."""
    return _of_engines.get(engine)


_lines: WeakValueDictionary[str, Turns] = WeakValueDictionary()
_of_engines: WeakKeyDictionary[Engine, Turns] = WeakKeyDictionary()
