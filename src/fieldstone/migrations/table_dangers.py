"""What is dangerous about tables and columns that come, change and go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Computed, Identity, types
from sqlalchemy.dialects import postgresql

from fieldstone.migrations.dangers import Danger, rewriting


def drop_table(operation: ops.DropTableOp, table: str) -> Iterator[Danger]:
    """Judge that a table goes."""
    yield Danger(
        "drop-table",
        f"drops the table {table!r}",
        "All its rows are lost, and a downgrade brings back an empty table. The version that still "
        "runs reads it.",
        "First release a version that does not use it. Then, once its rows are kept elsewhere or not "
        "needed:\n"
        f'  with steps.safety_assured("no version uses {table} since ..."):\n    op.drop_table({table!r})',
    )


def rename_table(operation: ops.RenameTableOp, table: str) -> Iterator[Danger]:
    """Judge that a table is renamed."""
    new = operation.new_table_name
    yield Danger(
        "rename-table",
        f"renames the table {table!r} to {str(new)!r}",
        "The version that still runs knows the old name, and fails from here until the new one is "
        "everywhere.",
        f"Let the old name live on until then:\n  op.rename_table({table!r}, {str(new)!r})\n"  # noqa: S608  # of a revision
        f"  op.execute('CREATE VIEW {table} AS SELECT * FROM {new}')  # drop it in a later revision",
    )


def drop_column(operation: ops.DropColumnOp, table: str) -> Iterator[Danger]:
    """Judge that a column goes."""
    name = operation.column_name
    yield Danger(
        "drop-column",
        f"drops the column {table}.{name}",
        "Its values are lost, and the version that still runs names it in every statement.",
        "First release a version whose model does not have it. Then:\n"
        f'  with steps.safety_assured("no version uses {table}.{name} since ..."):\n'
        f"    with op.batch_alter_table({table!r}) as batch_op:\n        batch_op.drop_column({name!r})",
    )


def add_column(operation: ops.AddColumnOp, table: str) -> Iterator[Danger]:
    """Judge a new column: its default, its type, its rows."""
    column = operation.column
    default: Any = column.server_default
    if column.computed is not None and column.computed.persisted is not False:
        yield rewriting("stored-column", f"adds the stored generated column {table}.{column.name}", _COMPUTE)
    elif column.identity is not None or isinstance(default, Identity) or _is_serial(column):
        yield rewriting("identity-column", f"adds the counting column {table}.{column.name}", _COMPUTE)
    elif default is not None and not isinstance(default, Computed) and _is_volatile(default):
        yield rewriting(
            "volatile-default",
            f"adds {table}.{column.name} with a default that differs from row to row",
            f"op.add_column({table!r}, sa.Column({column.name!r}, ..., nullable=True))\n"
            f"  # and in a revision of its own:\n  steps.backfill({table!r}, {column.name!r}, "
            f"{_said(default)!r})\n"
            f"  steps.set_not_null({table!r}, {column.name!r}, ...)",
        )
    elif not column.nullable and default is None:
        yield Danger(
            "required-column",
            f"adds the required column {table}.{column.name} without a value for the rows that are there",
            "It fails as soon as there is a row.",
            f"op.add_column({table!r}, sa.Column({column.name!r}, ..., server_default='...', "
            "nullable=False))\n"
            f"  or write it anew with: fieldstone migrate new --fill {table}.{column.name}=value",
        )
    if type(dict(column.type._variant_mapping).get("postgresql", column.type)) in _JSON:
        yield Danger(
            "json-column",
            f"adds {table}.{column.name} as JSON",
            "PostgreSQL has no equality for it, so that DISTINCT and GROUP BY fail over such a table.",
            "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')",
        )


_JSON = (types.JSON, postgresql.JSON)


def _is_serial(column: Any) -> bool:
    return bool(column.primary_key) or column.autoincrement is True


def _is_volatile(default: Any) -> bool:
    said = _said(default).lower()
    return any(
        f"{name}(" in said for name in ("random", "gen_random_uuid", "uuid_generate_v4", "clock_timestamp")
    ) or ("nextval(" in said or "uuidv7(" in said)


def _said(default: Any) -> str:
    return str(getattr(default, "arg", default))


_COMPUTE = (
    "Add a plain column that may be empty, fill it in a revision of its own with "
    "steps.backfill(...), and keep it "
    "up to date in the program."
)


def alter_column(operation: ops.AlterColumnOp, table: str) -> Iterator[Danger]:
    """Judge what a changed column does to every program."""
    name = operation.column_name
    if operation.modify_name is not None:
        yield Danger(
            "rename-column",
            f"renames the column {table}.{name} to {operation.modify_name!r}",
            "The version that still runs names the old one in every statement, and fails from here on.",
            f"Keep the column's name and give only the field a new one: {operation.modify_name}: ... = "
            f"Field(sa_column=Column({name!r}, ...)). Or add the new column, write both, "
            "steps.backfill(...), and drop "
            "the old one in a later release.",
        )


def alter_on_postgresql(operation: ops.AlterColumnOp, table: str) -> Iterator[Danger]:
    """Judge what a changed column does to PostgreSQL's table."""
    name = operation.column_name
    if operation.modify_nullable is False:
        yield Danger(
            "set-not-null",
            f"makes {table}.{name} required",
            "PostgreSQL reads the whole table to be sure, and nobody can read or write it meanwhile.",
            f"steps.set_not_null({table!r}, {name!r}, {operation.existing_type!r})  # in a revision "
            "of its own",
        )
    if operation.modify_type is not None and not _widens(operation.existing_type, operation.modify_type):
        yield rewriting(
            "change-type",
            f"changes the type of {table}.{name} to {operation.modify_type!r}",
            f"op.add_column({table!r}, sa.Column('{name}_new', ..., nullable=True))\n"
            "  # write both in the program; then, in a revision of its own:\n"
            f"  steps.backfill({table!r}, '{name}_new', 'CAST({name} AS ...)')\n"
            "  # read the new one in the program; then drop the old one",
        )


def _widens(old: Any, new: Any) -> bool:
    """Say whether PostgreSQL changes the type without touching a row, as for longer text."""
    if isinstance(old, types.String) and isinstance(new, types.String):
        return new.length is None or (old.length is not None and new.length >= old.length)
    if isinstance(old, types.Numeric) and isinstance(new, types.Numeric):
        return old.scale == new.scale and (new.precision or 0) >= (old.precision or 0)
    return False
