"""Names of others' libraries, each under the one address by which rules ask for it.

SQLModel re-exports most of SQLAlchemy, and SQLAlchemy most of itself; a rule should not have to know
all the ways in which `AsyncSession` can be imported.
"""

from __future__ import annotations

import ast

SQLALCHEMY_SESSION = "sqlalchemy.orm.Session"
SQLMODEL_SESSION = "sqlmodel.Session"
SQLALCHEMY_ASYNC_SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
SQLMODEL_ASYNC_SESSION = "sqlmodel.ext.asyncio.AsyncSession"
FIELDSTONE_SESSIONS = {
    "fieldstone.fastapi.WriteSession": False,
    "fieldstone.fastapi.ReadSession": False,
    "fieldstone.fastapi.AsyncWriteSession": True,
    "fieldstone.fastapi.AsyncReadSession": True,
}

SYNC_SESSIONS = frozenset({SQLALCHEMY_SESSION, SQLMODEL_SESSION})
ASYNC_SESSIONS = frozenset({SQLALCHEMY_ASYNC_SESSION, SQLMODEL_ASYNC_SESSION})
SESSIONS = SYNC_SESSIONS | ASYNC_SESSIONS
SYNC_MAKERS = frozenset({"sqlalchemy.orm.sessionmaker", "sqlalchemy.orm.scoped_session"})
ASYNC_MAKERS = frozenset(
    {
        "sqlalchemy.ext.asyncio.async_sessionmaker",
        "sqlalchemy.ext.asyncio.async_scoped_session",
    }
)
MAKERS = SYNC_MAKERS | ASYNC_MAKERS
SYNC_ENGINES = frozenset({"sqlalchemy.create_engine", "sqlalchemy.Engine", "sqlalchemy.engine_from_config"})
ASYNC_ENGINES = frozenset(
    {
        "sqlalchemy.ext.asyncio.create_async_engine",
        "sqlalchemy.ext.asyncio.AsyncEngine",
        "sqlalchemy.ext.asyncio.async_engine_from_config",
    }
)
SELECTS = frozenset({"sqlmodel.select", "sqlalchemy.select"})
SQLMODEL = "sqlmodel.SQLModel"
FIELDSTONE = "fieldstone.Model"
FIELD = "sqlmodel.Field"
RELATIONSHIP = "sqlmodel.Relationship"
RELATIONSHIPS = frozenset({RELATIONSHIP, "sqlalchemy.orm.relationship", "fieldstone.Relationship"})
FIELDS = frozenset({FIELD, "fieldstone.Field"})
COLUMNS = frozenset({"sqlalchemy.Column", "sqlalchemy.orm.mapped_column", "sqlalchemy.orm.column_property"})
DECLARATIVE = frozenset({"sqlalchemy.orm.DeclarativeBase", "sqlalchemy.orm.DeclarativeBaseNoMeta"})
APPLICATIONS = frozenset({"fastapi.FastAPI", "fastapi.APIRouter"})
DEPENDS = frozenset({"fastapi.Depends", "fastapi.Security", "fastapi.params.Depends"})

# Addresses under which the same thing is found.
ELSEWHERE = {
    "sqlmodel.orm.session.Session": SQLMODEL_SESSION,
    "sqlmodel.ext.asyncio.session.AsyncSession": SQLMODEL_ASYNC_SESSION,
    "sqlalchemy.orm.session.Session": SQLALCHEMY_SESSION,
    "sqlalchemy.orm.session.sessionmaker": "sqlalchemy.orm.sessionmaker",
    "sqlalchemy.ext.asyncio.session.AsyncSession": SQLALCHEMY_ASYNC_SESSION,
    "sqlalchemy.ext.asyncio.session.async_sessionmaker": "sqlalchemy.ext.asyncio.async_sessionmaker",
    "sqlalchemy.ext.asyncio.engine.AsyncEngine": "sqlalchemy.ext.asyncio.AsyncEngine",
    "sqlalchemy.ext.asyncio.engine.create_async_engine": "sqlalchemy.ext.asyncio.create_async_engine",
    "sqlalchemy.engine.create_engine": "sqlalchemy.create_engine",
    "sqlalchemy.engine.Engine": "sqlalchemy.Engine",
    "sqlalchemy.future.select": "sqlalchemy.select",
    "sqlalchemy.sql.select": "sqlalchemy.select",
    "sqlalchemy.sql.expression.select": "sqlalchemy.select",
    "sqlalchemy.future.Engine": "sqlalchemy.Engine",
    "sqlalchemy.sql.expression.func": "sqlalchemy.func",
    "sqlalchemy.sql.func": "sqlalchemy.func",
    "sqlalchemy.schema.Column": "sqlalchemy.Column",
    "sqlalchemy.sql.schema.Column": "sqlalchemy.Column",
    "sqlalchemy.ext.declarative.declarative_base": "sqlalchemy.orm.declarative_base",
    "sqlmodel.main.SQLModel": SQLMODEL,
    "sqlmodel.main.Field": FIELD,
    "sqlmodel.main.Relationship": RELATIONSHIP,
    "sqlmodel.sql.expression.select": "sqlmodel.select",
    "fastapi.routing.APIRouter": "fastapi.APIRouter",
    "fastapi.applications.FastAPI": "fastapi.FastAPI",
}

# What SQLModel hands on from SQLAlchemy under its own name.
HANDED_ON = frozenset(
    {
        "Column",
        "create_engine",
        "func",
        "text",
        "and_",
        "or_",
        "not_",
        "delete",
        "update",
        "insert",
        "ForeignKey",
        "String",
        "Integer",
        "DateTime",
        "JSON",
        "Enum",
        "UniqueConstraint",
        "Index",
        "desc",
        "asc",
        "exists",
    }
)


def canonical(address: str) -> str:
    """Name the one address of a thing that others' libraries show in several places."""
    known = ELSEWHERE.get(address)
    if known:
        return known
    if address.startswith("sqlmodel.") and address.removeprefix("sqlmodel.") in HANDED_ON:
        return "sqlalchemy." + address.removeprefix("sqlmodel.")
    return address


def dotted(node: ast.AST | None) -> str | None:
    """Spell `a.b.c`; None for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def literal(node: ast.AST | None) -> object:
    """Evaluate True, False, numbers and texts; None stands also for what is no literal."""
    return node.value if isinstance(node, ast.Constant) else None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Find a keyword argument."""
    return next((given.value for given in call.keywords if given.arg == name), None)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Find an argument that may be given by position or by name."""
    if len(call.args) > position and not any(isinstance(a, ast.Starred) for a in call.args[: position + 1]):
        return call.args[position]
    return keyword(call, name)


def spread(call: ast.Call) -> bool:
    """Whether `*args` or `**kwargs` hide what is given."""
    return any(given.arg is None for given in call.keywords) or any(
        isinstance(a, ast.Starred) for a in call.args
    )
