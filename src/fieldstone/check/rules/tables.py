"""Tables: classes that are none, and keys that are missing."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called
from fieldstone.check.fields import Column
from fieldstone.check.findings import Edit, Fix, Problem, Repair, Severity
from fieldstone.check.models import Model, model, tables
from fieldstone.check.modules import Module, heading
from fieldstone.check.outlines import class_facts
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.trees import walk
from fieldstone.check.values import Named, Object

BASES = re.compile(
    r"(?:Base|Mixin|Abstract|Model|Schema|Create|Update|Read|Public|Response|Request|In|Out|DTO)(?![a-z])"
)


@rule(
    "FS001",
    "forgotten-table-true",
    Model,
    Called,
    severity=Severity.ERROR,
    repair=Repair.UNSAFE,
    calls={*names.SELECTS, "get", "query", "add"},
)
def forgotten_table_true(subject: Model | Called, file: File) -> Iterator[Problem]:
    """A class has what only tables have, and is none.

    Without `table=True` it is mere data: `select()` of it raises ArgumentError, adding an instance
    UnmappedInstanceError, and `create_all` makes no table.

    Bad:
        class Task(SQLModel):
            id: int | None = Field(default=None, primary_key=True)

    Good:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

    Fine:
    Bases from which tables are derived.
    """
    if isinstance(subject, Called):
        yield from used_as_table(subject, file)
    else:
        yield from looks_like_table(subject, file)


def used_as_table(call: Called, file: File) -> Iterator[Problem]:
    """A class that is no table is selected, or an instance of it is stored."""
    given = call.arguments[0] if call.arguments else None
    node = call.node.args[0] if call.node.args else None
    selects = call.address in names.SELECTS or (call.session is not None and call.method in {"get", "query"})
    stores = call.session is not None and call.method == "add"
    if node is None or not isinstance(given, Named if selects else Object) or not (selects or stores):
        return
    found = model(file.project, given.address)
    if found is None or not found.sqlmodel or found.tables_below or found.open or found.abstract:
        return
    error = "ArgumentError" if selects else "UnmappedInstanceError"
    yield Problem(
        node,
        f"`{found.name}` is no table, so this raises {error}.",
        f"Write `class {found.name}(..., table=True)`, or use the table that is meant.",
    )


def looks_like_table(found: Model, file: File) -> Iterator[Problem]:
    """A class has keys or relationships, and is no table."""
    if not found.sqlmodel or found.table or found.open or found.tables_below or BASES.search(found.name):
        return
    if found.abstract or file.module.facts.trial:
        return
    if any(keyword.arg in {"table", None} for keyword in found.node.keywords) or about_a_table(found):
        return
    keys = any(column.primary_key for column in found.own_columns.values())
    if keys or found.own_relations or file.project.classes[found.address][1].tablename:
        yield Problem(
            heading(found.node),
            f"`{found.name}` has what only tables have, but is none: selecting it raises ArgumentError.",
            f"Write `class {found.name}({', '.join(map(file.module.text, found.node.bases))}, table=True)`.",
            Fix((made_table(found, file.module),)),
        )


def about_a_table(found: Model) -> bool:
    """Whether a class is, by its name, a view of a table: `HeroItem` beside `Hero`."""
    return any(
        found.name.startswith(one.name) or found.name.endswith(one.name) for one in tables(found.project)
    )


def made_table(found: Model, module: Module) -> Edit:
    """Say that a class is a table."""
    last = [*found.node.bases, *(keyword.value for keyword in found.node.keywords)][-1]
    return module.insert_after(last, ", table=True")


@rule("FS005", "unknown-foreign-key-target", Model, severity=Severity.ERROR)
def unknown_foreign_key_target(found: Model, file: File) -> Iterator[Problem]:
    """A foreign key names a table that no model has.

    SQLModel names tables by the class in lower case; a key that names the class, or a table that is
    spelled otherwise, raises NoReferencedTableError when tables are made or joined.

    Bad:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            user_id: int = Field(foreign_key="User.id")

    Good:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            user_id: int = Field(foreign_key="user.id")
    """
    if not (found.table or found.tables_below) or file.module.facts.trial:
        return
    known = file.project.remember("table names", lambda: table_names(file), None)
    for column in found.own_columns.values():
        target = column.foreign_key
        if known is None or not target or target == "?" or target.count(".") != 1:
            continue
        name = target.partition(".")[0]
        if name not in known:
            near = [other for other in known if other.lower() == name.lower()]
            hint = (
                f"Write `{near[0]}.{target.partition('.')[2]}`." if near else "Name the table, not the class."
            )
            yield Problem(
                column.node,
                f"No table is called `{name}`: NoReferencedTableError when tables are made.",
                hint,
            )


def table_names(file: File) -> set[str] | None:
    """The names of all tables; None if some cannot be seen."""
    found = tables(file.project)
    if any(one.open or one.tablename == "?" for one in found):
        return None
    if any(facts.handmade for facts in file.project.files.values()):
        return None
    return {one.tablename for one in found}


@rule("FS012", "table-without-primary-key", Model, severity=Severity.ERROR)
def table_without_primary_key(found: Model, file: File) -> Iterator[Problem]:
    """A table has no primary key.

    The class cannot be mapped: ArgumentError, "could not assemble any primary key columns", at import.

    Bad:
        class Setting(SQLModel, table=True):
            name: str

    Good:
        class Setting(SQLModel, table=True):
            name: str = Field(primary_key=True)
    """
    if not found.table or found.open or found.abstract or any(hidden(c) for c in found.columns.values()):
        return
    if any(column.primary_key for column in found.columns.values()):
        return
    body = [statement for above in found.above for statement in above.node.body]
    if any(isinstance(s, ast.FunctionDef) and s.decorator_list for s in body):
        return
    texts = (above.module.text(above.node) for above in found.above)
    if not any(
        "PrimaryKeyConstraint" in text or "__table__" in text or "__mapper_args__" in text for text in texts
    ):
        yield Problem(
            heading(found.node),
            f"`{found.name}` has no primary key: ArgumentError when the module is imported.",
            "Give a field `primary_key=True`.",
        )


def hidden(column: Column) -> bool:
    """Whether a column may be a key without showing it."""
    unseen = column.keyword("sa_column") is not None and column.sa_column is None
    given = column.keyword("primary_key")
    computed = given is not None and not isinstance(given, ast.Constant)
    positional = column.sa_column is not None and any(
        isinstance(a, ast.Starred) for a in column.sa_column.args
    )
    called = isinstance(column.value, ast.Call) and column.maker is None
    passed = column.keyword("sa_column_kwargs")
    kept = passed is None or (
        isinstance(passed, ast.Dict) and "primary_key" not in map(names.literal, passed.keys)
    )
    spread = column.call is not None and names.spread(column.call)
    return any((unseen, computed, positional, called, spread, not kept, described_elsewhere(column)))


def described_elsewhere(column: Column) -> bool:
    """Whether an annotation says more than a type, or is a name that may."""
    for node in walk(column.annotation) if column.annotation else ():
        if isinstance(node, ast.Call):
            return True
        if isinstance(node, ast.Name):
            address = column.module.address(node)
            if address is None and not hasattr(builtins, node.id):
                return True
            own = address is not None and ":" in address
            if own and address not in column.module.project.classes:
                return True
    return False


@rule("FS019", "table-defined-twice", Module, severity=Severity.ERROR)
def table_defined_twice(module: Module, file: File) -> Iterator[Problem]:
    """Two classes of one file make the same table.

    The second is refused at import: InvalidRequestError, "Table 'task' is already defined for this MetaData
    instance".

    Bad:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)

        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            title: str

    Good:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            title: str

    Fine:
    Tables with `extend_existing`, and classes of two registries.
    """
    seen: dict[str, int] = {}
    whole = [s for s in module.tree.body if isinstance(s, ast.ClassDef) and s.keywords]
    for node, facts in ((node, class_facts(node)) for node in whole):
        bases = [module.address(base) for base in node.bases]
        if facts.table is not True or bases != [names.SQLMODEL] or facts.tablename == "?":
            continue
        name = facts.tablename or node.name.lower()
        if name in seen and "__table_args__" not in module.text(node):
            yield Problem(
                heading(node),
                f"The class in line {seen[name]} makes the table `{name}` already: InvalidRequestError.",
                "Write one class, or give one of them another `__tablename__`.",
            )
        seen.setdefault(name, node.lineno)


@rule("FS018", "foreign-key-without-index", Model, tier=Tier.OPT_IN)
def foreign_key_without_index(found: Model, file: File) -> Iterator[Problem]:
    """A foreign key has no index.

    PostgreSQL makes none by itself: joins, and every deletion of the row it points to, read the whole
    table.

    Bad:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            user_id: int = Field(foreign_key="user.id")

    Good:
        class Task(SQLModel, table=True):
            id: int = Field(primary_key=True)
            user_id: int = Field(foreign_key="user.id", index=True)

    Fine:
    Keys that begin the primary key, or an index in `__table_args__`.
    """
    if not found.table or "Index(" in file.module.text(found.node):
        return
    for column in found.own_columns.values():
        if column.foreign_key is None or hidden(column) or column.primary_key or begins(found, column.name):
            continue
        calls = [call for call in (column.call, column.sa_column) if call is not None]
        if not any(names.keyword(call, word) is not None for call in calls for word in ("index", "unique")):
            yield Problem(
                column.node,
                f"`{column.name}` has no index: joins and deletions read the whole table.",
                "Add `index=True`.",
            )


def begins(found: Model, name: str) -> bool:
    """Whether a column is the first of a constraint of its table, which then has an index."""
    for node in walk(found.node):
        if isinstance(node, ast.Call) and node.args:
            last = (names.dotted(node.func) or "").rpartition(".")[2]
            first = names.literal(node.args[0])
            if last in {"UniqueConstraint", "PrimaryKeyConstraint"} and first in {name, None}:
                return True
    return False
