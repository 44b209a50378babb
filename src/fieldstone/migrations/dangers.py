"""What is dangerous about an operation on a database that is in use, and the form that is not.

Each rule is one small function over one kind of operation. `why` says what happens to whom, `safe`
is ready to paste. Sources: the PostgreSQL documentation ("ALTER TABLE", "Explicit Locking"), the
READMEs of strong_migrations and django-pg-zero-downtime-migrations, and the rules of squawk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from sqlalchemy import Computed, Identity, types
from sqlalchemy.dialects import postgresql

from fieldstone.migrations.recording import Seen


@dataclass(frozen=True)
class Danger:
    """A rule that was broken: what was done, what that does, and what to write instead."""

    rule: str
    what: str
    why: str
    safe: str


Rule = Callable[[Any, str], Iterator[Danger]]


def of(seen: Seen, dialect: str) -> Iterator[Danger]:
    """Yield what is dangerous about one operation, for users of one kind of database."""
    table = seen.table or "table"
    for kind, rule, everywhere in _RULES:
        if isinstance(seen.operation, kind) and (everywhere or dialect == "postgresql"):
            yield from rule(seen.operation, table)


def of_whole(seen: Sequence[Seen], dialect: str) -> Iterator[Danger]:
    """Yield what is dangerous about operations together."""
    if dialect != "postgresql":
        return
    inside = [each for each in seen if not each.outside and not _finds_itself_done(each)]
    if inside and any(each.outside for each in seen):
        yield Danger(
            "mixed-transaction",
            "steps inside and outside the transaction in one revision",
            "The steps inside are committed before those outside run, and the revision is recorded "
            "only at the "
            "end: if it is stopped between, it cannot be run again.",
            "Put what runs outside the transaction (steps.create_index, steps.backfill, "
            "steps.validate) into a "
            "revision of its own:\n  fieldstone migrate new --empty '... online'",
        )


def _finds_itself_done(seen: Seen) -> bool:
    """Say whether an operation may run twice: ours look first, and so does IF NOT EXISTS."""
    return seen.assured


NO_WAY_BACK = Danger(
    "no-downgrade",
    "no downgrade()",
    "If the new version fails, the database cannot go back with the program.",
    "def downgrade() -> None:\n    ...  # undo each step, the last one first",
)


# Whole tables


def _drop_table(operation: ops.DropTableOp, table: str) -> Iterator[Danger]:
    yield Danger(
        "drop-table",
        f"drops the table {table!r}",
        "All its rows are lost, and a downgrade brings back an empty table. The version that still "
        "runs reads it.",
        "First release a version that does not use it. Then, once its rows are kept elsewhere or not "
        "needed:\n"
        f'  with steps.safety_assured("no version uses {table} since ..."):\n    op.drop_table({table!r})',
    )


def _rename_table(operation: ops.RenameTableOp, table: str) -> Iterator[Danger]:
    new = operation.new_table_name
    yield Danger(
        "rename-table",
        f"renames the table {table!r} to {str(new)!r}",
        "The version that still runs knows the old name, and fails from here until the new one is "
        "everywhere.",
        f"Let the old name live on until then:\n  op.rename_table({table!r}, {str(new)!r})\n"  # noqa: S608  # of a revision
        f"  op.execute('CREATE VIEW {table} AS SELECT * FROM {new}')  # drop it in a later revision",
    )


# Columns


def _drop_column(operation: ops.DropColumnOp, table: str) -> Iterator[Danger]:
    name = operation.column_name
    yield Danger(
        "drop-column",
        f"drops the column {table}.{name}",
        "Its values are lost, and the version that still runs names it in every statement.",
        "First release a version whose model does not have it. Then:\n"
        f'  with steps.safety_assured("no version uses {table}.{name} since ..."):\n'
        f"    with op.batch_alter_table({table!r}) as batch_op:\n        batch_op.drop_column({name!r})",
    )


def _add_column(operation: ops.AddColumnOp, table: str) -> Iterator[Danger]:
    column = operation.column
    default: Any = column.server_default
    if column.computed is not None and column.computed.persisted is not False:
        yield _rewriting("stored-column", f"adds the stored generated column {table}.{column.name}", _COMPUTE)
    elif column.identity is not None or isinstance(default, Identity) or _is_serial(column):
        yield _rewriting("identity-column", f"adds the counting column {table}.{column.name}", _COMPUTE)
    elif default is not None and not isinstance(default, Computed) and _is_volatile(default):
        yield _rewriting(
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


def _rewriting(rule: str, what: str, safe: str) -> Danger:
    why = "PostgreSQL writes the whole table anew, and nobody can read or write it until that is done."
    return Danger(rule, what, why, safe)


def _alter_column(operation: ops.AlterColumnOp, table: str) -> Iterator[Danger]:
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


def _alter_on_postgresql(operation: ops.AlterColumnOp, table: str) -> Iterator[Danger]:
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
        yield _rewriting(
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


# Indexes and constraints


def _create_index(operation: ops.CreateIndexOp, table: str) -> Iterator[Danger]:
    if not operation.kw.get("postgresql_concurrently"):
        columns = [getattr(column, "name", None) or str(column) for column in operation.columns]
        unique = ", unique=True" if operation.unique else ""
        yield Danger(
            "create-index",
            f"creates the index {operation.index_name!r} on {table!r} in one go",
            "Nobody can write to the table until the index is built.",
            f"steps.create_index({operation.index_name!r}, {table!r}, {columns!r}{unique})  # in a "
            "revision of its own",
        )


def _drop_index(operation: ops.DropIndexOp, table: str) -> Iterator[Danger]:
    if not operation.kw.get("postgresql_concurrently"):
        yield Danger(
            "drop-index",
            f"drops the index {operation.index_name!r} in one go",
            "It waits for everybody who reads the table, and everybody else waits behind it.",
            f"steps.drop_index({operation.index_name!r}, table_name={table!r})  # in a revision of its own",
        )


def _foreign_key(operation: ops.CreateForeignKeyOp, table: str) -> Iterator[Danger]:
    if not operation.kw.get("postgresql_not_valid"):
        yield _validating(
            "foreign-key", f"adds a foreign key to {table!r} and checks all rows", operation, table
        )


def _check(operation: ops.CreateCheckConstraintOp, table: str) -> Iterator[Danger]:
    if not operation.kw.get("postgresql_not_valid"):
        yield _validating("check", f"adds a CHECK to {table!r} and tries it on all rows", operation, table)


def _validating(rule: str, what: str, operation: Any, table: str) -> Danger:
    name = str(operation.constraint_name)
    return Danger(
        rule,
        what,
        "Nobody can write to the table (nor, for a foreign key, to the one it points to) until all "
        "rows were read.",
        f"op.create_...({name!r}, ..., postgresql_not_valid=True)\n"
        f"  # and in a revision of its own:\n  steps.validate({table!r}, {name!r})",
    )


def _unique(operation: ops.CreateUniqueConstraintOp, table: str) -> Iterator[Danger]:
    columns = [getattr(column, "name", column) for column in operation.columns]
    yield Danger(
        "unique",
        f"adds a unique constraint to {table!r} in one go",
        "Nobody can read or write the table until its index is built.",
        f"steps.create_unique_constraint({str(operation.constraint_name)!r}, {table!r}, {columns!r})"
        "  # in a revision of its own",
    )


def _primary_key(operation: ops.CreatePrimaryKeyOp, table: str) -> Iterator[Danger]:
    name = str(operation.constraint_name)
    yield Danger(
        "primary-key",
        f"adds a primary key to {table!r} in one go",
        "Nobody can read or write the table until its index is built.",
        f"steps.create_index({name!r}, {table!r}, [...], unique=True)  # in a revision of its own, "
        "and after it:\n"
        f"  op.execute('ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}')",
    )


_RULES: tuple[tuple[Any, Rule, bool], ...] = (
    (ops.DropTableOp, _drop_table, True),
    (ops.RenameTableOp, _rename_table, True),
    (ops.DropColumnOp, _drop_column, True),
    (ops.AddColumnOp, _add_column, False),
    (ops.AlterColumnOp, _alter_column, True),
    (ops.AlterColumnOp, _alter_on_postgresql, False),
    (ops.CreateIndexOp, _create_index, False),
    (ops.DropIndexOp, _drop_index, False),
    (ops.CreateForeignKeyOp, _foreign_key, False),
    (ops.CreateCheckConstraintOp, _check, False),
    (ops.CreateUniqueConstraintOp, _unique, False),
    (ops.CreatePrimaryKeyOp, _primary_key, False),
)
