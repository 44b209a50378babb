"""Reads give schema objects, take what their plan says, and touch nothing that the schema leaves out."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from sqlalchemy import func, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fieldstone import (
    Field,
    InvalidValues,
    Model,
    MultipleFound,
    NotFound,
    Page,
    PlanError,
    count,
    exists,
    fetch,
    first,
    get,
    loading,
    one,
    one_or_none,
    page,
    plan,
)
from fieldstone.testing import count_statements
from tests.domain import (
    METADATA,
    SECRETS,
    Car,
    CarRead,
    Document,
    Letter,
    LetterRead,
    Project,
    ProjectFull,
    ProjectRead,
    SubtaskRead,
    Task,
    TaskFull,
    TaskRead,
    TaskTree,
    Vehicle,
    Worker,
    WorkerFull,
)
from tests.faces import Face


class TitleRead(Model):
    title: str


async def test_get_reads_one_row_by_its_key(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        task = await stored(get, session, Task, 1, TaskFull)
    assert task.model_dump() == {
        "id": 1,
        "title": "Root",
        "status": "pending",
        "progress_percent": 0,
        "project_id": 1,
        "parent_id": None,
        "project": {"id": 1, "name": "Apollo"},
        "parent": None,
        "author": {"id": "@ada", "name": "Ada"},
        "reviewer": {"id": "@grace", "name": "Grace", "profile": None},
        "tags": [{"label": "urgent"}, {"label": "later"}],
        "subtasks": [{"id": 2, "title": "Left"}, {"id": 3, "title": "Right"}],
        "assignments": [
            {"role": "assignee", "worker": {"id": "@ada", "name": "Ada"}},
            {"role": "reviewer", "worker": {"id": "@claude-code", "name": "Claude"}},
        ],
    }
    assert type(task.project) is ProjectRead


async def test_get_without_a_row_says_which_key(stored: Face) -> None:
    async with stored.transaction() as session:
        with pytest.raises(NotFound, match="No Task with key 99 was found"):
            await stored(get, session, Task, 99, TaskRead)


async def test_get_reads_a_key_as_its_type(stored: Face) -> None:
    async with stored.transaction() as session:
        assert (await stored(get, session, Task, "1", TaskRead)).id == 1
        with pytest.raises(InvalidValues, match="The key of Task refuses id: "):
            await stored(get, session, Task, "one", TaskRead)


SHAPES: list[tuple[Any, Any]] = [
    (Task, TaskRead),
    (Task, TaskFull),
    (Task, TaskTree),
    (Project, ProjectFull),
    (Worker, WorkerFull),
    (Project, ProjectRead),
]


@pytest.mark.parametrize(("model", "schema"), SHAPES)
async def test_a_read_takes_the_statements_of_its_plan(stored: Face, model: Any, schema: Any) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction(read_only=True) as session:
            await stored(fetch, session, select(model), schema)
    assert len(statements) == plan(model, schema).budget


@pytest.mark.parametrize(("model", "schema"), SHAPES)
async def test_no_column_outside_the_schema_appears_in_the_sql(stored: Face, model: Any, schema: Any) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction(read_only=True) as session:
            await stored(fetch, session, select(model), schema)
    words = set(re.findall(r"\w+", " ".join(map(str, statements))))
    assert words.isdisjoint({*SECRETS, "created_at", "updated_at", "kind", "slug"})


async def test_no_rows_take_one_statement(stored: Face) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction(read_only=True) as session:
            assert await stored(fetch, session, select(Task).where(Task.title == "?"), TaskFull) == []
    assert len(statements) == 1


async def test_a_tree_is_read_to_its_declared_depth(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        tree = await stored(get, session, Task, 1, TaskTree)
    assert tree.model_dump() == {
        "id": 1,
        "title": "Root",
        "subtasks": [
            {"id": 2, "title": "Left", "subtasks": [{"id": 4, "title": "Leaf", "subtasks": []}]},
            {"id": 3, "title": "Right", "subtasks": []},
        ],
    }


async def test_collections_below_collections_find_their_parents(stored: Face) -> None:
    statement = select(Project).order_by(col(Project.name))
    async with stored.transaction(read_only=True) as session:
        apollo, gemini = await stored(fetch, session, statement, ProjectFull)
    assert [(task.title, len(task.assignments)) for task in apollo.tasks] == [("Root", 2), ("Left", 1)]
    assert [(task.title, len(task.assignments)) for task in gemini.tasks] == [("Right", 0)]


async def test_the_users_joins_filters_and_order_stay(stored: Face) -> None:
    statement = select(Task).join(Project).where(Project.name == "Apollo").order_by(col(Task.title))
    async with stored.transaction(read_only=True) as session:
        found = await stored(fetch, session, statement, TaskFull)
    assert [(task.title, task.project and task.project.name) for task in found] == [
        ("Left", "Apollo"),
        ("Root", "Apollo"),
    ]


async def test_an_alias_of_the_model_can_be_read(stored: Face) -> None:
    child = aliased(Task)
    statement: Any = select(child).join(Task, col(child.parent_id) == Task.id).where(Task.title == "Root")
    async with stored.transaction(read_only=True) as session:
        found = await stored(fetch, session, statement.order_by(child.id), TaskFull)
    assert [task.title for task in found] == ["Left", "Right"]


async def test_pending_changes_are_seen(stored: Face) -> None:
    async with stored.transaction() as session:
        session.add(Project(id=3, name="Mercury", slug="mercury"))
        assert (await stored(get, session, Project, 3, ProjectRead)).name == "Mercury"


async def test_first_one_and_one_or_none(stored: Face) -> None:
    by_title = select(Task).order_by(col(Task.title))
    nothing = select(Task).where(Task.title == "?")
    async with stored.transaction(read_only=True) as session:
        found = await stored(first, session, by_title, TaskRead)
        assert found is not None
        assert found.title == "Leaf"
        assert await stored(first, session, nothing, TaskRead) is None
        assert (await stored(one, session, select(Task).where(Task.title == "Lone"), TaskRead)).id == 5
        assert await stored(one_or_none, session, nothing, TaskRead) is None
        with pytest.raises(NotFound, match="No Task was found"):
            await stored(one, session, nothing, TaskRead)
        with pytest.raises(MultipleFound, match="More than one Task was found where one was asked for"):
            await stored(one_or_none, session, by_title, TaskRead)


async def test_count_and_exists_take_one_statement_each(stored: Face) -> None:
    pending = select(Task).where(Task.status == "pending").order_by(col(Task.title))
    with count_statements(stored.database) as statements:
        async with stored.transaction(read_only=True) as session:
            assert await stored(count, session, pending) == 4
            assert await stored(count, session, pending.limit(3)) == 3
            assert await stored(exists, session, pending) is True
            assert await stored(exists, session, pending.where(Task.title == "?")) is False
    assert len(statements) == 4


async def test_pages_hold_every_row_once(stored: Face) -> None:
    same = select(Task).order_by(col(Task.progress_percent))
    seen: list[int] = []
    async with stored.transaction(read_only=True) as session:
        for offset in (0, 2, 4):
            part = await stored(page, session, same, TaskRead, size=2, offset=offset)
            seen += [task.id for task in part.items]
            assert part.has_more == (offset < 4)
            assert part.total is None
    assert seen == [1, 2, 3, 4, 5]


async def test_a_page_counts_when_asked_to(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        part = await stored(page, session, select(Task), SubtaskRead, size=1, total=True)
    assert part == Page[SubtaskRead](
        items=[SubtaskRead(id=1, title="Root")], size=1, offset=0, has_more=True, total=5
    )
    assert type(part) is Page[SubtaskRead]


@pytest.mark.parametrize(
    ("size", "offset", "message"),
    [
        (0, 0, "A page refuses size: must be from 1 to 1000"),
        (1001, 0, "A page refuses size: must be from 1 to 1000"),
        (1, -1, "A page refuses offset: must be from 0 to 10000000"),
    ],
)
async def test_a_page_out_of_bounds_is_refused(stored: Face, size: int, offset: int, message: str) -> None:
    async with stored.transaction(read_only=True) as session:
        with pytest.raises(InvalidValues, match=message):
            await stored(page, session, select(Task), TaskRead, size=size, offset=offset)


async def test_joined_inheritance_reads_both_tables_at_once(face: Face) -> None:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all([Worker(id="@ada", name="Ada"), Vehicle(id=1)])
        session.add(Car(id=2, doors=3, owner_id="@ada"))
    with count_statements(face.database) as statements:
        async with face.transaction(read_only=True) as session:
            cars = await face(fetch, session, select(Car), CarRead)
    assert [car.model_dump() for car in cars] == [
        {"id": 2, "wheels": 4, "doors": 3, "owner": {"id": "@ada", "name": "Ada"}}
    ]
    assert len(statements) == 1


async def test_single_table_inheritance_reads_only_its_kind(face: Face) -> None:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all([Document(title="A"), Letter(title="B", recipient="Ada")])
    async with face.transaction(read_only=True) as session:
        letters = await face(fetch, session, select(Letter), LetterRead)
    assert letters == [LetterRead(title="B", recipient="Ada")]


async def test_uuid_keys_are_found_by_uuid_and_by_text(face: Face) -> None:
    await face.create_all(METADATA)
    document = Document(title="A")
    async with face.transaction() as session:
        session.add(document)

    async with face.transaction(read_only=True) as session:
        assert (await face(get, session, Document, document.id, TitleRead)).title == "A"
        assert (await face(get, session, Document, str(document.id), TitleRead)).title == "A"
        with pytest.raises(InvalidValues, match="The key of Document refuses id"):
            await face(get, session, Document, "no uuid", TitleRead)


async def test_a_badly_stored_row_does_not_hide_the_others(
    stored: Face, caplog: pytest.LogCaptureFixture
) -> None:
    async with stored.transaction() as session:
        await stored.exec(session, text("UPDATE worker SET name = 'x'"))
        await stored.exec(session, text("UPDATE project SET name = ' ' WHERE id = 1"))

    class Strict(ProjectRead):
        name: str = Field(min_length=2)

    with caplog.at_level(logging.WARNING, logger="fieldstone"):
        async with stored.transaction(read_only=True) as session:
            found = await stored(fetch, session, select(Project).order_by(col(Project.id)), Strict)
    assert [project.name for project in found] == [" ", "Gemini"]
    assert caplog.messages == [
        (
            "Project id=1 does not fit Strict and is given as stored: "
            "name: String should have at least 2 characters"
        )
    ]


async def test_loading_gives_instances_with_what_the_schema_names(stored: Face) -> None:
    statement = select(Task).options(*loading(TaskFull, Task)).where(Task.id == 1)
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            task = (await stored.exec(session, statement)).one()
            assert {tag.label for tag in task.tags} == {"urgent", "later"}
            assert {one.worker.name for one in task.assignments} == {"Ada", "Claude"}
    assert len(statements) == plan(Task, TaskFull).budget


@pytest.mark.parametrize("attribute", ["secret", "created_at"])
async def test_loading_refuses_what_the_schema_leaves_out(stored: Face, attribute: str) -> None:
    async with stored.transaction() as session:
        task = (await stored.exec(session, select(Task).options(*loading(TaskRead, Task)))).first()
        with pytest.raises(InvalidRequestError, match="raiseload"):
            getattr(task, attribute)
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = task.assignments[0].worker.assignments


async def test_a_statement_of_columns_is_refused(stored: Face) -> None:
    async with stored.transaction() as session:
        with pytest.raises(PlanError, match=r"takes an ordinary select\(Task\), and nothing beside it"):
            await stored(fetch, session, select(Task.id, Task.title), TaskRead)


@pytest.mark.parametrize("statement", ["select", Task, select(func.count())], ids=["text", "model", "count"])
async def test_what_selects_no_model_is_refused_with_the_form_to_write(stored: Face, statement: Any) -> None:
    refusal = r"an ordinary select"
    async with stored.transaction() as session:
        with pytest.raises(PlanError, match=refusal):
            await stored(fetch, session, statement, TaskRead)
    if not isinstance(statement, str | type):
        async with stored.transaction() as session:
            with pytest.raises(PlanError, match=refusal):
                await stored(count, session, statement)


async def test_more_parents_than_parameters_are_read_in_parts(
    stored: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldstone.keys.PARAMETERS", 2)
    async with stored.transaction(read_only=True) as session:
        found = await stored(fetch, session, select(Task).order_by(col(Task.id)), TaskFull)
    assert [len(task.assignments) for task in found] == [2, 1, 0, 0, 0]
