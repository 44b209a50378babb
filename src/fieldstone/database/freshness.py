"""Connections that are checked before use, but not while they have just been used.

SQLAlchemy's `pool_pre_ping` asks the server at each checkout, which is a round trip for every unit of work
(three on asyncpg). A connection that answered a moment ago will answer again, unless the server has ended it
since: then its socket has something to read, which costs a system call to see and no round trip. So one is
asked that has, or that was idle for longer than `ping_after`, or was last used before another of the pool was
found broken.

Source: SQLAlchemy documentation, "Dealing with Disconnects", its checkout event.
"""

from __future__ import annotations

import select
import time
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.util.concurrency import in_greenlet

_USED = "fieldstone_used"  # a key of the connection's info

_known: WeakKeyDictionary[Engine, Freshness] = WeakKeyDictionary()


def watch(engine: Engine, *, ping_after: float) -> None:
    """Have an engine's connections checked before use once they were idle for so many seconds."""
    _known[engine] = Freshness(engine, ping_after=ping_after)


def of(engine: Engine) -> Freshness | None:
    """Give what is known of an engine's connections, if they are watched."""
    return _known.get(engine)


class Freshness:
    """Know when each connection of an engine answered last, and ask the one that may not any more."""

    def __init__(self, engine: Engine, *, ping_after: float) -> None:
        self._dialect = engine.dialect
        self._ping_after = ping_after
        self._broken = float("-inf")
        event.listen(engine, "checkin", self._returned)
        event.listen(engine, "checkout", self._taken)

    def distrust(self) -> None:
        """Note that a connection is broken: the others may be, so each is asked before it is used again."""
        self._broken = time.monotonic()

    def is_due(self, connection: Any, info: Any) -> bool:
        """Tell whether a connection must be asked before it is used."""
        used: float | None = info.get(_USED)
        if used is None:  # it is new
            return False
        idle = time.monotonic() - used
        return used <= self._broken or idle > self._ping_after or _is_spoken_to(connection)

    def ask(self, connection: Any) -> None:
        """Ask the server; where it does not answer, let the pool renew all its connections."""
        try:
            self._dialect.do_ping(connection)
        except self._dialect.loaded_dbapi.Error as error:
            if not self._dialect.is_disconnect(error, connection, None):
                raise
            raise InvalidatePoolError from error

    def _returned(self, connection: Any, record: Any) -> None:
        record.info[_USED] = time.monotonic()

    def _taken(self, connection: Any, record: Any, fairy: Any) -> None:
        # Outside the bridge an asynchronous connection cannot be asked; who takes one there does without.
        if self.is_due(connection, record.info) and (in_greenlet() or not self._dialect.is_async):
            self.ask(connection)


def _is_spoken_to(connection: Any) -> bool:
    """Tell whether the server sent something while nobody asked: that it ended the connection, mostly."""
    driven = getattr(connection, "driver_connection", connection)
    if hasattr(driven, "fileno"):  # psycopg
        number = -1 if driven.closed else driven.fileno()
    else:
        transport = driven._transport  # asyncpg shows its socket nowhere else
        socket = None if driven.is_closed() or transport is None else transport.get_extra_info("socket")
        number = -1 if socket is None else socket.fileno()
    if number < 0:
        return True
    return bool(select.select([number], [], [], 0)[0]) if _poll is None else _readable(number)


# select() knows no file above 1023, and Windows no poll().
_poll = getattr(select, "poll", None)


def _readable(number: int) -> bool:
    waiting = select.poll()
    waiting.register(number, select.POLLIN)
    return bool(waiting.poll(0))
