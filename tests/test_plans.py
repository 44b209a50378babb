"""A plan says what a read takes before anything runs, and refuses what cannot be read."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, computed_field
from sqlmodel import SQLModel

from fieldstone import Depth, Model, PlanError, SchemaError, plan
from tests.domain import (
    Car,
    CarRead,
    Project,
    ProjectFull,
    ProjectRead,
    Task,
    TaskFull,
    TaskRead,
    TaskTree,
    Worker,
    WorkerFull,
    WorkerRead,
)


@pytest.mark.parametrize(
    ("model", "schema", "budget"),
    [
        (Project, ProjectRead, 1),
        (Task, TaskRead, 2),
        (Task, TaskFull, 4),
        (Task, TaskTree, 3),
        (Project, ProjectFull, 3),
        (Worker, WorkerFull, 1),
        (Car, CarRead, 1),
    ],
)
def test_the_budget_is_one_statement_and_one_for_each_collection(
    model: Any, schema: Any, budget: int
) -> None:
    assert plan(model, schema).budget == budget


def test_a_plan_prints_its_statements_columns_and_budget() -> None:
    assert str(plan(Task, TaskFull)) == (
        "TaskFull from Task: at most 4 statements\n"
        "1. Task: title, status, progress_percent, project_id, parent_id, id\n"
        "     join project: id, name\n"
        "     join parent: id, title\n"
        "     join author: id, name\n"
        "     join reviewer: id, name\n"
        "       join profile: bio, id\n"
        "2. assignments (of all parents at once): role, task_id, worker_id\n"
        "     join worker: id, name\n"
        "3. subtasks (of all parents at once): id, title\n"
        "4. tags (of all parents at once): label, id"
    )


def test_a_plan_is_made_once() -> None:
    assert plan(Task, TaskFull) is plan(Task, TaskFull)


def test_a_computed_field_needs_no_counterpart() -> None:
    class Shouted(Model):
        title: str

        @computed_field
        def loud(self) -> str:
            return self.title.upper()

    assert plan(Task, Shouted).columns == ("title",)


def test_any_pydantic_model_is_a_schema() -> None:
    class Plain(BaseModel):
        title: str
        project: ProjectRead | None

    assert plan(Task, Plain).columns == ("title",)


def test_a_field_without_counterpart_is_refused_with_what_there_is() -> None:
    class Misspelt(Model):
        titel: str

    with pytest.raises(SchemaError) as caught:
        plan(Project, Misspelt)
    assert str(caught.value) == (
        "Misspelt.titel has no counterpart on Project. Its columns are: name, slug, id, secret; "
        "its relationships: tasks. Rename Misspelt.titel, add it to Project, or take it out."
    )


def test_a_collection_read_as_one_is_refused() -> None:
    class Wrong(Model):
        assignments: WorkerRead | None

    with pytest.raises(SchemaError, match=r"which is a list: write assignments: list\["):
        plan(Task, Wrong)


def test_one_read_as_a_collection_is_refused() -> None:
    class Wrong(Model):
        project: list[ProjectRead]

    with pytest.raises(SchemaError, match=r"which is one object: write project: ... \| None"):
        plan(Task, Wrong)


def test_an_optional_relationship_read_as_required_is_refused() -> None:
    class Wrong(Model):
        project: ProjectRead

    with pytest.raises(SchemaError, match=r"Wrong.project cannot be empty, but Task.project can"):
        plan(Task, Wrong)


def test_a_table_model_is_no_schema() -> None:
    with pytest.raises(SchemaError, match="Task is a table and would show or accept every column"):
        plan(Task, Task)


def test_a_table_model_inside_a_schema_is_refused() -> None:
    class Leaky(Model):
        project: Project | None

    with pytest.raises(SchemaError, match=r"Leaky.project holds a table, but Task.project leads to"):
        plan(Task, Leaky)


def test_a_schema_is_no_model_to_read_from() -> None:
    with pytest.raises(Exception, match="TaskRead is not a table model"):
        plan(TaskRead, TaskRead)


class Endless(Model):
    subtasks: list[Endless]


class Ping(Model):
    tasks: list[Pong]


class Pong(Model):
    project: Ping | None


class NoDefault(Model):
    subtasks: Annotated[list[NoDefault], Depth(2)]


def test_a_schema_that_contains_itself_without_end_is_refused() -> None:
    with pytest.raises(PlanError, match=r"subtasks contains itself without end. Annotate it as .*Depth\(3\)"):
        plan(Task, Endless)


def test_two_schemas_that_contain_each_other_are_refused() -> None:
    with pytest.raises(PlanError, match="contains itself without end"):
        plan(Project, Ping)


def test_a_declared_depth_needs_a_default_to_end_with() -> None:
    with pytest.raises(PlanError, match="needs a default for the objects below depth 2"):
        plan(Task, NoDefault)


def test_plain_sqlmodel_tables_can_be_planned() -> None:
    from sqlalchemy.orm import registry
    from sqlmodel import Field

    class Apart(SQLModel, registry=registry()):
        pass

    class Plain(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    class PlainRead(SQLModel):
        name: str

    assert plan(Plain, PlainRead).selected == ("name", "id")
