"""Times with and without a zone: what makes them, what clients send, and what columns take."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called, Made, Written
from fieldstone.check.fields import Column
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.models import Model, model, table
from fieldstone.check.registry import File, rule
from fieldstone.check.routes import parameters_of
from fieldstone.check.rules.defaults import AWARE_ONLY, NAIVE
from fieldstone.check.rules.foreignkeys import validated
from fieldstone.check.trees import walk
from fieldstone.check.values import Named, Select

ASYNCPG = "postgresql+asyncpg"
STORING = frozenset({"values", "on_conflict_do_update"})


@rule(
    "FS014",
    "datetime-zone-mismatch",
    Model,
    ast.Attribute,
    Written,
    Made,
    Called,
    severity=Severity.ERROR,
    calls=STORING,
    attributes={"timezone", "timedelta", "UTC", "datetime"},
)
def datetime_zone_mismatch(
    subject: Model | ast.Attribute | Written | Made | Called, file: File
) -> Iterator[Problem]:
    """A time with or without zone meets a column that refuses it.

    From SQLModel 0.0.45 on a plain `datetime` field refuses times without a zone: `datetime.now()` and
    `utcnow()` raise StatementError at the flush. Before, the column had no zone, and asyncpg refuses times
    that have one, as those that clients send mostly do: DataError. `datetime.timezone` after `from
    datetime import datetime` raises AttributeError when the default is made.

    Bad:
        from datetime import datetime

        created_at: datetime = Field(default_factory=datetime.utcnow)

    Good:
        from datetime import UTC, datetime

        created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    Fine:
    Fields that say their own type with `sa_type` or `sa_column`.
    """
    match subject:
        case ast.Attribute():
            yield from module_of_the_class(subject, file)
        case Written() | Made() | Called():
            yield from stored_times(subject, file)
        case _:
            yield from of_fields(subject, file)


def of_fields(found: Model, file: File) -> Iterator[Problem]:
    """Look at the defaults of a table's own fields."""
    if not found.sqlmodel or found.fieldstone or not (found.table or found.tables_below):
        return
    for column in found.own_columns.values():
        if says_its_type(column) or not is_datetime(column):
            continue
        factory = column.keyword("default_factory")
        if factory is not None:
            yield from mismatched(column, factory, file)


def module_of_the_class(node: ast.Attribute, file: File) -> Iterator[Problem]:
    """Find names of the module `datetime` that are asked of its class."""
    if file.module.address(node.value) == "datetime.datetime" and not file.module.shadowed(node.value):
        yield Problem(
            node,
            f"`datetime` is the class here, which has no `{node.attr}`: AttributeError.",
            f"Write `from datetime import datetime, {node.attr}`, and `{node.attr}` alone.",
        )


def mismatched(column: Column, factory: ast.expr, file: File) -> Iterator[Problem]:
    """Compare what a default makes with what the column takes."""
    newer = file.project.versions.at_least("sqlmodel", *AWARE_ONLY)
    body = factory.body if isinstance(factory, ast.Lambda) else None
    clock = body if isinstance(body, ast.Call) else None
    address = file.module.address(clock.func if clock else factory)
    if address not in NAIVE:
        return
    zoned = clock is not None and bool(clock.args or clock.keywords)
    if newer and not zoned:
        yield Problem(
            factory,
            "The default has no time zone, which the column refuses: StatementError at the first flush.",
            "Write `default_factory=lambda: datetime.now(UTC)`.",
        )
    if newer is False and zoned and "postgresql+asyncpg" in file.project.schemes:
        yield Problem(
            factory,
            "The default has a time zone and the column has none: asyncpg refuses it with a DataError.",
            "Write `sa_type=DateTime(timezone=True)` as well.",
        )


def says_its_type(column: Column) -> bool:
    """Whether a field names the type of its column."""
    return any(column.keyword(name) is not None for name in ("sa_type", "sa_column"))


def is_datetime(column: Column) -> bool:
    """Whether a field is annotated with datetime."""
    for node in walk(column.annotation) if column.annotation else ():
        if isinstance(node, ast.Name | ast.Attribute) and column.module.address(node) == "datetime.datetime":
            return True
    return False


