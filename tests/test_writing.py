"""Writes change what was sent, refuse what breaks a rule by name, and leave the commit to the transaction."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session, col, select

from fieldstone import (
    Conflict,
    InvalidValues,
    NotFound,
    RolledBack,
    count,
    create,
    delete,
    exists,
    get,
    patch,
)
from fieldstone.testing import count_statements
from tests.domain import (
    METADATA,
    Assignment,
    Car,
    Project,
    Tag,
    Task,
    TaskCreate,
    TaskRead,
    TaskUpdate,
    Worker,
    WorkerCreate,
)
from tests.faces import Face


@pytest.fixture
async def empty(face: Face) -> Face:
    await face.create_all(METADATA)
    return face


async def test_create_returns_the_flushed_instance(empty: Face) -> None:
    with count_statements(empty.database) as statements:
        async with empty.transaction() as session:
            task = await empty(create, session, Task, TaskCreate(title="New"))
            assert isinstance(task, Task)
            assert task.id is not None
    assert len(statements) == 1
    assert task.created_at.tzinfo is not None


async def test_create_takes_a_mapping(empty: Face) -> None:
    async with empty.transaction() as session:
        assert (await empty(create, session, Task, {"title": "New"})).status == "pending"


async def test_create_refuses_an_unknown_name(empty: Face) -> None:
    async with empty.transaction() as session:
        with pytest.raises(InvalidValues, match="Task refuses titel"):
            await empty(create, session, Task, {"titel": "New"})


async def test_a_created_password_is_stored_only_as_its_hash(empty: Face) -> None:
    async with empty.transaction() as session:
        worker = await empty(
            create, session, Worker, WorkerCreate(id="@eve", name="Eve", password="12345678")
        )
    assert worker.hashed_password == "hashed:87654321"


async def test_create_without_commit_stores_nothing(empty: Face) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        async with empty.transaction() as session:
            await empty(create, session, Task, {"title": "New"})
            raise RuntimeError("stop")
    async with empty.transaction() as session:
        assert await empty(count, session, select(Task)) == 0


async def test_a_duplicate_is_a_conflict_that_names_the_field(stored: Face) -> None:
    with pytest.raises(Conflict) as caught:
        async with stored.transaction() as session:
            await stored(create, session, Project, {"id": 9, "name": "Again", "slug": "apollo"})
    assert (caught.value.kind, caught.value.subject, caught.value.fields) == ("unique", "Project", ("slug",))


async def test_a_missing_parent_is_a_conflict_that_names_the_field(stored: Face) -> None:
    with pytest.raises(Conflict) as caught:
        async with stored.transaction() as session:
            await stored(create, session, Task, {"id": 9, "title": "x", "project_id": 99})
    assert (caught.value.kind, caught.value.subject, caught.value.fields) == (
        "foreign_key",
        "Task",
        ("project_id",),
    )


async def test_patch_changes_only_what_was_sent(stored: Face) -> None:
    async with stored.transaction() as session:
        before = await stored(get, session, Task, 1, TaskRead)
        with count_statements(stored.database) as statements:
            await stored(patch, session, Task, 1, TaskUpdate.model_validate({"status": "completed"}))
        after = await stored(get, session, Task, 1, TaskRead)
    assert after.model_dump() == {**before.model_dump(), "status": "completed"}
    assert [str(one).split()[0] for one in statements] == ["SELECT", "UPDATE"]
    assert "title" not in str(statements[1])


async def test_patch_moves_updated_at(stored: Face) -> None:
    async with stored.transaction() as session:
        task = await stored(patch, session, Task, 1, {"title": "One"})
    assert task.updated_at > task.created_at


async def test_an_empty_patch_changes_nothing(stored: Face) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            await stored(patch, session, Task, 1, TaskUpdate.model_validate({}))
    assert [str(one).split()[0] for one in statements] == ["SELECT"]


async def test_patch_sets_null_where_null_is_allowed(stored: Face) -> None:
    async with stored.transaction() as session:
        task = await stored(patch, session, Task, 1, TaskUpdate.model_validate({"project_id": None}))
    assert task.project_id is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": None}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"progress_percent": 101}, "progress_percent"),
        ({"status": "done"}, "status"),
        ({"nonsense": 1}, "nonsense"),
        ({"title": "ok", "progress_percent": -1}, "progress_percent"),
    ],
)
async def test_patch_refuses_a_bad_value_whole(stored: Face, values: dict[str, Any], field: str) -> None:
    async with stored.transaction() as session:
        with pytest.raises(InvalidValues) as caught:
            await stored(patch, session, Task, 1, values)
        assert caught.value.problems[0].path == (field,)
        task = await stored(get, session, Task, 1, TaskRead)
    assert (task.title, task.progress_percent, task.status) == ("Root", 0, "pending")


async def test_patch_and_delete_without_a_row_say_which_key(stored: Face) -> None:
    async with stored.transaction() as session:
        with pytest.raises(NotFound, match="No Task with key 99 was found"):
            await stored(patch, session, Task, 99, {"title": "x"})
        with pytest.raises(NotFound, match="No Task with key 99 was found"):
            await stored(delete, session, Task, 99)


async def test_delete_follows_the_declared_ondelete(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(delete, session, Task, 1)
    async with stored.transaction() as session:
        assert await stored(count, session, select(Task)) == 1
        assert await stored(exists, session, select(Assignment)) is False
        assert await stored(count, session, select(Tag)) == 2


async def test_delete_sets_null_where_the_foreign_key_says_so(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(delete, session, Worker, "@claude-code")
    async with stored.transaction() as session:
        left = (await stored.exec(session, select(Task).where(col(Task.id) == 2))).one()
        assert left.author_id is None


async def test_delete_of_what_is_still_pointed_to_is_a_conflict(stored: Face) -> None:
    with pytest.raises(Conflict) as caught:
        async with stored.transaction() as session:
            await stored(delete, session, Project, 1)
    assert (caught.value.kind, caught.value.other) == ("referenced", "Task")
    async with stored.transaction() as session:
        assert await stored(exists, session, select(Project).where(Project.id == 1))


async def test_children_in_memory_follow_a_delete(stored: Face) -> None:
    from fieldstone import loading
    from tests.domain import TaskFull

    async with stored.transaction() as session:
        task = (
            await stored.exec(session, select(Task).options(*loading(TaskFull, Task)).where(Task.id == 1))
        ).one()
        children = [*task.subtasks, *task.assignments]
        await stored(delete, session, Task, 1)
        assert all(child not in session for child in children)


async def test_a_composite_key_is_a_tuple(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(patch, session, Assignment, (1, "@ada"), {"role": "lead"})
        await stored(delete, session, Assignment, (2, "@claude-code"))
        with pytest.raises(InvalidValues, match=r"1 part\(s\) given, it has 2: task_id, worker_id"):
            await stored(delete, session, Assignment, 1)
    async with stored.transaction() as session:
        roles = [one.role for one in (await stored.exec(session, select(Assignment))).all()]
    assert sorted(roles) == ["lead", "reviewer"]


async def test_an_inherited_row_is_written_to_both_tables(empty: Face) -> None:
    async with empty.transaction() as session:
        car = await empty(create, session, Car, {"wheels": 3, "doors": 2})
    async with empty.transaction() as session:
        await empty(patch, session, Car, car.id, {"wheels": 4, "doors": 3})
        await empty(delete, session, Car, car.id)


async def test_what_a_write_returns_stays_readable_after_commit(empty: Face) -> None:
    async with empty.transaction() as session:
        task = await empty(create, session, Task, {"title": "New"})
    assert task.model_dump()["title"] == "New"


async def test_patch_does_not_change_the_key(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(patch, session, Task, 5, {"id": 5, "title": "Alone"})
        with pytest.raises(InvalidValues, match="Task refuses id: is the key, and a key stays"):
            await stored(patch, session, Task, 5, {"id": 7})


async def test_an_error_caught_inside_the_transaction_does_not_hide_that_nothing_is_stored(
    stored: Face,
) -> None:
    with pytest.raises(
        RolledBack, match=r"nothing of it is stored. Catch that error outside the transaction"
    ):
        async with stored.transaction() as session:
            await stored(create, session, Task, {"id": 9, "title": "Lost"})
            with pytest.raises(Conflict):
                await stored(create, session, Project, {"id": 9, "name": "Again", "slug": "apollo"})
    async with stored.transaction() as session:
        assert not await stored(exists, session, select(Task).where(Task.id == 9))


async def test_an_attempt_inside_a_savepoint_can_be_given_up(stored: Face) -> None:
    def attempt(session: Session) -> None:
        with pytest.raises(Conflict), session.begin_nested():
            create(session, Project, {"id": 9, "name": "Again", "slug": "apollo"})
        create(session, Task, {"id": 9, "title": "Kept"})

    async with stored.transaction() as session:
        await stored.run(session, attempt)
    async with stored.transaction() as session:
        assert await stored(exists, session, select(Task).where(Task.id == 9))
