"""A resource is checked when it is made, and knows what serving needs."""

from __future__ import annotations

from typing import Any

import pytest

from fieldstone import DesignError, Field, Model, Resource, SchemaError
from tests.domain import (
    Assignment,
    AssignmentRead,
    Project,
    ProjectRead,
    Task,
    TaskCreate,
    TaskRead,
    TaskUpdate,
)


def test_a_resource_names_itself_after_its_model() -> None:
    tasks = Resource(Task, read=TaskRead, create=TaskCreate, update=TaskUpdate)
    assert (tasks.name, tasks.subject, tasks.plan.budget) == ("tasks", "task", 2)


def test_a_second_resource_over_a_model_has_names_of_its_own() -> None:
    late = Resource(Task, read=TaskRead, subject="late_task")
    assert (late.name, late.subject) == ("late_tasks", "late_task")


def test_a_resource_knows_the_parts_of_its_key() -> None:
    assert list(Resource(Assignment, read=AssignmentRead).key) == ["task_id", "worker_id"]


def test_the_order_of_its_list_can_be_declared() -> None:
    statement = Resource(Project, read=ProjectRead, order_by=[Project.slug]).select()
    assert "ORDER BY project.slug" in str(statement)


def test_a_read_schema_without_counterpart_is_refused() -> None:
    class Odd(Model):
        colour: str

    with pytest.raises(SchemaError, match=r"Odd.colour"):
        Resource(Project, read=Odd)


def test_an_update_that_loosens_a_constraint_is_refused() -> None:
    class Loose(Model):
        name: str | None = None

    with pytest.raises(SchemaError, match=r"Loose.name"):
        Resource(Project, read=ProjectRead, update=Loose)


def test_a_create_that_exposes_a_server_made_field_is_refused() -> None:
    class Forward(Model):
        id: int | None = None
        name: str = Field(max_length=80)
        slug: str = Field(max_length=40)

    with pytest.raises(SchemaError, match=r"Forward.id"):
        Resource(Project, read=ProjectRead, create=Forward)


@pytest.mark.parametrize("sizes", [(0, 10), (20, 10), (20, 2000)])
def test_page_sizes_that_contradict_are_refused(sizes: tuple[Any, Any]) -> None:
    with pytest.raises(DesignError, match="Choose 1 <= page_size <= max_page_size <= 1000"):
        Resource(Project, read=ProjectRead, page_size=sizes[0], max_page_size=sizes[1])
