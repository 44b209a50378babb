"""Members of Literals, Enums and native enum types, over rows that are there."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from sqlalchemy import Column
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from fieldstone import Field, Model
from fieldstone.migrations import MigrationFailed, Undecided
from tests.migrations.shapes import NEW, OLD, literal
from tests.migrations.workbench import Bench, Plain, models, plain_models

# Literal and Enum members


class OldColor(StrEnum):
    RED = "red"
    BLUE = "blue"


class NewColor(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


def test_plain_alembic_sees_no_new_member(plain: Plain) -> None:
    plain.execute(
        "CREATE TABLE task (id INTEGER PRIMARY KEY, status VARCHAR NOT NULL, "
        "CONSTRAINT ck_task_status_allowed CHECK (status IN ('todo', 'done')))"
    )
    assert "check" not in plain.revision(literal(NEW)).lower()


@pytest.mark.parametrize("online", [False, True])
def test_a_member_is_added(bench: Bench, online: bool) -> None:
    bench.start(literal(OLD), "INSERT INTO task (id, status) VALUES (1, 'done')")
    earlier = bench.rows()
    bench.change(literal(NEW), online=online)
    bench.execute("INSERT INTO task (id, status) VALUES (2, 'doing')")
    with pytest.raises(DBAPIError):
        bench.execute("INSERT INTO task (id, status) VALUES (3, 'nothing')")
    assert bench.came_back == earlier


def test_a_member_that_rows_have_is_not_removed(bench: Bench) -> None:
    bench.start(literal(NEW), "INSERT INTO task (id, status) VALUES (1, 'doing')")
    earlier = bench.rows()
    bench.models_are(literal(OLD), online=False)
    bench.new()
    with pytest.raises(
        MigrationFailed, match=r"ck_task_status_allowed[\s\S]*as before: all of this revision was rolled back"
    ):
        bench.up()
    assert bench.rows() == earlier


def test_a_member_that_may_have_been_renamed_is_asked_for(bench: Bench) -> None:
    bench.start(literal(OLD), "INSERT INTO task (id, status) VALUES (1, 'done')")
    bench.models_are(literal(Literal["open", "done"], "open"))
    with pytest.raises(Undecided, match=r"task.status loses the value 'todo'") as asked:
        bench.new()
    assert asked.value.choices == ("task.status:todo=open",)
    bench.new(drop=["task.status:todo"])
    bench.up()


def test_members_are_renamed_with_their_rows_even_when_they_swap(bench: Bench) -> None:
    bench.start(
        literal(OLD),
        "INSERT INTO task (id, status) VALUES (1, 'done')",
        "INSERT INTO task (id, status) VALUES (2, 'todo')",
    )
    earlier = bench.rows()
    bench.change(
        literal(Literal["open", "todo"], "open"),
        rename_values={"task.status": {"todo": "open", "done": "todo"}},
    )
    assert bench.ask("SELECT id, status FROM task ORDER BY id") == [(1, "todo"), (2, "open")]
    assert bench.came_back == earlier


# Native enum types


def native(kind: type[Enum], *, with_color: bool = True) -> Any:
    class Base(SQLModel, registry=plain_models()):
        pass

    class Car(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    if with_color:
        Car.__table__.append_column(Column("color", sa.Enum(kind, name="color"), nullable=True))  # type: ignore[attr-defined]
    return Base


CAR = "INSERT INTO car (id, name) VALUES (1, 'Beetle')"


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_plain_alembic_forgets_to_create_the_type_of_an_added_column(plain: Plain) -> None:
    plain.execute("CREATE TABLE car (id SERIAL PRIMARY KEY, name VARCHAR NOT NULL)")
    plain.revision(native(OldColor))
    with pytest.raises(DBAPIError, match='type "color" does not exist'):
        plain.up()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_plain_alembic_leaves_the_type_behind(plain: Plain) -> None:
    said = plain.revision(native(OldColor))
    file = next((plain.directory / "versions").glob("*.py"))
    file.write_text(said.replace("import sqlalchemy as sa", "import sqlalchemy as sa\nimport sqlmodel"))
    plain.up()
    from alembic import command

    command.downgrade(plain.config, "-1")
    with pytest.raises(DBAPIError, match='type "color" already exists'):
        plain.up()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_plain_alembic_sees_no_new_member_of_a_type(plain: Plain) -> None:
    plain.execute(
        "CREATE TYPE color AS ENUM ('RED', 'BLUE')",
        "CREATE TABLE car (id SERIAL PRIMARY KEY, name VARCHAR NOT NULL, color color)",
    )
    assert "pass" in plain.revision(native(NewColor))


def test_an_enum_type_is_made_with_its_column_and_goes_with_it(bench: Bench) -> None:
    bench.start(native(OldColor, with_color=False), CAR)
    bench.change(native(OldColor))
    bench.execute("UPDATE car SET color = 'RED'")
    bench.change(native(OldColor, with_color=False))
    if bench.dialect == "postgresql":
        assert bench.ask("SELECT count(*) FROM pg_type WHERE typname = 'color'") == [(0,)]


def test_a_table_with_an_enum_goes_down_and_up_again(bench: Bench) -> None:
    bench.models_are(models())
    bench.change(native(OldColor))
    bench.execute("INSERT INTO car (id, name, color) VALUES (1, 'Beetle', 'BLUE')")


def test_members_of_a_type_are_added_renamed_and_removed(bench: Bench) -> None:
    class Renamed(StrEnum):
        CRIMSON = "crimson"
        BLUE = "blue"

    bench.start(native(OldColor), CAR, "UPDATE car SET color = 'RED'")
    if bench.dialect == "sqlite":
        bench.models_are(native(NewColor))  # a text of any length: there is nothing to change
        assert bench.new() == ""
        return
    earlier = bench.rows()
    bench.change(native(NewColor))
    assert bench.came_back == earlier
    bench.change(native(OldColor))
    assert bench.came_back == earlier
    bench.change(native(Renamed), rename_values={"car.color": {"RED": "CRIMSON"}})
    assert bench.ask("SELECT color FROM car") == [("CRIMSON",)]
    assert bench.came_back == earlier


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_a_native_enum_becomes_fieldstones_with_names_turned_into_values(bench: Bench) -> None:
    class Base(Model, registry=models()):
        pass

    class Car(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        color: OldColor | None = None

    bench.start(native(OldColor), CAR, "UPDATE car SET color = 'RED'")
    earlier = bench.rows()
    bench.change(Base)
    assert bench.ask("SELECT color FROM car") == [("red",)]
    assert bench.came_back == earlier
    assert bench.ask("SELECT count(*) FROM pg_type WHERE typname = 'color'") == [(0,)]
