"""A verb without a session: each call is a transaction of its own, and done when it returns.

`verb(db.autocommit, ...)` gives what `with db.transaction() as session: return verb(session, ...)` gives,
results and errors alike (`read_only=True` for a verb that reads). So any verb may be called there, and one
that can do with less than a session may have a second body that runs on a bare connection of the pool:

    @verb
    def rename(session: Session, key: int, title: str) -> None: ...

    @rename.direct
    def _rename_at_once(direct: Direct, key: int, title: str) -> None:
        direct.run("UPDATE task SET title = ? WHERE id = ?", (title, key))

A direct body is plain code for both faces: it runs inside SQLAlchemy's bridge where the face is asynchronous.
It raises `GiveWay` wherever its caller could tell it from the ordinary body (an event that somebody listens
to, a rule that needs the old state) and before it has stored anything; the ordinary body then runs in a
transaction. `Direct.run` gives way by itself where the database refuses the statement, so that errors are
told and explained in one place only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Dialect
from sqlalchemy.util.concurrency import greenlet_spawn
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession


class GiveWay(Exception):
    """Leave a call to the ordinary body, in a transaction. Nothing may have been stored by then."""


@dataclass
class Work:
    """What a verb does: its ordinary body, whether that only reads, and its direct body if it has one."""

    ordinary: Callable[..., Any]
    reads: bool = False
    direct: Callable[..., Any] | None = None


class Direct(Protocol):
    """A bare connection of the pool, on which each statement is a transaction of its own.

    It is taken from the pool by the first statement.
    """

    @property
    def dialect(self) -> Dialect: ...

    @property
    def owner(self) -> Any:
        """Give what statements are prepared for, and kept as long as it lives."""

    @property
    def added(self) -> tuple[Any, ...]:
        """Give the options that listeners add to the statements of a read."""

    def run(self, sql: str, arguments: Any = ()) -> tuple[Sequence[Any], Sequence[Any]]:
        """Run a statement as the driver takes it, and give its description and its rows.

        Raises GiveWay where the database refuses it.
        """

    def close(self) -> None:
        """Give the connection back."""


class Opens(Protocol):
    """A database, as far as this room knows it."""

    def transaction(self, *, read_only: bool = False) -> AbstractContextManager[Session]: ...
    def async_transaction(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AsyncSession]: ...
    def direct(self, *, reads: bool, asynchronous: bool) -> Direct: ...


class Autocommit:
    """Stand in a session's place: each verb called on it is a transaction of its own."""

    __slots__ = ("_database",)

    def __init__(self, database: Opens) -> None:
        self._database = database

    def perform(self, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Call a verb's direct body, and its ordinary one where that gives way."""
        if work.direct is not None:
            try:
                return _perform(self._database, work, False, arguments, options)
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
                return await greenlet_spawn(_perform, self._database, work, True, arguments, options)
            except GiveWay:
                pass
        async with self._database.async_transaction(read_only=work.reads) as session:
            return await session.run_sync(work.ordinary, *arguments, **options)


def _perform(
    database: Opens, work: Work, asynchronous: bool, arguments: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    assert work.direct is not None
    direct = database.direct(reads=work.reads, asynchronous=asynchronous)
    try:
        return work.direct(direct, *arguments, **options)
    finally:
        direct.close()
