"""Engines and sessions: how they are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity
from fieldstone.check.making import expires
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, rule
from fieldstone.check.trees import walk
from fieldstone.check.values import Engine

# What commits at once, when its block ends, or in what it is given.
COMMITTING = frozenset({"commit", "begin", "run_sync"})


@rule("FS101", "async-expire-on-commit", ast.Call, repair=Repair.UNSAFE, calls=names.SESSIONS | names.MAKERS)
def async_expire_on_commit(call: ast.Call, file: File) -> Iterator[Problem]:
    """Asynchronous sessions are made that expire their objects on commit.

    `expire_on_commit` is True unless something else is said. After a commit the first read of any
    attribute then has to ask the database, which an AsyncSession cannot do outside an `await`:
    MissingGreenlet. SQLAlchemy's own guide to asyncio sets it to False.

    Bad:
        async_session = async_sessionmaker(engine)

    Good:
        async_session = async_sessionmaker(engine, expire_on_commit=False)

    Fine:
    A variable that only shares the class's name, sessions of tests, and a session that only the function
    uses which opens it, and that is never committed there.
    """
    if file.module.facts.trial or not makes_async_sessions(call, file.module):
        return
    if expires(call) and not never_committed(call, file.module):
        spelled = file.module.text(call.func)
        yield Problem(
            call,
            f"Sessions of this `{spelled}` expire on commit: the next attribute read raises MissingGreenlet.",
            f"Write `{spelled}(..., expire_on_commit=False)`.",
            Fix((kept(call, file.module),)),
        )


def makes_async_sessions(call: ast.Call, module: Module) -> bool:
    """Whether a call makes asynchronous sessions, or what makes them; a bind must be given."""
    address = module.address(call.func)
    if address not in names.SESSIONS | names.MAKERS or not (call.args or call.keywords):
        return False
    if module.shadowed(call.func):
        return False
    if address in names.ASYNC_SESSIONS | {"sqlalchemy.ext.asyncio.async_sessionmaker"}:
        return True
    kind = module.address(names.keyword(call, "class_"))
    return address == "sqlalchemy.orm.sessionmaker" and kind in names.ASYNC_SESSIONS


def never_committed(call: ast.Call, module: Module) -> bool:
    """Whether a session is opened in a function that gives it to nobody else and never commits."""
    item = module.parents.get(call)
    around = next(
        (above for above in module.above(call) if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef)),
        None,
    )
    if around is None or not isinstance(item, ast.withitem) or not isinstance(item.optional_vars, ast.Name):
        return False
    name = item.optional_vars.id
    uses = (node for node in walk(around) if isinstance(node, ast.Name) and node.id == name)
    return all(use is item.optional_vars or only_reads(use, module) for use in uses)


def only_reads(use: ast.Name, module: Module) -> bool:
    """Whether a session is only asked for what commits nothing."""
    asked = module.parents.get(use)
    if not isinstance(asked, ast.Attribute) or asked.attr in COMMITTING:
        return False
    call = module.parents.get(asked)
    return isinstance(call, ast.Call) and call.func is asked


def kept(call: ast.Call, module: Module) -> Edit:
    """Say that commit keeps what the session holds."""
    said = names.keyword(call, "expire_on_commit")
    if said is not None:
        return module.replace(said, "False")
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    last = max(given, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    return module.insert_after(last, ", expire_on_commit=False")


@rule(
    "FS103", "create-all-on-async-engine", Called, severity=Severity.ERROR, calls={"create_all", "drop_all"}
)
def create_all_on_async_engine(call: Called, file: File) -> Iterator[Problem]:
    """`create_all` is given an asynchronous engine.

    It runs statements synchronously, for which an AsyncEngine has nothing: AttributeError.

    Bad:
        SQLModel.metadata.create_all(async_engine)

    Good:
        async with async_engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
    """
    if call.method not in {"create_all", "drop_all"}:
        return
    given = call.arguments[0] if call.arguments else call.keywords.get("bind")
    if given == Engine(asynchronous=True):
        engine = file.module.text(call.node.args[0] if call.node.args else call.node.keywords[0].value)
        create = file.module.text(call.node.func)
        yield Problem(
            call.node,
            f"`{call.method}` cannot run on an asynchronous engine: AttributeError.",
            f"Write `async with {engine}.begin() as connection: await connection.run_sync({create})`.",
        )


@rule(
    "FS102",
    "sync-session-on-async-engine",
    Called,
    severity=Severity.ERROR,
    calls={*names.SYNC_SESSIONS, "sqlalchemy.orm.sessionmaker"},
)
def sync_session_on_async_engine(call: Called, file: File) -> Iterator[Problem]:
    """A synchronous session is bound to an asynchronous engine.

    Its first statement fails: MissingGreenlet, or TypeError (AttributeError before Python 3.11) where the
    block is entered with `async with`.

    Bad:
        maker = sessionmaker(async_engine)

    Good:
        maker = async_sessionmaker(async_engine, expire_on_commit=False)

    Fine:
    `sessionmaker(async_engine, class_=AsyncSession)`.
    """
    if call.address not in {*names.SYNC_SESSIONS, "sqlalchemy.orm.sessionmaker"} or "class_" in call.keywords:
        return
    bind = call.arguments[0] if call.arguments else call.keywords.get("bind", call.keywords.get("engine"))
    if bind == Engine(asynchronous=True) and not names.spread(call.node):
        spelled = file.module.text(call.node.func)
        yield Problem(
            call.node,
            f"`{spelled}` makes synchronous sessions: MissingGreenlet, or TypeError at `async with`.",
            "Write `AsyncSession(engine)`, or `async_sessionmaker(engine, expire_on_commit=False)`.",
        )


@rule("FS104", "exec-on-sqlalchemy-async-session", Called, severity=Severity.ERROR, calls={"exec"})
def exec_on_sqlalchemy_async_session(call: Called, file: File) -> Iterator[Problem]:
    """`exec` is called on an AsyncSession of SQLAlchemy.

    Only SQLModel's sessions have it: AttributeError, "'AsyncSession' object has no attribute 'exec'".

    Bad:
        from sqlalchemy.ext.asyncio import AsyncSession

    Good:
        from sqlmodel.ext.asyncio.session import AsyncSession

    Fine:
    A session that is annotated with SQLAlchemy's class and made with SQLModel's.
    """
    session = call.session
    if session is None or call.method != "exec" or not session.asynchronous or session.sqlmodel is not False:
        return
    if any(
        names.SQLMODEL_ASYNC_SESSION in map(names.canonical, f.imports.values())
        for f in file.project.files.values()
    ):
        return
    yield Problem(
        call.node,
        "The AsyncSession of SQLAlchemy has no `exec`: AttributeError.",
        "Import it with `from sqlmodel.ext.asyncio.session import AsyncSession`.",
    )
