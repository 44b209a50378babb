"""Instances that a commit or a rollback has expired, and what still reads them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.binding import mentions
from fieldstone.check.events import Called, Read, Returned
from fieldstone.check.fields import target_of
from fieldstone.check.findings import Fix, Problem, Repair, Severity
from fieldstone.check.lookup import last_name
from fieldstone.check.models import model
from fieldstone.check.modules import Function, Module
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.repairs import line_after, line_before
from fieldstone.check.routes import Route, route_of
from fieldstone.check.trees import walk
from fieldstone.check.values import Instance, Session, State, Status, Thing


@rule("FS204", "expired-after-commit", Read, severity=Severity.ERROR, repair=Repair.UNSAFE)
def expired_after_commit(read: Read, file: File) -> Iterator[Problem]:
    """An attribute is read after an asynchronous commit has expired its instance.

    With `expire_on_commit` left at True, a commit empties every instance of the session. The next
    read of an attribute, also in a log line or an f-string, has to ask the database, which an
    AsyncSession cannot do there: MissingGreenlet is raised, after the data was saved.

    Bad:
        await session.commit()
        logger.info("saved %s", task.title)

    Good:
        await session.commit()
        await session.refresh(task)
        logger.info("saved %s", task.title)

    Fine:
    Sessions that are made with `expire_on_commit=False` keep what they hold.
    """
    expired = expiry(read, "commit")
    if expired:
        name = file.module.text(read.node.value)
        yield Problem(
            read.node,
            f"The commit in line {expired} expired `{name}`, so `.{read.name}` raises MissingGreenlet.",
            f"Write `await {called(read)}.refresh({name})` first, or make sessions with "
            "`expire_on_commit=False`.",
            refreshed(read, file.module),
        )


def called(read: Read) -> str:
    """What the function calls the session of an instance."""
    return spelled(read.state, read.thing.session) or "session"


def refreshed(read: Read, module: Module) -> Fix | None:
    """Refresh the instance before the statement that reads it; None where that is no place for it."""
    session, name = spelled(read.state, read.thing.session), read.node.value
    inside = any(not loop.statement and mentions(name, loop.names) for loop in read.place.loops)
    if session is None or not isinstance(name, ast.Name) or inside or not read.place.function.asynchronous:
        return None
    edit = line_before(read.node, f"await {session}.refresh({name.id})", module)
    return Fix((edit,)) if edit else None


def spelled(state: State, key: str | None) -> str | None:
    """The name by which a function can call a session."""
    if key is not None and key.startswith("self."):
        return key
    return next((n for n, v in state.names.items() if isinstance(v, Session) and v.key == key), None)


@rule("FS205", "passing-orm-object-across-commit", Called, tier=Tier.OPT_IN)
def passed_across_commit(call: Called, file: File) -> Iterator[Problem]:
    """An instance that an asynchronous commit has expired is passed to another function.

    Nothing at the call shows that it is empty: the first attribute that the other function reads, now
    or after its next change, raises MissingGreenlet there. A key can be passed anywhere.

    Bad:
        await session.commit()
        await notify(task)

    Good:
        task_id = task.id
        await session.commit()
        await notify(session, task_id)

    Fine:
    Sessions with `expire_on_commit=False`, instances that were refreshed, and functions that refresh them.
    """
    if call.function is None or any(last_name(c) in RENEWING for c in calls_in(call.function)):
        return
    given = [*zip(call.node.args, call.arguments, strict=False)]
    given += [(k.value, call.keywords[k.arg]) for k in call.node.keywords if k.arg in call.keywords]
    for node, value in given:
        thing = call.state.thing(value) if isinstance(value, Instance) else None
        if thing is None or not thing.expired or thing.expired.verb != "commit" or thing.kept:
            continue
        session = next((s for s in sessions_of(call) if s.key == thing.session), None)
        if session and session.asynchronous and thing.status is Status.PERSISTENT:
            text, name = file.module.text(node), call.function.node.name
            yield Problem(
                node,
                f"The commit in line {thing.expired.line} expired `{text}`: what `{name}` reads of it raises"
                " MissingGreenlet.",
                f"Take `{text}.id` before the commit, pass that, and let `{name}` read the row.",
            )


RENEWING = frozenset({"refresh", "merge", "get", "get_one"})


def calls_in(function: Function) -> Iterator[ast.Call]:
    """The calls in a function."""
    return (node for node in walk(function.node) if isinstance(node, ast.Call))


def sessions_of(call: Called) -> Iterator[Session]:
    """The sessions that names are bound to where a call is made."""
    return (value for value in call.state.names.values() if isinstance(value, Session))


@rule("FS206", "expired-after-rollback", Read, severity=Severity.ERROR)
def expired_after_rollback(read: Read, file: File) -> Iterator[Problem]:
    """An attribute is read after an asynchronous rollback has expired its instance.

    A rollback expires what the session read, whatever `expire_on_commit` says. In an `except` block
    the read then raises MissingGreenlet, and that is what the caller sees instead of the error.

    Bad:
        except IntegrityError:
            await session.rollback()
            logger.error("task %s is in the way", task.id)

    Good:
        task_id = task.id  # before the try
        ...
        except IntegrityError:
            await session.rollback()
            logger.error("task %s is in the way", task_id)

    Fine:
    What was added in the same transaction is no row any more, and keeps its values.
    """
    expired = expiry(read, "rollback")
    if expired:
        name = file.module.text(read.node.value)
        yield Problem(
            read.node,
            f"The rollback in line {expired} expired `{name}`, so `.{read.name}` raises MissingGreenlet.",
            f"Take what is needed of `{name}` into a variable before the transaction can fail.",
        )


def expiry(read: Read, verb: str) -> int | None:
    """The line that expired an instance, if reading this attribute would load it without await."""
    thing, session = read.thing, read.session
    if thing.expired is None or thing.expired.verb != verb or thing.status is Status.DELETED:
        return None
    if session is None or not session.asynchronous or not (read.column or read.relation):
        return None
    return None if read.name in thing.kept else thing.expired.line


@rule("FS207", "expired-object-escapes", Returned, severity=Severity.ERROR, repair=Repair.SAFE)
def expired_object_escapes(returned: Returned, file: File) -> Iterator[Problem]:
    """An instance leaves its function although a commit has emptied it.

    Returned by an endpoint without a `response_model`, or with a table as its model, it is dumped as it
    is: the answer is 200 and `{}`. With another model an asynchronous endpoint answers 500. Returned out
    of the function that made its session, the first read raises DetachedInstanceError.

    Bad:
        session.commit()
        return task

    Good:
        session.commit()
        session.refresh(task)
        return task

    Fine:
    A synchronous endpoint whose `response_model` is no table reads the attributes, which loads them.
    """
    thing = returned.state.thing(returned.value)
    if thing is None or thing.expired is None or thing.kept:
        return
    if not isinstance(returned.node, ast.Return) or not isinstance(returned.node.value, ast.Name):
        return
    if thing.status not in {Status.PERSISTENT, Status.DETACHED} or thing.expired.verb == "expire":
        return
    session = returned.sessions.get(thing.session or "")
    function = returned.place.function
    route = route_of(function)
    outcome = answered(function, route, session) if route else abroad(function, thing, session)
    if outcome:
        name = returned.node.value.id
        awaiting = "await " if session and session.asynchronous else ""
        known = spelled(returned.state, thing.session)
        text = f"{awaiting}{known or 'session'}.refresh({name})"
        yield Problem(
            returned.node,
            f"The {thing.expired.verb} in line {thing.expired.line} emptied `{name}`: {outcome}.",
            f"Write `{text}` before it.",
            read_again(returned, thing, text, file.module) if known else None,
        )


def read_again(returned: Returned, thing: Thing, text: str, module: Module) -> Fix | None:
    """Refresh after the commit where the session is closed by then, else before the return."""
    closed = thing.status is Status.DETACHED or thing.session in returned.state.closed
    if not closed:
        edit = line_before(returned.node, text, module)
        return Fix((edit,), safe=True) if edit else None
    line = thing.expired.line if thing.expired else 0
    for node in walk(returned.place.function.node):
        if isinstance(node, ast.Expr) and node.lineno == line and commits(node.value):
            edit = line_after(node, text, module)
            return Fix((edit,), safe=True) if edit else None
    return None


def commits(node: ast.expr) -> bool:
    """Whether an expression is a call of `commit`, awaited or not."""
    call = node.value if isinstance(node, ast.Await) else node
    return isinstance(call, ast.Call) and last_name(call) == "commit"


def answered(function: Function, route: Route, session: Session | None) -> str | None:
    """What an endpoint answers that returns an emptied instance; None if that is right or unknown."""
    declared = route.response_model or function.node.returns
    asynchronous = session is not None and session.asynchronous is True
    if declared is None or (names.literal(declared) is None and isinstance(declared, ast.Constant)):
        return "the answer is 200 and `{}`"
    shown = model(function.module.project, function.module.address(target_of(declared)[0]))
    if shown is None:
        return None
    if shown.table:
        return "the answer is 200 and `{}`"
    return (
        "reading it for the answer raises MissingGreenlet, a 500" if asynchronous and shown.schema else None
    )


def abroad(function: Function, thing: Thing, session: Session | None) -> str | None:
    """What happens to an emptied instance outside the function that made its session."""
    made_here = session is not None and not session.parameter and ":" in session.key
    if not made_here or function.module.facts.trial or not used_somewhere(function):
        return None
    return "its session ends here, so the first read raises DetachedInstanceError"


def used_somewhere(function: Function) -> bool:
    """Whether a file of the project uses what a function returns."""
    name, project = function.node.name, function.module.project
    pattern = re.compile(rf"\b{re.escape(name)}\s*\(")
    for facts in project.files.values():
        known = name in facts.imports or facts is function.module.facts or function.module.facts.stars
        if not facts.matters or not (known or function.owner) or not pattern.search(project.text(facts)):
            continue
        module = project.module(facts)
        if module:
            for call in module.nodes.get(ast.Call, ()):
                if isinstance(call, ast.Call) and (names.dotted(call.func) or "").rpartition(".")[2] == name:
                    parent = module.parents.get(call)
                    parent = module.parents.get(parent) if isinstance(parent, ast.Await) else parent
                    if not isinstance(parent, ast.Expr):
                        return True
    return False
