"""Edits that several rules need: a keyword for a call, a line before a statement, an import.

Each gives None where the source is laid out so that the edit could go wrong; the finding then stands
without a fix.
"""

from __future__ import annotations

import ast

from fieldstone.check import names
from fieldstone.check.findings import Edit, Span
from fieldstone.check.modules import Module


def with_keyword(call: ast.Call, name: str, text: str, module: Module) -> Edit:
    """Give a call one more keyword."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if given:
        last = max(given, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
        return module.insert_after(last, f", {name}={text}")
    end = module.span(call)
    place = Span(end.end_line, end.end_column - 1, end.end_line, end.end_column - 1)
    return Edit(place, f"{name}={text}")


def with_option(call: ast.Call, name: str, text: str, module: Module) -> Edit | None:
    """Give a relationship one more option: directly, or for SQLModel through `sa_relationship_kwargs`."""
    if module.address(call.func) != names.RELATIONSHIP:
        return with_keyword(call, name, text, module)
    extra = names.keyword(call, "sa_relationship_kwargs")
    match extra:
        case None:
            return with_keyword(call, "sa_relationship_kwargs", f'{{"{name}": {text}}}', module)
        case ast.Dict(values=[*_, last]):
            return module.insert_after(last, f', "{name}": {text}')
        case ast.Dict():
            return module.replace(extra, f'{{"{name}": {text}}}')
        case ast.Call(func=ast.Name(id="dict")):
            return with_keyword(extra, name, text, module)
        case _:
            return None


def without_keyword(call: ast.Call, keyword: ast.keyword, module: Module) -> Edit | None:
    """Take a keyword out of a call; None where a comment would go with it."""
    spans = sorted(module.span(given) for given in (*call.args, *call.keywords))
    own = module.span(keyword)
    place = spans.index(own)
    span = own
    if place:
        before = spans[place - 1]
        span = Span(before.end_line, before.end_column, own.end_line, own.end_column)
    elif len(spans) > 1:
        span = Span(own.line, own.column, spans[1].line, spans[1].column)
    return None if "#" in stretch(span, module) else Edit(span, "")


def stretch(span: Span, module: Module) -> str:
    """The source of a span."""
    lines = module.lines[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def line_before(node: ast.AST, text: str, module: Module) -> Edit | None:
    """Put a line before the statement that a node stands in."""
    statement = statement_of(node, module)
    if statement is None or isinstance(statement, ast.While):
        return None
    span = module.span(statement)
    line = module.lines[span.line - 1]
    indent = line[: span.column - 1]
    if indent.strip() or line[span.column - 1 :].startswith("elif"):
        return None
    return Edit(Span(span.line, span.column, span.line, span.column), f"{text}\n{indent}")


def line_after(statement: ast.stmt, text: str, module: Module) -> Edit | None:
    """Put a line after a statement that has its lines for itself."""
    span = module.span(statement)
    first, last = module.lines[span.line - 1], module.lines[span.end_line - 1]
    rest = last[span.end_column - 1 :].strip()
    indent = first[: span.column - 1]
    if indent.strip() or (rest and not rest.startswith("#")):
        return None
    end = len(last) + 1
    return Edit(Span(span.end_line, end, span.end_line, end), f"\n{indent}{text}")


def statement_of(node: ast.AST, module: Module) -> ast.stmt | None:
    """The statement that a node stands in."""
    if isinstance(node, ast.stmt):
        return node
    return next((above for above in module.above(node) if isinstance(above, ast.stmt)), None)


def imported(address: str, module: Module) -> tuple[str, tuple[Edit, ...]] | None:
    """How a module spells a name of a library, and the import that it lacks; None if the name is taken."""
    source, _, name = address.rpartition(".")
    for bound, target in module.facts.imports.items():
        if names.canonical(target) == address:
            return bound, ()
        if target == source and "." not in bound:
            return f"{bound}.{name}", ()
    first = next((statement for statement in module.tree.body if imports(statement)), None)
    if first is None or name in module.facts.names or name in module.facts.imports:
        return None
    at = Span(first.lineno, 1, first.lineno, 1)
    return name, (Edit(at, f"from {source} import {name}\n"),)


def imports(statement: ast.stmt) -> bool:
    """Whether a statement imports something, from no future."""
    return isinstance(statement, ast.Import) or (
        isinstance(statement, ast.ImportFrom) and statement.module != "__future__"
    )
