"""Values that the database computes, and that an instance does not have before it is read again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Read
from fieldstone.check.fields import Column
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.lookup import last_name
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.trees import walk
from fieldstone.check.values import Status

SAVING = frozenset({"commit", "flush"})
BRANCHES = (ast.If, ast.Try, ast.ExceptHandler, ast.While, ast.IfExp, ast.match_case)


@rule("FS213", "server-onupdate-not-refreshed", Read, severity=Severity.ERROR, tier=Tier.PREVIEW)
def server_onupdate_not_refreshed(read: Read, file: File) -> Iterator[Problem]:
    """A column that the database computes at each UPDATE is read after one, with an AsyncSession.

    The UPDATE does not give the new value back, so SQLAlchemy expires the attribute, whatever
    `expire_on_commit` says; reading it raises MissingGreenlet.

    Bad:
        task.title = "new"
        await session.commit()
        return task.updated_at

    Good:
        task.title = "new"
        await session.commit()
        await session.refresh(task)
        return task.updated_at

    Fine:
    Columns whose `onupdate` is a Python function, and mappers with `eager_defaults=True`.
    """
    thing, row = read.thing, names.dotted(read.node.value)
    if not read.column or thing.expired or read.name in thing.kept or thing.status is not Status.PERSISTENT:
        return
    if read.session is None or not read.session.asynchronous or row is None or "." in row:
        return
    if not computed(read.model.columns[read.name]) or "eager_defaults" in read.model.module.code:
        return
    saved = saved_before(read, row)
    if saved is not None:
        yield Problem(
            read.node,
            f"The UPDATE of the {saved[0]} in line {saved[1]} expired `{row}.{read.name}`: MissingGreenlet.",
            f"Write `await session.refresh({row})` first.",
        )


def computed(column: Column) -> bool:
    """Whether the database gives a column a new value at each UPDATE."""
    for node in walk(column.value) if column.value is not None else ():
        match node:
            case ast.keyword(arg="server_onupdate", value=value):
                return not (isinstance(value, ast.Constant) and value.value is None)
            case ast.keyword(arg="onupdate", value=value) if is_sql(value, column.module):
                return True
            case ast.Dict(keys=keys, values=values):
                said = {names.literal(key): value for key, value in zip(keys, values, strict=True) if key}
                if "onupdate" in said and is_sql(said["onupdate"], column.module):
                    return True
            case _:
                pass
    return False


def is_sql(node: ast.expr, module: Module) -> bool:
    """Whether an expression is a function of the database."""
    address = module.address(node.func) if isinstance(node, ast.Call) else None
    return address is not None and address.startswith(
        ("sqlalchemy.func.", "sqlmodel.func.", "sqlalchemy.text")
    )


def saved_before(read: Read, row: str) -> tuple[str, int] | None:
    """The verb and line of the save that surely sent an UPDATE of a row before it is read."""
    module, line = read.place.module, read.node.lineno
    written, saved, fresh = 0, None, 0
    certain = branches(read.node, module)
    for node in sorted(walk(read.place.function.node), key=lambda node: getattr(node, "lineno", 0)):
        if getattr(node, "lineno", line) >= line:
            continue
        if renews(node, row):
            fresh = node.lineno  # type: ignore[attr-defined]  # only statements and calls renew
            written, saved = 0, None
        elif branches(node, module) <= certain:
            if writes(node, row):
                written = node.lineno  # type: ignore[attr-defined]  # only assignments and calls write
            elif written > fresh and isinstance(node, ast.Call) and last_name(node) in SAVING:
                saved = (last_name(node), node.lineno)
    return saved


def branches(node: ast.AST, module: Module) -> set[tuple[ast.AST, bool]]:
    """The branches in which a node stands."""
    found: set[tuple[ast.AST, bool]] = set()
    inner = node
    for above in module.above(node):
        if isinstance(above, BRANCHES):
            body = getattr(above, "body", [])
            found.add((above, isinstance(body, list) and inner in body))
        inner = above
    return found


def writes(node: ast.AST, row: str) -> bool:
    """Whether a node sets an attribute of a row."""
    match node:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name))]):
            return name == row
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="sqlmodel_update")):
            return name == row
        case _:
            return False


def renews(node: ast.AST, row: str) -> bool:
    """Whether a node reads a row anew, or gives its name to another."""
    if isinstance(node, ast.Name):
        return node.id == row and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        given = {names.dotted(value) for value in node.args}
        return node.func.attr in {"refresh", "merge", "expunge"} and row in given
    return False
