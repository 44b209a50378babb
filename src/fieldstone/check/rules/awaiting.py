"""What has to be awaited, and what must not be."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check.events import Called, Forgotten
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, rule
from fieldstone.check.routes import route_of
from fieldstone.check.sessioncalls import BLOCKING
from fieldstone.check.values import Coroutine, Session


@rule("FS201", "missing-await", Forgotten, Called, severity=Severity.ERROR, repair=Repair.SAFE)
def missing_await(event: Forgotten | Called, file: File) -> Iterator[Problem]:
    """A coroutine is thrown away, or used as if it were its result.

    Without `await` a method of an AsyncSession, or a coroutine function of the project, does nothing:
    `session.delete(task)` deletes nothing and the request is answered 200. Used as a value, the
    coroutine has no attributes (AttributeError) and is always true.

    Bad:
        session.delete(task)
        await session.commit()

    Good:
        await session.delete(task)
        await session.commit()

    Fine:
    A coroutine that is returned, or passed to gather, create_task or another function that awaits it.
    """
    for coroutine in forgotten(event):
        call = coroutine.call
        name = file.module.text(call.func)
        safe = bool(event.place.function.asynchronous)
        yield Problem(
            call,
            f"`{name}(...)` is not awaited: it does not run, and what it gives is a coroutine.",
            f"Write `await {name}(...)`.",
            Fix(tuple(awaiting(call, file.module)), safe) if safe else None,
        )


def forgotten(event: Forgotten | Called) -> Iterator[Coroutine]:
    """The coroutines that an event shows to be forgotten: also those that a session is given."""
    if isinstance(event, Forgotten):
        yield event.coroutine
    elif isinstance(event.receiver, Session) and event.method in {
        "add",
        "delete",
        "refresh",
        "merge",
        "expunge",
    }:
        yield from (value for value in event.arguments if isinstance(value, Coroutine))


def awaiting(call: ast.Call, module: Module) -> Iterator[Edit]:
    """Put `await` before a call, in brackets where something follows it."""
    parent = module.parents.get(call)
    bracketed = (
        isinstance(parent, ast.Attribute | ast.Subscript | ast.Call)
        and parent in module.parents
        and (getattr(parent, "value", None) is call or getattr(parent, "func", None) is call)
    )
    yield module.insert_before(call, "(await " if bracketed else "await ")
    if bracketed:
        yield module.insert_after(call, ")")


@rule("FS210", "blocking-session-in-async", Called)
def blocking_session_in_async(call: Called, file: File) -> Iterator[Problem]:
    """A synchronous session is used inside `async def`.

    While the database works, the event loop stands still: no other request is served. In a plain
    `def` FastAPI runs the endpoint in a thread instead.

    Bad:
        @app.get("/tasks")
        async def tasks(session: Session = Depends(get_session)):
            return session.exec(select(Task)).all()

    Good:
        @app.get("/tasks")
        def tasks(session: Session = Depends(get_session)):
            return session.exec(select(Task)).all()

    Fine:
    Work that `asyncio.to_thread` or `run_in_executor` runs in a thread.
    """
    session = call.session
    if session is None or session.asynchronous is not False or call.awaited or call.method not in BLOCKING:
        return
    if not call.place.function.asynchronous:
        return
    route = "endpoint" if route_of(call.place.function) else "function"
    yield Problem(
        call.node,
        f"`{file.module.text(call.node.func)}` blocks the event loop: no other request is served meanwhile.",
        f"Write `def` in place of `async def` for this {route}, or use an AsyncSession.",
    )