def stored_times(event: Written | Made | Called, file: File) -> Iterator[Problem]:
    """Find times that code, or a client, puts into a column which refuses them."""
    if file.module.facts.trial:
        return
    asyncpg = ASYNCPG in file.project.schemes
    for owner, name, value in stored(event, file):
        column = owner.columns.get(name)
        if column is None or owner.fieldstone:
            continue
        text, clock = file.module.text(value), clock_of(value, file)
        if clock == "naive" and wants_zone(column, file):
            yield Problem(
                value,
                f"`{text}` has no time zone, which the column refuses: StatementError at the flush.",
                "Write `datetime.now(UTC)`.",
            )
        elif clock == "aware" and asyncpg and zoneless(column, file):
            yield Problem(
                value,
                f"`{text}` has a time zone and the column has none: asyncpg refuses it with a DataError.",
                "Make the column `DateTime(timezone=True)`.",
            )
        elif asyncpg and zoneless(column, file) and may_have_zone(value, event, file):
            yield Problem(
                value,
                f"A client may send `{text}` with a zone, which asyncpg refuses for this column: DataError.",
                f"Make the column `DateTime(timezone=True)`, or store `{text}.replace(tzinfo=None)`.",
            )


def stored(event: Written | Made | Called, file: File) -> Iterator[tuple[Model, str, ast.expr]]:
    """The columns that an event gives a value, and the expressions that make the values."""
    if isinstance(event, Written):
        if event.source is not None:
            yield event.model, event.node.attr, event.source
        return
    made = event.model if isinstance(event, Made) else changed_by(event, file)
    if made is None:
        return
    yield from ((made, given.arg, given.value) for given in event.node.keywords if given.arg)
    for given in [*event.node.args, names.keyword(event.node, "set_")] if isinstance(event, Called) else ():
        if isinstance(given, ast.Dict):
            for key, value in zip(given.keys, given.values, strict=True):
                yield made, str(names.literal(key)), value


def changed_by(call: Called, file: File) -> Model | None:
    """The table that an INSERT or UPDATE changes."""
    select = call.receiver if isinstance(call.receiver, Select) else None
    entity = select.entities[0] if select and select.kind in {"insert", "update"} else None
    return table(file.project, entity.address) if isinstance(entity, Named) else None


def clock_of(node: ast.expr, file: File) -> str | None:
    """Whether an expression reads a clock with a zone, or one without."""
    if not isinstance(node, ast.Call) or file.module.address(node.func) not in NAIVE:
        return None
    return "aware" if node.args or node.keywords else "naive"


def wants_zone(column: Column, file: File) -> bool:
    """Whether a column is one of SQLModel that takes nothing but times with a zone."""
    newer = file.project.versions.at_least("sqlmodel", *AWARE_ONLY) is True
    return newer and column.maker in {None, names.FIELD} and is_datetime(column) and not says_its_type(column)


def zoneless(column: Column, file: File) -> bool:
    """Whether a column surely has no zone."""
    if column.maker in names.COLUMNS and column.call is not None:
        return any(is_naive_type(given, column) for given in column.call.args)
    older = file.project.versions.at_least("sqlmodel", *AWARE_ONLY) is False
    return older and column.maker in {None, names.FIELD} and is_datetime(column) and not says_its_type(column)


def is_naive_type(node: ast.expr, column: Column) -> bool:
    """Whether an expression is `DateTime`, or `DateTime()`."""
    if isinstance(node, ast.Call):
        return not node.args and not node.keywords and is_naive_type(node.func, column)
    return column.module.address(node) == "sqlalchemy.DateTime"


def may_have_zone(node: ast.expr, event: Written | Made | Called, file: File) -> bool:
    """Whether an expression is a time as a schema took it from a client."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return False
    given = next((a for a, _ in parameters_of(event.place.function) if a.arg == node.value.id), None)
    schema = model(file.project, file.module.address(given.annotation)) if given else None
    if schema is None or not schema.schema or schema.open or validated(schema, node.attr):
        return False
    column = schema.columns.get(node.attr)
    return column is not None and is_datetime(column)
