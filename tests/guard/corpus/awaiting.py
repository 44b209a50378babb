"""Async code: attributes that nobody awaits, sessions that tasks share, and code that does neither."""
# Options are written as SQLModel's documentation has them, for which it has no types.
# mypy: disable-error-code="arg-type, union-attr"
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

import asyncio

from sqlalchemy.orm import defer, joinedload, selectinload
from sqlmodel import Session, col, select

from tests.guard.corpus.cases import fine, trap
from tests.guard.corpus.models import Note, Project, Task, TaskRead
from tests.guard.corpus.running import Bench


@trap("lazy_load", "Task.project", "joinedload(Task.project)")
async def a_lazy_load(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()  # cause
        print(task.project)  # trap


@trap("lazy_load", "Task.assignments", "selectinload(Task.assignments)")
async def a_lazy_collection_in_a_helper(bench: Bench) -> None:
    def count(task: Task) -> int:
        return len(task.assignments)  # trap

    async with bench.async_session() as session:
        tasks = (await session.exec(select(Task))).all()  # cause
        print([count(task) for task in tasks])


@trap("lazy_load", "Project.tasks", "joinedload(Task.project).selectinload(Project.tasks)")
async def below_what_was_joined(bench: Bench) -> None:
    async with bench.async_session() as session:
        joined = select(Task).where(Task.id == 1).options(joinedload(Task.project))
        task = (await session.exec(joined)).one()  # cause
        assert task.project is not None
        print(task.project.tasks)  # trap


@trap("lazy_load", "Task.body", "undefer(Task.body)")
async def a_deferred_column(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1).options(defer(Task.body)))).one()  # cause
        print(task.body)  # trap


