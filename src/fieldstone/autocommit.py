"""A verb without a session: each call is a transaction of its own, and done when it returns.

`verb(db.autocommit, ...)` gives what `with db.transaction() as session: return verb(session, ...)` gives,
results and errors alike (`read_only=True` for a verb that reads). So any verb may be called there, and one
that can do with less than a session may have a second body that runs on a bare connection of the pool:

    @verb
    def rename(session: Session, key: int, title: str) -> bool: ...

    @rename.direct
    def _rename_at_once(direct: Direct, key: int, title: str) -> Steps[bool]:
        _, rows = yield Ask("UPDATE task SET title = ? WHERE id = ? RETURNING id", (title, key))
        return bool(rows)

A direct body is a generator. It yields what is to be run, as the driver takes it, is sent the answer, and
returns the result; so it serves both faces without the bridge that a session needs, which costs as much as a
short read. Each statement is a transaction of its own, and the connection is taken at the first.

It raises `GiveWay`, before it has stored anything, wherever its caller could tell it from the ordinary body:
an event that somebody listens to, a rule that needs the old state. The ordinary body then runs in a
transaction. Where the database refuses a statement the call gives way by itself, so that errors are made in
one place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Dialect
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

R = TypeVar("R")

AT_ONCE = "fieldstone_at_once"
"""The execution option of a read-only unit whose reads may run before its transaction has begun."""

APART = ("READ COMMITTED", "READ UNCOMMITTED")
"""The levels at which each statement sees a state of its own, within a transaction or without."""


class GiveWay(Exception):
    """Leave a call to the ordinary body, in a transaction. Nothing may have been stored by then."""


class Ask(NamedTuple):
    """A statement as the driver takes it.

    `described`: the answer needs the cursor's description. `more`: other statements follow, which have to see
    the same state as this one; only a verb that reads may say so.
    """

    sql: str
    arguments: Any = ()
    described: bool = False
    more: bool = False


# The cursor's description, None where it was not asked for, and the rows.
Answer = tuple[Sequence[Any] | None, Sequence[Any]]
Steps = Generator[Ask, Answer, R]


@dataclass
class Work:
    """What a verb does: its ordinary body, whether that only reads, and its direct body if it has one."""

    ordinary: Callable[..., Any]
    reads: bool = False
    direct: Callable[..., Steps[Any]] | None = None


class Direct(Protocol):
    """What a direct body may know of the connections that its statements will run on."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def owner(self) -> Any:
        """Give what statements are prepared for, and kept as long as it lives."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Give the execution options of the engine."""
        ...

    @property
    def added(self) -> tuple[Any, ...]:
        """Give the options that listeners add to the statements of a read. Raises GiveWay."""
        ...


class Opens(Protocol):
    """A database, as far as this room knows it."""

    def transaction(self, *, read_only: bool = False) -> AbstractContextManager[Session]: ...
    def async_transaction(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AsyncSession]: ...
    def directly(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any: ...
    def directly_async(
        self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> Awaitable[Any]: ...


class Autocommit:
    """Stand in a session's place: each verb called on it is a transaction of its own."""

    __slots__ = ("_database",)

    def __init__(self, database: Opens) -> None:
        self._database = database

    def perform(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Call a verb's direct body, and its ordinary one where that gives way."""
        if work.direct is not None:
            try:
                return self._database.directly(work, arguments, options)
            except GiveWay:
                pass  # and out of the handler, so that the errors of the ordinary way have no other context
        with self._database.transaction(read_only=work.reads) as session:
            return work.ordinary(session, *arguments, **options)


class AsyncAutocommit:
    """Stand in an AsyncSession's place: each verb awaited on it is a transaction of its own."""

    __slots__ = ("_database",)

    def __init__(self, database: Opens) -> None:
        self._database = database

    async def perform(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Call a verb's direct body, and its ordinary one where that gives way."""
        if work.direct is not None:
            try:
                return await self._database.directly_async(work, arguments, options)
            except GiveWay:
                pass
        async with self._database.async_transaction(read_only=work.reads) as session:
            return await session.run_sync(work.ordinary, *arguments, **options)
