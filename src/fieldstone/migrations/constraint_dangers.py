"""What is dangerous about indexes and constraints on tables that have rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops

from fieldstone.migrations.dangers import Danger


def create_index(operation: ops.CreateIndexOp, table: str) -> Iterator[Danger]:
    """Judge a new index."""
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


def drop_index(operation: ops.DropIndexOp, table: str) -> Iterator[Danger]:
    """Judge that an index goes."""
    if not operation.kw.get("postgresql_concurrently"):
        yield Danger(
            "drop-index",
            f"drops the index {operation.index_name!r} in one go",
            "It waits for everybody who reads the table, and everybody else waits behind it.",
            f"steps.drop_index({operation.index_name!r}, table_name={table!r})  # in a revision of its own",
        )


def foreign_key(operation: ops.CreateForeignKeyOp, table: str) -> Iterator[Danger]:
    """Judge a new foreign key."""
    if not operation.kw.get("postgresql_not_valid"):
        yield _validating(
            "foreign-key", f"adds a foreign key to {table!r} and checks all rows", operation, table
        )


def check(operation: ops.CreateCheckConstraintOp, table: str) -> Iterator[Danger]:
    """Judge a new CHECK."""
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


def unique(operation: ops.CreateUniqueConstraintOp, table: str) -> Iterator[Danger]:
    """Judge a new unique constraint."""
    columns = [getattr(column, "name", column) for column in operation.columns]
    yield Danger(
        "unique",
        f"adds a unique constraint to {table!r} in one go",
        "Nobody can read or write the table until its index is built.",
        f"steps.create_unique_constraint({str(operation.constraint_name)!r}, {table!r}, {columns!r})"
        "  # in a revision of its own",
    )


def primary_key(operation: ops.CreatePrimaryKeyOp, table: str) -> Iterator[Danger]:
    """Judge a new primary key."""
    name = str(operation.constraint_name)
    yield Danger(
        "primary-key",
        f"adds a primary key to {table!r} in one go",
        "Nobody can read or write the table until its index is built.",
        f"steps.create_index({name!r}, {table!r}, [...], unique=True)  # in a revision of its own, "
        "and after it:\n"
        f"  op.execute('ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}')",
    )
