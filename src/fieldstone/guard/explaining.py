"""Why an attribute could not be read: of which object, since which line, and what to write.

In an async session the explanation comes first: the hook sees that a statement is about to be sent where
nothing can be awaited, and raises before SQLAlchemy does, so nobody wraps it. For a detached instance no
statement is ever sent and no event fires, so the error itself is read where the watch ends: its traceback
holds SQLAlchemy's frames, with the instance and the attribute. Pydantic keeps no traceback of what fails
below from_attributes, but it names both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.orm import InstanceState, ORMExecuteState
from sqlalchemy.orm.attributes import QueryableAttribute
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlalchemy.util.concurrency import in_greenlet

from fieldstone.errors import MistakesFound, NotLoaded, NotSent
from fieldstone.guard.findings import DetachedAccess, Finding, LazyLoadInAsync, said
from fieldstone.guard.lives import Ending, Life, Query, life_of, name_of
from fieldstone.guard.queries import accessed
from fieldstone.guard.repeats import option_for, origin_of, whence
from fieldstone.guard.sites import Moment, here, raised_at

_PYDANTIC = {"fastapi", "pydantic", "pydantic_core"}
_DETACHED = DetachedInstanceError.__name__
_RELATIONSHIP = re.compile(r"lazy load operation of attribute '(\w+)'")


def failure_of(query: Query, state: ORMExecuteState) -> LazyLoadInAsync | None:
    """Say what is wrong where an attribute is about to be loaded by an async session that nobody awaits."""
    if query.purpose not in ("lazy load", "reload") or in_greenlet():
        return None
    if not state.session.get_bind(**state.bind_arguments).dialect.is_async:
        return None
    name = accessed() or query.attribute
    ending = query.parent.expiry_of(name) if query.parent else None
    if ending is not None:
        return LazyLoadInAsync([_expired(query.entity, name, ending)])
    return LazyLoadInAsync([_never_loaded(query, name)])


def _never_loaded(query: Query, name: str) -> Finding:
    subject = f"{query.entity}.{name}"
    origin = origin_of(query)
    option = option_for(query.path) if query.purpose == "lazy load" else f"undefer({subject})"
    return Finding(
        "lazy_load",
        subject,
        said(
            f"{subject} was read and is not loaded",
            query.moment,
            f"an async session loads nothing on access, and {whence(query, origin)} without it",
            f"Add .options({option}) to that query, or read into a schema that has {name!r}.",
        ),
        option,
        query.moment.site,
        origin.site if origin else None,
    )


def _expired(entity: str, name: str, ending: Ending) -> Finding:
    subject, moment = f"{entity}.{name}", here()
    remedy, write = _remedy(ending, f"await session.refresh({entity.lower()})")
    return Finding(
        "expired",
        subject,
        said(f"{subject} was read and is expired", moment, f"{ending} took its value", remedy),
        write,
        moment.site,
        ending.moment.site,
    )


def _remedy(ending: Ending, anew: str) -> tuple[str, str]:
    match ending.operation:
        case "commit":
            option = "expire_on_commit=False"
            return f"Make the session with {option}, or write {anew} after the commit.", option
        case "flush":
            option = "__mapper_args__ = {'eager_defaults': True}"
            fact = "The database computes it: let Python do that (default=, onupdate=), or give the model"
            return f"{fact} {option}.", option
        case _:
            return f"Write {anew} before reading it, or read the row again.", anew


# Errors that arrive where a watch ends


def explained(error: BaseException) -> Iterator[Finding]:
    """Say what is behind an error, as far as it comes from an attribute that could not be read."""
    for one in _chain(error):
        if isinstance(one, DetachedInstanceError) and not isinstance(one, MistakesFound):
            yield from _detached_in(one)
        elif isinstance(one, NotLoaded) and not isinstance(one, NotSent):
            yield _refused(one)
        elif isinstance(one, MissingGreenlet) and not isinstance(one, MistakesFound):
            yield _unawaited(one)
        else:
            yield from _detached_below(one)


def replacing(error: Exception, found: list[Finding]) -> MistakesFound:
    """Give an error that says what was found, and is caught by what would have caught the first."""
    for one in _chain(error):
        if isinstance(one, DetachedInstanceError):
            return DetachedAccess(found)
        if isinstance(one, MissingGreenlet):
            return LazyLoadInAsync(found)
    return MistakesFound(found)


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException] = [error]
    seen = set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        waiting += [next_one for next_one in (one.__cause__, one.__context__) if next_one is not None]


def _detached_in(error: DetachedInstanceError) -> Iterator[Finding]:
    found = _instance_in(error.__traceback__)
    if found is not None:
        state, name = found
        told = _RELATIONSHIP.search(str(error))
        yield _detached(state, name or (told[1] if told else ""), raised_at(error.__traceback__))


def _instance_in(traceback: TracebackType | None) -> tuple[InstanceState[Any], str] | None:
    """Find the attribute that was read in SQLAlchemy's frames, and whose it is."""
    while traceback is not None:
        local = traceback.tb_frame.f_locals
        attribute, instance = local.get("self"), local.get("instance")
        if isinstance(attribute, QueryableAttribute) and instance is not None:
            return inspect(instance), attribute.key
        if isinstance(state := local.get("state"), InstanceState):
            return state, ""
        traceback = traceback.tb_next
    return None


