"""One parsed file, with the questions that rules ask of it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fieldstone.check import names
from fieldstone.check.facts import FileFacts
from fieldstone.check.findings import Edit, Span
from fieldstone.check.outlines import flat, target_names
from fieldstone.check.parsing import parse
from fieldstone.check.searching import uncommented
from fieldstone.check.trees import children, walk

if TYPE_CHECKING:
    from fieldstone.check.project import Project


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method, and the class it is a method of."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    module: Module
    owner: str | None = None

    @property
    def asynchronous(self) -> bool:
        """Whether calling it makes a coroutine or an asynchronous generator."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def key(self) -> tuple[str, int, str]:
        """Tell it from all other functions of the project."""
        return self.module.facts.path, self.node.lineno, self.node.name


class Module:
    """A file of the project as a tree."""

    def __init__(self, project: Project, facts: FileFacts, source: str, tree: ast.Module) -> None:
        self.project = project
        self.facts = facts
        self.source = source
        self.tree = tree
        self._methods: dict[ast.ClassDef, dict[str, ast.FunctionDef | ast.AsyncFunctionDef]] = {}

    @classmethod
    def load(cls, project: Project, facts: FileFacts) -> Module:
        """Read and parse a file."""
        source = project.texts.text(facts.path)
        return cls(project, facts, source, parse(source))

    @cached_property
    def lines(self) -> list[str]:
        """The source by lines, without their ends."""
        return self.source.split("\n")

    @cached_property
    def code(self) -> str:
        """The source without lines that are only comments: where others look for a word.

        What is found in a file may follow from no more of another, or a cache would not see that it changed.
        """
        return uncommented(self.source)

    @cached_property
    def encoded(self) -> list[bytes]:
        """The lines as the parser counts columns: in UTF-8."""
        return [line.encode("utf-8", "surrogatepass") for line in self.lines]

    @cached_property
    def nodes(self) -> dict[type[ast.AST], list[ast.AST]]:
        """All nodes by their kind."""
        found: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        for node in walk(self.tree):
            found[node.__class__].append(node)
        return found

    @cached_property
    def yields(self) -> list[int]:
        """The lines on which something is yielded."""
        if "yield" not in self.source:
            return []
        kinds = (ast.Yield, ast.YieldFrom)
        return [node.lineno for kind in kinds for node in self.nodes.get(kind, ()) if isinstance(node, kind)]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node that each node stands in."""
        return {child: node for node in walk(self.tree) for child in children(node)}

    @cached_property
    def script(self) -> bool:
        """Whether the file is started by hand, and serves nothing."""
        served = {"fastapi", "starlette", "flask", "litestar", "django"}
        if served & {target.partition(".")[0] for target in self.facts.imports.values()}:
            return False
        return any(
            isinstance(statement, ast.If) and self.text(statement.test).startswith("__name__ ==")
            for statement in self.tree.body
        )

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Walk from a node's parent to the module."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def shadowed(self, node: ast.AST) -> bool:
        """Whether the first name of a dotted expression is bound by a function around it."""
        name = (names.dotted(node) or "").partition(".")[0]
        return any(
            name in bound_inside(above)
            for above in self.above(node)
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef)
        )

    @cached_property
    def bindings(self) -> dict[str, list[ast.stmt]]:
        """The statements that bind a name at the top of the module, in their order."""
        bound: dict[str, list[ast.stmt]] = {}
        for statement in flat(self.tree.body):
            for name in bound_by(statement):
                bound.setdefault(name, []).append(statement)
        return bound

    def address(self, node: ast.AST | str | None) -> str | None:
        """Say where the thing is defined that a name or dotted expression means at the top of this module."""
        spelled = node if isinstance(node, str) else names.dotted(node)
        return self.project.address(self.facts, spelled) if spelled else None

    def imported(self, node: ast.AST) -> str | None:
        """Say where a thing is defined that may be a library's; None at once for what no import binds."""
        first = node
        while isinstance(first, ast.Attribute):
            first = first.value
        facts = self.facts
        if not isinstance(first, ast.Name) or not (facts.stars or first.id in facts.imports):
            return None
        return self.address(node)

    def class_node(self, name: str) -> ast.ClassDef | None:
        """Find a class at the top of the module."""
        return next((s for s in reversed(self.bindings.get(name, ())) if isinstance(s, ast.ClassDef)), None)

    def methods(self, node: ast.ClassDef) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """The methods in the body of a class by their name; the first of each."""
        if node not in self._methods:
            found = (s for s in node.body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef))
            named: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
            for function in found:
                named.setdefault(function.name, function)
            self._methods[node] = named
        return self._methods[node]

    def functions(self) -> list[Function]:
        """All functions and methods, nested ones included; not kept, since each holds its file."""
        return list(functions_in(self.tree.body, self, None))

    def slim(self) -> None:
        """Forget what can be worked out again, and takes as much room as the tree."""
        for name in ("lines", "encoded", "nodes", "parents"):
            self.__dict__.pop(name, None)

    def span(self, node: ast.AST) -> Span:
        """Say where a node stands, in characters."""
        line: int = getattr(node, "lineno", 1)
        end: int = getattr(node, "end_lineno", None) or line
        return Span(
            line,
            self.column(line, getattr(node, "col_offset", 0)),
            end,
            self.column(end, getattr(node, "end_col_offset", None) or 0),
        )

    def column(self, line: int, offset: int) -> int:
        """Turn an offset in bytes into a column from 1."""
        if not 0 < line <= len(self.encoded):
            return 1
        return len(self.encoded[line - 1][:offset].decode("utf-8", "replace")) + 1

    def text(self, node: ast.AST) -> str:
        """The source of a node, as it is written."""
        first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
        if first is None or last is None or last > len(self.encoded):
            return ""
        lines = self.encoded[first - 1 : last]
        start, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", 0)
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][start:]
        return b"\n".join(lines).decode("utf-8", "replace")

    def replace(self, node: ast.AST, text: str) -> Edit:
        """Put text in the place of a node."""
        return Edit(self.span(node), text)

    def insert_before(self, node: ast.AST, text: str) -> Edit:
        """Put text before a node."""
        span = self.span(node)
        return Edit(Span(span.line, span.column, span.line, span.column), text)

    def insert_after(self, node: ast.AST, text: str) -> Edit:
        """Put text after a node."""
        span = self.span(node)
        return Edit(Span(span.end_line, span.end_column, span.end_line, span.end_column), text)


