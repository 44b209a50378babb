"""Who ends a transaction, and what is done after it failed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.modules import Function, Module
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.routes import parameters_of, route_of
from fieldstone.check.sessioncalls import STATEMENTS, WRITES
from fieldstone.check.trees import walk

SWITCHES = ("commit", "uow", "unit_of_work", "flush")


@rule("FS401", "commit-in-helper", Called, tier=Tier.OPT_IN, calls={"commit"})
def commit_in_helper(call: Called, file: File) -> Iterator[Problem]:
    """A function that is given a session commits it.

    Its caller cannot put it and other changes into one transaction any more: an error afterwards leaves
    half of them written, and objects that the caller holds may be expired.

    Bad:
        def add(session: Session, task: Task) -> None:
            session.add(task)
            session.commit()

    Good:
        def add(session: Session, task: Task) -> None:
            session.add(task)
            session.flush()

    Fine:
    Endpoints, and functions whose caller says whether they commit (`with_commit=`).
    """
    session, function = call.session, call.place.function
    if session is None or call.method != "commit" or not session.parameter or session.dependency:
        return
    if session.key.startswith("self.") or route_of(function) or switched(function) or file.module.facts.trial:
        return
    if f"{file.module.facts.module}:{function.node.name}" in file.project.dependencies:
        return
    yield Problem(
        call.node,
        f"`{function.node.name}` ends the transaction of whoever calls it.",
        f"Write `{file.module.text(call.node.func).replace('commit', 'flush')}()`; commit where it began.",
    )


def switched(function: Function) -> bool:
    """Whether the caller says if the function commits."""
    return any(word in argument.arg for argument, _ in parameters_of(function) for word in SWITCHES)


FAILURES = frozenset(
    {"Exception", "BaseException", "IntegrityError", "SQLAlchemyError", "DBAPIError", "DatabaseError"}
)
LEAVING = (ast.Return, ast.Raise, ast.Break, ast.Continue)
MENDING = frozenset({"rollback", "close", "aclose", "reset", "invalidate", "exit", "_exit"})


@rule(
    "FS405",
    "session-reused-after-failure",
    Called,
    severity=Severity.ERROR,
    tier=Tier.PREVIEW,
    calls={"commit", "flush"},
)
def session_reused_after_failure(call: Called, file: File) -> Iterator[Problem]:
    """A session is used on after a failed flush or commit that nothing rolled back.

    The failed flush leaves the session in a transaction that it has given up: the next statement, which
    may be right, raises PendingRollbackError.

    Bad:
        try:
            session.commit()
        except IntegrityError:
            logger.warning("is there already")
        return session.exec(select(Task)).all()

    Good:
        try:
            session.commit()
        except IntegrityError:
            session.rollback()
        return session.exec(select(Task)).all()

    Fine:
    Handlers that leave the function, and `with session.begin_nested():` inside the `try`.
    """
    session = file.module.text(call.node.func.value) if isinstance(call.node.func, ast.Attribute) else ""
    if call.session is None or call.method not in {"commit", "flush"}:
        return
    guard = guard_of(call.node, file.module)
    handler = next((h for h in guard.handlers if swallows(h, session)), None) if guard else None
    if guard is None or handler is None or mends(guard.finalbody, session):
        return
    used = next_use(guard, session, file.module)
    if used is not None:
        yield Problem(
            used,
            f"If the {call.method} in line {call.node.lineno} failed, this raises PendingRollbackError.",
            f"Call `{session}.rollback()` in the `except` in line {handler.lineno}.",
        )


def guard_of(node: ast.AST, module: Module) -> ast.Try | None:
    """The `try` whose body a node stands in; None where a block between them rolls back by itself."""
    inner = node
    for above in module.above(node):
        if isinstance(above, ast.Try):
            return above if inner in above.body else None
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.With | ast.AsyncWith | ast.Lambda):
            return None
        inner = above
    return None


def swallows(handler: ast.ExceptHandler, session: str) -> bool:
    """Whether a handler catches what the database refuses, mends nothing, and lets the function go on."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = any(kind is None or (names.dotted(kind) or "").rpartition(".")[2] in FAILURES for kind in kinds)
    leaves = any(isinstance(node, LEAVING) for node in walk(handler))
    return caught and not leaves and not mends(handler.body, session)


def mends(body: list[ast.stmt], session: str) -> bool:
    """Whether statements end the failed transaction, or hand the session to what may."""
    for node in (inner for statement in body for inner in walk(statement)):
        if isinstance(node, ast.Call):
            given = [*node.args, *(k.value for k in node.keywords)]
            if (names.dotted(node.func) or "").rpartition(".")[2] in MENDING:
                return True
            if any(names.dotted(value) == session for value in given):
                return True
        if names.dotted(node) == session and isinstance(getattr(node, "ctx", None), ast.Store):
            return True
    return False


def next_use(guard: ast.Try, session: str, module: Module) -> ast.AST | None:
    """The next statement that is surely sent after a `try`, in its block or in those around it."""
    inner: ast.AST = guard
    for above in module.above(guard):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(above, name, None)
            if isinstance(block, list) and inner in block:
                for statement in block[block.index(inner) + 1 :]:
                    if mends([statement], session):
                        return None
                    for node in walk(statement):
                        if is_use(node, session):
                            return node
                    if any(isinstance(node, LEAVING) for node in walk(statement)):
                        return None
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.With | ast.AsyncWith):
            return None
        inner = above
    return None


def is_use(node: ast.AST, session: str) -> bool:
    """Whether a node sends a statement through a session."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in STATEMENTS | WRITES
        and names.dotted(node.func.value) == session
    )