@trap("lazy_load", "Task.assignments", "selectinload(Task.assignments)")
async def appended_to_a_lazy_collection(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()  # cause
        task.assignments.clear()  # trap


@trap("expired", "Task.title", "expire_on_commit=False")
async def read_after_the_commit(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = Task(title="new")
        session.add(task)
        await session.commit()  # cause
        print(f"saved {task.title}")  # trap


@trap("expired", "Task.project", "expire_on_commit=False")
async def a_relationship_after_the_commit(bench: Bench) -> None:
    async with bench.async_session() as session:
        found = select(Task).where(Task.id == 1).options(joinedload(Task.project))
        task = (await session.exec(found)).one()
        await session.commit()  # cause
        print(task.project)  # trap


@trap("expired", "Task.title", "await session.refresh(task)")
async def read_after_a_rollback(bench: Bench) -> None:
    async with bench.async_session(expire_on_commit=False) as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()
        await session.rollback()  # cause
        print(task.title)  # trap


@trap("expired", "Task.title", "await session.refresh(task)")
async def read_after_expire_all(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()
        session.expire_all()  # cause
        print(task.title)  # trap


@trap("expired", "Note.touched_at", "__mapper_args__ = {'eager_defaults': True}")
async def what_the_server_computes(bench: Bench) -> None:
    async with bench.async_session(expire_on_commit=False) as session:
        note = (await session.exec(select(Note).where(Note.id == 1))).one()
        note.text = "changed"
        await session.commit()  # cause
        print(note.touched_at)  # trap


@trap("detached", "Task.project", "joinedload(Task.project)")
async def a_relationship_after_the_session(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()
    print(task.project)  # trap


@trap("expired", "Task.title", "expire_on_commit=False")
async def expired_and_then_detached(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()
        await session.commit()  # cause
    print(task.title)  # trap


@trap("shared_session", "AsyncSession", "a session of its own")
async def gathered_on_one_session(bench: Bench) -> None:
    async with bench.async_session() as session:

        async def read(number: int) -> object:
            return (await session.exec(select(Task).where(Task.id == number))).first()  # trap

        await read(1)
        await asyncio.gather(read(1), read(1))


@trap("repeated_query", "Task", ".in_(values)")
async def a_get_for_each_key_awaited(bench: Bench) -> None:
    async with bench.async_session() as session:
        for number in (1, 2, 3):
            await session.get(Task, number)  # trap


@trap("n_plus_one", "Project.tasks", "selectinload(Project.tasks)")
async def lazy_within_the_bridge(bench: Bench) -> None:
    def count(session: Session) -> int:
        projects = session.exec(select(Project)).all()  # cause
        return sum([len(project.tasks) for project in projects])  # trap

    async with bench.async_session() as session:
        assert await session.run_sync(count) == 6


@trap("blocking_call", "Session", "AsyncSession")
async def a_sync_session_in_a_coroutine(bench: Bench) -> None:
    with bench.session() as session:
        session.exec(select(Task)).all()  # trap


@trap("lost_write", "INSERT", "session.commit()")
async def never_committed(bench: Bench) -> None:
    async with bench.async_session() as session:
        session.add(Task(title="new"))
        await session.flush()  # trap


@fine
async def loaded_beforehand(bench: Bench) -> None:
    async with bench.async_session() as session:
        loading = (joinedload(Task.project), selectinload(Task.assignments))
        for task in (await session.exec(select(Task).options(*loading))).all():
            print(task.project, task.assignments)


@fine
async def refreshed_after_the_commit(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = Task(title="new")
        session.add(task)
        await session.commit()
        await session.refresh(task)
        print(task.title)


@fine
async def kept_over_an_awaited_commit(bench: Bench) -> None:
    async with bench.async_session(expire_on_commit=False) as session:
        task = Task(title="new")
        session.add(task)
        await session.commit()
        print(task.title, task.id)


@fine
async def columns_after_the_session(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()
    print(task.title)


@fine
async def loaded_by_refresh(bench: Bench) -> None:
    async with bench.async_session() as session:
        task = (await session.exec(select(Task).where(Task.id == 1))).one()
        await session.refresh(task, ["project", "assignments"])
        print(task.project, task.assignments)


@fine
async def read_into_a_schema(bench: Bench) -> None:
    async with bench.async_session() as session:
        tasks = (await session.exec(select(Task).order_by(col(Task.id)))).all()
        assert [TaskRead.model_validate(task).id for task in tasks] == [1, 2, 3, 4, 5, 6]


@fine
async def lazy_for_one_within_the_bridge(bench: Bench) -> None:
    def count(session: Session) -> int:
        return len(session.get_one(Project, 1).tasks)

    async with bench.async_session() as session:
        assert await session.run_sync(count) == 2


@fine
async def a_session_for_each_task(bench: Bench) -> None:
    async def read(number: int) -> object:
        async with bench.async_session() as session:
            return (await session.exec(select(Task).where(Task.id == number))).first()

    await asyncio.gather(read(1), asyncio.create_task(read(1)))


@fine
async def one_session_from_task_to_task(bench: Bench) -> None:
    async with bench.async_session() as session:

        async def read() -> object:
            return (await session.exec(select(Task).where(Task.id == 1))).first()

        await asyncio.create_task(read())
        await asyncio.create_task(read())


@fine
async def a_sync_session_in_a_thread(bench: Bench) -> None:
    def count() -> int:
        with bench.session() as session:
            return len(session.exec(select(Task)).all())

    assert await asyncio.to_thread(count) == 6


@fine
async def streamed_in_parts(bench: Bench) -> None:
    async with bench.async_session() as session:
        rows = await session.stream_scalars(select(Task).execution_options(yield_per=2))
        assert len([task.title async for task in rows]) == 6


@fine
async def a_note_that_is_read_anew(bench: Bench) -> None:
    async with bench.async_session(expire_on_commit=False) as session:
        note = (await session.exec(select(Note).where(Note.id == 1))).one()
        note.text = "changed"
        await session.flush()
        await session.refresh(note)
        print(note.touched_at)
        await session.commit()


@fine
async def a_task_that_is_cancelled(bench: Bench) -> None:
    async with bench.async_session() as session:
        reading = asyncio.create_task(session.get(Task, 1))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        await session.rollback()
        await session.get(Task, 1)