def bound_inside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names that a function binds: parameters, assignments, imports."""
    given = function.args
    bound = {argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    for node in walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return bound


def heading(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.expr:
    """The first words of a definition, for a finding that is about the whole."""
    word = {ast.FunctionDef: "def", ast.AsyncFunctionDef: "async def", ast.ClassDef: "class"}[type(node)]
    end = node.col_offset + len(f"{word} {node.name}".encode())
    return ast.Name(
        id=node.name,
        ctx=ast.Load(),
        lineno=node.lineno,
        col_offset=node.col_offset,
        end_lineno=node.lineno,
        end_col_offset=end,
    )


def bound_by(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top of a module binds, imports left out."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            for target in targets:
                yield from target_names(target)
        case ast.AnnAssign(target=target):
            yield from target_names(target)
        case _:
            type_alias = getattr(statement, "name", None)
            if isinstance(type_alias, ast.Name):
                yield type_alias.id


COMPOUND = frozenset(
    {ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match}
)


def functions_in(body: list[ast.stmt], module: Module, owner: str | None) -> Iterator[Function]:
    """Functions among statements, and all nested in them."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield Function(statement, module, owner)
                yield from functions_in(statement.body, module, None)
            case ast.ClassDef(name=name):
                yield from functions_in(statement.body, module, f"{module.facts.module}:{name}")
            case _ if statement.__class__ in COMPOUND:
                for nested in blocks(statement):
                    yield from functions_in(nested, module, owner)
            case _:
                pass


def blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements that stand in a statement."""
    for name in ("body", "orelse", "finalbody"):
        nested = getattr(statement, name, None)
        if isinstance(nested, list):
            yield nested
    for handler in getattr(statement, "handlers", ()):
        yield handler.body
    for case in getattr(statement, "cases", ()):
        yield case.body
