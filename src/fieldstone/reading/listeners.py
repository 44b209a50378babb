"""Who listens to a session's statements, and whether a read concerns them.

A listener of `do_orm_execute` may change a statement or answer it itself, so a read that does not go through
Session.execute would go past it. Those that are known to let reads pass say so, here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

ListenerT = TypeVar("ListenerT", bound=Callable[..., Any])

_IDLE = "fieldstone_idle"


def idle_at_reads(
    when: Callable[[Session], bool] = lambda session: True,
) -> Callable[[ListenerT], ListenerT]:
    """Mark a listener that does nothing about a read, in the sessions of which `when` says so."""

    def mark(listener: ListenerT) -> ListenerT:
        setattr(listener, _IDLE, when)
        return listener

    return mark


def reads_are_heard(session: Session) -> bool:
    """Tell whether somebody might change what a read of this session gives."""
    for listener in session.dispatch.do_orm_execute:
        idle = getattr(listener, _IDLE, None)
        if idle is None or not idle(session):
            return True
    return False
