"""Make the engine of each face, so that both behave alike.

What differs from SQLAlchemy's defaults, and why: parameters stay out of errors and logs; idle
connections are checked before use and renewed before a host suspends; a failed COMMIT is followed
by ROLLBACK, since SQLAlchemy returns the connection without one and SQLite would stay locked,
with the refused row visible to the connection's next user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util.concurrency import in_greenlet

from fieldstone.copying import prepare as prepare_copying
from fieldstone.database import freshness, hops, retry, sqlite
from fieldstone.database.pools import AsyncFairPool, FairPool
from fieldstone.database.settings import JSON_BY, Settings
from fieldstone.database.turns import TurnConnection
from fieldstone.database.urls import DatabaseUrl
from fieldstone.errors import CommitOutcomeUnknown, MissingExtra
from fieldstone.violations import evidence
from fieldstone.violations.failures import failure_of

_COMMITTING = "fieldstone_committing"

_DRIVEN: dict[str, dict[str, Any]] = {"sqlite": {"factory": TurnConnection}}

_EXTRAS = {"aiosqlite": "sqlite", "asyncpg": "postgres", "psycopg": "postgres"}


def make_engine(url: DatabaseUrl, settings: Settings, *, memory_name: str) -> Engine:
    """Make the engine of the sync face."""
    engine: Engine = _made(create_engine, url, settings, asynchronous=False, memory_name=memory_name)
    _prepare(engine, url, settings)
    return engine


def make_async_engine(url: DatabaseUrl, settings: Settings, *, memory_name: str) -> AsyncEngine:
    """Make the engine of the async face."""
    engine: AsyncEngine = _made(
        create_async_engine, url, settings, asynchronous=True, memory_name=memory_name
    )
    _connect_within_bridge(engine.sync_engine)
    if url.dialect == "sqlite":
        hops.prepare(engine.sync_engine)
    _prepare(engine.sync_engine, url, settings)
    return engine


def lock_timeout(url: DatabaseUrl, settings: Settings) -> float:
    """Give the seconds for which a SQLite statement waits for another writer."""
    told = url.parameters.get("timeout")
    return float(told) if told else settings.lock_timeout


def _made(
    create: Callable[..., Any], url: DatabaseUrl, settings: Settings, *, asynchronous: bool, memory_name: str
) -> Any:
    arguments = url.arguments(asynchronous=asynchronous, memory_name=memory_name)
    driver = arguments.url.get_driver_name()
    try:
        return create(
            arguments.url,
            connect_args={**arguments.connect_args, **_DRIVEN.get(url.dialect, {})},
            echo=settings.echo,
            hide_parameters=True,
            execution_options={JSON_BY: settings.json_by},
            **_pool(url, settings, asynchronous=asynchronous),
        )
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        face = "asynchronously" if asynchronous else "synchronously"
        raise MissingExtra(
            f"Using {url.dialect} {face} ({driver})", module=error.name, extra=_EXTRAS[error.name]
        ) from error


def _pool(url: DatabaseUrl, settings: Settings, *, asynchronous: bool) -> dict[str, Any]:
    if settings.serverless:
        return {"poolclass": NullPool}
    pool: dict[str, Any] = {
        "poolclass": AsyncFairPool if asynchronous else FairPool,
        "pool_size": settings.pool_size,
        "max_overflow": settings.max_overflow,
        "pool_timeout": settings.pool_timeout,
        # The last returned goes out first, so that surplus connections fall idle.
        "pool_use_lifo": True,
    }
    if url.dialect == "postgresql":
        return pool | {"pool_recycle": settings.pool_recycle}
    # SQLite has no server to relieve, and opening a connection costs as much as many short statements.
    return pool | {"pool_size": settings.pool_size + settings.max_overflow, "max_overflow": 0}


def _connect_within_bridge(engine: Engine) -> None:
    """Refuse to connect where nothing can be awaited, before anything is made that would have to be."""

    @event.listens_for(engine, "do_connect")
    def connect(*arguments: Any) -> None:
        if not in_greenlet():
            raise MissingGreenlet("A connection is opened within SQLAlchemy's bridge only.")


def _prepare(engine: Engine, url: DatabaseUrl, settings: Settings) -> None:
    _roll_back_failed_commits(engine)
    evidence.gather(engine)
    if url.dialect == "sqlite":
        sqlite.prepare(engine, url, lock_timeout=lock_timeout(url, settings))
    else:
        prepare_copying(engine)
        freshness.watch(engine, ping_after=settings.ping_after)
        retry.connect_patiently(
            engine,
            where=f"at {url.host or 'localhost'}:{url.port or 5432}",
            attempts=settings.connect_attempts,
            patience=settings.connect_patience,
        )


def _roll_back_failed_commits(engine: Engine) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.info[_COMMITTING] = False

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        connection.info[_COMMITTING] = True

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> Exception | None:
        connection = context.connection
        if connection is None or context.statement is not None:
            return None
        if connection.invalidated or not connection.info.pop(_COMMITTING, False):
            return None
        failure = failure_of(context.original_exception)
        if failure is not None and failure.lost:
            context.is_disconnect = True
            return CommitOutcomeUnknown(
                "The connection was lost during COMMIT, so the work may or may not be stored. "
                "Read it back before repeating it."
            )
        if not context.is_disconnect:
            context.dialect.do_rollback(connection.connection)
        return None
