"""Calls of classes, and of what libraries have: they give sessions, engines, statements, instances."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from fieldstone.check import names
from fieldstone.check.events import Made
from fieldstone.check.making import MAKING, expires
from fieldstone.check.models import table
from fieldstone.check.statements import selected
from fieldstone.check.values import (
    UNKNOWN,
    Clause,
    Engine,
    Factory,
    Named,
    Object,
    Session,
    Status,
    Thing,
    Value,
)

if TYPE_CHECKING:
    from fieldstone.check.evaluation import Evaluation

ENGINES = names.SYNC_ENGINES | names.ASYNC_ENGINES
CLAUSES = frozenset(
    {"and_", "or_", "not_", "func", "case", "cast", "exists", "literal", "text", "desc", "asc", "any_"}
    | {"count", "max", "min", "sum"}
)
PASSING = frozenset({"sqlmodel.col", "typing.cast", "sqlalchemy.orm.aliased"})
STATEMENTS = {
    "sqlalchemy.update": "update",
    "sqlalchemy.delete": "delete",
    "sqlalchemy.insert": "insert",
    "sqlalchemy.dialects.postgresql.insert": "insert",
    "sqlalchemy.dialects.sqlite.insert": "insert",
}


def constructed(
    evaluation: Evaluation,
    node: ast.Call,
    address: str,
    arguments: tuple[Value, ...],
    keywords: dict[str, Value],
) -> Value:
    """Call a class of the project, or anything of others' libraries."""
    key = f"{node.lineno}:{node.col_offset}"
    if address in MAKING:
        return made_session(evaluation, node, address, key, arguments, keywords)
    if address in ENGINES:
        return Engine(address in names.ASYNC_ENGINES)
    if address in names.SELECTS:
        return selected(address, arguments)
    if address in STATEMENTS:
        return selected(address, arguments[:1] or (UNKNOWN,), STATEMENTS[address])
    if address in evaluation.project.classes:
        if known := table(evaluation.project, address):
            evaluation.emit(Made(node, evaluation.place, known, evaluation.state))
            return evaluation.born(Thing(address, Status.TRANSIENT, origin=node.lineno))
        above = next((a for a in evaluation.project.ancestry(address) if a in names.SESSIONS), None)
        return made_session(evaluation, node, above, key, arguments, keywords) if above else Object(address)
    if address.startswith("sqlalchemy.func") or (
        address.startswith("sqlalchemy.") and address.rpartition(".")[2] in CLAUSES
    ):
        return Clause()
    if address in PASSING and arguments:
        return arguments[-1] if address == "typing.cast" else arguments[0]
    return UNKNOWN


def made_session(
    evaluation: Evaluation,
    node: ast.Call,
    address: str,
    key: str,
    arguments: tuple[Value, ...],
    keywords: dict[str, Value],
) -> Value:
    """A session, or what makes sessions."""
    if address.endswith("scoped_session") and arguments:
        return arguments[0]
    given = keywords.get("class_", UNKNOWN)
    kind = given.address if isinstance(given, Named) else address
    above = next((a for a in evaluation.project.ancestry(kind) if a in names.SESSIONS), kind)
    asynchronous: bool | None = above in names.ASYNC_SESSIONS | names.ASYNC_MAKERS
    if not asynchronous and arguments and arguments[0] == Engine(True):
        asynchronous = None
    if "class_" in keywords and above not in names.SESSIONS:
        asynchronous = None
    ours = (
        above in {names.SQLMODEL_SESSION, names.SQLMODEL_ASYNC_SESSION} if above in names.SESSIONS else None
    )
    session = Session(key, asynchronous, expires(node), ours)
    return session if address in names.SESSIONS else Factory(session)
