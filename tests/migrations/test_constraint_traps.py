"""Constraints, enums, indexes, whole tables and what surrounds them, over rows that are there."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.exc import DBAPIError, SAWarning
from sqlmodel import SQLModel

from fieldstone import Field, Model
from fieldstone.migrations import MigrationFailed, MigrationRefused, Undecided, differences, merge, upgrade
from tests.migrations.workbench import Bench, Plain, models, plain_models

# Literal and Enum members


class OldColor(StrEnum):
    RED = "red"
    BLUE = "blue"


class NewColor(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


def literal(annotation: Any, default: str = "todo") -> Any:
    class Base(Model, registry=models()):
        pass

    namespace = {
        "__annotations__": {"id": int | None, "status": annotation},
        "id": Field(default=None, primary_key=True),
        "status": default,
        "__module__": __name__,
        "__qualname__": "Task",
    }
    make: Any = type(Model)
    make("Task", (Base,), namespace, table=True)
    return Base


OLD, NEW = Literal["todo", "done"], Literal["todo", "doing", "done"]


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


# Rebuilding a table of SQLite


def family(*, required: bool) -> Any:
    class Base(Model, registry=models()):
        pass

    class Parent(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str | None = Field(default=None, nullable=not required)

    class Child(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int = Field(foreign_key="parent.id", ondelete="CASCADE")

    return Base


FAMILY = (
    "INSERT INTO parent (id, name) VALUES (1, 'Ada')",
    "INSERT INTO child (id, parent_id) VALUES (1, 1)",
)


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
