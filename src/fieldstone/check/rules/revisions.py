"""Revisions of Alembic: what autogenerate leaves to be done."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import TypeGuard

from fieldstone.check import names
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity, Span
from fieldstone.check.lookup import last_name
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.repairs import imports


@rule("FS501", "revision-without-import", Module, severity=Severity.ERROR, repair=Repair.SAFE)
def revision_without_import(module: Module, file: File) -> Iterator[Problem]:
    """A revision names a module that it does not import.

    Autogenerate writes `sqlmodel.sql.sqltypes.AutoString()` and other types with their module, but not the
    import: NameError when the revision runs, mostly in production first.

    Bad:
        def upgrade():
            op.add_column("task", sa.Column("title", sqlmodel.sql.sqltypes.AutoString(), nullable=True))

    Good:
        import sqlmodel

        def upgrade():
            op.add_column("task", sa.Column("title", sqlmodel.sql.sqltypes.AutoString(), nullable=True))

    Fine:
    `import sqlmodel` in `script.py.mako`, which every new revision then has.
    """
    if not module.facts.revision or module.facts.stars:
        return
    known = {*module.facts.imports, *module.facts.names, *dir(builtins)} | stored(module)
    said: set[str] = set()
    for node in module.nodes.get(ast.Attribute, ()):
        root = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(root, ast.Name) and root.id not in known | said:
            said.add(root.id)
            yield Problem(
                root,
                f"`{root.id}` is imported nowhere in this revision: NameError when it runs.",
                f"Write `import {root.id}` at the top, and in `script.py.mako`.",
                Fix((adding(root.id, module),), safe=True) if root.id == "sqlmodel" else None,
            )


def stored(module: Module) -> set[str]:
    """All names that anything in a file binds."""
    bound = {n.id for n in module.nodes.get(ast.Name, ()) if isinstance(n, ast.Name) and not loads(n)}
    bound |= {n.arg for n in module.nodes.get(ast.arg, ()) if isinstance(n, ast.arg)}
    for imported in (*module.nodes.get(ast.Import, ()), *module.nodes.get(ast.ImportFrom, ())):
        aliases = imported.names if isinstance(imported, ast.Import | ast.ImportFrom) else []
        bound |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
    for kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler):
        bound |= {str(getattr(node, "name", "")) for node in module.nodes.get(kind, ())}
    return bound


def loads(node: ast.Name) -> bool:
    """Whether a name is read, not bound."""
    return isinstance(node.ctx, ast.Load)


def adding(name: str, module: Module) -> Edit:
    """Import a module before what else is imported."""
    first = next((statement for statement in module.tree.body if imports(statement)), module.tree.body[0])
    return Edit(Span(first.lineno, 1, first.lineno, 1), f"import {name}\n")


@rule(
    "FS502",
    "required-column-without-default",
    ast.Call,
    severity=Severity.ERROR,
    tier=Tier.PREVIEW,
    calls={"add_column"},
)
def required_column_without_default(call: ast.Call, file: File) -> Iterator[Problem]:
    """A revision adds a column that rows must fill, and gives existing rows nothing to fill it with.

    On a table that has rows the statement is refused: NotNullViolation on PostgreSQL, OperationalError
    ("Cannot add a NOT NULL column with default value NULL") on SQLite. An empty test database does not
    show it.

    Bad:
        op.add_column("task", sa.Column("status", sa.String(), nullable=False))

    Good:
        op.add_column("task", sa.Column("status", sa.String(), nullable=True))
        op.execute("UPDATE task SET status = 'open'")
        op.alter_column("task", "status", nullable=False)

    Fine:
    Columns with a `server_default`, and tables that the same revision makes.
    """
    if not file.module.facts.revision or last_name(call) != "add_column" or undoing(call, file.module):
        return
    column = next((given for given in call.args if is_column(given)), None)
    if column is None or names.literal(names.keyword(column, "nullable")) is not False:
        return
    filled = names.keyword(column, "server_default") is not None or names.spread(column)
    computed = any(last_name(given) in {"Identity", "Computed"} for given in column.args)
    if not filled and not computed and names.literal(call.args[0]) not in made_here(file.module):
        yield Problem(
            column,
            "A table that has rows refuses this column: NotNullViolation, OperationalError on SQLite.",
            "Add it with `nullable=True`, fill it, then `op.alter_column(..., nullable=False)`.",
        )


def is_column(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether an expression makes a column."""
    return isinstance(node, ast.Call) and last_name(node) == "Column"


def undoing(node: ast.AST, module: Module) -> bool:
    """Whether a node stands in `downgrade`."""
    around = [above for above in module.above(node) if isinstance(above, ast.FunctionDef)]
    return any(function.name == "downgrade" for function in around)


def made_here(module: Module) -> set[object]:
    """The tables that a revision makes."""
    calls = [node for node in module.nodes.get(ast.Call, ()) if isinstance(node, ast.Call)]
    return {names.literal(call.args[0]) for call in calls if last_name(call) == "create_table" and call.args}
