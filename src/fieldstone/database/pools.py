"""Pools in which nobody waits for ever for a connection.

SQLAlchemy's give a connection that comes back to whoever asks first, and that is the one that has just
returned it and goes on, not the one that was woken and has yet to run. Under more clients than connections
some wait for seconds, while the median waits for nothing. Here whoever asks stands in a line (`turns`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, QueuePool
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.util.concurrency import await_, in_greenlet

from fieldstone.database.turns import Turns


class FairPool(QueuePool):
    """A pool for threads."""

    def __init__(self, creator: Any, *args: Any, **options: Any) -> None:
        super().__init__(creator, *args, **options)
        places = self.size() + self._max_overflow
        self._line = Turns(places) if self.size() and self._max_overflow >= 0 else None

    def _do_get(self) -> Any:
        line = self._line
        if line is None:
            return super()._do_get()
        if not line.take_at_once() and not self._waited(line):
            raise PoolTimeout(f"All {self.checkedout()} connections were in use for {self._timeout:g} s.")
        try:
            return super()._do_get()
        except BaseException:
            line.give()
            raise

    def _do_return_conn(self, record: Any) -> None:
        try:
            super()._do_return_conn(record)
        finally:
            if self._line is not None:
                self._line.give()

    def _waited(self, line: Turns) -> bool:
        return line.take(self._timeout)


class AsyncFairPool(AsyncAdaptedQueuePool, FairPool):
    """A pool for tasks."""

    def _waited(self, line: Turns) -> bool:
        if not in_greenlet():
            raise MissingGreenlet("A connection is waited for within SQLAlchemy's bridge only.")
        return await_(line.take_async(self._timeout))
