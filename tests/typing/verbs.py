"""Each verb gives what its schema says, on either session, and a forgotten await is caught."""

from typing import assert_type

from sqlmodel import Session, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import (
    AsyncAutocommit,
    Autocommit,
    Database,
    Field,
    Model,
    Page,
    Relationship,
    count,
    create,
    delete,
    exists,
    fetch,
    first,
    get,
    one,
    one_or_none,
    page,
    partial,
    patch,
    verb,
)


class TaskBase(Model):
    title: str = Field(max_length=200, index=True)
    project_id: int | None = Field(default=None, foreign_key="project.id")


class Project(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project: Project | None = Relationship(back_populates="tasks")


class TaskCreate(TaskBase): ...


@partial
class TaskUpdate(TaskBase): ...


class TaskRead(TaskBase):
    id: int


db = Database("sqlite://")


def synchronously() -> None:
    with db.transaction() as session:
        assert_type(session, Session)
        tasks = select(Task).where(col(Task.title).startswith("a")).order_by(col(Task.id).desc())

        assert_type(get(session, Task, 1, TaskRead), TaskRead)
        assert_type(fetch(session, tasks, TaskRead), list[TaskRead])
        assert_type(first(session, tasks, TaskRead), TaskRead | None)
        assert_type(one(session, tasks, TaskRead), TaskRead)
        assert_type(one_or_none(session, tasks, TaskRead), TaskRead | None)
        assert_type(page(session, tasks, TaskRead, size=5, total=True), Page[TaskRead])
        assert_type(page(session, tasks, TaskRead).items, list[TaskRead])
        assert_type(count(session, tasks), int)
        assert_type(exists(session, tasks), bool)

        assert_type(create(session, Task, TaskCreate(title="Build")), Task)
        assert_type(patch(session, Task, 1, TaskUpdate(title="Fly")), Task)
        assert_type(delete(session, Task, 1), None)


async def asynchronously() -> None:
    async with db.async_transaction() as session:
        assert_type(session, AsyncSession)
        tasks = select(Task).where(Task.project_id == 1)

        assert_type(await get(session, Task, 1, TaskRead), TaskRead)
        assert_type(await fetch(session, tasks, TaskRead), list[TaskRead])
        assert_type(await first(session, tasks, TaskRead), TaskRead | None)
        assert_type(await one(session, tasks, TaskRead), TaskRead)
        assert_type(await one_or_none(session, tasks, TaskRead), TaskRead | None)
        assert_type(await page(session, tasks, TaskRead), Page[TaskRead])
        assert_type(await count(session, tasks), int)
        assert_type(await exists(session, tasks), bool)

        assert_type(await create(session, Task, {"title": "Build"}), Task)
        assert_type(await create(session, Task, {"title": "Build"}, into=TaskRead), TaskRead)
        assert_type(await patch(session, Task, 1, {"title": "Fly"}), Task)
        assert_type(await delete(session, Task, 1), None)


def without_a_session() -> None:
    tasks = select(Task)
    assert_type(db.autocommit, Autocommit)
    assert_type(get(db.autocommit, Task, 1, TaskRead), TaskRead)
    assert_type(fetch(db.autocommit, tasks, TaskRead), list[TaskRead])
    assert_type(page(db.autocommit, tasks, TaskRead, size=5), Page[TaskRead])
    assert_type(create(db.autocommit, Task, TaskCreate(title="Build")), Task)
    assert_type(create(db.autocommit, Task, TaskCreate(title="Build"), into=TaskRead), TaskRead)
    assert_type(patch(db.autocommit, Task, 1, {"title": "Fly"}, into=TaskRead, version=1), TaskRead)
    assert_type(rename(db.autocommit, 1, title="Fly"), Task)
    assert_type(titles(db.autocommit, 5), list[str])


async def without_an_async_session() -> None:
    tasks = select(Task)
    assert_type(db.async_autocommit, AsyncAutocommit)
    assert_type(await get(db.async_autocommit, Task, 1, TaskRead), TaskRead)
    assert_type(await count(db.async_autocommit, tasks), int)
    assert_type(await titles(db.async_autocommit, limit=5), list[str])
    create(db.async_autocommit, Task, {})  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    get(db.async_autocommit, Task, 1, TaskRead).id  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]


def either(session: Session | Autocommit) -> int:
    return count(session, select(Task))


async def without_await(session: AsyncSession) -> None:
    tasks = select(Task)
    delete(session, Task, 1)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    create(session, Task, {"title": "x"})  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    for _ in fetch(session, tasks, TaskRead):  # error: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        pass
    if count(session, tasks) > 1:  # error: mypy[operator] pyright[reportOperatorIssue]
        pass
    page(session, tasks, TaskRead).items  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]


def with_wrong_arguments(session: Session) -> None:
    fetch(session, select(Task))  # error: mypy[call-overload] pyright[reportCallIssue]
    fetch(select(Task), TaskRead)  # error: mypy[call-overload] pyright[reportCallIssue]
    get(session, Task, 1, "TaskRead")  # error: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
    page(session, select(Task), TaskRead, sise=3)  # error: mypy[call-overload] pyright[reportCallIssue]


@verb
def rename(session: Session, key: int, *, title: str) -> Task:
    return patch(session, Task, key, {"title": title})


async def one_body_of_ones_own(session: Session, asynchronous: AsyncSession) -> None:
    assert_type(rename(session, 1, title="Fly"), Task)
    assert_type(await rename(asynchronous, 1, title="Fly"), Task)
    rename(asynchronous, 1, title="Fly")  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    rename(session, 1, name="Fly")  # error: mypy[call-overload] pyright[reportCallIssue]


@verb(reads=True)
def titles(session: Session, limit: int = 20) -> list[str]:
    return [one.title for one in fetch(session, select(Task).limit(limit), TaskRead)]


titles(db.autocommit, "5")  # error: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
