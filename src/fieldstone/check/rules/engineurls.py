"""Engines: URLs whose driver does not fit, and logs that say too much."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.trees import walk

CREATE_ASYNC = "sqlalchemy.ext.asyncio.create_async_engine"
CREATORS = frozenset({"sqlalchemy.create_engine", CREATE_ASYNC})
URLS = frozenset(
    {"sqlalchemy.URL.create", "sqlalchemy.engine.URL.create", "sqlalchemy.engine.url.URL.create"}
)
BLOCKING = frozenset(
    {"psycopg2", "psycopg2cffi", "pg8000", "pysqlite", "pymysql", "mysqldb", "mysqlconnector", "pyodbc"}
)
# What a URL without a driver means, and what to write instead.
USUAL = {"sqlite": "pysqlite", "mysql": "mysqldb", "mariadb": "mysqldb", "postgresql": "psycopg2"}
DRIVERS = {
    "sqlite": ("aiosqlite",),
    "mysql": ("asyncmy", "aiomysql"),
    "mariadb": ("asyncmy", "aiomysql"),
    "postgresql": ("asyncpg", "psycopg"),
}
# The version from which `postgresql://` means psycopg, which can do both.
PSYCOPG_BY_ITSELF = (2, 1)
DEEPEST = 5


@rule("FS105", "async-url-driver", ast.Call, severity=Severity.ERROR, tier=Tier.PREVIEW, calls={CREATE_ASYNC})
def async_url_driver(call: ast.Call, file: File) -> Iterator[Problem]:
    """An asynchronous engine is given a URL whose driver cannot serve it.

    A driver that blocks is refused when the engine is made: InvalidRequestError, "The asyncio extension
    requires an async driver", or ModuleNotFoundError where it is not installed. `postgres://` names no
    dialect at all: NoSuchModuleError. And asyncpg does not know the option `sslmode`, which is psycopg's:
    TypeError at the first connection.

    Bad:
        engine = create_async_engine("sqlite:///app.db")

    Good:
        engine = create_async_engine("sqlite+aiosqlite:///app.db")

    Fine:
    `postgresql://` from SQLAlchemy 2.1 on, which then means psycopg.
    """
    if file.module.address(call.func) != CREATE_ASYNC:
        return
    given = names.argument(call, 0, "url")
    url = text_of(given, file.module, call)
    if given is None or url is None:
        return
    dialect, driver = scheme_of(url)
    if dialect == "postgres":
        message = "SQLAlchemy knows no dialect `postgres`: NoSuchModuleError when the engine is made."
        yield Problem(given, message, "Write `postgresql+asyncpg://...`.")
    elif blocks(dialect, driver, file):
        yield Problem(
            given,
            f"`{driver or USUAL[dialect]}` blocks; an asynchronous engine refuses it: InvalidRequestError.",
            f"Write `{dialect}+{instead(dialect, file)}://...`.",
        )
    elif driver == "asyncpg" and (mode := sslmode(url, call)):
        yield Problem(
            given,
            "asyncpg has no option `sslmode`: TypeError at the first connection.",
            f"Write `{mode}`.",
        )


def blocks(dialect: str, driver: str, file: File) -> bool:
    """Whether a URL surely names a driver that blocks."""
    if driver:
        return dialect in DRIVERS and driver in BLOCKING
    if dialect == "postgresql":
        versions = file.project.versions
        return versions.at_least("sqlalchemy", *PSYCOPG_BY_ITSELF) is False and not versions.uses("psycopg")
    return dialect in USUAL


def instead(dialect: str, file: File) -> str:
    """A driver that fits; one that the project names if there is one."""
    fitting = DRIVERS[dialect]
    return next((name for name in fitting if file.project.versions.uses(name)), fitting[0])


def sslmode(url: str, call: ast.Call) -> str | None:
    """What to write for `sslmode`, in the URL or beside it; None if it is not given."""
    if "?sslmode=" in url or "&sslmode=" in url:
        return "?ssl=require"
    given = names.keyword(call, "connect_args")
    keys = given.keys if isinstance(given, ast.Dict) else ()
    return 'connect_args={"ssl": "require"}' if "sslmode" in map(names.literal, keys) else None


def scheme_of(url: str) -> tuple[str, str]:
    """The dialect and the driver that a URL names; empty where it does not say."""
    scheme, found, _ = url.partition("://")
    dialect, _, driver = scheme.partition("+")
    return (dialect, driver) if found else ("", "")


def text_of(node: ast.expr | None, module: Module, call: ast.Call, depth: int = 0) -> str | None:
    """The text of a URL, its computed parts left out; None where its beginning cannot be seen."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str() as text), *_]) if "://" in text:
            return "".join(str(names.literal(part) or "_") for part in node.values)
        case ast.BinOp(op=ast.Add(), left=left):
            begun = text_of(left, module, call, depth)
            return begun if begun and "://" in begun else None
        case ast.Call(func=func, args=args) if module.address(func) in URLS:
            scheme = names.literal(args[0] if args else names.keyword(node, "drivername"))
            return f"{scheme}://" if isinstance(scheme, str) else None
        case ast.Name(id=name) if depth < DEEPEST and not local(name, call, module):
            return constant(module.address(node), module, call, depth)
        case _:
            return None


