"""A row is created with its children and links at once, and each problem is said where it was sent."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import select

from fieldstone import (
    Conflict,
    Field,
    InvalidValues,
    Model,
    Relationship,
    Resource,
    StoredAs,
    count,
    create,
    get,
)
from fieldstone.fastapi import install, routes
from fieldstone.schemas import check_create
from fieldstone.testing import count_statements
from tests.domain import (
    METADATA,
    Assignment,
    Project,
    ProjectBase,
    Tag,
    Task,
    TaskBase,
    TaskFull,
    TaskRead,
    Worker,
    hash_password,
)
from tests.faces import Face
from tests.serving import client_of


class TagKey(Model):
    id: int


class WorkerNew(Model):
    id: str = Field(max_length=40)
    name: str
    password: Annotated[str, Field(min_length=8), StoredAs("hashed_password", hash_password)]


class AssignmentNew(Model):
    """By key, or with a new worker."""

    worker_id: str | None = None
    worker: WorkerNew | None = None
    role: str = "assignee"


class ProjectKey(Model):
    id: int


class TaskNew(TaskBase):
    tags: list[TagKey] = []
    assignments: list[AssignmentNew] = []
    project: ProjectKey | None = None
    subtasks: list[TaskNew] = []


class ProjectNew(ProjectBase):
    tasks: list[TaskNew] = []


NESTED = MetaData()


class NestedModel(Model, registry=registry(metadata=NESTED)):
    """Keep these tables apart from those of other test modules."""


class Order(NestedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    number: str = Field(max_length=10, unique=True)
    lines: list[Line] = Relationship(back_populates="order")


class Line(NestedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    order_id: int = Field(foreign_key="order.id")
    code: str | None = Field(default=None, unique=True)
    amount: int = Field(default=1, ge=1)
    order: Order = Relationship(back_populates="lines")


class LineNew(Model):
    code: str | None = None
    amount: int = Field(default=1, ge=1)


class LineRead(LineNew):
    id: int


class OrderNew(Model):
    number: str = Field(max_length=10)
    lines: list[LineNew]


class OrderRead(Model):
    id: int
    number: str
    lines: list[LineRead]


@pytest.fixture
async def stored(face: Face) -> Face:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all([Project(id=2, name="Gemini", slug="gemini"), Task(title="Old")])
        session.add_all([Worker(id=f"@{name}", name=name) for name in ("ada", "grace")])
        session.add_all([Tag(label="urgent"), Tag(label="later")])
    return face


@pytest.fixture
async def orders(face: Face) -> Face:
    await face.create_all(NESTED)
    async with face.transaction() as session:
        await face(create, session, Order, {"number": "1", "lines": [{"code": "taken"}]})
    return face


async def refused(face: Face, model: Any, data: Any) -> list[tuple[str, str]]:
    """Give the pointer and rule of each problem, and check that nothing was stored."""
    async with face.transaction() as session:
        before = await face(count, session, select(model))
        with pytest.raises(InvalidValues) as caught:
            await face(create, session, model, data)
        assert await face(count, session, select(model)) == before
    return [(problem.pointer, problem.rule) for problem in caught.value.problems]


def test_schemas_that_nest_are_accepted() -> None:
    for schema, model in ((TaskNew, Task), (ProjectNew, Project), (OrderNew, Order)):
        check_create(schema, model)


async def test_a_task_comes_with_its_assignments_tags_and_project(stored: Face) -> None:
    data = TaskNew.model_validate(
        {
            "title": "New",
            "project": {"id": 2},
            "tags": [{"id": 1}, {"id": 2}],
            "assignments": [
                {"worker_id": "@ada", "role": "lead"},
                {"worker": {"id": "@eve", "name": "Eve", "password": "12345678"}},
            ],
        }
    )
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            task = await stored(create, session, Task, data)
            assert [tag.id for tag in task.tags] == [1, 2]
            assert [one.worker_id for one in task.assignments] == ["@ada", "@eve"]
    # the tags; then the task, the worker, the links and the assignments
    assert [one.split()[0] for one in statements] == ["SELECT", *["INSERT"] * 4], statements
    async with stored.transaction() as session:
        found = await stored(get, session, Task, task.id, TaskFull)
    assert found.project is not None
    assert found.project.name == "Gemini"
    assert {(one.worker.id, one.role) for one in found.assignments} == {
        ("@ada", "lead"),
        ("@eve", "assignee"),
    }
    assert sorted(one.label for one in found.tags) == ["later", "urgent"]


async def test_nesting_goes_to_any_depth_and_takes_mappings(stored: Face) -> None:
    deep: dict[str, Any] = {"title": "5", "assignments": [{"worker_id": "@ada"}]}
    for level in (4, 3, 2, 1):
        deep = {"title": str(level), "subtasks": [deep], "tags": [{"id": 1}]}
    async with stored.transaction() as session:
        await stored(create, session, Project, {"name": "Deep", "slug": "deep", "tasks": [deep]})
    async with stored.transaction() as session:
        assert await stored(count, session, select(Task)) == 6
        assert await stored(count, session, select(Assignment)) == 1


async def test_many_children_take_as_many_statements_as_few(orders: Face) -> None:
    counts = []
    for number, size in (("few", 2), ("many", 200)):
        with count_statements(orders.database) as statements:
            async with orders.transaction() as session:
                data = OrderNew(number=number, lines=[LineNew() for _ in range(size)])
                await orders(create, session, Order, data)
        counts.append(len(statements))
    # SQLite's RETURNING has no order, so SQLAlchemy inserts one by one where the database makes the key
    assert counts == ([2, 2] if orders.dialect == "postgresql" else [3, 201])


async def test_values_are_refused_by_path(orders: Face) -> None:
    data = {"number": "x" * 11, "lines": [{}, {"amount": 0}, {"colour": "red"}]}
    assert await refused(orders, Order, data) == [
        ("/lines/1/amount", "greater_than_equal"),
        ("/lines/2/colour", "extra_forbidden"),
        ("/number", "string_too_long"),
    ]


async def test_what_is_no_object_or_list_is_refused_by_path(stored: Face) -> None:
    data = {"title": "x", "tags": 5, "assignments": [5, {}], "project": "Gemini", "subtasks": {"title": "y"}}
    assert sorted(await refused(stored, Task, data)) == [
        ("/assignments/0", "model_type"),
        ("/assignments/1/worker_id", "missing"),
        ("/project", "model_type"),
        ("/subtasks", "list_type"),
        ("/tags", "list_type"),
    ]


async def test_of_many_problems_the_first_hundred_are_told(stored: Face) -> None:
    for item in ({}, {"worker_id": "@nobody"}):
        assignments = [{"worker_id": "@ada"}, *[{**item, "role": str(n)} for n in range(150)]]
        assert len(await refused(stored, Task, {"title": "x", "assignments": assignments})) == 100


async def test_an_instance_may_stand_among_nested_values(stored: Face) -> None:
    async with stored.transaction() as session:
        tag = Tag(label="own")
        task = await stored(create, session, Task, {"title": "x", "tags": [tag, {"label": "new"}, {"id": 1}]})
        assert [one.label for one in task.tags] == ["own", "new", "urgent"]


async def test_a_missing_row_is_named_by_path(stored: Face) -> None:
    assignments = [{"worker_id": "@ada"}, {"worker_id": "@grace"}, {"worker_id": "@nobody"}]
    data: Any = {"title": "x", "subtasks": [{"title": "y", "assignments": assignments}]}
    assert await refused(stored, Task, data) == [("/subtasks/0/assignments/2/worker_id", "foreign_key")]
    data = {"title": "x", "project_id": 99, "subtasks": [{"title": "y", "project": {"id": 98}}]}
    assert await refused(stored, Task, data) == [
        ("/project_id", "foreign_key"),
        ("/subtasks/0/project/id", "foreign_key"),
    ]


async def test_a_missing_link_is_named_by_path_before_anything_is_written(stored: Face) -> None:
    data = {"title": "x", "tags": [{"id": 1}, {"id": 99}], "subtasks": [{"title": "y", "tags": [{"id": 98}]}]}
    with count_statements(stored.database) as statements:
        found = await refused(stored, Task, data)
    assert sorted(found) == [("/subtasks/0/tags/0/id", "foreign_key"), ("/tags/1/id", "foreign_key")]
    assert not [one for one in statements if one.startswith("INSERT")]
    assert await refused(stored, Task, {"title": "x", "tags": [{"id": "one"}]}) == [
        ("/tags/0/id", "int_parsing")
    ]


async def test_what_is_sent_twice_is_named_by_path(stored: Face) -> None:
    twice = {"title": "x", "assignments": [{"worker_id": "@ada"}, {"worker_id": "@ada", "role": "lead"}]}
    assert await refused(stored, Task, twice) == [("/assignments/1/worker_id", "unique")]
    assert await refused(stored, Task, {"title": "x", "tags": [{"id": 1}, {"id": 1}]}) == [
        ("/tags/1/id", "unique")
    ]


async def test_a_null_in_a_unique_field_repeats(orders: Face) -> None:
    async with orders.transaction() as session:
        await orders(create, session, Order, {"number": "2", "lines": [{}, {}, {"code": "a"}]})
    assert await refused(orders, Order, {"number": "3", "lines": [{"code": "b"}, {"code": "b"}]}) == [
        ("/lines/1/code", "unique")
    ]


async def test_what_another_row_has_is_named_by_path(orders: Face) -> None:
    lines = [{"code": "free"}, {"code": "taken"}]
    assert await refused(orders, Order, {"number": "2", "lines": lines}) == [("/lines/1/code", "unique")]
    assert await refused(orders, Order, {"number": "1", "lines": lines}) == [
        ("/number", "unique"),
        ("/lines/1/code", "unique"),
    ]


async def test_what_is_wrong_with_the_root_alone_stays_a_conflict(orders: Face) -> None:
    async with orders.transaction() as session:
        with pytest.raises(Conflict) as caught:
            await orders(create, session, Order, {"number": "1", "lines": [{}]})
        assert caught.value.fields == ("number",)
        assert await orders(count, session, select(Line)) == 1  # the transaction lives on


async def test_a_child_says_which_key_it_lacks_or_has_twice(stored: Face) -> None:
    eve = {"id": "@eve", "name": "Eve", "password": "12345678"}
    data = TaskNew.model_validate(
        {"title": "x", "assignments": [{"role": "lead"}, {"worker_id": "@ada", "worker": eve}]}
    )
    assert await refused(stored, Task, data) == [
        ("/assignments/0/worker_id", "missing"),
        ("/assignments/1/worker_id", "ambiguous"),
    ]


async def test_work_done_before_in_the_transaction_survives_a_refusal(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(create, session, Worker, {"id": "@new", "name": "New"})
        with pytest.raises(InvalidValues):
            await stored(create, session, Task, {"title": "x", "assignments": [{"worker_id": "@nobody"}]})
        await stored(create, session, Task, {"title": "x", "assignments": [{"worker_id": "@new"}]})
    async with stored.transaction() as session:
        assert await stored(count, session, select(Assignment)) == 1


async def test_generated_routes_point_to_the_problem(stored: Face) -> None:
    app = FastAPI()
    install(app, stored.database)
    app.include_router(routes(Resource(Task, read=TaskRead, create=TaskNew), sync=not stored.is_async))
    async with client_of(app) as client:
        assignments = [{"worker_id": "@ada"}, {"worker_id": "@nobody"}]
        answer = await client.post("/tasks", json={"title": "x", "assignments": assignments})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["rule"]) == ("/assignments/1/worker_id", "foreign_key")
        assert "@nobody" not in answer.text
        made = await client.post("/tasks", json={"title": "x", "assignments": assignments[:1]})
        assert made.status_code == 201
        assert made.json()["assignments"][0]["worker"]["id"] == "@ada"


def deep(levels: int) -> dict[str, Any]:
    """Nest a task in a task, so many levels down."""
    body: dict[str, Any] = {"title": "x"}
    for _ in range(levels):
        body = {"title": "x", "subtasks": [body]}
    return body


async def test_what_is_nested_too_deeply_is_refused(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(create, session, Task, deep(50))
    for data in (deep(51), deep(120), TaskNew.model_validate(deep(51))):
        ((pointer, rule),) = await refused(stored, Task, data)
        assert (pointer, rule) == ("/subtasks/0" * 51, "too_deep")


async def test_no_depth_of_a_body_is_a_server_error(stored: Face) -> None:
    app = FastAPI()
    install(app, stored.database)
    app.include_router(routes(Resource(Task, read=TaskRead, create=TaskNew), sync=not stored.is_async))
    async with client_of(app) as client:
        for levels in (51, 100, 150, 200, 250, 300, 400, 600):
            body = '{"title":"x","subtasks":[' * levels + '{"title":"x"}' + "]}" * levels
            answer = await client.post("/tasks", content=body, headers={"content-type": "application/json"})
            assert answer.status_code in (400, 422), (levels, answer.text)
            assert len(answer.text) < 10_000