def _detached_below(error: BaseException) -> Iterator[Finding]:
    """Find what Pydantic wrote down of an attribute that it could not read from an instance."""
    if type(error).__module__.partition(".")[0] not in _PYDANTIC:
        return
    problems: Any = getattr(error, "errors", list)
    for problem in problems():
        if problem.get("type") == "get_attribute_error" and _DETACHED in str(problem.get("msg")):
            state = inspect(problem.get("input"), raiseerr=False)
            if isinstance(state, InstanceState):
                yield _detached(state, str(problem["loc"][-1]), raised_at(error.__traceback__))


def _detached(state: InstanceState[Any], name: str, moment: Moment) -> Finding:
    life = life_of(state)
    ending = None if name in state.mapper.relationships else life.expiry_of(name)
    if ending is not None:
        return _expired_before(state, name, moment, ending)
    subject = f"{name_of(state)}.{name}"
    option = _option(state, life, name)
    origin = f"the query at {life.query.moment.place}" if life.query else "the query that loads it"
    return Finding(
        "detached",
        subject,
        said(
            f"{subject} was read and cannot be loaded",
            moment,
            f"it was never loaded, and {_left(life)}",
            f"Add .options({option}) to {origin}, or read into a schema that has {name!r}.",
        ),
        option,
        moment.site,
        life.detached.moment.site if life.detached else None,
    )


def _expired_before(state: InstanceState[Any], name: str, moment: Moment, ending: Ending) -> Finding:
    subject = f"{name_of(state)}.{name}"
    remedy, write = _remedy(ending, f"session.refresh({name_of(state).lower()})")
    return Finding(
        "expired",
        subject,
        said(
            f"{subject} was read and cannot be loaded",
            moment,
            f"{ending} took its value, and {_left(life_of(state))}",
            remedy,
        ),
        write,
        moment.site,
        ending.moment.site,
    )


def _left(life: Life) -> str:
    return f"{life.detached} ended its session" if life.detached else "its session is over"


def _option(state: InstanceState[Any], life: Life, name: str) -> str:
    if name not in state.mapper.relationships:
        return f"undefer({name_of(state)}.{name})"
    return option_for((*_path_of(life, state), state.mapper.relationships[name]))


def _path_of(life: Life, state: InstanceState[Any]) -> tuple[Any, ...]:
    path = life.query.path if life.query else ()
    return path if path and path[-1].mapper is state.mapper else ()


def _refused(error: NotLoaded) -> Finding:
    """Take down a dump that Model refused; its text names what is missing and what expired it."""
    moment = raised_at(error.__traceback__)
    subject = str(error).partition(" ")[0]
    return Finding(
        "expired",
        subject,
        said(f"{subject} was dumped", moment, str(error), "").replace("..", "."),
        "session.refresh",
        moment.site,
    )


def _unawaited(error: MissingGreenlet) -> Finding:
    moment = raised_at(error.__traceback__)
    return Finding(
        "lazy_load",
        "AsyncSession",
        said(
            "A statement was sent",
            moment,
            "it belongs to an async session, and nothing awaits it here",
            "Await the call on the AsyncSession itself, or put the work into session.run_sync(...).",
        ),
        "session.run_sync",
        moment.site,
    )
