"""Calls that build a statement, and calls that take rows from its result."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from fieldstone.check import names
from fieldstone.check.models import model, table
from fieldstone.check.modules import Module
from fieldstone.check.project import Project
from fieldstone.check.values import (
    PLAIN,
    UNKNOWN,
    Attr,
    Instance,
    Many,
    Named,
    Result,
    Row,
    Select,
    Status,
    Thing,
    Value,
)

LOADERS = frozenset({"selectinload", "joinedload", "subqueryload", "immediateload", "contains_eager"})
NOT_LOADERS = frozenset(
    {
        "load_only",
        "defer",
        "undefer",
        "undefer_group",
        "raiseload",
        "noload",
        "lazyload",
        "defaultload",
        "with_loader_criteria",
        "selectin_polymorphic",
        "with_expression",
        "of_type",
    }
)
BUILDING = frozenset(
    {
        "where",
        "filter",
        "filter_by",
        "having",
        "order_by",
        "group_by",
        "limit",
        "offset",
        "join",
        "outerjoin",
        "select_from",
        "distinct",
        "options",
        "execution_options",
        "with_for_update",
        "join_from",
        "outerjoin_from",
        "params",
        "prefix_with",
        "correlate",
        "slice",
        "populate_existing",
        "enable_eagerloads",
        "fetch",
        "returning",
        "values",
        "add_columns",
        "with_only_columns",
        "union",
        "union_all",
        "from_statement",
        "on_conflict_do_update",
        "on_conflict_do_nothing",
        "with_statement_hint",
        "with_hint",
        "yield_per",
        "autoflush",
        "unique",
        "reverse",
    }
)
ONE = frozenset({"first", "one", "one_or_none", "scalar_one", "scalar_one_or_none", "scalar", "fetchone"})
JOINING = frozenset({"join", "outerjoin", "join_from", "outerjoin_from", "select_from"})
ALL = frozenset({"all", "fetchall", "fetchmany", "partitions"})
QUERY_ENDS = frozenset(
    {"all", "first", "one", "one_or_none", "scalar", "get", "count", "update", "delete", "exists"}
)

Born = Callable[[Thing], Instance]


def selected(address: str, arguments: tuple[Value, ...], kind: str = "select") -> Select:
    """Begin a statement."""
    return Select(arguments, sqlmodel=address == "sqlmodel.select" if kind == "select" else None, kind=kind)


def built(select: Select, method: str, call: ast.Call, module: Module, arguments: tuple[Value, ...]) -> Value:
    """Add a clause to a statement."""
    if method not in BUILDING:
        return UNKNOWN
    clauses = select.clauses | {method} | ({"limit", "offset"} if method == "slice" else frozenset())
    changed = replace(select, clauses=clauses, fixed=select.fixed | fixed_by(select, call, method, module))
    if method in {"union", "union_all", "from_statement", "with_only_columns", "add_columns"}:
        return replace(changed, entities=(UNKNOWN,))
    if method == "returning":
        return replace(changed, entities=arguments)
    if method == "options":
        return with_options(changed, list(call.args), module)
    return changed


def fixed_by(select: Select, call: ast.Call, method: str, module: Module) -> frozenset[str]:
    """The columns that conditions compare for equality with one value: `Task.project_id == project.id`."""
    if method == "filter_by" and not select.clauses & JOINING:
        return frozenset(f".{given.arg}" for given in call.keywords if given.arg)
    if method not in {"where", "filter"}:
        return frozenset()
    compared = (
        (condition.left, condition.comparators[0])
        for condition in call.args
        if isinstance(condition, ast.Compare) and isinstance(condition.ops[0], ast.Eq)
    )
    return frozenset(
        column
        for left, right in compared
        if (column := column_named(left, module)) and is_one_value(right, module)
    )


def is_one_value(node: ast.expr, module: Module) -> bool:
    """Whether an expression is a constant, a variable or an attribute of one, and no column."""
    if isinstance(node, ast.Constant):
        return True
    spelled = names.dotted(node)
    return spelled is not None and ".c." not in spelled and column_named(node, module) is None


def column_named(node: ast.expr, module: Module) -> str | None:
    """The column that `Task.project_id` or `col(Task.project_id)` names."""
    if isinstance(node, ast.Call) and module.address(node.func) == "sqlmodel.col" and node.args:
        node = node.args[0]
    if not isinstance(node, ast.Attribute):
        return None
    owner = table(module.project, module.address(node.value))
    return f"{owner.address}.{node.attr}" if owner else None


def with_options(select: Select, options: list[ast.expr], module: Module) -> Select:
    """Add loader options to a statement."""
    loaded, joined = select.loaded, select.joined
    for option in options:
        found = option_paths(module, option)
        if found is None:
            loaded = None
        else:
            paths, by_join = found
            loaded = None if loaded is None else loaded | paths
            joined |= by_join
    return replace(select, loaded=loaded, joined=joined)


def option_paths(
    module: Module, node: ast.expr, above: str = ""
) -> tuple[frozenset[str], frozenset[str]] | None:
    """The relationships that a loader option loads, and those that it joins; None if it cannot be read."""
    chain: list[ast.Call] = []
    while isinstance(node, ast.Call):
        chain.insert(0, node)
        node = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    if not chain:
        return None
    paths: set[str] = set()
    joined: set[str] = set()
    path = above
    for link in chain:
        name = link.func.attr if isinstance(link.func, ast.Attribute) else names.dotted(link.func) or "?"
        spelled = (module.address(link.func) or name).rpartition(".")[2]
        name = spelled if spelled in LOADERS | NOT_LOADERS else name
        if name in LOADERS:
            if not link.args:
                return None
            for given in link.args:
                attribute = related(given)
                if attribute is None:
                    return None
                path = f"{path}.{attribute}" if path else attribute
                paths.add(path)
                if name == "joinedload":
                    joined.add(path)
        elif name == "options":
            for inner in link.args:
                found = option_paths(module, inner, path)
                if found is None:
                    return None
                paths |= found[0]
                joined |= found[1]
        elif name == "defaultload" and link.args:
            path = related(link.args[0]) or "?"
        elif name not in NOT_LOADERS and name != "Load":
            return None
    return frozenset(paths), frozenset(joined)


def related(node: ast.expr) -> str | None:
    """Read `Task.project`, `Task.project.of_type(...)`, `.and_(...)`, or `cast(Any, Task.project)`."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"of_type", "and_"}:
            return related(node.func.value)
        return related(node.args[-1]) if node.args else None
    return node.attr if isinstance(node, ast.Attribute) else None


