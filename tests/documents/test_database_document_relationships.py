"""What the database document's blocks on relationships are for, done with Fieldstone.

Blocks B6 to B9 and B21, in the document's order; the numbers are those of
docs/from-the-documents.md, and P1 to P38 are the project's own list of patterns.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import registry
from sqlmodel import col, select

from fieldstone import (
    Conflict,
    Field,
    InvalidValues,
    Model,
    ModelError,
    Relationship,
    ancestors,
    count,
    create,
    delete,
    fetch,
    get,
    link,
    one,
    patch,
    replace_links,
    subtree,
    unlink,
)
from fieldstone.testing import count_statements
from tests.documents.rows import store
from tests.documents.tasks import (
    AssignmentCreate,
    Project,
    ProjectWithTasks,
    Task,
    TaskAssignment,
    TaskCreateAssigned,
    TaskRead,
    TaskTree,
    TaskWithAssignments,
    TaskWithParent,
    TaskWithProject,
    TaskWithWorkers,
    TaskWorkerLink,
    Worker,
)
from tests.faces import Face

# B6 A task belongs to a project


async def test_b6_p13_a_project_and_its_tasks_read_from_either_side(empty: Face) -> None:
    project = Project(name="Apollo", slug="apollo")
    await store(
        empty, Task(title="one", project=project), Task(title="two", project=project), Task(title="lone")
    )
    async with empty.transaction(read_only=True) as session:
        with count_statements(empty.database) as sent:
            tasks = await empty(fetch, session, select(Task).order_by(col(Task.title)), TaskWithProject)
            owner = await empty(one, session, select(Project), ProjectWithTasks)
    assert [task.project and task.project.slug for task in tasks] == [None, "apollo", "apollo"]
    assert sorted(task.title for task in owner.tasks) == ["one", "two"]
    assert len(sent) == 1 + 2


async def test_b6_p13_a_slug_is_unique_and_a_project_must_exist(empty: Face) -> None:
    await store(empty, Project(name="Apollo", slug="apollo"))
    with pytest.raises(Conflict, match="slug"):
        await store(empty, Project(name="Other", slug="apollo"))
    with pytest.raises(Conflict, match="project_id"):
        await store(empty, Task(title="t", project_id=999))


async def test_b6_p13_deleting_a_project_follows_the_declared_ondelete(empty: Face) -> None:
    project = Project(name="Apollo", slug="apollo")
    await store(empty, Task(title="t", project=project))
    async with empty.transaction() as session:
        await empty(delete, session, Project, project.id)
    async with empty.transaction(read_only=True) as session:
        assert (await empty(one, session, select(Task), TaskRead)).project_id is None


# B7 Many to many


async def test_b7_p14_a_task_has_many_workers_and_a_worker_many_tasks(empty: Face) -> None:
    ada = Worker(id="@ada", name="Ada", type="human")
    agent = Worker(id="@claude-code", name="Claude", type="agent")
    await store(empty, Task(title="both", workers=[ada, agent]), Task(title="one", workers=[agent]))
    async with empty.transaction(read_only=True) as session:
        with count_statements(empty.database) as sent:
            tasks = await empty(fetch, session, select(Task).order_by(col(Task.title)), TaskWithWorkers)
    assert [sorted(worker.id for worker in task.workers) for task in tasks] == [
        ["@ada", "@claude-code"],
        ["@claude-code"],
    ]
    assert len(sent) == 2


async def test_b7_p14_workers_are_linked_unlinked_and_replaced_by_key(empty: Face) -> None:
    workers = [Worker(id=key, name=key, type="agent") for key in ("@ada", "@bob", "@eve")]
    task = Task(title="linked")
    await store(empty, task, *workers)
    async with empty.transaction() as session:
        await empty(link, session, Task, task.id, "workers", ["@ada", "@bob"])
        await empty(link, session, Task, task.id, "workers", ["@ada"])
        await empty(unlink, session, Task, task.id, "workers", ["@bob"])
        await empty(replace_links, session, Task, task.id, "workers", ["@bob", "@eve"])
    async with empty.transaction(read_only=True) as session:
        read = await empty(get, session, Task, task.id, TaskWithWorkers)
    assert sorted(worker.id for worker in read.workers) == ["@bob", "@eve"]


async def test_b7_p14_deleting_either_end_takes_its_links_along(empty: Face) -> None:
    await store(empty, Task(title="t", workers=[Worker(id="@ada", name="Ada", type="human")]))
    async with empty.transaction() as session:
        await empty(delete, session, Worker, "@ada")
    async with empty.transaction(read_only=True) as session:
        assert await empty(count, session, select(TaskWorkerLink)) == 0
        assert await empty(count, session, select(Task)) == 1


def test_b7_p2_a_worker_is_human_or_agent() -> None:
    with pytest.raises(InvalidValues, match="type"):
        Worker(id="@x", name="X", type="robot")  # type: ignore[arg-type]  # the mistake under test


# B8 Many to many with fields of its own


async def test_b8_p15_an_assignment_says_in_which_role_and_since_when(empty: Face) -> None:
    before = datetime.now(UTC)
    task = Task(title="t")
    await store(empty, task, Worker(id="@ada", name="Ada", type="human"))
    assert task.id is not None
    sent = AssignmentCreate(task_id=task.id, worker_id="@ada", role="reviewer")
    async with empty.transaction() as session:
        await empty(create, session, TaskAssignment, sent)
    async with empty.transaction(read_only=True) as session:
        with count_statements(empty.database) as statements:
            read = await empty(get, session, Task, task.id, TaskWithAssignments)
    assert [(each.role, each.worker.name) for each in read.assignments] == [("reviewer", "Ada")]
    assert before <= read.assignments[0].assigned_at <= datetime.now(UTC)
    assert len(statements) == 2


async def test_b8_p15_a_task_is_created_with_its_assignments_from_one_schema(empty: Face) -> None:
    await store(empty, Worker(id="@ada", name="Ada", type="human"))
    sent = TaskCreateAssigned.model_validate(
        {"title": "t", "assignments": [{"worker_id": "@ada", "role": "reviewer"}]}
    )
    async with empty.transaction() as session:
        task = await empty(create, session, Task, sent)
        read = await empty(get, session, Task, task.id, TaskWithAssignments)
    assert [(each.role, each.worker.id) for each in read.assignments] == [("reviewer", "@ada")]


async def test_b8_p15_the_same_worker_is_assigned_once_and_must_exist(empty: Face) -> None:
    task = Task(title="t")
    await store(empty, task, Worker(id="@ada", name="Ada", type="human"))
    assert task.id is not None
    await store(empty, TaskAssignment(task_id=task.id, worker_id="@ada"))
    with pytest.raises(Conflict, match="worker_id"):
        await store(empty, TaskAssignment(task_id=task.id, worker_id="@ada"))
    with pytest.raises(Conflict, match="worker_id"):
        await store(empty, TaskAssignment(task_id=task.id, worker_id="@nobody"))


@pytest.mark.parametrize("end", [Task, Worker])
async def test_b8_p15_deleting_either_end_deletes_the_assignment(empty: Face, end: type[Any]) -> None:
    task = Task(title="t")
    await store(empty, task, Worker(id="@ada", name="Ada", type="human"))
    assert task.id is not None
    await store(empty, TaskAssignment(task_id=task.id, worker_id="@ada"))
    async with empty.transaction() as session:
        await empty(delete, session, end, task.id if end is Task else "@ada")
    async with empty.transaction(read_only=True) as session:
        assert await empty(count, session, select(TaskAssignment)) == 0


# B9 Parent and subtasks


async def test_b9_p16_a_task_reads_with_its_parent_and_with_its_subtasks(empty: Face) -> None:
    root = Task(title="root")
    root.subtasks = [Task(title="left", subtasks=[Task(title="leaf")]), Task(title="right")]
    await store(empty, root)
    async with empty.transaction(read_only=True) as session:
        with count_statements(empty.database) as sent:
            tree = await empty(get, session, Task, root.id, TaskTree)
            leaf = await empty(one, session, select(Task).where(Task.title == "leaf"), TaskWithParent)
    assert sorted(task.title for task in tree.subtasks) == ["left", "right"]
    assert {task.title: [leaf.title for leaf in task.subtasks] for task in tree.subtasks}["left"] == ["leaf"]
    assert leaf.parent is not None
    assert leaf.parent.title == "left"
    assert len(sent) == 3 + 1


async def test_b9_p16_a_whole_tree_and_the_way_up_take_one_statement_each(empty: Face) -> None:
    leaf = Task(title="leaf")
    root = Task(title="root", subtasks=[Task(title="branch", subtasks=[leaf])])
    await store(empty, root)
    async with empty.transaction(read_only=True) as session:
        with count_statements(empty.database) as sent:
            tree = await empty(subtree, session, Task, root.id, TaskTree)
            way = await empty(ancestors, session, Task, leaf.id, TaskRead)
    assert tree.subtasks[0].subtasks[0].title == "leaf"
    assert [task.title for task in way] == ["root", "branch"]
    assert len(sent) == 2


async def test_b9_p16_a_task_cannot_come_to_stand_below_itself(empty: Face) -> None:
    leaf = Task(title="leaf")
    root = Task(title="root", subtasks=[leaf])
    await store(empty, root)
    with pytest.raises(InvalidValues) as refused:
        async with empty.transaction() as session:
            await empty(patch, session, Task, root.id, {"parent_id": leaf.id})
    assert (refused.value.problems[0].path, refused.value.problems[0].rule) == (("parent_id",), "cycle")


async def test_b9_p16_deleting_a_parent_leaves_its_subtasks_without_one(empty: Face) -> None:
    root = Task(title="root", subtasks=[Task(title="leaf")])
    await store(empty, root)
    async with empty.transaction() as session:
        await empty(delete, session, Task, root.id)
    async with empty.transaction(read_only=True) as session:
        left = await empty(one, session, select(Task), TaskRead)
    assert (left.title, left.parent_id) == ("leaf", None)


# B21 One-sided and unlinked relationships


class Apart(Model, registry=registry()):
    """Keep the next two tables out of the way of the others."""


class Owner(Apart, table=True):
    id: int | None = Field(default=None, primary_key=True)
    pieces: list[Piece] = Relationship()


class Piece(Apart, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int | None = Field(default=None, foreign_key="owner.id")


class PieceRead(Model):
    id: int


class OwnerRead(Model):
    pieces: list[PieceRead]


async def test_b21_p13_a_relationship_with_one_side_is_legitimate(face: Face) -> None:
    await face.create_all([Owner, Piece])
    await store(face, Owner(pieces=[Piece(), Piece()]))
    async with face.transaction(read_only=True) as session:
        assert len((await face(one, session, select(Owner), OwnerRead)).pieces) == 2


def test_b21_p13_two_sides_that_do_not_know_each_other_are_refused() -> None:
    apart = registry()

    class Apart(Model, registry=apart):
        pass

    class Owner(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        pieces: list[Piece] = Relationship()

    class Piece(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int | None = Field(default=None, foreign_key="owner.id")
        owner: Owner | None = Relationship()

    with pytest.raises(ModelError, match=r'Write back_populates="owner" on Owner\.pieces'):
        apart.configure()
    apart.dispose()  # lest refused mappers stop other tests
