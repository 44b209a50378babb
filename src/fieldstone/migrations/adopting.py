"""Take over a database that has tables and no history: its first revision says what is there.

The revision describes the database, not the models, so that a new database made by the revisions
is like the old one, and the next comparison says exactly what the models want otherwise. Nothing is
run: the database is recorded as being there already.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, MetaData, Table, event, inspect, text

from fieldstone.migrations import arranging, canonical, enumerating
from fieldstone.migrations.arranging import Step
from fieldstone.migrations.comparing import include_name
from fieldstone.migrations.comparison import comparison
from fieldstone.migrations.environment import quiet
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.filing import Draft, write
from fieldstone.migrations.filling import portable
from fieldstone.migrations.project import Project
from fieldstone.migrations.rendering import CallOp


def adopt(connection: Connection, project: Project, message: str) -> Path:
    """Write the first revision of a database that is there already, and return its file."""
    metadata = project.metadata()
    with comparison(connection, project, metadata) as difference:
        retyped = set(_retyped(difference))
    with connection.begin(), quiet():
        stored = _stored(connection, project)
        if not stored:
            raise MigrationRefused(
                "The database has no tables, so there is nothing to take over. Write the first revision "
                "with: fieldstone migrate new 'Start'"
            )
        models = arranging.model_tables(metadata)
        for table in stored:
            _with_the_models_types(table, models.get((table.schema, table.name)), retyped)
            _readable(table, connection)
        steps = [
            *_enums(stored),
            *arranging.creations(stored, connection),
            *_unseen(connection, stored),
        ]
        (file,) = write(connection, project, message, Draft(tuple(steps), (), ()))
    return file


def _stored(connection: Connection, project: Project) -> list[Table]:
    wanted = include_name(lambda: connection)
    names = [
        name
        for name in inspect(connection).get_table_names()
        if name != project.version_table and wanted(name, "table", {"schema_name": None})
    ]
    metadata = MetaData()
    implementation: Any = MigrationContext.configure(connection).impl

    @event.listens_for(metadata, "column_reflect")
    def as_alembic_does(inspector: Any, table: Any, column: Any) -> None:
        implementation.autogen_column_reflect(inspector, table, column)

    metadata.reflect(connection, only=names)
    return [metadata.tables[name] for name in sorted(names)]


def _retyped(difference: ops.UpgradeOps) -> Iterator[tuple[str, str]]:
    for changes in difference.ops:
        for change in changes.ops if isinstance(changes, ops.ModifyTableOps) else ():
            if isinstance(change, ops.AlterColumnOp) and change.modify_type is not None:
                yield change.table_name, change.column_name


def _with_the_models_types(table: Table, model: Table | None, retyped: set[tuple[str, str]]) -> None:
    """Say a type as its model does, where it is the same: that reads better, and serves both databases."""
    if model is None:
        return
    types = {column.name: column.type for column in model.columns}
    for column in table.columns:
        if column.name in types and (table.name, column.name) not in retyped:
            column.type = types[column.name]


def _readable(table: Table, connection: Connection) -> None:
    for column in table.columns:
        column.server_default = portable(column.server_default)
    if connection.dialect.name == "postgresql":
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint):
                said = canonical.readable(str(constraint.sqltext))
                constraint.sqltext = text(said.replace(":", r"\:"))


def _enums(tables: list[Table]) -> Iterator[Step]:
    for table in tables:
        for name, members in enumerating.native(table).items():
            yield Step(
                CallOp(f"steps.create_enum({name!r}, {list(members)!r})"),
                CallOp(f"steps.drop_enum({name!r})"),
            )


def _unseen(connection: Connection, tables: list[Table]) -> Iterator[Step]:
    """Yield the indexes of SQLite that SQLAlchemy cannot read, in the words in which they were made."""
    if connection.dialect.name != "sqlite":
        return
    known = {index.name for table in tables for index in table.indexes}
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    for name, sql in connection.execute(text(query)):
        if name not in known:
            yield Step(ops.ExecuteSQLOp(str(sql)), None)