def given_by(project: Project, select: Select, session: str | None, line: int, born: Born) -> Value:
    """What one row of a statement is."""
    rows = tuple(entity_value(project, entity, select, session, line, born) for entity in select.entities)
    return rows[0] if len(rows) == 1 else Row(rows)


def entity_value(
    project: Project, entity: Value, select: Select, session: str | None, line: int, born: Born
) -> Value:
    """What one entity of a row is."""
    if isinstance(entity, Named):
        known = table(project, entity.address)
        if known:
            starts = (".", f"{known.address}.")
            fixed = frozenset(one.rpartition(".")[2] for one in select.fixed if one.startswith(starts))
            return born(
                Thing(known.address, Status.PERSISTENT, session, select.loaded, origin=line, fixed=fixed)
            )
        return UNKNOWN
    if isinstance(entity, Attr):
        owner = model(project, entity.model)
        return PLAIN if owner and entity.name in owner.columns else UNKNOWN
    return PLAIN if entity == PLAIN else UNKNOWN


def taken(result: Result, method: str, row: Value) -> Value:
    """What a method of a result gives; `row` is what the statement gives for one row."""
    alone = row.elements[0] if isinstance(row, Row) and row.elements else row
    scalar = row if result.scalars else alone
    one = row if result.scalars or isinstance(row, Row) else Row((row,))
    if method in {"scalars", "columns", "tuples"}:
        return replace(result, scalars=method == "scalars" or result.scalars)
    if method == "unique":
        return replace(result, unique=True)
    if method == "mappings":
        return UNKNOWN
    if method.startswith("scalar"):
        return scalar
    if method in ONE:
        return one
    if method in ALL:
        return Many(one)
    return PLAIN if method in {"close", "freeze", "rowcount"} else UNKNOWN


def element(value: Value, row: Callable[[Result], Value]) -> Value:
    """What iterating over a value gives."""
    match value:
        case Many(element=inner):
            return inner
        case Result():
            given = row(value)
            return given if value.scalars or isinstance(given, Row) else Row((given,))
        case Select(kind="query"):
            return row(Result(value, True, value.session))
        case Row(elements=elements) if elements and all(e == elements[0] for e in elements):
            return elements[0]
        case _:
            return UNKNOWN
