"""Who listens to a session's statements, and whether a read concerns them.

A listener of `do_orm_execute` may change a statement or answer it itself, so a read that does not go through
Session.execute would go past it. Those that are known to let reads pass, or to do no more than add options,
say so here. Whoever says nothing is heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

ListenerT = TypeVar("ListenerT", bound=Callable[..., Any])
Options = tuple[ORMOption, ...]

_IDLE = "fieldstone_idle"
_ADDED = "fieldstone_added"


def idle_at_reads(
    when: Callable[[Session], bool] = lambda session: True,
) -> Callable[[ListenerT], ListenerT]:
    """Mark a listener that does nothing about a read, in the sessions of which `when` says so."""

    def mark(listener: ListenerT) -> ListenerT:
        setattr(listener, _IDLE, when)
        return listener

    return mark


def adding_at_reads(*options: ORMOption) -> Callable[[ListenerT], ListenerT]:
    """Mark a listener that adds these options to a read without execution options, and does nothing else."""

    def mark(listener: ListenerT) -> ListenerT:
        setattr(listener, _ADDED, options)
        return listener

    return mark


def added_at_reads(session: Session) -> Options | None:
    """Give the options that a read of this session gets, or None where a listener might do more to it."""
    added: Options = ()
    for listener in session.dispatch.do_orm_execute:
        options = getattr(listener, _ADDED, None)
        if options is not None:
            added += options
        elif not getattr(listener, _IDLE, _never)(session):
            return None
    return added


def is_ours(listener: Any) -> bool:
    """Tell whether a listener is of this package, which knows what it listens for."""
    return str(getattr(listener, "__module__", "")).startswith("fieldstone.")


def _never(session: Session) -> bool:
    return False
