"""What the documents' endpoints and test fixtures do on plain SQLModel with FastAPI.

See plain.py for why these tests stand here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import pytest
from fastapi import Depends, FastAPI, HTTPException
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import Column, ForeignKey, MetaData, String, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, create_engine, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.documents.plain import Plain

METADATA = MetaData()
Status = Literal["pending", "completed"]


class PrintedModel(SQLModel, registry=registry(metadata=METADATA)):
    """Stand above the tables of this module."""


class Task(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    status: Status = Field(default="pending", sa_type=String)


class TaskCreate(SQLModel):
    title: str


class TaskUpdate(SQLModel):
    title: str | None = None
    status: str | None = None


class TaskRead(SQLModel):
    id: int
    title: str
    status: Status


class Entity(PrintedModel, table=True):
    """Point to a task under a constraint that is checked at COMMIT, so that the commit is what fails."""

    id: int | None = Field(default=None, primary_key=True)
    task_id: int = Field(sa_column=Column(ForeignKey("task.id", deferrable=True, initially="DEFERRED")))


async def check_foreign_keys(engine: AsyncEngine) -> None:
    """Switch on what SQLite leaves off; a pooled connection from before would not have it."""

    def switch_on(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")

    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", switch_on)
        await engine.dispose()


def task_application(engine: AsyncEngine) -> FastAPI:
    """Serve tasks in the documents' way: the handler holds the session, commits and refreshes."""
    app = FastAPI()

    async def own_session() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine) as session:
            yield session

    @app.post("/tasks", status_code=201, response_model=TaskRead)
    async def add_task(data: TaskCreate, session: AsyncSession = Depends(own_session)) -> Any:
        task = Task.model_validate(data)
        session.add(task)
        await session.commit()
        await session.refresh(task)
        return task

    @app.get("/tasks", response_model=list[TaskRead])
    async def read_tasks(
        offset: int = 0, limit: int = 100, session: AsyncSession = Depends(own_session)
    ) -> Any:
        return (await session.exec(select(Task).limit(limit))).all()

    @app.get("/tasks/{task_id}", response_model=TaskRead)
    async def read_task(task_id: int, session: AsyncSession = Depends(own_session)) -> Any:
        if (task := await session.get(Task, task_id)) is None:
            raise HTTPException(404)
        return task

    @app.patch("/tasks/{task_id}", response_model=TaskRead)
    async def change_task(
        task_id: int, data: TaskUpdate, session: AsyncSession = Depends(own_session)
    ) -> Any:
        task = await session.get_one(Task, task_id)
        task.sqlmodel_update(data.model_dump(exclude_unset=True))
        await session.commit()
        await session.refresh(task)
        return task

    app.state.own_session = own_session
    return app


@asynccontextmanager
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


async def test_b5_one_garbage_patch_breaks_the_whole_list(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine, client(task_application(engine)) as http:
        for title in ("one", "two"):
            assert (await http.post("/tasks", json={"title": title})).status_code == 201
        assert (await http.patch("/tasks/1", json={"status": "garbage"})).status_code == 500
        assert (await http.get("/tasks")).status_code == 500


async def test_b5_b7_b10_clients_can_cause_a_500(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine, client(task_application(engine)) as http:
        await http.post("/tasks", json={"title": "one"})
        assert (await http.patch("/tasks/1", json={"title": None})).status_code == 500
        assert (await http.get(f"/tasks/{10**20}")).status_code == 500
        assert (await http.get(f"/tasks?limit={10**20}")).status_code == 500


async def test_b5_a_misspelt_key_or_parameter_is_answered_as_if_it_were_right(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine, client(task_application(engine)) as http:
        await http.post("/tasks", json={"title": "one"})
        assert (await http.patch("/tasks/1", json={"titel": "two"})).json()["title"] == "one"
        assert (await http.get("/tasks?statsu=completed")).json() != []


async def test_b14_b15_a_failed_commit_in_the_dependency_is_answered_201(plain: Plain) -> None:
    """Where services leave the commit to their caller, and the caller is the session dependency."""
    async with plain.async_engine(METADATA) as engine:
        await check_foreign_keys(engine)
        app = FastAPI()

        async def committing() -> AsyncIterator[AsyncSession]:
            async with AsyncSession(engine) as session:
                yield session
                await session.commit()

        @app.post("/entities", status_code=201)
        async def create_entity(
            session: Annotated[AsyncSession, Depends(committing)],
        ) -> dict[str, int | None]:
            entity = Entity(task_id=999)
            session.add(entity)
            await session.flush()
            return {"id": entity.id}

        async with client(app) as http:
            assert (await http.post("/entities")).status_code == 201
    other = create_engine(plain.url)
    with Session(other) as session:
        assert session.exec(select(Entity)).all() == []
    other.dispose()


async def test_b13_a_sync_session_does_not_serve_the_async_application(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine:
        app = task_application(engine)
        sync_engine = create_engine(plain.url)
        with Session(sync_engine) as session:
            app.dependency_overrides[app.state.own_session] = lambda: session
            async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as http:
                with pytest.raises(TypeError, match="await"):
                    await http.post("/tasks", json={"title": "one"})
        sync_engine.dispose()
