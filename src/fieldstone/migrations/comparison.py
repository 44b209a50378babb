"""What Alembic finds different between models and database, with renames done.

Renames are carried out on the database first, within a transaction that is rolled back, and the
comparison looks at what they leave. So the rest of the difference is exact, whatever hangs on the
renamed thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.operations import Operations, ops
from sqlalchemy import Connection, DateTime, MetaData

from fieldstone.migrations import arranging, comparing
from fieldstone.migrations.declarations import Place, between_zones, declared_datetimes
from fieldstone.migrations.environment import environment
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.project import Project
from fieldstone.migrations.references import foreign_keys_off
from fieldstone.migrations.renaming import Rename, carry_out, renamed_places
from fieldstone.migrations.revisions import directory
from fieldstone.migrations.running import current


@contextmanager
def comparison(
    connection: Connection, project: Project, metadata: list[MetaData], renames: Sequence[Rename] = ()
) -> Iterator[ops.UpgradeOps]:
    """Yield what Alembic finds different, with the renames done; they are undone when the block ends."""
    scripts = directory(project)
    _refuse_schemas(metadata)
    options: dict[str, Any] = {"target_metadata": metadata, **comparing.options(lambda: connection)}
    declared: dict[Place, DateTime] = {}
    if connection.dialect.name == "sqlite":
        with connection.begin():
            here = current(connection, project)
        declared = declared_datetimes(scripts, here)
    with foreign_keys_off(connection), connection.begin() as transaction:
        try:
            with environment(project, scripts, connection, options) as env:
                context = env.get_context()
                carry_out(renames, Operations(context), connection)
                difference = produce_migrations(context, metadata).upgrade_ops  # type: ignore[arg-type]  # several are served
                assert difference is not None
                _add_zones(difference, between_zones(renamed_places(declared, renames), metadata))
                yield difference
        finally:
            transaction.rollback()


def _add_zones(difference: ops.UpgradeOps, changes: Sequence[tuple[str | None, ops.AlterColumnOp]]) -> None:
    """Put changes that only the history shows beside those that were found."""
    found = {
        (each.schema, each.table_name): each
        for each in difference.ops
        if isinstance(each, ops.ModifyTableOps)
    }
    new = {each.table_name for each in difference.ops if isinstance(each, ops.CreateTableOp)}
    for schema, change in changes:
        known = found.get((schema, change.table_name))
        if known is not None:
            known.ops.append(change)
        elif change.table_name not in new:
            found[schema, change.table_name] = ops.ModifyTableOps(change.table_name, [change], schema=schema)
            difference.ops.append(found[schema, change.table_name])


def _refuse_schemas(metadata: Sequence[MetaData]) -> None:
    for schema, name in arranging.model_tables(metadata):
        if schema is not None:
            raise MigrationRefused(
                f"The table {name!r} stands in the schema {schema!r}, and only the default one is compared. "
                "Leave the schema out of the model and set it for the role that connects: ALTER ROLE ... SET "
                "search_path = ..., or write its revisions by hand with --empty."
            )
