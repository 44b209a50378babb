"""What the top of a module binds, and what its classes declare."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from fieldstone.check import names
from fieldstone.check.facts import ClassFacts, NameKind


@dataclass
class Names:
    """What the top of a module binds."""

    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    kinds: dict[str, NameKind] = field(default_factory=dict)
    classes: list[ClassFacts] = field(default_factory=list)


def bind(body: list[ast.stmt], bound: Names, package: str) -> None:
    """Collect what statements at the top of a module bind, also below `if` and `try`."""
    for statement in flat(body):
        match statement:
            case ast.Import(names=aliases):
                for alias in aliases:
                    top = alias.name if alias.asname else alias.name.partition(".")[0]
                    bound.imports[alias.asname or top] = top
            case ast.ImportFrom():
                bind_from(statement, bound, package)
            case ast.ClassDef(name=name):
                bound.kinds[name] = "class"
                bound.classes.append(class_facts(statement))
            case ast.FunctionDef(name=name):
                bound.kinds[name] = "def"
            case ast.AsyncFunctionDef(name=name):
                bound.kinds[name] = "async def"
            case ast.Assign(targets=targets):
                bound.kinds.update((n, "value") for target in targets for n in target_names(target))
            case ast.AnnAssign(target=ast.Name(id=name)):
                bound.kinds[name] = "value"
            case _:
                pass


def flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Walk statements that run at import, whatever they stand below."""
    for statement in body:
        yield statement
        match statement:
            case ast.If():
                yield from flat(statement.body)
                yield from flat(statement.orelse)
            case ast.Try() | ast.TryStar():
                yield from flat(statement.body)
                for handler in statement.handlers:
                    yield from flat(handler.body)
                yield from flat(statement.orelse)
            case ast.With():
                yield from flat(statement.body)
            case _:
                pass


def bind_from(statement: ast.ImportFrom, bound: Names, package: str) -> None:
    """Bind what a `from` import names; relative ones by the package they stand in."""
    source = statement.module or ""
    if statement.level:
        base = package.split(".")
        base = base[: len(base) - statement.level + 1]
        source = "." + ".".join([*base, *([source] if source else [])])
    for alias in statement.names:
        if alias.name == "*":
            bound.stars.append(source)
        else:
            bound.imports[alias.asname or alias.name] = (
                f"{source}.{alias.name}" if source != "." else f".{alias.name}"
            )


def target_names(target: ast.expr) -> Iterator[str]:
    """List the plain names that an assignment binds."""
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from target_names(element)
        case ast.Starred(value=value):
            yield from target_names(value)
        case _:
            pass


def class_facts(node: ast.ClassDef) -> ClassFacts:
    """Tell of a class what decides whether it is a table, and what it declares."""
    table = next((names.literal(given.value) for given in node.keywords if given.arg == "table"), None)
    bases = tuple(names.dotted(unsubscripted(base)) or "?" for base in node.bases)
    fields = tuple(
        s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    )
    methods: dict[str, bool] = {}
    for s in node.body:
        if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef):
            methods.setdefault(s.name, isinstance(s, ast.AsyncFunctionDef))
    abstract = any(
        isinstance(s, ast.Assign) and names.dotted(s.targets[0]) == "__abstract__" for s in node.body
    )
    said = table if isinstance(table, bool) else None
    return ClassFacts(node.name, bases, said, tablename(node), node.lineno, fields, abstract, methods)


def unsubscripted(node: ast.expr) -> ast.expr:
    """Take `Base` from `Base[T]`."""
    return node.value if isinstance(node, ast.Subscript) else node


def tablename(node: ast.ClassDef) -> str | None:
    """Read `__tablename__`; "?" where it is computed."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=value):
                return text_or_doubt(value)
            case ast.AnnAssign(target=ast.Name(id="__tablename__"), value=ast.expr() as value):
                return text_or_doubt(value)
            case ast.FunctionDef(name="__tablename__"):
                return "?"
            case _:
                pass
    return None


def text_or_doubt(node: ast.expr) -> str:
    """Read a text, or "?" where it is computed."""
    value = names.literal(node)
    return value if isinstance(value, str) else "?"
