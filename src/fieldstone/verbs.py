"""One body for sync and async.

Every call on an AsyncSession is a call on its sync Session inside SQLAlchemy's greenlet bridge.
So a verb is written once, against Session. Called with a Session it runs; called with an
AsyncSession it returns a coroutine that runs the same body through `AsyncSession.run_sync`. Called with
`db.autocommit` or `db.async_autocommit` it does the same in a transaction of its own (`autocommit`).

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

from fieldstone.autocommit import AsyncAutocommit, Autocommit, Work

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
DirectT = TypeVar("DirectT", bound=Callable[..., Any])

# What a verb takes first, on each face.
AnySync = Session | Autocommit
AnyAsync = AsyncSession | AsyncAutocommit


class Verb(Protocol[P, R_co]):
    """Take a session first: a Session gives the result, an AsyncSession something to await.

    `db.autocommit` and `db.async_autocommit` stand for a session whose one transaction is the call.
    """

    __name__: str
    __doc__: str | None

    @overload
    def __call__(self, session: AnySync, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(
        self, session: AnyAsync, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R_co]: ...

    def direct(self, body: DirectT, /) -> DirectT:
        """Add the body that runs on a bare connection; `autocommit` says what it must keep to."""
        ...


class _MakeVerb(Protocol):
    def __call__(self, body: Callable[Concatenate[Session, P], R], /) -> Verb[P, R]: ...


@overload
def verb(body: Callable[Concatenate[Session, P], R], /) -> Verb[P, R]: ...
@overload
def verb(*, reads: bool) -> _MakeVerb: ...
def verb(body: Any = None, /, *, reads: bool = False) -> Any:
    """Make a function over Session callable with either session, and with `db.autocommit`.

    The body must do its work on the session it is given and must not be a generator or a
    coroutine function. Use it for your own services as the package does for its verbs.
    `@verb(reads=True)` for one that never writes: on `db.autocommit` its transaction is read-only.
    """
    return functools.partial(_verb, reads=reads) if body is None else _verb(body, reads=reads)


def _verb(body: Callable[..., Any], *, reads: bool) -> Verb[..., Any]:
    if inspect.isgeneratorfunction(body) or inspect.iscoroutinefunction(body):
        raise TypeError(
            f"{body.__name__} must be a plain function to be a verb. Return a list, or use stream(...)."
        )
    work = Work(body, reads)

    @functools.wraps(body)
    def call(session: Any, /, *args: Any, **kwargs: Any) -> Any:
        if isinstance(session, (Autocommit, AsyncAutocommit)):
            return session.perform(work, args, kwargs)
        if isinstance(session, SQLAlchemyAsyncSession):
            return session.run_sync(cast(Any, body), *args, **kwargs)
        if isinstance(session, SQLAlchemySession):
            return body(cast(Session, session), *args, **kwargs)
        name, given = body.__name__.removeprefix("_"), type(session).__name__
        raise TypeError(
            f"{name} needs a Session or an AsyncSession first, not {given}. "
            "Take one from db.transaction() or db.async_transaction()."
        )

    def direct(other: DirectT, /) -> DirectT:
        if _parameters(other) != _parameters(body):
            raise TypeError(
                f"{other.__name__} cannot be the direct body of {body.__name__}: behind the first, they take "
                "other parameters. Write the same names, kinds and defaults."
            )
        work.direct = other
        return other

    made = cast(Verb[..., Any], call)
    made.direct = direct  # type: ignore[method-assign]  # a function's own attribute stands for the method
    return made


def _parameters(body: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    _, *others = inspect.signature(body).parameters.values()
    return [(one.name, one.kind, one.default) for one in others]
