"""Who listens to a session's statements and to its instances, and whether a read or a write concerns them.

A listener of `do_orm_execute` may change a statement or answer it itself, so a read that does not go through
Session.execute would go past it. Those that are known to let reads pass, or to do no more than add options,
say so here. Whoever says nothing is heard.

A write without instances goes past the listeners of a flush, too. Those that have nothing to do about a model
that is neither audited nor a tree say so as well.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from fieldstone.cache import cached

# Who tells events, what they are called, and what gives the listeners of all of them.
_Watched = tuple[tuple[Any, tuple[str, ...], Callable[[Any], tuple[Any, ...]]], ...]
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


def concerned_by_write(session: Session, model: type[Any]) -> str | None:
    """Name an event that somebody listens to when an instance of this model is written, if any does."""
    return _concerned(((session.dispatch, *_SESSIONS), *_events_of(model)))


def concerned_by_delete(session: Session, model: type[Any]) -> str | None:
    """Name an event that somebody listens to when an instance of this model is deleted, if any does."""
    return _concerned(((session.dispatch, *_SESSIONS_AT_DELETES), *_events_of_deletes(model)))


def _concerned(watched: _Watched) -> str | None:
    # what nobody listens to is one object for all attributes, so each is asked once
    heard = {listeners for events, _, find in watched for listeners in find(events)}
    try:
        if _idle.issuperset(chain.from_iterable(heard)):
            return None
    except TypeError:  # a callable that cannot be hashed
        pass
    return next(
        (name for events, names, _ in watched for name in names if not _are_idle(getattr(events, name))), None
    )


def _names(*names: str) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    return names, attrgetter(*names)


_SESSIONS = _names(
    "before_flush",
    "after_flush",
    "after_flush_postexec",
    "before_attach",
    "after_attach",
    "loaded_as_persistent",
    "transient_to_pending",
    "pending_to_persistent",
)
_SESSIONS_AT_DELETES = _names(
    "before_flush",
    "after_flush",
    "after_flush_postexec",
    "loaded_as_persistent",
    "persistent_to_deleted",
    "deleted_to_detached",
    "deleted_to_persistent",
)
_MAPPERS_AT_DELETES = _names("before_delete", "after_delete")
_LOADS = _names("load")
_MAPPERS = _names("before_insert", "after_insert", "before_update", "after_update")
_INSTANCES = _names("init", "init_failure", "load", "refresh_flush")
_ATTRIBUTES = _names("set", "init_scalar", "remove")


@cached
def _events_of_deletes(model: type[Any]) -> _Watched:
    mapper = sa_inspect(model)
    return ((mapper.dispatch, *_MAPPERS_AT_DELETES), (mapper.class_manager.dispatch, *_LOADS))


@cached
def _events_of(model: type[Any]) -> _Watched:
    mapper = sa_inspect(model)
    manager = mapper.class_manager
    attributes = [(manager[one.key].dispatch, *_ATTRIBUTES) for one in mapper.column_attrs]
    return ((mapper.dispatch, *_MAPPERS), (manager.dispatch, *_INSTANCES), *attributes)


def _are_idle(listeners: Any) -> bool:
    idle = [one for one in listeners if hasattr(one, _IDLE_AT_WRITES) or _readies(one)]
    _idle.update(idle)
    return len(idle) == len(list(listeners))


_idle: set[Any] = set()
"""The listeners found idle: functions of modules, which live as long as the program."""


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
