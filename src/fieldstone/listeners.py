"""Who listens to a session's statements and to its instances, and whether a read or a write concerns them.

A listener of `do_orm_execute` may change a statement or answer it itself, so a read that does not go through
Session.execute would go past it. Those that are known to let reads pass, or to do no more than add options,
say so here. Whoever says nothing is heard.

A write without instances goes past the listeners of a flush, too. Those that have nothing to do about a model
that is neither audited nor a tree say so as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from fieldstone.cache import cached

ListenerT = TypeVar("ListenerT", bound=Callable[..., Any])
Options = tuple[ORMOption, ...]

AUDITED = "fieldstone audited"
"""Key of Table.info: a table of which a history is kept."""

_IDLE = "fieldstone_idle"
_ADDED = "fieldstone_added"
_IDLE_AT_WRITES = "fieldstone_idle_at_writes"
_WAKE = "fieldstone_wake"


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


def idle_at_plain_writes(listener: ListenerT) -> ListenerT:
    """Mark a listener that does nothing about a write that needs no instance (see `writing.straight`)."""
    setattr(listener, _IDLE_AT_WRITES, True)
    return listener


def idle_unless(awake: Callable[[], Any]) -> Callable[[ListenerT], ListenerT]:
    """Mark a listener of statements that does nothing unless `awake` says so."""

    def mark(listener: ListenerT) -> ListenerT:
        setattr(listener, _WAKE, awake)
        return listener

    return mark


def is_awake(listener: Any) -> bool:
    """Tell whether a listener of statements would do anything now."""
    awake = getattr(listener, _WAKE, None)
    return awake is None or bool(awake())


_OF_SESSIONS = (
    "before_flush",
    "after_flush",
    "after_flush_postexec",
    "before_attach",
    "after_attach",
    "loaded_as_persistent",
    "transient_to_pending",
    "pending_to_persistent",
)
_OF_MAPPERS = ("before_insert", "after_insert", "before_update", "after_update")
_OF_INSTANCES = ("init", "init_failure", "load", "refresh_flush")
_OF_ATTRIBUTES = ("set", "init_scalar", "remove")


def concerned_by_write(session: Session, model: type[Any]) -> str | None:
    """Name an event that somebody listens to when an instance of this model is written, if any does."""
    for events, names in ((session.dispatch, _OF_SESSIONS), *_events_of(model)):
        for name in names:
            listeners = getattr(events, name)
            if listeners and not all(hasattr(one, _IDLE_AT_WRITES) or _readies(one) for one in listeners):
                return name
    return None


@cached
def _events_of(model: type[Any]) -> tuple[tuple[Any, tuple[str, ...]], ...]:
    mapper = sa_inspect(model)
    manager = mapper.class_manager
    attributes = [(manager[one.key].dispatch, _OF_ATTRIBUTES) for one in mapper.column_attrs]
    return ((mapper.dispatch, _OF_MAPPERS), (manager.dispatch, _OF_INSTANCES), *attributes)


def _readies(listener: Any) -> bool:
    """Tell the mapper's own listener, which readies all mappers at the first instance."""
    return bool(listener.__module__ == _MAPPING)


_MAPPING = "sqlalchemy.orm.mapper"


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
