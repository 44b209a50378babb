"""Columns of SQLAlchemy that fields carry: shared by two tables, or beside what contradicts them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.fields import Column
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity
from fieldstone.check.models import Model
from fieldstone.check.modules import Module
from fieldstone.check.registry import File, rule
from fieldstone.check.repairs import imported, with_keyword, without_keyword

# What Field refuses beside sa_column.
CLASHING = (
    "primary_key",
    "nullable",
    "foreign_key",
    "ondelete",
    "unique",
    "index",
    "sa_type",
    "sa_column_args",
    "sa_column_kwargs",
)
# What Field and Column say by the same word.
ALIKE = frozenset({"primary_key", "nullable", "index", "unique"})


@rule("FS010", "shared-sa-column", Model, severity=Severity.ERROR, repair=Repair.SAFE)
def shared_sa_column(found: Model, file: File) -> Iterator[Problem]:
    """A base of several tables holds a Column object.

    A Column belongs to one table; the second class that inherits it fails at import: ArgumentError,
    "Column object is already assigned to Table".

    Bad:
        class Stamped(SQLModel):
            made_at: datetime = Field(sa_column=Column(DateTime(timezone=True)))

    Good:
        class Stamped(SQLModel):
            made_at: datetime = Field(sa_type=DateTime(timezone=True))

    Fine:
    A base of a single table.
    """
    if not found.sqlmodel or found.table:
        return
    below = [one for one in found.tables_below if not any(a.table for a in one.above[1:])]
    for column in found.own_columns.values():
        heirs = [one.name for one in below if one.columns[column.name].owner == found.address]
        if isinstance(column.keyword("sa_column"), ast.Call) and len(heirs) > 1:
            yield Problem(
                column.node,
                f"The Column belongs to one table; {' and '.join(heirs[:2])} inherit it: ArgumentError.",
                "Write `sa_type=...` and `sa_column_kwargs={...}` in place of `sa_column`.",
                unshared(column, file.module),
            )


def unshared(column: Column, module: Module) -> Fix | None:
    """Say to the field what the Column says; None where something of it has no place there."""
    whole, field = column.sa_column, column.call
    if whole is None or field is None or names.spread(whole) or len(whole.args) != 1:
        return None
    keyword = next(given for given in field.keywords if given.arg == "sa_column")
    said = {given.arg: module.text(given.value) for given in whole.keywords if given.arg}
    alike = [f"{word}={said.pop(word)}" for word in list(said) if word in ALIKE]
    if not any(text.startswith(("nullable=", "primary_key=")) for text in alike) and not column.optional:
        alike.append("nullable=True")  # as a Column is that says nothing
    rest = ", ".join(f'"{word}": {text}' for word, text in said.items())
    passed = [f"sa_column_kwargs={{{rest}}}"] if rest else []
    text = ", ".join([f"sa_type={module.text(whole.args[0])}", *alike, *passed])
    return None if "#" in module.text(whole) else Fix((module.replace(keyword, text),), safe=True)


@rule("FS011", "sa-column-clash", ast.Call, severity=Severity.ERROR, repair=Repair.SAFE, calls=names.FIELDS)
def sa_column_clash(call: ast.Call, file: File) -> Iterator[Problem]:
    """A field says `sa_column` and, beside it, something about the column.

    Which of the two should hold is not clear: RuntimeError when the module is imported.

    Bad:
        email: str = Field(sa_column=Column(String), unique=True)

    Good:
        email: str = Field(sa_column=Column(String, unique=True))
    """
    if file.module.address(call.func) not in names.FIELDS or names.keyword(call, "sa_column") is None:
        return
    for keyword in call.keywords:
        if keyword.arg in CLASHING and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is None
        ):
            yield Problem(
                keyword.value,
                f"`{keyword.arg}` beside `sa_column` is refused: RuntimeError at import.",
                f"Say `{keyword.arg}` inside the Column.",
                inside(call, keyword, file.module),
            )


def inside(field: ast.Call, keyword: ast.keyword, module: Module) -> Fix | None:
    """Say to the Column what is said beside it."""
    whole = names.keyword(field, "sa_column")
    taken = without_keyword(field, keyword, module)
    if not isinstance(whole, ast.Call) or module.address(whole.func) not in names.COLUMNS or taken is None:
        return None
    if names.spread(whole) or names.spread(field):
        return None
    if keyword.arg == "foreign_key":
        return referring(field, keyword.value, whole, taken, module)
    if keyword.arg not in ALIKE:
        return None
    said = names.keyword(whole, keyword.arg)
    if said is None:
        text = module.text(keyword.value)
        return Fix((taken, with_keyword(whole, keyword.arg, text, module)), safe=True)
    return Fix((taken,), safe=True) if ast.dump(said) == ast.dump(keyword.value) else None


def referring(field: ast.Call, target: ast.expr, whole: ast.Call, taken: Edit, module: Module) -> Fix | None:
    """Make the foreign key of a field one of its Column."""
    known = imported("sqlalchemy.ForeignKey", module)
    keyed = any("ForeignKey" in module.text(given) for given in whole.args)
    if known is None or keyed or not whole.args or names.keyword(field, "ondelete") is not None:
        return None
    spelled, edits = known
    placed = module.insert_after(whole.args[-1], f", {spelled}({module.text(target)})")
    return Fix((*edits, taken, placed), safe=True)
