"""Statements that say something else than they seem to, or more than they should."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called
from fieldstone.check.findings import Fix, Problem, Repair, Severity
from fieldstone.check.models import table
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.trees import walk
from fieldstone.check.values import Named, Result, Select

CONDITIONS = frozenset({"where", "filter", "having"})
SENDING = frozenset({"exec", "execute", "scalars", "stream", "stream_scalars"})


@rule(
    "FS303", "python-boolean-in-where", Called, severity=Severity.ERROR, repair=Repair.SAFE, calls=CONDITIONS
)
def python_boolean_in_where(call: Called, file: File) -> Iterator[Problem]:
    """A condition is written with Python's `and`, `or`, `not`, `is` or `in`.

    Python evaluates these itself, before the statement is made: `a and b` keeps one of the two, and
    `not`, `is None` and `in` become False, so that the query gives no row.

    Bad:
        select(Task).where(Task.owner_id == key and Task.done == False)

    Good:
        select(Task).where(Task.owner_id == key, Task.done == False)
    """
    if call.method not in CONDITIONS:
        return
    for given in call.node.args:
        for node in conditions(given):
            spelled = respelled(node, file.module)
            if spelled:
                alone = isinstance(node, ast.BoolOp) and node is not given
                fix = None if alone or bracketed(node, file.module) else file.module.replace(node, spelled)
                yield Problem(
                    node,
                    f"Python evaluates `{file.module.text(node)}` itself: {effect(node)}.",
                    f"Write `{spelled}`.",
                    Fix((fix,), safe=True) if fix and "or_(" not in spelled else None,
                )


def conditions(node: ast.expr) -> Iterator[ast.expr]:
    """The outermost Python operators in a condition."""
    if isinstance(node, ast.BoolOp | ast.UnaryOp | ast.Compare):
        yield node
    elif isinstance(node, ast.BinOp):
        yield from conditions(node.left)
        yield from conditions(node.right)
    elif isinstance(node, ast.Call):
        for given in node.args:
            yield from conditions(given)


def respelled(node: ast.expr, module: Module) -> str | None:
    """The condition as SQLAlchemy wants it; None if it is right as it is, or not about columns."""
    match node:
        case ast.BoolOp(op=operator, values=values) if all(about_columns(value, module) for value in values):
            texts = ", ".join(module.text(value) for value in values)
            return texts if isinstance(operator, ast.And) else f"or_({texts})"
        case ast.UnaryOp(op=ast.Not(), operand=operand) if about_columns(operand, module):
            return f"~{module.text(operand)}"
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if is_column(left, module):
            return compared(module.text(left), operator, right, module)
        case _:
            return None


def compared(left: str, operator: ast.cmpop, right: ast.expr, module: Module) -> str | None:
    """An identity or membership test as a method of the column."""
    text = module.text(right)
    match operator:
        case ast.Is():
            return f"{left}.is_({text})"
        case ast.IsNot():
            return f"{left}.is_not({text})"
        case ast.In():
            return f"{left}.in_({text})"
        case ast.NotIn():
            return f"{left}.not_in({text})"
        case _:
            return None


def about_columns(node: ast.expr, module: Module) -> bool:
    """Whether an expression is a condition on a column of a table."""
    if isinstance(node, ast.Compare):
        return is_column(node.left, module) or any(is_column(other, module) for other in node.comparators)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return is_column(node.func.value, module)
    return is_column(node, module)


def is_column(node: ast.expr, module: Module) -> bool:
    """Whether an expression is an attribute of a table."""
    if not isinstance(node, ast.Attribute):
        return False
    found = table(module.project, module.address(node.value))
    return found is not None and node.attr in found.columns


def bracketed(node: ast.expr, module: Module) -> bool:
    """Whether brackets of its own stand around a node, where a comma would make a tuple."""
    span = module.span(node)
    before = "\n".join(
        [*module.lines[: span.line - 1], module.lines[span.line - 1][: span.column - 1]]
    ).rstrip()
    return isinstance(node, ast.BoolOp) and before.endswith(("((", "(\n(", ", (", "( ("))


def effect(node: ast.expr) -> str:
    """What becomes of the condition."""
    held = truth(node.values[0] if isinstance(node, ast.BoolOp) else getattr(node, "operand", node))
    if held is None:
        return "TypeError, a clause has no truth value"
    if isinstance(node, ast.BoolOp):
        return "one side is dropped"
    return f"the condition becomes {held is not isinstance(node, ast.UnaryOp)}"


def truth(node: ast.expr) -> bool | None:
    """What Python takes a condition on a column for; None where asking raises."""
    match node:
        case ast.Attribute() | ast.Compare(ops=[ast.NotEq() | ast.IsNot() | ast.NotIn()]):
            return True
        case ast.Compare(ops=[ast.Eq() | ast.Is() | ast.In()]):
            return False
        case _:
            return None


@rule("FS309", "paginate-without-order", Called, tier=Tier.OPT_IN, calls=SENDING)
def paginate_without_order(call: Called, file: File) -> Iterator[Problem]:
    """A statement skips rows without saying in which order they come.

    The database may give rows in another order each time: a page repeats rows of the one before, and
    others are on no page.

    Bad:
        statement = select(Task).offset(20).limit(10)
        rows = session.exec(statement).all()

    Good:
        statement = select(Task).order_by(Task.id).offset(20).limit(10)
        rows = session.exec(statement).all()
    """
    select = call.arguments[0] if call.arguments else None
    if call.method not in SENDING:
        return
    if not isinstance(select, Select) or "offset" not in select.clauses or "order_by" in select.clauses:
        return
    entity = select.entities[0] if select.entities else None
    if select.kind == "select" and isinstance(entity, Named) and table(file.project, entity.address):
        yield Problem(
            skipping(call, file.module),
            "Rows are skipped in no certain order, so pages repeat some and leave others out.",
            "Add `.order_by(...)` on a unique column.",
        )


def skipping(call: Called, module: Module) -> ast.AST:
    """The call of `offset` that a statement was given last."""
    within = call.place.function.node
    found = [
        node
        for node in walk(within)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"offset", "slice"}
        and node.lineno <= (call.node.end_lineno or call.node.lineno)
    ]
    return max(found, key=lambda node: node.lineno, default=call.node)


# What keeps the number of rows small, or may.
BOUNDING = frozenset(
    {"limit", "fetch", "slice", "where", "filter", "filter_by", "having", "offset", "params"}
)


@rule("FS310", "unbounded-list", Called, tier=Tier.OPT_IN, calls={"all", "fetchall"})
def unbounded_list(call: Called, file: File) -> Iterator[Problem]:
    """A whole table is read and handed on.

    The answer, its time and its memory grow with every row that is added; at some size the process is
    killed.

    Bad:
        return session.exec(select(Task)).all()

    Good:
        return session.exec(select(Task).order_by(Task.id).limit(100)).all()

    Fine:
    Tables that stay small, and queries with a condition.
    """
    result = call.receiver
    if call.method not in {"all", "fetchall"} or file.module.facts.trial:
        return
    select = result.select if isinstance(result, Result) else result
    if not isinstance(select, Select) or select.kind not in {"select", "query"}:
        return
    entity = select.entities[0] if len(select.entities) == 1 else None
    whole = not select.clauses & BOUNDING and not select.joined
    if whole and isinstance(entity, Named) and table(file.project, entity.address) and given_back(call):
        yield Problem(
            selecting(call, file.module),
            f"Every row of `{entity.address.partition(':')[2]}` is read at once, however many there are.",
            "Add `.order_by(...).limit(...)`, and let the caller ask for the next page.",
        )


def given_back(call: Called) -> bool:
    """Whether a function returns the rows, as they are or one by one."""
    parents = call.place.module.parents
    node: ast.AST = call.node
    above = parents.get(node)
    if isinstance(above, ast.Await):
        node, above = above, parents.get(above)
    name = names.dotted(above.targets[0]) if isinstance(above, ast.Assign) else None
    for statement in walk(call.place.function.node):
        if isinstance(statement, ast.Return) and statement.value is not None:
            given = statement.value
            if isinstance(given, ast.ListComp):
                given = given.generators[0].iter
            if given is node or (name is not None and names.dotted(given) == name):
                return True
    return False


def selecting(call: Called, module: Module) -> ast.AST:
    """The call that begins the statement whose rows are taken."""
    found = [
        node
        for node in walk(call.place.function.node)
        if isinstance(node, ast.Call)
        and (module.address(node.func) in names.SELECTS or getattr(node.func, "attr", "") == "query")
        and node.lineno <= (call.node.end_lineno or call.node.lineno)
    ]
    return max(found, key=lambda node: node.lineno, default=call.node)
