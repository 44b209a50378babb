"""Bare connections of the pool, for the direct bodies of verbs (`autocommit`).

A session, its transaction and SQLAlchemy's connection cost five times what a read by key costs. Here the
driver is spoken to, under autocommit: one statement, one round trip. What hangs on the objects that are left
out is looked after before: whoever listens to transactions or executions gets a session, and whoever listens
to statements gets SQLAlchemy's connection under autocommit. What the database refuses gives way to a session
as well, which meets the same refusal and explains it.

A statement of a read that met a broken connection has done nothing, so that gives way too, to a fresh one. A
write may have been stored when the answer got lost: that is CommitOutcomeUnknown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from sqlalchemy import Engine, QueuePool
from sqlalchemy.exc import DisconnectionError, MissingGreenlet
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.util.concurrency import greenlet_spawn
from sqlmodel import Session

from fieldstone.autocommit import APART, GiveWay
from fieldstone.database import freshness, sqlite
from fieldstone.database.turns import turns_of
from fieldstone.errors import CommitOutcomeUnknown, FieldstoneError
from fieldstone.listeners import added_at_reads, is_awake, is_ours
from fieldstone.violations import explain
from fieldstone.violations.failures import failure_of

# What was waited for in vain is not asked for again: query_canceled, lock_not_available.
_WAITED = frozenset({"57014", "55P03"})


class Bare:
    """The connections of one engine, and when they may be spoken to without a session."""

    def __init__(self, engine: Engine, *, lock_timeout: float, pooler: bool) -> None:
        self.engine = engine
        self.dialect = engine.dialect
        self.owner = engine.pool
        self.driver = engine.dialect.driver
        self.options = engine.get_execution_options()
        self.lock_timeout = lock_timeout
        self.turns = turns_of(engine)
        # A statement takes asyncpg two messages, and behind a pooler each may meet another server.
        self._parted = pooler and self.driver == "asyncpg"
        self._witness = Session()  # what listens to it listens to every new session
        self._known: tuple[Any, ...] = ()
        self._idle: Callable[[], int] = getattr(engine.pool, "checkedin", lambda: 0)
        self._autocommit: Engine | None = None

    @property
    def added(self) -> tuple[Any, ...]:
        """Give the options that listeners add to the statements of a read. Raises GiveWay."""
        added = added_at_reads(self._witness)
        if added is None:
            raise GiveWay
        return added

    @property
    def autocommit(self) -> Engine:
        """Give the engine with its connections under autocommit."""
        if self._autocommit is None:
            self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        return self._autocommit

    def is_heard(self) -> bool:
        """Tell whether somebody listens to statements. Raises GiveWay where one listens to more than that."""
        heard = self.engine.dispatch
        if self._parted or heard.before_execute or heard.after_execute or heard.engine_connect:
            raise GiveWay
        self._check_transactions()
        listening = (*heard.before_cursor_execute, *heard.after_cursor_execute)
        if any(map(is_awake, listening)) or self._is_told():
            if self.dialect.name == "sqlite":  # out of autocommit, it would begin transactions by itself
                raise GiveWay
            return True
        return False

    def _check_transactions(self) -> None:
        """Give way where anybody but this package listens to transactions."""
        heard, session = self.engine.dispatch, self._witness.dispatch
        if session.after_transaction_create or heard.rollback:
            raise GiveWay
        listening = (
            *session.after_begin,
            *heard.begin,
            *heard.commit,
            *session.before_commit,
            *session.after_commit,
            *session.after_transaction_end,
        )
        if listening != self._known:
            if not all(map(is_ours, listening)):
                raise GiveWay
            self._known = listening

    def _is_told(self) -> bool:
        done = self.dialect.dispatch
        return bool(
            done.do_execute or done.do_execute_no_params or self.engine.logger.isEnabledFor(logging.INFO)
        )

    def check_apart(self) -> None:
        """Give way where the statements of one transaction see one state: alone they would not."""
        if self.dialect.name == "postgresql" and self.dialect.default_isolation_level not in APART:
            raise GiveWay

    def connect(self, open_one: Callable[[], Any] | None = None) -> Any:
        """Take a connection from the pool."""
        try:
            return (open_one or self.owner.connect)()
        except PoolTimeout as error:
            raise explain(error) or error from error
        except (FieldstoneError, MissingGreenlet):
            raise
        except Exception as error:
            raise GiveWay from error

    async def connect_async(self, *, reads: bool) -> Any:
        """Take a connection from the pool of the async face, in the bridge only where one must be opened."""
        fairy = None
        if self._idle():
            with suppress(MissingGreenlet):  # it was too old, or somebody else was faster
                fairy = self.connect()
        if fairy is None:
            return await greenlet_spawn(self.connect)
        fresh = freshness.of(self.engine)
        if not reads and fresh is not None and fresh.is_due(fairy.dbapi_connection, fairy.info):
            await self._ask(fresh, fairy)
        return fairy

    async def give_back(self, fairy: Any) -> None:
        """Return a connection to the pool of the async face, in the bridge where that may close it."""
        if self._has_room():
            fairy.close()
        else:
            await greenlet_spawn(fairy.close)

    def _has_room(self) -> bool:
        pool = self.owner
        return isinstance(pool, QueuePool) and pool.checkedin() < pool.size()

    async def _ask(self, fresh: freshness.Freshness, fairy: Any) -> None:
        try:
            await greenlet_spawn(fresh.ask, fairy.dbapi_connection)
        except BaseException as error:
            await greenlet_spawn(fairy.invalidate, error)
            await self.give_back(fairy)
            if isinstance(error, DisconnectionError):
                fresh.distrust()
                raise GiveWay from error
            raise

    def refuse(self, error: Exception, fairy: Any, *, reads: bool) -> NoReturn:
        """Say what an error of the driver means for the call."""
        failure = failure_of(error)
        if failure is not None and failure.lost:
            fresh = freshness.of(self.engine)
            if fresh is not None:
                fresh.distrust()
            fairy.invalidate(error)
            if not reads:
                raise CommitOutcomeUnknown(
                    "The connection was lost during COMMIT, so the work may or may not be stored. "
                    "Read it back before repeating it."
                ) from error
        elif failure is not None and (failure.locked or failure.sqlstate in _WAITED):
            locked = failure.locked and not reads
            meaning = sqlite.stayed_locked(self.lock_timeout) if locked else explain(error)
            raise meaning or error from error
        raise GiveWay from error
