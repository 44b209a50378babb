"""Columns of tables: what may be left out, and times of changes that stand still."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.fields import Column
from fieldstone.check.findings import Edit, Fix, Problem, Repair
from fieldstone.check.models import Model
from fieldstone.check.project import Project
from fieldstone.check.registry import File, Tier, rule

CHANGED = re.compile(r"^(?:last_)?(?:updated?|modified|changed|edited)(?:_(?:at|on|time|date|datetime|ts))?$")
SETTING = frozenset({"fastcrud"})


@rule("FS002", "optional-without-default", Model, tier=Tier.OPT_IN, repair=Repair.SAFE)
def optional_without_default(found: Model, file: File) -> Iterator[Problem]:
    """A field that admits None has no default, so validation demands it.

    `model_validate()` and request bodies refuse data that leaves the field out: ValidationError, "Field
    required". The constructor of a table does not validate, which hides it.

    Bad:
        class Post(SQLModel, table=True):
            id: int = Field(primary_key=True)
            subtitle: str | None = Field(max_length=200)

    Good:
        class Post(SQLModel, table=True):
            id: int = Field(primary_key=True)
            subtitle: str | None = Field(default=None, max_length=200)
    """
    if not found.table or not found.sqlmodel or found.fieldstone:
        return
    for column in found.own_columns.values():
        if not column.optional or column.has_default or column.maker not in {None, *names.FIELDS}:
            continue
        if isinstance(column.value, ast.expr) and column.call is None:
            continue
        yield Problem(
            column.node,
            f"`{column.name}` may be None, yet `model_validate` refuses data that leaves it out.",
            f"Write `{column.name}: ... = {'Field(default=None, ...)' if column.call else 'None'}`.",
            Fix((defaulted(column, file),), safe=True),
        )


def defaulted(column: Column, file: File) -> Edit:
    """Give a field None as its default."""
    call, annotation = column.call, column.annotation
    if call is None and annotation is not None:
        return file.module.insert_after(annotation, " = None")
    assert call is not None
    if not call.args and not call.keywords:
        return file.module.replace(call, f"{file.module.text(call.func)}(default=None)")
    first = call.args[0] if call.args else call.keywords[0]
    if call.args:
        return file.module.replace(first, "None")
    return file.module.insert_before(first, "default=None, ")


@rule("FS015", "never-updated-timestamp", Model)
def never_updated_timestamp(found: Model, file: File) -> Iterator[Problem]:
    """A time of the last change is set when the row is made, and never again.

    The column has a default but no `onupdate`, and nothing in the project assigns it: every row says
    for ever that it was last changed when it was made.

    Bad:
        updated_at: datetime = Field(default_factory=now)

    Good:
        updated_at: datetime = Field(default_factory=now, sa_column_kwargs={"onupdate": now})

    Fine:
    Code that sets the attribute itself, and triggers of the database, which cannot be seen: say so in a
    `# noqa`.
    """
    if not (found.table or (found.sqlmodel and found.tables_below) or declared_mixin(found)):
        return
    files = file.project.files.values() if file.module.facts.trial else [file.module.facts]
    known = file.project.assigned.union(*(facts.assigned for facts in files))
    for column in found.own_columns.values():
        if not CHANGED.match(column.name) or column.name in known:
            continue
        if made_once(column) and not sets_by_itself(file.project):
            yield Problem(
                column.node,
                f"`{column.name}` is set when a row is made, if at all, and never again.",
                'Add `onupdate` to its column: `sa_column_kwargs={"onupdate": ...}`.',
            )


def declared_mixin(found: Model) -> bool:
    """Whether a declarative class without table has tables below it."""
    return found.declarative and bool(found.tables_below)


def sets_by_itself(project: Project) -> bool:
    """Whether a library that the project uses sets such columns at each update."""
    imported = (target for facts in project.files.values() for target in facts.imports.values())
    return project.remember("setting", lambda: any(t.partition(".")[0] in SETTING for t in imported), False)


def made_once(column: Column) -> bool:
    """Whether a column surely has a default and no `onupdate`."""
    calls = [call for call in (column.call, column.sa_column) if call is not None]
    extra = column.keyword("sa_column_kwargs")
    if not calls or any(names.spread(call) for call in calls):
        return False
    if extra is not None and not isinstance(extra, ast.Dict):
        return False
    if column.keyword("sa_column") is not None and column.sa_column is None:
        return False
    if any("ON UPDATE" in column.module.text(call).upper() for call in calls):
        return False  # MySQL does it
    said = {keyword.arg for call in calls for keyword in call.keywords}
    if isinstance(extra, ast.Dict):
        said |= {str(names.literal(key)) for key in extra.keys}
    return bool(said & {"default", "default_factory", "server_default"}) and not said & {
        "onupdate",
        "server_onupdate",
    }
