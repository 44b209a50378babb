"""When to try again, and how long to wait before.

Whether a failure is worth another attempt is told by its SQLSTATE or SQLite code, never by its
exception class: the same serialization failure arrives as an OperationalError from one driver and
as a bare DBAPIError from another. Waits are drawn at random (full jitter), so that those who met
once do not meet again.

Source: PostgreSQL documentation, appendix A; M. Brooker, "Exponential Backoff And Jitter" (2015).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.util import await_only

from fieldstone.errors import CommitOutcomeUnknown, Unavailable
from fieldstone.violations.failures import Failure, failure_of

# serialization_failure, deadlock_detected
REPEATABLE = frozenset({"40001", "40P01"})

# cannot_connect_now, too_many_connections, and the class of connection exceptions
_WAKING = frozenset({"57P03", "53300", "08000", "08001", "08003", "08004", "08006"})


def repeatable(error: BaseException) -> bool:
    """Say whether the whole unit may be run again: it left nothing behind and may fare better."""
    if isinstance(error, CommitOutcomeUnknown):
        return False
    failure = failure_of(error)
    return failure is not None and (failure.sqlstate in REPEATABLE or failure.locked)


def delays(attempts: int, *, first: float = 0.02, longest: float = 1.0) -> Iterator[float]:
    """Yield the seconds to wait after each attempt but the last."""
    for attempt in range(attempts - 1):
        yield random.uniform(0, min(longest, first * 2**attempt))  # noqa: S311  # spreads load, guards nothing


def connect_patiently(engine: Engine, *, where: str, attempts: int, patience: float) -> None:
    """Make the engine ask again for a server that sleeps, starts or refuses for a moment."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, args: Any, parameters: Any) -> Any:
        deadline = time.monotonic() + patience
        waits = delays(attempts, first=0.2, longest=2.0)
        while True:
            try:
                return dialect.connect(*args, **parameters)
            except Exception as error:
                failure = failure_of(error)
                if failure is None:
                    raise
                wait = next(waits, None)
                if wait is None or not _may_wake(failure) or time.monotonic() + wait > deadline:
                    raise Unavailable(_unreachable(where, failure)) from error
            # Async engines connect inside SQLAlchemy's greenlet, where awaiting is a call.
            if dialect.is_async:
                import asyncio

                await_only(asyncio.sleep(wait))
            else:
                time.sleep(wait)


def _may_wake(failure: Failure) -> bool:
    if failure.sqlstate is not None:
        return failure.sqlstate in _WAKING
    return failure.lost and not failure.untrusted and not failure.unresolved


def _unreachable(where: str, failure: Failure) -> str:
    remedy = _REMEDIES.get(
        failure.sqlstate or "", "Start it, or correct the host and port in the database URL"
    )
    return f"The database {where} cannot be reached: {failure.reason}. {remedy}."


_REMEDIES = {
    "28P01": "Correct the user and password in the database URL",
    "28000": "Correct the user and sslmode in the database URL, or the server's pg_hba.conf",
    "3D000": "Create the database, or correct its name in the database URL",
    "53300": "Lower pool_size, connect through a pooler, or raise max_connections",
}
