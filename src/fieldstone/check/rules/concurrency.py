"""One session used in two places at once, or after its request has ended."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.lookup import last_name
from fieldstone.check.modules import Function, Module
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.trees import walk
from fieldstone.check.values import Session, State

STARTING = frozenset(
    {"asyncio.create_task", "asyncio.ensure_future", "anyio.from_thread.start_blocking_portal"}
)


@rule("FS211", "concurrent-session-use", Called, severity=Severity.ERROR, calls={"asyncio.gather"})
def concurrent_session_use(call: Called, file: File) -> Iterator[Problem]:
    """Several coroutines that run at once use one session.

    A session is one connection and one transaction, for one task at a time: InvalidRequestError ("This
    session is provisioning a new connection; concurrent operations are not permitted"), or rows that
    end up in the wrong place.

    Bad:
        one, two = await asyncio.gather(tasks(session), projects(session))

    Good:
        one = await tasks(session)
        two = await projects(session)

    Fine:
    Coroutines that each make a session of their own.
    """
    if call.address != "asyncio.gather":
        return
    for name, session in sessions_in(call.state).items():
        if session.asynchronous is not False and uses(call.node, name) > 1:
            yield Problem(
                call.node,
                f"Coroutines that run at once share `{name}`: InvalidRequestError, or mixed-up transactions.",
                "Await one after the other, or give each a session of its own.",
            )


def sessions_in(state: State) -> dict[str, Session]:
    """The sessions that names are bound to."""
    return {name: value for name, value in state.names.items() if isinstance(value, Session)}


def uses(gather: ast.Call, name: str) -> int:
    """How many of the gathered coroutines a name is passed to; those of a comprehension are many."""
    count = 0
    for given in gather.args:
        inner = given.value if isinstance(given, ast.Starred) else given
        repeated = isinstance(inner, ast.ListComp | ast.GeneratorExp)
        body = inner.elt if isinstance(inner, ast.ListComp | ast.GeneratorExp) else inner
        mentioned = any(isinstance(n, ast.Name) and n.id == name for n in walk(body))
        count += mentioned * (2 if repeated else 1)
    return count


@rule("FS212", "session-escapes-request", Called, severity=Severity.ERROR, calls={"add_task", *STARTING})
def session_escapes_request(call: Called, file: File) -> Iterator[Problem]:
    """The session of a request is given to work that goes on after it.

    Background tasks run when the response has been sent and the dependency has closed its session;
    tasks that nobody awaits run beside the request, on the same connection, and may outlive it.

    Bad:
        tasks.add_task(notify, session, user.id)

    Good:
        tasks.add_task(notify, user.id)

    Fine:
    Work that makes its own session.
    """
    background = call.method == "add_task" and not isinstance(call.receiver, Session)
    started = call.address in STARTING and isinstance(file.module.parents.get(call.node), ast.Expr)
    if not background and not started:
        return
    known = sessions_in(call.state)
    for node in walk(call.node):
        if isinstance(node, ast.Name) and node.id in known and known[node.id].parameter:
            spelled = names.dotted(call.node.func)
            yield Problem(
                call.node,
                f"`{spelled}` goes on after the request, whose `{node.id}` is then closed or in use.",
                "Pass keys instead, and make a session inside the task.",
            )
            return


# The version of FastAPI from which what follows a `yield` runs when the response has been sent.
AFTER_RESPONSE = (0, 118)


@rule("FS214", "commit-after-response", Function, severity=Severity.ERROR, tier=Tier.PREVIEW)
def commit_after_response(function: Function, file: File) -> Iterator[Problem]:
    """A dependency commits after its `yield`, when the response has been sent.

    From FastAPI 0.118 on, what follows the `yield` of a dependency runs after the response: the client is
    told 201 for a commit that then fails, and the data is lost.

    Bad:
        def get_session():
            with Session(engine) as session:
                yield session
                session.commit()

    Good:
        SessionDep = Annotated[Session, Depends(get_session, scope="function")]

    Fine:
    Dependencies with `scope="function"`, whose end runs before the response; and endpoints that commit.
    """
    address = f"{file.module.facts.module}:{function.node.name}"
    if function.owner or file.module.facts.trial or address not in file.project.dependencies:
        return
    if file.project.versions.at_least("fastapi", *AFTER_RESPONSE) is not True or scoped(address, file):
        return
    yields = [node for node in walk(function.node) if isinstance(node, ast.Yield)]
    if len(yields) == 1 and (commit := committing(yields[0], function, file.module)) is not None:
        yield Problem(
            commit,
            "This commit runs after the response: the client is told that all went well even if it fails.",
            f'Depend on it with `Depends({function.node.name}, scope="function")`.',
        )


def committing(given: ast.Yield, function: Function, module: Module) -> ast.AST | None:
    """What commits after a `yield`: a call, or the end of a block that begins a transaction."""
    for above in module.above(given):
        if isinstance(above, ast.With | ast.AsyncWith):
            for item in above.items:
                if isinstance(item.context_expr, ast.Call) and last_name(item.context_expr) == "begin":
                    return item.context_expr
        if above is function.node:
            break
    return next(
        (
            node
            for node in walk(function.node)
            if isinstance(node, ast.Call) and last_name(node) == "commit" and node.lineno > given.lineno
        ),
        None,
    )


def scoped(address: str, file: File) -> bool:
    """Whether a file that depends on a function says when its end runs."""
    for facts in file.project.files.values():
        if any(file.project.address(facts, spelled) == address for spelled in facts.depends):
            module = file.project.module(facts)
            if module and re.search(r"scope\s*=\s*['\"]function", module.code):
                return True
    return False
