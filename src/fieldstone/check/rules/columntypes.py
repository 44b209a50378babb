"""Types of columns that no column can have."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.models import Model
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, rule

COLUMNS = {"Literal": "String", "Union": "String"}
UNMAPPABLE = frozenset(
    {"Literal", "list", "List", "dict", "Dict", "set", "Set", "tuple", "Tuple", "Any", "frozenset"}
)


@rule("FS008", "unmappable-column-type", Model, severity=Severity.ERROR)
def unmappable_column_type(found: Model, file: File) -> Iterator[Problem]:
    """A field of a table has a type for which SQLModel knows no column.

    `Literal`, lists, dicts, `Any` and unions need to be told their column: TypeError or ValueError when
    the module is imported.

    Bad:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            status: Literal["open", "done"] = "open"

    Good:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            status: Literal["open", "done"] = Field(default="open", sa_type=String)

    Fine:
    Models of Fieldstone, which store these types.
    """
    if not found.sqlmodel or found.fieldstone:
        return
    for column in found.own_columns.values():
        mine = any(one.columns[column.name].owner == found.address for one in found.tables_below)
        if isinstance(column.value, ast.Call) and column.maker is None:
            continue
        if column.name.startswith("_") or any(
            column.keyword(name) is not None for name in ("sa_type", "sa_column")
        ):
            continue
        kind = unmappable(column.annotation, column.module) if column.maker in {None, *names.FIELDS} else None
        if kind and mine and not (column.call and names.spread(column.call)):
            yield Problem(
                column.node,
                f"`{kind}` is no type of a column: TypeError or ValueError at import.",
                f"Say the column: `Field(..., sa_type={COLUMNS.get(kind, 'JSON')})`.",
            )


def unmappable(annotation: ast.expr | None, module: Module) -> str | None:
    """The type that has no column; None if the annotation may have one."""
    match annotation:
        case ast.Subscript(value=outer, slice=inner):
            last = (names.dotted(outer) or "").rpartition(".")[2]
            if last == "Union" and isinstance(inner, ast.Tuple):
                return of_union(inner.elts, module)
            return unmappable(inner, module) if last == "Optional" else last if last in UNMAPPABLE else None
        case ast.BinOp(op=ast.BitOr()):
            return of_union(list(united(annotation)), module)
        case ast.Name(id=name):
            if name in UNMAPPABLE:
                return name
            value = next((getattr(s, "value", None) for s in module.bindings.get(name, ())), None)
            return unmappable(value, module) if isinstance(value, ast.Subscript) else None
        case _:
            return None


def united(annotation: ast.expr) -> Iterator[ast.expr]:
    """The types that `|` unites."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from united(annotation.left)
        yield from united(annotation.right)
    else:
        yield annotation


def of_union(types: list[ast.expr], module: Module) -> str | None:
    """The type among several that has no column; several beside None have none at all."""
    given = [one for one in types if not (isinstance(one, ast.Constant) and one.value is None)]
    return unmappable(given[0], module) if len(given) == 1 else "Union"
