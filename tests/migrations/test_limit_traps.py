"""Limits of columns, on the database that has them in a type and on the one that has a CHECK; and JSON."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import JSON, Column, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from fieldstone import Database, Field, Json, Model
from fieldstone.migrations import check_migrations
from tests.conftest import FreshUrl
from tests.faces import Dialect
from tests.migrations.test_column_traps import required, typed
from tests.migrations.workbench import Bench, Plain, models


def test_plain_alembic_sees_no_limit_that_comes(plain: Plain) -> None:
    plain.start(typed(String()), "INSERT INTO task (id, size) VALUES (1, '12345')")
    assert "alter_column" not in plain.revision(typed(String(3)))


def limited(max_length: int | None) -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=max_length)

    return Base


@pytest.mark.parametrize("steps", [(None, 5, None), (7, 5, 6)], ids=["comes and goes", "changes"])
def test_a_limit_holds_on_both_databases_wherever_its_revision_was_written(
    bench: Bench, fresh_url: FreshUrl, steps: tuple[int | None, ...]
) -> None:
    bench.start(limited(steps[0]), "INSERT INTO task (id, title) VALUES (1, '12345')")
    for limit in steps[1:]:
        bench.change(limited(limit))
        assert bench.ask("SELECT title FROM task") == [("12345",)]
    elsewhere: Dialect = "postgresql" if bench.dialect == "sqlite" else "sqlite"
    with Database(fresh_url(elsewhere)) as other:
        check_migrations(other, project=bench.project)


def test_a_new_column_has_its_limit_on_both_databases(bench: Bench, fresh_url: FreshUrl) -> None:
    bench.start(required(default=3))
    bench.change(commented())
    elsewhere: Dialect = "postgresql" if bench.dialect == "sqlite" else "sqlite"
    with Database(fresh_url(elsewhere)) as other:
        check_migrations(other, project=bench.project)


def commented() -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=80)
        priority: int = 3
        comment: str | None = Field(default=None, max_length=9)

    return Base


# JSON


def tagged(type_: Any, default: str | None = None) -> Any:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: Any = Field(sa_column=Column(type_, server_default=default, nullable=False))

    return Base


BOTH = JSON().with_variant(JSONB(), "postgresql")


def test_plain_alembic_does_not_import_what_a_json_column_needs(plain: Plain) -> None:
    class Base(Model, registry=models()):
        pass

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: Json[list[str]] = []

    plain.revision(Base)
    with pytest.raises(NameError, match="fieldstone"):
        plain.up()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_plain_alembic_writes_json_of_postgresql_with_a_name_that_is_nowhere(plain: Plain) -> None:
    plain.revision(tagged(BOTH))
    with pytest.raises(NameError, match="Text"):
        plain.up()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_plain_alembic_breaks_on_the_default_of_json(plain: Plain) -> None:
    env = plain.directory / "env.py"
    env.write_text(env.read_text().replace("render_as_batch", "compare_server_default=True, render_as_batch"))
    plain.start(tagged(JSON(), "{}"))
    with pytest.raises(DBAPIError, match="operator does not exist: json = unknown"):
        plain.revision(tagged(JSON(), "{}"))


@pytest.mark.parametrize("kind", [JSON(), BOTH], ids=["json", "jsonb"])
def test_json_columns_keep_their_values_through_defaults_and_types(bench: Bench, kind: Any) -> None:
    bench.start(tagged(kind, "{}"), "INSERT INTO task (id) VALUES (1)")
    earlier = bench.rows()
    bench.change(tagged(kind, '{"a:b": "50 %"}'))
    assert bench.came_back == earlier
    bench.execute("INSERT INTO task (id) VALUES (2)")
    before = bench.rows()
    other = BOTH if kind is not BOTH else JSON()
    if bench.dialect == "postgresql":
        bench.change(tagged(other, '{"a:b": "50 %"}'))
        assert bench.rows() == before == bench.came_back
        assert bench.ask("SELECT tags FROM task ORDER BY id") == [({},), ({"a:b": "50 %"},)]
    else:
        bench.models_are(tagged(other, '{"a:b": "50 %"}'))
        assert bench.new() == ""  # it is text either way


def test_text_becomes_json_and_comes_back(bench: Bench) -> None:
    bench.start(typed(String(20)), """INSERT INTO task (id, size) VALUES (1, '{"x": 1}')""")
    earlier = bench.rows()
    bench.change(typed(BOTH))
    assert bench.came_back == earlier
    found = bench.ask("SELECT size FROM task")
    assert found in ([({"x": 1},)], [('{"x": 1}',)])
