"""Rules as constraints of the database, and values that come back as they went in (P2, P3, P12)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, MetaData, text
from sqlalchemy.orm import registry
from sqlmodel import SQLModel, select

from fieldstone.models import Field, Model
from fieldstone.models.constraints import NAMING_CONVENTION
from tests.faces import Face
from tests.validated import Kind, Level, Local, Project, Task


def test_every_constraint_and_index_has_its_name() -> None:
    table = Local.metadata.tables["task"]
    assert {str(each.name) for each in table.constraints if isinstance(each, CheckConstraint)} == {
        "ck_task_title_min_length",
        "ck_task_title_max_length",
        "ck_task_status_allowed",
        "ck_task_kind_allowed",
        "ck_task_level_allowed",
        "ck_task_stars_allowed",
        "ck_task_size_allowed",
        "ck_task_progress_percent_range",
        "ck_task_effort_range",
    }
    assert table.primary_key.name == "pk_task"
    assert {str(each.name) for each in table.foreign_key_constraints} == {"fk_task_project_id_project"}
    assert {str(each.name) for each in Local.metadata.tables["project"].indexes} == {"ix_project_name"}


def test_an_owners_naming_convention_is_kept() -> None:
    own = MetaData(naming_convention={"pk": "%(table_name)s_key"})

    class Owned(Model, registry=registry(metadata=own)):
        pass

    class Thing(Owned, table=True):
        id: int | None = Field(default=None, primary_key=True)

    assert own.tables["thing"].primary_key.name == "thing_key"
    assert Local.metadata.naming_convention == SQLModel.metadata.naming_convention == NAMING_CONVENTION


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("title", "''"),
        ("title", "'" + "x" * 21 + "'"),
        ("status", "'done'"),
        ("kind", "'HUMAN'"),
        ("level", "3"),
        ("stars", "0"),
        ("size", "'M'"),
        ("progress_percent", "101"),
        ("progress_percent", "-1"),
        ("effort", "0"),
    ],
)
async def test_the_database_refuses_what_the_model_refuses(face: Face, column: str, value: str) -> None:
    await face.create_all(Local.metadata)
    async with face.transaction() as session:
        session.add(Project(id=1, name="p", tasks=[Task(title="a")]))
    with pytest.raises(Exception, match=f"{column}|longer than the column allows"):
        async with face.transaction() as session:
            await face.run(
                session, lambda s: s.connection().execute(text(f"UPDATE task SET {column} = {value}"))
            )


async def test_every_kind_of_value_comes_back_as_it_went_in(face: Face) -> None:
    await face.create_all(Local.metadata)
    due = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
    async with face.transaction() as session:
        tasks = [
            Task(title="a", size=40, level=Level.HIGH, kind=Kind.AGENT, status="it's done", due=due, stars=3)
        ]
        session.add(Project(name="p", tasks=tasks))
    async with face.transaction() as session:
        found = (await face.exec(session, select(Task))).one()
        assert (found.size, found.level, found.kind, found.status) == (
            40,
            Level.HIGH,
            Kind.AGENT,
            "it's done",
        )
        assert (found.due, found.stars) == (due, 3)
        for clause in (
            Task.kind == Kind.AGENT,
            Task.level == Level.HIGH,
            Task.size == 40,
            Task.kind == "ai agent",
        ):
            assert (await face.exec(session, select(Task.title).where(clause))).all() == ["a"]


async def test_null_passes_every_check_of_a_nullable_column(face: Face) -> None:
    await face.create_all(Local.metadata)
    async with face.transaction() as session:
        session.add(Project(name="p", tasks=[Task(title="a", level=None, stars=None, size=None)]))
    async with face.transaction() as session:
        assert (await face.exec(session, select(Task.stars))).one() is None


async def test_an_unknown_stored_member_loads_as_it_is(face: Face) -> None:
    await face.create_all(Local.metadata)

    def loosen(session: Any) -> None:
        session.connection().execute(text("CREATE TABLE old (id INTEGER, kind VARCHAR, level INTEGER)"))
        session.connection().execute(text("INSERT INTO old VALUES (1, 'robot', 9), (2, 'human', 1)"))

    async with face.transaction() as session:
        await face.run(session, loosen)
        columns = [text("id").columns(), Task.__table__.c.kind, Task.__table__.c.level]  # type: ignore[attr-defined]
        statement = text("SELECT kind, level FROM old ORDER BY id").columns(
            kind=columns[1].type, level=columns[2].type
        )
        rows = (await face.run(session, lambda s: s.connection().execute(statement))).all()
    assert [tuple(row) for row in rows] == [("robot", 9), (Kind.HUMAN, Level.LOW)]
