"""The application under test, on the database of the test.

`override` reaches the sessions of an application in both ways in which it may have them: the
`Database` that was installed into it answers with the test's, also where a module holds it, and a
session dependency of its own runs as written, with its sessions joined to the test's connection.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from fieldstone.database import Database
from fieldstone.errors import ConfigurationError
from fieldstone.testing.isolation import IsolatedDatabase, join
from fieldstone.testing.naming import load

if TYPE_CHECKING:
    from fastapi import FastAPI


@contextmanager
def override(app: FastAPI, db: Database, *sessions: Callable[..., Any]) -> Iterator[FastAPI]:
    """Run an application on another database while the block lasts.

    `sessions` are its own dependencies that give sessions; one into which a Database was installed
    needs none. What such a dependency does is kept: its options, its commit, its rollback.
    """
    check_application(app)
    holders = [
        one for one in _applications(app) if isinstance(getattr(one.state, "database", None), Database)
    ]
    if not holders and not sessions:
        raise ConfigurationError(
            f"The application {app.title!r} has no database to replace: install(app, db) was not called on "
            "it, and no dependency that gives its sessions is named. Name it: "
            "override(app, db, get_session), or "
            'fieldstone_session = ["package.module:get_session"] under [tool.pytest.ini_options].'
        )
    with ExitStack() as until_the_end:
        startup = until_the_end.enter_context(_startup_noted(app))
        for one in _applications(app):
            until_the_end.enter_context(_overridden(one, db, startup, sessions))
        for one in holders:
            if one.state.database is not db:
                until_the_end.enter_context(one.state.database.answered_by(db))
        yield app


def named_application(path: str) -> FastAPI:
    """Return the application that the setting fieldstone_app names."""
    if not path:
        raise ConfigurationError(
            'No application is named, and a client needs one. Set fieldstone_app = "package.module:app" '
            "under [tool.pytest.ini_options], or write in conftest.py a fixture 'fieldstone_app' that "
            "returns it."
        )
    app = load(path, "fieldstone_app")
    check_application(app)
    return app  # type: ignore[no-any-return]  # checked in the line above


def check_application(app: object) -> None:
    """Refuse what is no FastAPI application, and say how a function that makes one is used."""
    from fastapi import FastAPI

    import fieldstone.fastapi  # noqa: F401  # says what to install where FastAPI is missing

    if isinstance(app, FastAPI):
        return
    if inspect.isroutine(app):
        raise ConfigurationError(
            f"{app.__name__} is a function, not an application. Call it in conftest.py: "
            f"@pytest.fixture def fieldstone_app(db): return {app.__name__}(db)."
        )
    raise ConfigurationError(
        f"The application under test is of type {type(app).__name__}, not FastAPI. "
        "Name or return the FastAPI application itself."
    )


class _Startup:
    """Whether the application has code that runs at its start, and whether that runs now."""

    def __init__(self, app: FastAPI) -> None:
        self.title = app.title
        self.expected = _has_startup(app)
        self.running = False

    def check(self) -> None:
        """Refuse to serve an application that was never started."""
        if self.expected and not self.running:
            raise ConfigurationError(
                f"The startup of the application {self.title!r} has not run: its client was not entered. "
                "Use the fixture 'client' or 'async_client', or write: with TestClient(app) as client."
            )


def _has_startup(app: FastAPI) -> bool:
    return not _does_nothing(app.router.lifespan_context) or bool(app.router.on_startup)


def _does_nothing(lifespan: Any) -> bool:
    innermost = inspect.unwrap(lifespan)
    if getattr(innermost, "__name__", "") == "merged_lifespan":  # include_router() makes one out of two
        return all(_does_nothing(part) for part in inspect.getclosurevars(innermost).nonlocals.values())
    return type(innermost).__name__ == "_DefaultLifespan"


@contextmanager
def _startup_noted(app: FastAPI) -> Iterator[_Startup]:
    startup = _Startup(app)
    own = app.router.lifespan_context

    @asynccontextmanager
    async def noted(started: Any) -> AsyncIterator[Any]:
        async with own(started) as state:
            startup.running = True
            yield state
        startup.running = False

    app.router.lifespan_context = noted
    try:
        yield startup
    finally:
        app.router.lifespan_context = own


@contextmanager
def _overridden(
    app: FastAPI, db: Database, startup: _Startup, sessions: tuple[Callable[..., Any], ...]
) -> Iterator[None]:
    from fieldstone.fastapi import database as installed

    before = dict(app.dependency_overrides)

    async def current() -> Database:
        startup.check()
        return db

    app.dependency_overrides[installed] = current
    for dependency in sessions:
        app.dependency_overrides[dependency] = _joined(before.get(dependency, dependency), db, startup)
    try:
        yield
    finally:
        app.dependency_overrides.clear()
        app.dependency_overrides.update(before)


def _applications(app: Any) -> Iterator[FastAPI]:
    """Yield an application and those mounted on it: each has overrides of its own."""
    yield app
    for route in app.routes:
        mounted = getattr(route, "app", None)
        if hasattr(mounted, "dependency_overrides"):
            yield from _applications(mounted)


def _joined(dependency: Callable[..., Any], db: Database, startup: _Startup) -> Callable[..., Any]:
    """Wrap a dependency in a function of its own kind and signature, whose sessions are the test's."""
    name = getattr(dependency, "__qualname__", repr(dependency))

    def moved(session: Any) -> Any:
        startup.check()
        _move(session, db, name)
        return session

    async def moved_async(session: Any) -> Any:
        startup.check()
        if isinstance(session, AsyncSession):
            await _move_async(session, db, name)
        else:
            _move(session, db, name)
        return session

    wrapped = functools.wraps(dependency)
    if inspect.isasyncgenfunction(dependency):

        async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async with asynccontextmanager(dependency)(*args, **kwargs) as session:
                yield await moved_async(session)

        return wrapped(async_generator)
    if inspect.isgeneratorfunction(dependency):

        def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with contextmanager(dependency)(*args, **kwargs) as session:
                yield moved(session)

        return wrapped(generator)
    if inspect.iscoroutinefunction(dependency):

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await moved_async(await dependency(*args, **kwargs))

        return wrapped(coroutine)

    def function(*args: Any, **kwargs: Any) -> Any:
        return moved(dependency(*args, **kwargs))

    return wrapped(function)


def _move(session: object, db: Database, name: str) -> None:
    if isinstance(session, AsyncSession):
        raise ConfigurationError(
            f"{name} gives an AsyncSession but cannot await, so its session cannot be moved to the test's "
            "database. Write it with 'async def'."
        )
    if not isinstance(session, Session):
        raise ConfigurationError(
            f"{name} gives {type(session).__name__}, which is no session. Name the dependency that gives the "
            "application its Session or AsyncSession."
        )
    _check_unused(session, name)
    if isinstance(db, IsolatedDatabase):
        session.bind = db.connection()
        _join(session)
    else:
        session.bind = db.engine


async def _move_async(session: AsyncSession, db: Database, name: str) -> None:
    _check_unused(session.sync_session, name)
    if isinstance(db, IsolatedDatabase):
        session.bind = await db.async_connection()
        _join(session.sync_session)
    else:
        session.bind = db.async_engine


def _join(session: Session) -> None:
    session.join_transaction_mode = "create_savepoint"
    join(session)


def _check_unused(session: Session, name: str) -> None:
    transaction = session.get_transaction()
    if transaction is not None and getattr(transaction, "_connections", None):
        raise ConfigurationError(
            f"{name} has used its session before giving it away, on the application's own database. Move the "
            "statement to where the session is used, or to an event of the engine."
        )
