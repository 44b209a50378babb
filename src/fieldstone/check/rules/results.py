"""Results: how rows and entities are taken from them, and how often."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called, RowRead
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity, Span
from fieldstone.check.lookup import last_name
from fieldstone.check.models import table
from fieldstone.check.modules import Module, blocks
from fieldstone.check.registry import File, rule
from fieldstone.check.trees import walk
from fieldstone.check.values import Named, Result

RESULTS = frozenset(
    {"all", "one", "one_or_none", "scalar_one", "scalar_one_or_none", "fetchall", "partitions"}
)
FETCHES = frozenset({"scalars", "exec", "execute", "unique", "mappings", "query", "filter", "where"})
# What takes all rows, or closes the result.
CONSUMING = frozenset(
    {"all", "fetchall", "first", "one", "one_or_none", "scalar", "scalar_one", "scalar_one_or_none"}
)
# What ScalarResult, which `exec` gives for one entity, calls what the caller meant.
INSTEAD = {"scalars": "", "scalar_one_or_none": "one_or_none", "scalar_one": "one", "scalar": "first"}


@rule(
    "FS304",
    "joined-collection-without-unique",
    Called,
    severity=Severity.ERROR,
    repair=Repair.SAFE,
    calls=RESULTS,
)
def joined_collection_without_unique(call: Called, file: File) -> Iterator[Problem]:
    """A collection is loaded by join, and the rows are taken without `unique()`.

    The join gives a row for each element of the collection; SQLAlchemy refuses to hand these out:
    InvalidRequestError, "The unique() method must be invoked".

    Bad:
        statement = select(Team).options(joinedload(Team.heroes))
        teams = session.exec(statement).all()

    Good:
        statement = select(Team).options(joinedload(Team.heroes))
        teams = session.exec(statement).unique().all()

    Fine:
    `first()`, and the legacy Query, which does it by itself.
    """
    result = call.receiver
    if not isinstance(result, Result) or result.unique or result.legacy or call.method not in RESULTS:
        return
    entity = result.select.entities[0] if result.select.entities else None
    loaded = table(file.project, entity.address) if isinstance(entity, Named) else None
    if loaded is None or not isinstance(call.node.func, ast.Attribute):
        return
    many = [
        name for name, relation in loaded.relations.items() if relation.many and name in result.select.joined
    ]
    if many:
        func = call.node.func
        yield Problem(
            call.node,
            f"`{loaded.name}.{many[0]}` is loaded by join: `{call.method}()` raises InvalidRequestError.",
            f"Write `.unique().{call.method}()`, or load it with `selectinload`.",
            Fix((file.module.insert_after(func.value, ".unique()"),), safe=True),
        )


@rule(
    "FS305",
    "wrong-result-accessor",
    Called,
    RowRead,
    severity=Severity.ERROR,
    repair=Repair.SAFE,
    calls={"scalars", *CONSUMING, *INSTEAD},
)
def wrong_result_accessor(event: Called | RowRead, file: File) -> Iterator[Problem]:
    """A result is read as if it were another kind of result, or a second time.

    For a select of one entity `exec` of SQLModel gives a ScalarResult, which has no `scalars`,
    `scalar_one` or `scalar_one_or_none`: AttributeError. `execute` gives rows, whose only attribute is the
    entity: AttributeError as well. And a result can be read once: then it gives no rows, or raises
    ResourceClosedError.

    Bad:
        task = session.exec(select(Task)).scalar_one_or_none()

    Good:
        task = session.exec(select(Task)).one_or_none()

    Fine:
    `select` of SQLAlchemy, for which `exec` gives an ordinary Result.
    """
    if isinstance(event, RowRead):
        yield from row_for_entity(event, file)
        return
    yield from read_twice(event, file)
    yield from scalars_of_scalars(event, file)


def row_for_entity(read: RowRead, file: File) -> Iterator[Problem]:
    """A row of one entity is read as if it were the entity."""
    name = file.module.text(read.node.value)
    yield Problem(
        read.node,
        f"`{name}` is a row that holds a `{read.model.name}`, and has no `{read.node.attr}`: AttributeError.",
        "Take entities from the result: `.scalars().first()`, `.scalars().all()` or `.scalar_one_or_none()`.",
    )


def read_twice(call: Called, file: File) -> Iterator[Problem]:
    """A result that is read although its rows have been taken."""
    func = call.node.func
    result, name = call.receiver, func.value if isinstance(func, ast.Attribute) else None
    if not isinstance(result, Result) or result.legacy or not isinstance(name, ast.Name):
        return
    if call.method not in CONSUMING | {"scalars"}:
        return
    before = taken_before(call, name.id, file.module)
    if before is not None:
        last = last_name(before)
        gone = "there are no rows left" if last in {"all", "fetchall"} else "ResourceClosedError"
        yield Problem(
            call.node,
            f"The rows of `{name.id}` were taken in line {before.lineno}: {gone}.",
            f"Keep what `{last}()` gave in a variable, and use that.",
        )


def taken_before(call: Called, name: str, module: Module) -> ast.Call | None:
    """The call that took the rows of a result, on every way that leads to another."""
    for statement in preceding(call.node, module):
        if any(binds(node, name) for node in walk(statement)):
            return None
        if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign):
            for node in walk(statement):
                if isinstance(node, ast.Call) and last_name(node) in CONSUMING and begins(node, name):
                    return node
    return None


def preceding(node: ast.AST, module: Module) -> Iterator[ast.stmt]:
    """The statements that have run before a node in its function, nearest first."""
    inner = node
    for above in module.above(node):
        for block in blocks(above) if isinstance(above, ast.stmt) else ():
            if isinstance(inner, ast.stmt) and inner in block:
                yield from reversed(block[: block.index(inner)])
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        inner = above


def binds(node: ast.AST, name: str) -> bool:
    """Whether a node gives a name a new value."""
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)


def begins(node: ast.AST, name: str) -> bool:
    """Whether a chain of calls and attributes begins with a name."""
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id == name


def scalars_of_scalars(call: Called, file: File) -> Iterator[Problem]:
    """What `exec` gives is asked for scalars that it already holds."""
    result = call.receiver
    if not isinstance(result, Result) or not result.scalars or call.method not in INSTEAD or result.legacy:
        return
    select = result.select
    if select.sqlmodel is not True or len(select.entities) != 1 or select.kind != "select":
        return
    right = INSTEAD[call.method]
    if isinstance(call.node.func, ast.Attribute):
        yield Problem(
            call.node,
            f"`exec` gives scalars already, which have no `{call.method}`: AttributeError.",
            f"Write `{right}()` in its place." if right else "Leave `.scalars()` out.",
            Fix((after(call.node.func, call.node, f".{right}()" if right else "", file.module),), safe=True),
        )


def after(attribute: ast.Attribute, call: ast.Call, text: str, module: Module) -> Edit:
    """Replace what follows the object of a method call."""
    start, end = module.span(attribute.value), module.span(call)
    return Edit(Span(start.end_line, start.end_column, end.end_line, end.end_column), text)


@rule("FS308", "len-of-all", Called, calls={"len"})
def len_of_all(called: Called, file: File) -> Iterator[Problem]:
    """All rows are loaded to count them.

    Every row is sent, and every one becomes an object, to be thrown away; the time grows with the table.

    Bad:
        total = len(session.exec(select(Task)).all())

    Good:
        total = session.exec(select(func.count()).select_from(Task)).one()

    Fine:
    Rows that are used otherwise as well.
    """
    call = called.node
    if names.dotted(call.func) != "len" or len(call.args) != 1 or file.module.facts.trial:
        return
    fetched = call.args[0]
    chain: list[str] = []
    node = fetched
    while isinstance(node, ast.Call | ast.Attribute | ast.Await):
        if isinstance(node, ast.Attribute):
            chain.append(node.attr)
        node = node.func if isinstance(node, ast.Call) else node.value
    text = file.module.text(fetched)
    if chain[:1] in (["all"], ["fetchall"]) and set(chain) & FETCHES and "returning" not in text:
        yield Problem(
            call,
            "Every row is loaded and made an object, only to be counted.",
            "Count in the database: `select(func.count()).select_from(...)`.",
        )
