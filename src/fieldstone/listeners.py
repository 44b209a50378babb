"""Who listens to a session's statements and to its instances, and whether a read or a write concerns them.

A listener of `do_orm_execute` may change a statement or answer it itself, so a read that does not go through
Session.execute would go past it. Those that are known to let reads pass, or to do no more than add options,
say so here. Whoever says nothing is heard.

A write without instances goes past the listeners of a flush, too. Those that have nothing to do about a model
that is neither audited nor a tree say so as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

ListenerT = TypeVar("ListenerT", bound=Callable[..., Any])
Options = tuple[ORMOption, ...]

AUDITED = "fieldstone audited"
"""Key of Table.info: a table of which a history is kept."""

_IDLE = "fieldstone_idle"
_ADDED = "fieldstone_added"
_IDLE_AT_WRITES = "fieldstone_idle_at_writes"


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


FLUSHING = ("before_flush", "after_flush", "after_flush_postexec")
"""The session's events of every write through instances."""

_ATTACHING = ("before_attach", "after_attach", "loaded_as_persistent", "transient_to_pending")
_WRITING = ("before_insert", "after_insert", "before_update", "after_update")
_MAKING = ("init", "init_failure", "load", "refresh_flush")
_SETTING = ("set", "init_scalar", "append", "remove")


def concerned_by_write(session: Session, model: type[Any]) -> str | None:
    """Name an event that somebody listens to when an instance of this model is written, if any does."""
    for name in (*FLUSHING, *_ATTACHING, "pending_to_persistent"):
        if _is_heard(getattr(session.dispatch, name)):
            return name
    mapper = sa_inspect(model)
    for name in _WRITING:
        if _is_heard(getattr(mapper.dispatch, name)):
            return name
    for name in _MAKING:
        if _is_heard(getattr(mapper.class_manager.dispatch, name)):
            return name
    return next(_heard_on_attributes(mapper), None)


def _heard_on_attributes(mapper: Any) -> Iterator[str]:
    for attribute in mapper.column_attrs:
        dispatch = mapper.class_manager[attribute.key].dispatch
        for name in _SETTING:
            if _is_heard(getattr(dispatch, name)):
                yield f"{name} of {attribute.key}"


def _is_heard(listeners: Iterable[Any]) -> bool:
    return not all(hasattr(one, _IDLE_AT_WRITES) or one.__module__ == _MAPPING for one in listeners)


_MAPPING = "sqlalchemy.orm.mapper"  # its own listener readies the mappers at the first instance


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
