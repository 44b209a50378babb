"""What has to be awaited, and what must not be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called, Forgotten
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity
from fieldstone.check.modules import Function, Module
from fieldstone.check.registry import File, rule
from fieldstone.check.routes import parameters_of, route_of
from fieldstone.check.sessioncalls import BLOCKING, COROUTINES
from fieldstone.check.trees import walk
from fieldstone.check.values import Coroutine, Session

# Methods that are given instances, and those that a session has which are no coroutines.
GIVEN = frozenset({"add", "delete", "refresh", "merge", "expunge"})
NOTHING = frozenset({"add", "add_all", "expunge", "expunge_all", "expire", "expire_all"})


@rule("FS201", "missing-await", Forgotten, Called, severity=Severity.ERROR, repair=Repair.SAFE, calls=GIVEN)
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
        if awaited_too_late(call, file.module):
            continue
        name = file.module.text(call.func)
        safe = bool(event.place.function.asynchronous)
        yield Problem(
            call,
            f"`{name}(...)` is not awaited: it does not run, and what it gives is a coroutine.",
            f"Write `await {name}(...)`{'.' if safe else ', in an `async def`.'}",
            Fix(tuple(awaiting(call, file.module)), safe) if safe else None,
        )


def forgotten(event: Forgotten | Called) -> Iterator[Coroutine]:
    """The coroutines that an event shows to be forgotten: also those that a session is given."""
    if isinstance(event, Forgotten):
        yield event.coroutine
    elif isinstance(event.receiver, Session) and event.method in GIVEN:
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


@rule("FS210", "blocking-session-in-async", Called, calls=BLOCKING)
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
    Work that `asyncio.to_thread` or `run_in_executor` runs in a thread, and functions with a comment about
    threads or the event loop: their author has thought of it.
    """
    session = call.session
    if session is None or session.asynchronous is not False or call.awaited or call.method not in BLOCKING:
        return
    function = call.place.function
    if not function.asynchronous or file.module.facts.trial or explained(function) or blocked_before(call):
        return
    route = "endpoint" if route_of(function) else "function"
    yield Problem(
        call.node,
        f"`{file.module.text(call.node.func)}` blocks the event loop: no other request is served meanwhile.",
        "Use an AsyncSession, or run it in a thread: `await asyncio.to_thread(...)`."
        if awaits(function.node)
        else f"Write `def` in place of `async def` for this {route}, or use an AsyncSession.",
    )


def awaits(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function needs to be asynchronous."""
    return any(isinstance(n, ast.Await | ast.AsyncFor | ast.AsyncWith) for n in walk(function))


THREADS = re.compile(r"#.*(?:thread|event loop|blocking)", re.IGNORECASE)


def explained(function: Function) -> bool:
    """Whether a comment inside a function says that its author thought of threads."""
    node = function.node
    lines = function.module.lines[node.lineno - 1 : node.end_lineno]
    return any(THREADS.search(line) for line in lines)


def blocked_before(call: Called) -> bool:
    """Whether the function has used the session before: one finding says it all."""
    spelled = names.dotted(getattr(call.node.func, "value", None))
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in BLOCKING
        and names.dotted(node.func.value) == spelled
        and (node.lineno, node.col_offset) < (call.node.lineno, call.node.col_offset)
        for node in walk(call.place.function.node)
    )


@rule("FS202", "await-sync-method", Called, severity=Severity.ERROR, repair=Repair.SAFE, calls=NOTHING)
def await_sync_method(call: Called, file: File) -> Iterator[Problem]:
    """A method of an AsyncSession is awaited that is no coroutine.

    The method does its work and gives None; awaiting that raises TypeError, "object NoneType can't be
    used in 'await' expression".

    Bad:
        await session.add(task)

    Good:
        session.add(task)
    """
    session = call.session
    if session is None or not session.asynchronous or not call.awaited or call.method not in NOTHING:
        return
    awaiting = file.module.parents[call.node]
    yield Problem(
        awaiting,
        f"`{call.method}` is no coroutine, so awaiting it raises TypeError.",
        f"Write `{file.module.text(call.node)}`.",
        Fix((file.module.replace(awaiting, file.module.text(call.node)),), safe=True),
    )


@rule("FS203", "await-precedence", Forgotten, severity=Severity.ERROR, repair=Repair.SAFE)
def await_precedence(event: Forgotten, file: File) -> Iterator[Problem]:
    """`await` reaches further than it should: it awaits what comes after the coroutine.

    `await session.execute(q).scalars()` asks the coroutine for `scalars`: AttributeError.

    Bad:
        rows = await session.execute(query).scalars()

    Good:
        rows = (await session.execute(query)).scalars()
    """
    call = event.coroutine.call
    awaiting = awaited_too_late(call, file.module)
    if awaiting is None:
        return
    whole, inner = file.module.text(awaiting.value), file.module.text(call)
    repaired = whole.replace(inner, f"(await {inner})", 1)
    yield Problem(
        awaiting,
        f"`await` waits for the whole of `{whole}`, whose first part is a coroutine: AttributeError.",
        f"Write `{repaired}`.",
        Fix((file.module.replace(awaiting, repaired),), safe=True),
    )


def awaited_too_late(call: ast.Call, module: Module) -> ast.Await | None:
    """The `await` that stands before attributes and calls of a coroutine; None if there is none."""
    node: ast.AST = call
    for above in module.above(call):
        chained = isinstance(above, ast.Attribute | ast.Call | ast.Subscript) and (
            getattr(above, "value", None) is node or getattr(above, "func", None) is node
        )
        if isinstance(above, ast.Await):
            return above if node is not call else None
        if not chained:
            return None
        node = above
    return None


@rule("FS216", "wrong-session-annotation", Function, repair=Repair.SAFE)
def wrong_session_annotation(function: Function, file: File) -> Iterator[Problem]:
    """A parameter says that it is a synchronous session, and its methods are awaited.

    Type checkers then believe that nothing has to be awaited, so a forgotten `await` is not seen; with
    a session that is as it says, the first await raises TypeError.

    Bad:
        async def rename(session: Session, key: int) -> None:
            task = await session.get(Task, key)

    Good:
        async def rename(session: AsyncSession, key: int) -> None:
            task = await session.get(Task, key)
    """
    if not function.asynchronous:
        return
    for argument, _ in parameters_of(function):
        address = file.module.address(argument.annotation)
        if argument.annotation is None or address not in names.SYNC_SESSIONS:
            continue
        if awaits_methods(function, argument.arg):
            known = file.module.address("AsyncSession") in names.ASYNC_SESSIONS
            fix = Fix((file.module.replace(argument.annotation, "AsyncSession"),), safe=True)
            yield Problem(
                argument,
                f"`{argument.arg}` is awaited, yet says it is synchronous: forgotten awaits stay hidden.",
                f"Write `{argument.arg}: AsyncSession`.",
                fix if known else None,
            )


def awaits_methods(function: Function, name: str) -> bool:
    """Whether a function awaits methods of a parameter."""
    awaited = (node.value for node in walk(function.node) if isinstance(node, ast.Await))
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and names.dotted(call.func.value) == name
        and call.func.attr in COROUTINES
        for call in awaited
    )
