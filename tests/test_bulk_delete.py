"""A condition says which rows are deleted; what points to them follows its `ondelete`, also in memory."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select

from fieldstone import Conflict, PlanError, count, create_many, delete_where, loading
from fieldstone.testing import count_statements
from tests.domain import METADATA as DOMAIN
from tests.domain import (
    Assignment,
    Car,
    Project,
    ProjectFull,
    ProjectRead,
    Task,
    TaskFull,
    Vehicle,
    Worker,
    sample,
)
from tests.faces import Face


@pytest.fixture
async def stored(face: Face) -> Face:
    await face.create_all(DOMAIN)
    async with face.transaction() as session:
        session.add_all(sample())
    return face


async def test_it_deletes_where_the_filter_says_and_counts(stored: Face) -> None:
    async with stored.transaction() as session:
        with count_statements(stored.database) as statements:
            assert await stored(delete_where, session, select(Task).where(col(Task.id) >= 4)) == 2
        assert len(statements) == 1
        assert await stored(count, session, select(Task)) == 3


async def test_it_gives_the_rows_as_they_were(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(delete_where, session, select(Task), everything=True)
        gone = await stored(
            delete_where, session, select(Project).where(Project.slug == "gemini"), into=ProjectRead
        )
        assert gone == [ProjectRead(id=2, name="Gemini")]
        with pytest.raises(PlanError, match="ProjectFull shows tasks of Project"):
            await stored(delete_where, session, select(Project).where(Project.id == 1), into=ProjectFull)


@pytest.mark.parametrize("statement", [select(Task), select(Task).order_by(col(Task.id)).limit(1)])
async def test_without_a_filter_it_refuses_and_says_how_to_mean_it(stored: Face, statement: Any) -> None:
    async with stored.transaction() as session:
        with pytest.raises(PlanError, match="or say everything=True if that is meant"):
            await stored(delete_where, session, statement)
        assert await stored(count, session, select(Task)) == 5


async def test_joins_and_limits_select_by_key(stored: Face) -> None:
    async with stored.transaction() as session:
        joined = select(Assignment).join(Worker).where(Worker.kind == "agent")
        assert await stored(delete_where, session, joined) == 2
        last = select(Task).where(col(Task.id) > 0).order_by(col(Task.id).desc()).limit(1)
        assert await stored(delete_where, session, last) == 1
        assert await stored(count, session, select(Task).where(col(Task.id) == 5)) == 0


async def test_the_database_follows_ondelete_and_so_do_the_instances(stored: Face) -> None:
    async with stored.transaction() as session:
        options = loading(TaskFull, Task)
        tasks = (await stored.exec(session, select(Task).options(*options).order_by(col(Task.id)))).all()
        root, left, lone = tasks[0], tasks[1], tasks[4]
        links, workers = list(root.assignments), [root.author, root.reviewer]
        with count_statements(stored.database) as statements:
            assert await stored(delete_where, session, select(Task).where(Task.title == "Root")) == 1
        assert statements[0].startswith("DELETE")
        assert all(one not in session for one in (root, left, *links))
        assert lone in session
        assert all(one in session for one in workers)
        assert await stored(count, session, select(Task)) == 1


async def test_a_key_that_lets_go_is_null_in_memory_too(stored: Face) -> None:
    async with stored.transaction() as session:
        left = (await stored.exec(session, select(Task).where(Task.id == 2))).one()
        assert left.author_id == "@claude-code"
        await stored(delete_where, session, select(Worker).where(Worker.kind == "agent"))
        assert left.author_id is None


async def test_loaded_collections_forget_what_was_deleted(stored: Face) -> None:
    async with stored.transaction() as session:
        options = loading(ProjectFull, Project)
        apollo = (await stored.exec(session, select(Project).options(*options).where(Project.id == 1))).one()
        assert len(apollo.tasks) == 2
        await stored(delete_where, session, select(Task).where(Task.title == "Left"))
        assert "tasks" not in vars(apollo)


async def test_what_is_still_pointed_to_is_a_conflict(stored: Face) -> None:
    with pytest.raises(Conflict) as caught:
        async with stored.transaction() as session:
            await stored(delete_where, session, select(Project).where(Project.slug == "apollo"))
    assert (caught.value.kind, caught.value.subject) == ("referenced", "Project")
    async with stored.transaction() as session:
        assert await stored(count, session, select(Project)) == 2


async def test_inherited_rows_are_deleted_from_all_their_tables(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(create_many, session, Car, [{"doors": 3}, {"doors": 5}])
        await stored(create_many, session, Vehicle, [{"wheels": 1}])
        assert await stored(delete_where, session, select(Car).where(col(Car.doors) > 3)) == 1
        assert await stored(count, session, select(Vehicle)) == 2
        assert await stored(delete_where, session, select(Vehicle), everything=True) == 2
        assert await stored(count, session, select(Vehicle)) == 0
