"""One body for sync and async.

Every call on an AsyncSession is a call on its sync Session inside SQLAlchemy's greenlet bridge.
So a verb is written once, against Session. Called with a Session it runs; called with an
AsyncSession it returns a coroutine that runs the same body through `AsyncSession.run_sync`.

A generator cannot be a verb: its body would leave the bridge between two items.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from sqlalchemy.ext.asyncio import AsyncSession as SQLAlchemyAsyncSession
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Verb(Protocol[P, R_co]):
    """Take a session first: a Session gives the result, an AsyncSession something to await."""

    __name__: str
    __doc__: str | None

    @overload
    def __call__(self, session: Session, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(
        self, session: AsyncSession, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R_co]: ...


def verb(body: Callable[Concatenate[Session, P], R]) -> Verb[P, R]:
    """Make a function over Session callable with either session.

    The body must do its work on the session it is given and must not be a generator or a
    coroutine function. Use it for your own services as the package does for its verbs.
    """
    if inspect.isgeneratorfunction(body) or inspect.iscoroutinefunction(body):
        raise TypeError(
            f"{body.__name__} must be a plain function to be a verb. Return a list, or use stream(...)."
        )

    @functools.wraps(body)
    def call(session: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        if isinstance(session, SQLAlchemyAsyncSession):
            return session.run_sync(cast(Any, body), *args, **kwargs)
        if isinstance(session, SQLAlchemySession):
            return body(cast(Session, session), *args, **kwargs)
        raise TypeError(
            f"{body.__name__} needs a Session or an AsyncSession first, not {type(session).__name__}. "
            "Take one from db.transaction() or db.async_transaction()."
        )

    return cast(Verb[P, R], call)
