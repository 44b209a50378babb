"""Columns: types, required values, defaults and renames, over rows that are there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic_core import PydanticUndefined as Undefined
from sqlalchemy import Column, Integer, String
from sqlalchemy.exc import DBAPIError

from fieldstone import Field, Json, Model
from fieldstone.migrations import MigrationFailed, MigrationRefused, Undecided
from tests.migrations.workbench import Bench, Plain, models

ROWS = ("INSERT INTO task (id, title) VALUES (1, 'Write')", "INSERT INTO task (id, title) VALUES (2, 'Read')")


def first() -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=80)

    return Base


# The import that is missing


def test_plain_alembic_writes_types_that_it_does_not_import(plain: Plain) -> None:
    said = plain.revision(first())
    assert "sqlmodel.sql.sqltypes.AutoString(length=80)" in said
    with pytest.raises(NameError, match="sqlmodel"):
        plain.up()


def test_a_revision_holds_nothing_but_sqlalchemys_own_types(bench: Bench) -> None:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=80)
        seen_at: datetime
        tags: Json[list[str]] = []

    bench.models_are(Base)
    said = bench.new("Start")
    bench.up()
    assert "sa.String(length=80)" in said
    assert "sa.DateTime(timezone=True)" in said
    assert "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')" in said
    assert "sqlmodel" not in said
    assert "fieldstone" not in said


# Required columns


def required(default: Any = Undefined) -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=80)
        priority: int = Field(default=default)

    return Base


def test_plain_alembic_cannot_add_a_required_column_to_rows(plain: Plain) -> None:
    plain.config.attributes["metadata"] = first().metadata
    plain.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, title VARCHAR(80) NOT NULL)", *ROWS)
    plain.revision(required(default=3))
    with pytest.raises(DBAPIError, match=r"(?i)null"):
        plain.up()


def test_a_required_column_gets_the_models_default_for_the_rows_that_are_there(bench: Bench) -> None:
    bench.start(first(), *ROWS)
    bench.change(required(default=3))
    assert bench.ask("SELECT id, title, priority FROM task ORDER BY id") == [(1, "Write", 3), (2, "Read", 3)]
    with pytest.raises(DBAPIError, match=r"(?i)null"):  # the default was for those rows alone
        bench.execute("INSERT INTO task (id, title) VALUES (3, 'New')")


def test_without_a_default_the_value_is_asked_for(bench: Bench) -> None:
    bench.start(first(), *ROWS)
    bench.models_are(required())
    with pytest.raises(Undecided, match=r"task.priority is required.*--fill task.priority=value") as asked:
        bench.new()
    assert (asked.value.kind, asked.value.subject) == ("fill", "task.priority")
    assert len(list(bench.project.versions.glob("*.py"))) == 1
    bench.new(fill={"task.priority": "7"})
    bench.up()
    assert bench.ask("SELECT priority FROM task") == [(7,), (7,)]


def test_a_value_that_does_not_fit_the_column_is_refused(bench: Bench) -> None:
    bench.start(first(), *ROWS)
    bench.models_are(required())
    with pytest.raises(MigrationRefused, match="'high' is no number, and the column holds numbers"):
        bench.new(fill={"task.priority": "high"})


def optional() -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=80)
        priority: int | None = None

    return Base


@pytest.mark.parametrize("online", [False, True])
def test_a_column_becomes_required_once_every_row_has_a_value(bench: Bench, online: bool) -> None:
    bench.start(optional(), *ROWS, "UPDATE task SET priority = 5 WHERE id = 1")
    bench.change(required(default=3), online=online)
    assert bench.ask("SELECT id, priority FROM task ORDER BY id") == [(1, 5), (2, 3)]


def test_a_column_with_empty_rows_does_not_become_required(bench: Bench) -> None:
    bench.start(optional(), *ROWS)
    bench.models_are(required())
    bench.new()
    with pytest.raises(MigrationFailed, match=r"task.priority cannot be required: 2 rows have no value"):
        bench.up()
    assert bench.ask("SELECT count(*) FROM task WHERE priority IS NULL") == [(2,)]


def test_a_dropped_required_column_comes_back_over_rows(bench: Bench) -> None:
    bench.start(
        required(default=3),
        *(row.replace("title)", "title, priority)").replace("')", "', 4)") for row in ROWS),
    )
    bench.change(first())
    assert bench.came_back["task"] == [(1, "Write", 0), (2, "Read", 0)]


# Types and defaults


def typed(type_: Any, default: str | None = None) -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        size: Any = Field(sa_column=Column(type_, server_default=default, nullable=False))

    return Base


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_plain_alembic_turns_text_into_zero(plain: Plain) -> None:
    plain.start(typed(String(10)), "INSERT INTO task VALUES (1, 'ten')")
    plain.revision(typed(Integer()))
    plain.up()
    assert plain.ask("SELECT size FROM task") == [(0,)]


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_plain_alembic_cannot_turn_text_into_numbers(plain: Plain) -> None:
    plain.start(typed(String(10)), "INSERT INTO task VALUES (1, '10')")
    plain.revision(typed(Integer()))
    with pytest.raises(DBAPIError, match="cannot be cast automatically"):
        plain.up()


def test_text_becomes_numbers_where_every_row_is_one(bench: Bench) -> None:
    bench.start(
        typed(String(10), "5"),
        "INSERT INTO task (id, size) VALUES (1, '10')",
        "INSERT INTO task (id) VALUES (2)",
    )
    earlier = bench.rows()
    bench.change(typed(Integer(), "5"))
    assert bench.ask("SELECT size FROM task ORDER BY id") == [(10,), (5,)]
    assert bench.came_back == earlier


def test_text_that_is_no_number_is_not_turned_into_one(bench: Bench) -> None:
    bench.start(typed(String(10)), "INSERT INTO task (id, size) VALUES (1, 'ten')")
    earlier = bench.rows()
    bench.models_are(typed(Integer()))
    bench.new()
    with pytest.raises(MigrationFailed, match=r"1 rows hold values that would change|invalid input"):
        bench.up()
    assert bench.rows() == earlier


def test_a_shorter_text_cuts_nothing_off(bench: Bench) -> None:
    bench.start(typed(String(10)), "INSERT INTO task (id, size) VALUES (1, '1234567890')")
    bench.models_are(typed(String(5)))
    bench.new()
    if bench.dialect == "postgresql":
        with pytest.raises(MigrationFailed, match="value too long for type character varying"):
            bench.up()
    else:
        bench.up()
    assert bench.ask("SELECT size FROM task") == [("1234567890",)]


def test_plain_alembic_sees_no_server_default(plain: Plain) -> None:
    plain.start(typed(Integer()), "INSERT INTO task (id, size) VALUES (1, 1)")
    assert "server_default" not in plain.revision(typed(Integer(), "7"))


def test_a_server_default_comes_changes_and_goes(bench: Bench) -> None:
    bench.start(typed(Integer()), "INSERT INTO task (id, size) VALUES (1, 1)")
    bench.change(typed(Integer(), "7"))
    bench.execute("INSERT INTO task (id) VALUES (2)")
    bench.change(typed(Integer(), "8"))
    bench.execute("INSERT INTO task (id) VALUES (3)")
    assert bench.ask("SELECT size FROM task ORDER BY id") == [(1,), (7,), (8,)]
    bench.change(typed(Integer()))


def test_a_changed_length_changes_the_check_that_sqlite_has_for_it(bench: Bench) -> None:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=100)

    bench.start(first(), *ROWS)
    bench.change(Base)
    bench.execute(f"INSERT INTO task (id, title) VALUES (3, '{'x' * 100}')")
    with pytest.raises(DBAPIError):
        bench.execute(f"INSERT INTO task (id, title) VALUES (4, '{'x' * 101}')")


# Renames


def renamed() -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(max_length=80)

    return Base


def renamed_table() -> Any:
    class Base(Model, registry=models()):
        pass

    class Job(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=80)

    return Base


def test_plain_alembic_drops_what_was_renamed(plain: Plain) -> None:
    said = ""
    plain.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, title VARCHAR(80))")
    said = plain.revision(renamed())
    assert "add_column(sa.Column('name'" in said
    assert "drop_column('title')" in said


def test_what_looks_renamed_is_asked_for(bench: Bench) -> None:
    bench.start(first(), *ROWS)
    bench.models_are(renamed())
    with pytest.raises(Undecided, match=r"--rename task.title=name\nor, .*\n  --drop task.title") as asked:
        bench.new()
    assert asked.value.choices == ("task.title=name",)


def test_a_renamed_column_keeps_its_values(bench: Bench) -> None:
    bench.start(first(), *ROWS)
    earlier = bench.rows()
    bench.change(renamed(), rename=["task.title=name"])
    assert bench.ask("SELECT id, name FROM task ORDER BY id") == [(1, "Write"), (2, "Read")]
    assert bench.came_back == earlier


def test_a_renamed_table_keeps_its_rows(bench: Bench) -> None:
    bench.start(first(), *ROWS)
    earlier = bench.rows()
    bench.models_are(renamed_table())
    with pytest.raises(Undecided, match=r"--rename task=job"):
        bench.new()
    bench.models_are(first())
    bench.change(renamed_table(), rename=["task=job"])
    assert bench.ask("SELECT id, title FROM job ORDER BY id") == [(1, "Write"), (2, "Read")]
    assert bench.came_back == earlier


def test_what_is_to_be_dropped_may_be(bench: Bench) -> None:
    bench.start(first(), *ROWS)
    bench.change(renamed(), drop=["task.title"], fill={"task.name": "unknown"})
    assert bench.ask("SELECT name FROM task") == [("unknown",), ("unknown",)]


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ("task.title", "is no rename. Write table.old=new for a column"),
        ("job.title=name", r"there is no table 'job'. There are: .*task"),
        ("task.nothing=name", "'nothing' is not there. There are: id, title"),
    ],
)
def test_a_rename_of_nothing_is_refused(bench: Bench, rename: str, message: str) -> None:
    bench.start(first(), *ROWS)
    bench.models_are(renamed())
    with pytest.raises(MigrationRefused, match=message):
        bench.new(rename=[rename])
