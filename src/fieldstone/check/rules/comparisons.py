"""Columns that are compared with values of another type."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check.events import Called
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.models import table
from fieldstone.check.modules import Function
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.routes import parameters_of
from fieldstone.check.trees import walk
from fieldstone.check.values import Plain

CONDITIONS = frozenset({"where", "filter", "having"})


@rule("FS307", "uuid-string-compare", Called, severity=Severity.WARNING, tier=Tier.PREVIEW, calls=CONDITIONS)
def uuid_string_compare(call: Called, file: File) -> Iterator[Problem]:
    """A column of UUIDs is compared with a text.

    PostgreSQL's drivers take it; on SQLite and MySQL, so in many a test, the statement raises
    StatementError: 'str' object has no attribute 'hex'.

    Bad:
        def find(session: Session, key: str):
            return session.exec(select(Task).where(Task.uid == key)).first()

    Good:
        def find(session: Session, key: UUID):
            return session.exec(select(Task).where(Task.uid == key)).first()

    Fine:
    Projects that name no database but PostgreSQL.
    """
    if call.method not in CONDITIONS or not elsewhere(file):
        return
    for given in call.node.args:
        for node in walk(given):
            match node:
                case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                    pairs = ((left, right), (right, left))
                case _:
                    continue
            for column, value in pairs:
                if holds_uuid(column, file) and is_text(value, call):
                    text = file.module.text(value)
                    yield Problem(
                        node,
                        f"`{file.module.text(column)}` holds UUIDs, `{text}` is a text: StatementError.",
                        f"Annotate it as `UUID`, or write `UUID({text})`.",
                    )


def elsewhere(file: File) -> bool:
    """Whether the project names a database other than PostgreSQL."""
    return any(not scheme.startswith("postgres") for scheme in file.project.schemes)


def holds_uuid(node: ast.expr, file: File) -> bool:
    """Whether an expression is a column that gives UUIDs."""
    found = table(file.project, file.module.address(node.value)) if isinstance(node, ast.Attribute) else None
    column = found.columns.get(node.attr) if found and isinstance(node, ast.Attribute) else None
    if column is None or column.annotation is None:
        return False
    stated = [part for part in walk(column.annotation) if isinstance(part, ast.Name | ast.Attribute)]
    kinds = {column.module.address(part) for part in stated}
    described = column.call is not None and any(
        k.arg in {"sa_type", "sa_column"} for k in column.call.keywords
    )
    return "uuid.UUID" in kinds and not described


def is_text(node: ast.expr, call: Called) -> bool:
    """Whether an expression is a text: `str(...)`, an f-string, or a parameter that says so."""
    match node:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
        case ast.Call(func=ast.Name(id="str")):
            return True
        case ast.Name(id=name):
            given = call.state.names.get(name)
            return given == Plain("str") and is_parameter(name, call.place.function)
        case _:
            return False


def is_parameter(name: str, function: Function) -> bool:
    """Whether a name is a parameter that nothing else is assigned to."""
    stored = any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for node in walk(function.node)
    )
    return not stored and any(argument.arg == name for argument, _ in parameters_of(function))
