"""A changed schema fails the test that holds it to its files, and says how to accept it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from fieldstone import ConfigurationError
from fieldstone.migrations import Project
from fieldstone.testing.histories import MigrationsCheck
from fieldstone.testing.sessions import check_backend
from fieldstone.testing.snapshots import SchemaSnapshot
from tests.kit.shop import METADATA


def shelves(*more: Column[str]) -> MetaData:
    metadata = MetaData()
    Table("shelf", metadata, Column("id", Integer, primary_key=True), *more)
    return metadata


def test_what_is_written_is_what_is_compared(tmp_path: Path) -> None:
    SchemaSnapshot(METADATA, tmp_path, update=True)()
    SchemaSnapshot(METADATA, tmp_path, update=False)()
    assert "SERIAL NOT NULL" in (tmp_path / "schema.postgresql.sql").read_text()
    assert "INTEGER NOT NULL" in (tmp_path / "schema.sqlite.sql").read_text()


def test_a_change_is_shown_line_by_line_with_what_accepts_it(tmp_path: Path) -> None:
    SchemaSnapshot(shelves(), tmp_path, update=True)()
    with pytest.raises(pytest.fail.Exception) as failed:
        SchemaSnapshot(shelves(Column("label", String(20))), tmp_path, update=False)()
    message = str(failed.value)
    assert "run pytest again with --update-schema-snapshot and commit the files" in message
    assert "+    label VARCHAR(20)," in message
    assert "--- schema.postgresql.sql" in message


def test_a_missing_file_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"There is no file schema\.sqlite\.sql in \w+ yet"):
        SchemaSnapshot(shelves(), tmp_path, update=False)()


def test_a_project_without_migrations_is_told_how_to_begin(
    tmp_path: Path, check_migrations: MigrationsCheck
) -> None:
    project = Project(models=("tests.kit.shop:METADATA",), location=tmp_path / "migrations")
    with pytest.raises(
        ConfigurationError,
        match=r"There are no migrations in 'migrations', so there is nothing to check\. Write the "
        r"first with: "
        "fieldstone migrate new",
    ):
        check_migrations(project)


def test_an_event_loop_that_is_not_asyncios_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="This test runs on trio, and SQLAlchemy's asynchronous engines"
    ):
        check_backend("trio")
    check_backend(("asyncio", {"debug": True}))
