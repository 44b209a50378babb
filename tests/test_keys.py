"""A key from outside names the same row on every database, or is refused before any SQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import select

from fieldstone import InvalidValues, ModelError, PlanError
from fieldstone.keys import key_names, key_type, key_values, mapper_of, selected, selected_model
from tests.domain import Assignment, Car, Document, Task, TaskRead, Worker

DOCUMENT = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("model", "key", "values"),
    [
        (Task, 1, (1,)),
        (Task, "1", (1,)),
        (Task, {"id": 1}, (1,)),
        (Worker, "@claude-code", ("@claude-code",)),
        (Assignment, (1, "@ada"), (1, "@ada")),
        (Assignment, ["1", "@ada"], (1, "@ada")),
        (Assignment, {"worker_id": "@ada", "task_id": 1}, (1, "@ada")),
        (Document, str(DOCUMENT), (DOCUMENT,)),
        (Document, DOCUMENT, (DOCUMENT,)),
        (Car, 3, (3,)),
    ],
)
def test_a_key_is_read_as_the_types_of_its_columns(model: Any, key: Any, values: tuple[Any, ...]) -> None:
    assert key_values(model, key) == values


@pytest.mark.parametrize(
    ("model", "key", "field"),
    [
        (Task, None, "id"),
        (Task, "one", "id"),
        (Task, 2**31, "id"),
        (Worker, "a\x00b", "id"),
        (Document, "018f", "id"),
        (Assignment, {"task_id": 1}, "worker_id"),
    ],
)
def test_what_is_no_key_is_refused_by_its_part(model: Any, key: Any, field: str) -> None:
    with pytest.raises(InvalidValues) as caught:
        key_values(model, key)
    assert caught.value.problems[0].path == (field,)
    assert caught.value.subject == f"The key of {model.__name__}"


def test_a_key_with_too_few_parts_is_refused_with_their_names() -> None:
    with pytest.raises(InvalidValues, match=r"1 part\(s\) given, it has 2: task_id, worker_id"):
        key_values(Assignment, 1)


def test_the_type_of_a_key_carries_its_bounds() -> None:
    assert key_names(Task) == ("id",)
    adapter: TypeAdapter[int] = TypeAdapter(key_type(Task, "id"))
    with pytest.raises(ValidationError):
        adapter.validate_python(2**31)
    with pytest.raises(ValidationError):
        adapter.validate_python(None)


def test_a_schema_has_no_key() -> None:
    with pytest.raises(ModelError, match=r"TaskRead is not a table model. Declare it as: class TaskRead"):
        mapper_of(TaskRead)


def test_a_select_tells_whose_rows_it_gives() -> None:
    other = aliased(Task)
    assert selected(select(Task), "A read", alone=True) is Task
    assert selected(select(other), "A read", alone=True) is other
    assert selected_model(select(other), "A read", alone=True) is Task
    assert selected(select(Task.id, Worker), "A count") is Task


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (select(Task.id), "Task"),
        (select(Task, Worker), "Task"),
        (select(func.count()), "Model"),
        (select(Task).union(select(Task)), "Model"),
        (Task, "Model"),
        (None, "Model"),
    ],
)
def test_a_select_of_anything_else_is_refused(statement: Any, named: str) -> None:
    with pytest.raises(PlanError) as refused:
        selected(statement, "A claim", alone=True)
    assert str(refused.value) == (
        f"A claim takes an ordinary select({named}), and nothing beside it. "
        "For columns and groups there is aggregate(...)."
    )
