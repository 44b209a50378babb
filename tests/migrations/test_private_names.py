"""What is used of Alembic and SQLAlchemy though its name is private is still there, and means the same."""

from __future__ import annotations

import pytest
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy import JSON, CheckConstraint, Column, Integer, MetaData, Table, create_engine, text
from sqlalchemy.dialects.postgresql import JSONB

from tests.conftest import FreshUrl
from tests.migrations.test_running import other


def test_alembics_drop_of_a_table_keeps_the_table_as_it_was_read() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE task (id INTEGER PRIMARY KEY, title VARCHAR)"))
        connection.execute(text("CREATE INDEX by_title ON task (title)"))
        difference = produce_migrations(MigrationContext.configure(connection), MetaData()).upgrade_ops
    engine.dispose()
    assert difference is not None
    drop = next(each for each in difference.ops if isinstance(each, ops.DropTableOp))
    assert drop._reverse is not None, "DropTableOp._reverse: see arranging.dropped_table"
    table = next(item.table for item in drop._reverse.columns if isinstance(item, Column))
    assert isinstance(table, Table)
    assert {index.name for index in table.indexes} == {"by_title"}
    assert list(table.columns.keys()) == ["id", "title"]


def test_alembics_context_ends_and_begins_the_transaction_that_it_is_handed(fresh_url: FreshUrl) -> None:
    with other(fresh_url("postgresql")) as connection:
        outer = connection.begin()
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        names = {"_in_external_transaction", "_transaction"}
        assert names <= vars(context).keys(), "MigrationContext: see environment.environment"
        context._in_external_transaction = False
        context._transaction = outer
        with context.autocommit_block():
            assert not outer.is_active
            status = connection.connection.driver_connection.info.transaction_status.name  # type: ignore[union-attr]  # psycopg's
            assert status == "IDLE"
        assert context._transaction is not outer
        assert connection.in_transaction()
        connection.rollback()


def test_a_constraint_says_which_database_it_is_for() -> None:
    rule = CheckConstraint("x > 0").ddl_if(dialect="sqlite")._ddl_if
    assert rule is not None, "Constraint._ddl_if: see canonical.applies"
    assert rule.dialect == "sqlite"
    assert CheckConstraint("x > 0")._ddl_if is None


@pytest.mark.parametrize("kind", [JSON(), Integer()])
def test_a_type_says_which_it_is_for_another_database(kind: JSON | Integer) -> None:
    assert not kind._variant_mapping, "TypeEngine._variant_mapping: see rendering.frozen"
    variants = kind.with_variant(JSONB(), "postgresql")._variant_mapping
    assert list(variants) == ["postgresql"]
    assert isinstance(variants["postgresql"], JSONB)
