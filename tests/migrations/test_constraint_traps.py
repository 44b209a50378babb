"""Indexes, unique constraints, whole tables and what surrounds them, over rows that are there."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.exc import DBAPIError, SAWarning

from fieldstone import Field, Model
from fieldstone.migrations import MigrationFailed, MigrationRefused, merge, upgrade
from tests.migrations.shapes import FAMILY, NEW, OLD, family, literal
from tests.migrations.workbench import Bench, Plain, models

# Indexes and unique constraints


def indexed(*items: Any) -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        __table_args__ = items
        id: int | None = Field(default=None, primary_key=True)
        title: str
        status: str = "todo"

    return Base


TASK = "INSERT INTO task (id, title, status) VALUES (1, 'Write', 'todo')"


def partial(condition: str) -> Index:
    where = sa.text(condition)
    return Index("ix_open", "title", unique=True, postgresql_where=where, sqlite_where=where)


def test_plain_alembic_sees_no_changed_condition_of_an_index(plain: Plain) -> None:
    plain.execute(
        "CREATE TABLE task (id INTEGER PRIMARY KEY, title VARCHAR NOT NULL, status VARCHAR NOT NULL)",
        "CREATE UNIQUE INDEX ix_open ON task (title) WHERE status = 'todo'",
    )
    assert "index" not in plain.revision(indexed(partial("status = 'done'")))


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        ((), (Index("ix_title", "title"),)),
        ((Index("ix_title", "title"),), (Index("ix_title", "title", "status"),)),
        ((partial("status = 'todo'"),), (partial("status <> 'done'"),)),
        ((), (Index("ix_lower", sa.text("lower(title)")),)),
        ((), (UniqueConstraint("title", name="uq_title"),)),
        (
            (UniqueConstraint("title", name="uq_title"),),
            (UniqueConstraint("title", "status", name="uq_title"),),
        ),
        (
            (CheckConstraint("title <> ''", name="full"),),
            (CheckConstraint("length(title) % 2 = 1", name="full"),),
        ),
    ],
    ids=["new", "columns", "condition", "expression", "unique", "unique columns", "check"],
)
def test_indexes_and_constraints_change(bench: Bench, change: Any, online: bool) -> None:
    import copy

    before, after = (tuple(copy.copy(item) for item in side) for side in change)
    bench.start(indexed(*before), TASK)
    earlier = bench.rows()
    bench.change(indexed(*after), online=online)
    assert bench.rows() == earlier == bench.came_back


# Whole tables


def circle() -> Any:
    class Base(Model, registry=models()):
        pass

    class Team(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        lead_id: int | None = Field(default=None, foreign_key="person.id")

    class Person(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        team_id: int | None = Field(default=None, foreign_key="team.id")
        boss_id: int | None = Field(default=None, foreign_key="person.id", index=True)

    return Base


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_plain_alembic_refers_to_tables_that_are_not_there_yet(plain: Plain) -> None:
    with pytest.warns(SAWarning, match="Cannot correctly sort tables"):
        plain.revision(circle())
    with pytest.raises(DBAPIError, match="does not exist"):
        plain.up()


def test_tables_that_refer_to_each_other_are_made_and_dropped(bench: Bench) -> None:
    bench.models_are(models())
    bench.change(circle())
    bench.execute("INSERT INTO person (id) VALUES (1)", "INSERT INTO team (id, lead_id) VALUES (1, 1)")
    with pytest.raises(DBAPIError):
        bench.execute("INSERT INTO team (id, lead_id) VALUES (2, 7)")

    class Empty(Model, registry=models()):
        pass

    class Other(Empty, table=True):
        id: int | None = Field(default=None, primary_key=True)

    bench.change(Empty)
    assert bench.came_back["person"] == []


def test_models_that_were_not_imported_do_not_drop_every_table(bench: Bench) -> None:
    bench.start(family(required=True), *FAMILY)
    (bench.directory / "app").mkdir()
    (bench.directory / "app" / "people.py").write_text(
        "from sqlmodel import SQLModel\nclass Parent(SQLModel, table=True): ...\n"
        "class Kid(SQLModel, table=True):\n    __tablename__ = 'child'\n"
    )
    bench.models_are(models())
    with pytest.raises(
        MigrationRefused, match=r"The models of child, parent were not imported.*\"app.people\""
    ):
        bench.new()
    (bench.directory / "app" / "people.py").unlink()
    with pytest.raises(MigrationRefused, match="No model was found in given, and the database has 2 tables"):
        bench.new()


def test_plain_alembic_drops_the_tables_of_models_that_were_not_imported(plain: Plain) -> None:
    plain.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    assert "drop_table('parent')" in plain.revision(models())


def test_views_are_left_alone(bench: Bench) -> None:
    bench.start(indexed(), TASK, "CREATE VIEW open_tasks AS SELECT id FROM task WHERE status = 'todo'")
    bench.change(indexed(Index("ix_title", "title")))
    assert bench.ask("SELECT id FROM open_tasks") == [(1,)]


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_tables_of_extensions_are_left_alone(bench: Bench, plain: Plain) -> None:
    for one in (bench, plain):
        one.execute(
            "CREATE TABLE spatial (id INTEGER PRIMARY KEY)", "ALTER EXTENSION plpgsql ADD TABLE spatial"
        )
    try:
        assert "drop_table('spatial')" in plain.revision(models())
        bench.models_are(indexed())
        said = bench.new()
        assert "create_table('task'" in said
        assert "spatial" not in said
    finally:
        for one in (bench, plain):
            one.execute("ALTER EXTENSION plpgsql DROP TABLE spatial")


def commented(table: str | None, column: str | None) -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        __table_args__ = {"comment": table}
        id: int | None = Field(default=None, primary_key=True)
        title: str | None = Field(default=None, sa_column_kwargs={"comment": column})

    return Base


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_comments_come_change_and_go(bench: Bench) -> None:
    bench.start(commented(None, None))
    for version in (("All of them", "In a few words"), ("Each", "In few words"), (None, None)):
        bench.change(commented(*version))


def test_another_schema_is_refused_rather_than_mistaken(bench: Bench) -> None:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        __table_args__ = {"schema": "archive"}
        id: int | None = Field(default=None, primary_key=True)

    bench.models_are(Base)
    with pytest.raises(
        MigrationRefused, match="'task' stands in the schema 'archive', and only the default one"
    ):
        bench.new()


# Within an env.py of the project's own


def test_an_env_of_alembics_can_take_over_the_comparison_and_the_writing(plain: Plain) -> None:
    env = plain.directory / "env.py"
    env.write_text(
        env.read_text()
        .replace("render_as_batch=True", "**alembic_options(connection)")
        .replace(
            "from alembic import context",
            "from alembic import context\nfrom fieldstone.migrations import alembic_options",
        )
    )
    plain.start(literal(OLD), "INSERT INTO task (id, status) VALUES (1, 'done')")
    said = plain.change(literal(NEW))
    assert "\"status IN ('todo', 'doing', 'done')\"" in said
    plain.execute("UPDATE task SET status = 'doing'")

    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        status: Literal["todo", "doing", "done"] = "todo"
        priority: int = 3

    plain.change(Base)
    assert plain.ask("SELECT priority FROM task") == [(3,)]


# Branches


def test_plain_alembic_names_no_remedy_for_several_heads(plain: Plain) -> None:
    for name in ("left", "right"):
        (plain.directory / "versions" / f"{name}.py").write_text(
            f"revision = '{name}'\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n"
        )
    with pytest.raises(CommandError, match="Multiple head revisions are present") as error:
        plain.up()
    assert "merge" not in str(error.value)


def test_several_heads_are_refused_until_they_are_merged(bench: Bench) -> None:
    bench.start(indexed(), TASK)
    first = next(bench.project.versions.glob("*.py"))
    start = next(line for line in first.read_text().splitlines() if line.startswith("revision = ")).split(
        "'"
    )[1]
    for name in ("left", "right"):
        (bench.project.versions / f"{name}.py").write_text(
            f"revision = '{name}'\ndown_revision = '{start}'\nbranch_labels = None\ndepends_on = None\n"
            "def upgrade(): pass\ndef downgrade(): pass\n"
        )
    with pytest.raises(MigrationRefused, match=r"several heads.*fieldstone migrate merge"):
        upgrade(bench.database, project=bench.project)
    with pytest.raises(MigrationRefused, match=r"several heads \(left, right\).*fieldstone migrate merge"):
        bench.new()
    assert merge(project=bench.project) is not None
    assert merge(project=bench.project) is None
    assert len(upgrade(bench.database, project=bench.project)) == 3


def test_a_database_that_is_behind_is_not_compared(bench: Bench) -> None:
    bench.models_are(indexed())
    bench.new("Start")
    with pytest.raises(
        MigrationRefused, match=r"The database is at no revision .*Run fieldstone migrate up first"
    ):
        bench.new("Again")


def test_a_revision_that_no_file_has_is_named(bench: Bench) -> None:
    bench.start(indexed())
    next(bench.project.versions.glob("*.py")).unlink()
    with pytest.raises(
        MigrationRefused, match=r"Can't locate revision identified by '\w+': no file in .* has it"
    ):
        upgrade(bench.database, project=bench.project)


def test_rows_that_would_point_nowhere_stop_a_revision(bench: Bench) -> None:
    bench.start(family(required=False), *FAMILY)
    bench.new("Delete", empty=True)
    file = next(bench.project.versions.glob("*delete*"))
    file.write_text(file.read_text().replace("pass", "op.execute('DELETE FROM parent')", 1))
    if bench.dialect == "sqlite":
        with pytest.raises(
            MigrationFailed, match="1 rows of 'child' would point to rows of 'parent' that do not"
        ):
            upgrade(bench.database, project=bench.project)
        assert bench.ask("SELECT count(*) FROM child") == [(1,)]
    else:
        upgrade(bench.database, project=bench.project)
        assert bench.ask("SELECT count(*) FROM child") == [(0,)]