def constant(address: str | None, module: Module, call: ast.Call, depth: int) -> str | None:
    """The text of a name that is bound once, at the top of a module of the project."""
    if address is None or ":" not in address:
        return None
    owner, name = module.project.module_of(address), address.partition(":")[2]
    bound = owner.bindings.get(name, []) if owner else []
    if owner is None or len(bound) != 1 or not isinstance(bound[0], ast.Assign | ast.AnnAssign):
        return None
    return None if changed(name, owner) else text_of(bound[0].value, owner, call, depth + 1)


def changed(name: str, owner: Module) -> bool:
    """Whether an import may bind a name as well, or a statement change what it is bound to."""
    anew = any(name in getattr(node, "names", ()) for node in owner.nodes.get(ast.Global, ()))
    added = (names.dotted(getattr(node, "target", None)) for node in owner.nodes.get(ast.AugAssign, ()))
    return anew or name in owner.facts.imports or name in added


def local(name: str, call: ast.Call, module: Module) -> bool:
    """Whether a function around a call binds a name itself."""
    around = [
        node
        for node in module.above(call)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef)
    ]
    return any(
        (isinstance(node, ast.arg) and node.arg == name)
        or (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        for outer in around
        for node in walk(outer)
    )


@rule("FS106", "echo-true", ast.Call, tier=Tier.OPT_IN, calls=CREATORS)
def echo_true(call: ast.Call, file: File) -> Iterator[Problem]:
    """An engine logs every statement.

    `echo=True` writes each statement and its parameters to the log, in production too: what users
    entered stands there in clear, and each query waits for the writing.

    Bad:
        engine = create_engine(settings.database_url, echo=True)

    Good:
        engine = create_engine(settings.database_url, echo=settings.debug)

    Fine:
    Tests and scripts, which this rule leaves alone.
    """
    if file.module.facts.trial or file.module.address(call.func) not in CREATORS:
        return
    given = names.keyword(call, "echo")
    if given is None or names.literal(given) not in {True, "debug"} or by_hand(call, file.module):
        return
    hides = names.literal(names.keyword(call, "hide_parameters")) is True
    yield Problem(
        given,
        f"Every statement{'' if hides else ' and what its parameters hold'} is written to the log.",
        "Write `echo=settings.debug`, or leave it out and set the level of the logger `sqlalchemy.engine`.",
    )


def by_hand(node: ast.AST, module: Module) -> bool:
    """Whether code runs only when its file is started by hand."""
    return any(
        isinstance(outer, ast.If) and module.text(outer.test).startswith("__name__ ==")
        for outer in module.above(node)
    )
