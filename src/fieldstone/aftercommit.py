"""What happens only once the work is really stored: notifications, and whatever else cannot be undone.

A hook belongs to the innermost transaction that is open when it is registered. It is dropped when
that or one around it is rolled back, and runs when the outermost has been committed: after COMMIT
succeeded, with the connection already returned, so that a slow hook holds no lock.

By then the caller's work is stored, and a failing hook cannot change that: it is logged. Raised, it
would read as a failed commit, and the work would be sent again.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.util.concurrency import await_, in_greenlet
from sqlmodel import Session

from fieldstone.verbs import verb

logger = logging.getLogger("fieldstone")

Hook = Callable[[], object]

_WAITING = "fieldstone after commit"  # keys of Session.info
_COMMITTED = "fieldstone committed"


@dataclass(frozen=True)
class _Waiting:
    hook: Hook
    within: tuple[SessionTransaction, ...]


@verb
def after_commit(session: Session, hook: Hook) -> None:
    """Run a function once the transaction that is open here has been committed, the outermost included.

    Hooks run in the order of registration, once, before the commit returns to its caller; an error
    is logged and stops none of the others. With an AsyncSession a coroutine function is awaited. The
    session's transaction is over by then: a hook that needs the database opens one of its own.
    """
    if inspect.iscoroutinefunction(hook) and not in_greenlet():
        raise TypeError(
            f"after_commit cannot await {_name(hook)}: a Session commits without an event loop. "
            "Give a plain function, or use an AsyncSession."
        )
    session.info.setdefault(_WAITING, []).append(_Waiting(hook, _open_transactions(session)))


def _open_transactions(session: Session) -> tuple[SessionTransaction, ...]:
    """List the innermost transaction and those around it."""
    innermost = session.get_nested_transaction() or session.get_transaction() or session.begin()
    found: list[SessionTransaction] = []
    transaction: SessionTransaction | None = innermost
    while transaction is not None:
        found.append(transaction)
        transaction = transaction.parent
    return tuple(found)


@event.listens_for(SQLAlchemySession, "after_commit")
def _note_commit(session: SQLAlchemySession) -> None:
    # the event is told of released savepoints as well
    if session.get_nested_transaction() is None and _WAITING in session.info:
        session.info[_COMMITTED] = True


@event.listens_for(SQLAlchemySession, "after_soft_rollback")
def _drop(session: SQLAlchemySession, previous: SessionTransaction) -> None:
    waiting: list[_Waiting] = session.info.get(_WAITING, [])
    waiting[:] = [one for one in waiting if previous not in one.within]


@event.listens_for(SQLAlchemySession, "after_transaction_end")
def _end(session: SQLAlchemySession, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    waiting: list[_Waiting] = session.info.pop(_WAITING, [])
    if session.info.pop(_COMMITTED, False):
        for one in waiting:
            _run(one.hook)


def _run(hook: Hook) -> None:
    try:
        outcome = hook()
        if inspect.iscoroutine(outcome):
            _await(hook, outcome)
    except Exception:
        logger.exception("The after-commit hook %s failed; what was committed stands", _name(hook))


def _await(hook: Hook, outcome: Coroutine[Any, Any, object]) -> None:
    if in_greenlet():
        await_(outcome)
        return
    outcome.close()
    raise TypeError(f"{_name(hook)} gave a coroutine, and a Session has no event loop to await it on.")


def _name(hook: Hook) -> str:
    return str(getattr(hook, "__qualname__", type(hook).__name__))
