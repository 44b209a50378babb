"""Other mistakes with sessions that show at run time, each found from one event.

Each function looks at what an event tells and gives a finding, or None where all is well.
"""

from __future__ import annotations

import asyncio
from fnmatch import fnmatch
from weakref import ref

from greenlet import getcurrent
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from sqlalchemy.util.concurrency import in_greenlet

from fieldstone.guard.findings import Finding, said
from fieldstone.guard.sites import Moment, here, is_boundary
from fieldstone.guard.statements import Statement

_BUSY = "fieldstone_guard_busy"


def concurrent_use(session: Session) -> Finding | None:
    """Find a session that a task uses while another task's call of it has not returned.

    Each call on an AsyncSession runs in a greenlet, and it is dead as soon as the call has returned.
    """
    if not in_greenlet():
        return None
    current, moment = getcurrent(), here()
    busy = session.info.get(_BUSY)
    session.info[_BUSY] = (ref(current), moment)
    if busy is None:
        return None
    other, first = busy[0](), busy[1]
    if other is None or other is current or other.dead:
        return None
    return Finding(
        "shared_session",
        "AsyncSession",
        said(
            "One AsyncSession is used by two tasks at once",
            moment,
            f"a call of it at {first.place} has not returned, and a session has one connection and one "
            "transaction",
            "Give each task a session of its own, or await one after the other.",
        ),
        "a session of its own",
        moment.site,
        first.site,
    )


def blocking_call(statement: Statement, connection: Connection) -> Finding | None:
    """Find a statement of a sync session that keeps an event loop waiting."""
    if connection.dialect.is_async or not _in_event_loop():
        return None
    return Finding(
        "blocking_call",
        "Session",
        said(
            "A statement of a sync session ran in the event loop",
            statement.moment,
            "all other requests wait until the database has answered",
            "Write def instead of async def for the endpoint, which then runs in a thread, or use an "
            "AsyncSession.",
        ),
        "AsyncSession",
        statement.site,
    )


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def autocommit_write(statement: Statement, connection: Connection) -> Finding | None:
    """Find a write that each of its statements commits by itself."""
    if not statement.is_write or not _commits_by_itself(connection):
        return None
    return Finding(
        "autocommit_write",
        statement.verb,
        said(
            f"{statement.verb} ran outside of a transaction",
            statement.moment,
            "the connection is in AUTOCOMMIT, so what fails later leaves it stored",
            "Take a connection or an engine without isolation_level='AUTOCOMMIT' for what writes.",
        ),
        "a transaction",
        statement.site,
    )


def _commits_by_itself(connection: Connection) -> bool:
    asked = connection.get_execution_options().get("isolation_level")
    # What create_engine(isolation_level=) was given has no public name.
    return (asked or getattr(connection.dialect, "_on_connect_isolation_level", None)) == "AUTOCOMMIT"


def lost_write(last: Statement) -> Finding:
    """Say that a session ended, and took with it what it had written and nobody committed."""
    return Finding(
        "lost_write",
        last.verb,
        said(
            f"{last.verb} was undone",
            last.moment,
            "its session was closed and nobody had committed",
            "Write session.commit() before the session ends, or begin it with a block that commits: "
            "with db.transaction() as session.",
        ),
        "session.commit()",
        last.site,
    )


def lost_addition(entity: str) -> Finding:
    """Say that a session ended with an instance that it never wrote."""
    moment = here()
    return Finding(
        "lost_write",
        entity,
        said(
            f"A {entity} was added and never written",
            moment,
            "its session was closed and nobody had committed",
            "Write session.commit() before the session ends, or begin it with a block that commits: "
            "with db.transaction() as session.",
        ),
        "session.commit()",
        moment.site,
    )


def commit_in_helper(session: Session, commits_in: tuple[str, ...]) -> Finding | None:
    """Find a commit that stands elsewhere than where commits belong."""
    if session.in_nested_transaction() or is_boundary():
        return None
    moment = here()
    site = moment.site
    if site is None or any(fnmatch(site.path, f"*{pattern}") for pattern in commits_in):
        return None
    where = f" in {' or '.join(commits_in)}" if commits_in else ""
    return Finding(
        "commit_in_helper",
        site.function,
        said(
            f"{site.function} commits",
            moment,
            "its caller can no longer undo what it did before, nor do more in the same transaction",
            f"Write session.flush() here, and commit once{where}, where the transaction began.",
        ),
        "session.flush()",
        site,
    )


def left_open(session: Session) -> Finding:
    """Say that a session outlives its request with a transaction open."""
    begun = session.info.get(BEGAN)
    moment: Moment = begun if begun is not None else Moment(())
    return Finding(
        "escaped_session",
        "session",
        said(
            "A session outlives its request",
            moment,
            "its transaction began here and is still open, and holds a connection of the pool",
            "Open it with a block (with Session(engine) as session), or in a dependency that yields it.",
        ),
        "with Session(engine) as session",
        moment.site,
    )


def used_elsewhere(session: Session, first: str, now: str) -> Finding:
    """Say that a session of one request is used by another."""
    moment = here()
    return Finding(
        "escaped_session",
        "session",
        said(
            f"The session of {first} is used by {now}",
            moment,
            "it was kept where other requests find it, so they share its transaction and its objects",
            "Make one session for each request, in a dependency that yields it.",
        ),
        "one session for each request",
        moment.site,
    )


BEGAN = "fieldstone_guard_began"
