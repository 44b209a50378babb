"""Tables of SQLite that are rebuilt, and revisions that fail half-way."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, UniqueConstraint
from sqlalchemy.exc import DBAPIError

from fieldstone import Field, Model
from fieldstone.migrations import MigrationFailed, differences, upgrade
from tests.migrations.shapes import FAMILY, family
from tests.migrations.workbench import Bench, Plain, models

# Rebuilding a table of SQLite


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_plain_alembic_deletes_the_children_of_a_table_that_it_rebuilds(plain: Plain) -> None:
    plain.execute(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, "
        "parent_id INTEGER NOT NULL, "
        "CONSTRAINT fk_child_parent_id_parent FOREIGN KEY(parent_id) REFERENCES parent (id) ON "
        "DELETE CASCADE)",
        *FAMILY,
    )
    env = plain.directory / "env.py"
    env.write_text(  # as every program that wants its foreign keys kept says it
        env.read_text().replace(
            "with connectable.connect() as connection:",
            "from sqlalchemy import event\n"
            "    event.listen(connectable, 'connect', lambda c, r: c.execute('PRAGMA foreign_keys = ON'))\n"
            "    with connectable.connect() as connection:",
        )
    )
    plain.revision(family(required=True))
    plain.up()
    assert plain.ask("SELECT count(*) FROM child") == [(0,)]


def test_children_outlive_the_rebuilding_of_their_parents_table(bench: Bench) -> None:
    bench.start(family(required=False), *FAMILY)
    earlier = bench.rows()
    bench.change(family(required=True), online=False)
    assert bench.rows() == earlier == bench.came_back
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        bench.execute("INSERT INTO child (id, parent_id) VALUES (2, 9)")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_a_rebuilt_table_keeps_its_triggers_views_and_unnamed_checks(bench: Bench) -> None:
    bench.start(family(required=False), *FAMILY)
    bench.execute(
        "DROP TABLE parent",
        "CREATE TABLE parent (id INTEGER NOT NULL CONSTRAINT pk_parent PRIMARY KEY AUTOINCREMENT, "
        "name VARCHAR, CHECK (name <> 'x:y'))",
        "INSERT INTO parent (id, name) VALUES (1, 'Ada'), (9, 'Eve')",
        "DELETE FROM parent WHERE id = 9",
        "CREATE VIEW names AS SELECT name FROM parent",
        "CREATE INDEX by_lower ON parent (lower(name))",
        "CREATE TABLE log (name VARCHAR)",
        "CREATE TRIGGER logged AFTER UPDATE ON parent BEGIN INSERT INTO log VALUES (NEW.name || ':z'); END",
    )
    bench.models_are(family(required=True))
    bench.new("Require", empty=True)
    file = next(bench.project.versions.glob("*require*"))
    batch = (
        "with op.batch_alter_table('parent') as batch:\n"
        "        batch.alter_column('name', existing_type=sa.String(), nullable=False)"
    )
    file.write_text(file.read_text().replace("pass", batch, 1))
    upgrade(bench.database, project=bench.project)
    bench.execute("UPDATE parent SET name = 'Grace'", "INSERT INTO parent (name) VALUES ('Joan')")
    assert bench.ask("SELECT name FROM names ORDER BY 1") == [("Grace",), ("Joan",)]
    assert bench.ask("SELECT name FROM log") == [("Grace:z",)]
    assert bench.ask("SELECT id FROM parent ORDER BY id") == [(1,), (10,)]
    assert bench.ask("SELECT count(*) FROM sqlite_master WHERE name = 'by_lower'") == [(1,)]
    with pytest.raises(DBAPIError, match="CHECK"):
        bench.execute("UPDATE parent SET name = 'x:y'")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_a_table_whose_options_would_be_lost_is_not_rebuilt(bench: Bench) -> None:
    bench.start(family(required=False))
    bench.execute(
        "DROP TABLE parent",
        "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR COLLATE NOCASE)",
        "INSERT INTO parent (id, name) VALUES (1, 'Ada')",
    )
    bench.models_are(family(required=True))
    bench.new()
    with pytest.raises(
        MigrationFailed, match="'parent' was made with COLLATE, which rebuilding it would lose"
    ):
        upgrade(bench.database, project=bench.project)
    assert bench.ask("SELECT name FROM parent") == [("Ada",)]


def unnamed(*, unique: bool, reference: bool) -> Any:
    class Base(Model, registry=models()):
        pass

    extra: list[Any] = [UniqueConstraint("name")] if unique else []
    refers = [ForeignKey("parent.id")] if reference else []
    parent: Column[int] = Column("parent_id", Integer, *refers, nullable=False)

    class Parent(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Child(Base, table=True):
        __table_args__ = tuple(extra)
        id: int | None = Field(default=None, primary_key=True)
        name: str
        parent_id: int = Field(sa_column=parent)

    return Base


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_plain_alembic_cannot_name_what_has_no_name(plain: Plain) -> None:
    plain.execute(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, "
        "parent_id INTEGER NOT NULL REFERENCES parent (id))",
    )
    with pytest.warns(UserWarning, match="unnamed constraint on table"):
        plain.revision(unnamed(unique=False, reference=False))
    with pytest.raises((ValueError, IndexError)):
        plain.up()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_constraints_without_a_name_are_dropped_by_the_name_they_would_have(bench: Bench) -> None:
    bench.start(unnamed(unique=True, reference=True))
    bench.execute(
        "DROP TABLE child",
        "CREATE TABLE child (id INTEGER NOT NULL, name VARCHAR NOT NULL UNIQUE, "
        "parent_id INTEGER NOT NULL REFERENCES parent (id), PRIMARY KEY (id))",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (1, 'Ada', 1)",
    )
    assert differences(bench.database, project=bench.project) == []
    said = bench.change(unnamed(unique=False, reference=False))
    assert "naming_convention=NAMING_CONVENTION" in said
    bench.execute("INSERT INTO child VALUES (2, 'Ada', 7)")


# Failing half-way


def half(bench: Bench | Plain, directory: Any) -> None:
    (directory / "half.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        "revision = 'half'\ndown_revision = None\nbranch_labels = None\ndepends_on = None\n"
        "def upgrade():\n"
        "    op.create_table('first', sa.Column('id', sa.Integer, primary_key=True))\n"
        "    op.execute('INSERT INTO nowhere VALUES (1)')\n"
        "def downgrade(): pass\n"
    )


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_plain_alembic_leaves_half_a_revision_behind(plain: Plain) -> None:
    half(plain, plain.directory / "versions")
    for problem in ("no such table: nowhere", "table first already exists"):
        with pytest.raises(DBAPIError, match=problem):
            plain.up()


def test_half_a_revision_is_rolled_back(bench: Bench) -> None:
    bench.project.location.mkdir()
    bench.models_are(models())
    half(bench, bench.project.location)
    nothing = "no revision (nothing has been applied)"
    for _ in range(2):
        with pytest.raises(MigrationFailed) as failed:
            upgrade(bench.database, project=bench.project)
        lines = str(failed.value).splitlines()
        assert lines[0].startswith("The upgrade of revision half (without a message) failed: ")
        assert "nowhere" in lines[0]
        assert lines[1:] == [
            "  file      migrations/half.py",
            f"  database  at {nothing}, as before: all of this revision was rolled back",
            "  next      correct the data or the file, then run: fieldstone migrate up",
        ]
    assert bench.rows() == {}
