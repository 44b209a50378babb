"""Tests with the kit's fixtures and functions, as docs/test.md says."""

from typing import assert_type

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import AsyncClient
from sqlmodel import Session, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Database, Field, Model, Relationship, plan
from fieldstone.guard import Watch
from fieldstone.testing import (
    AsyncMake,
    Budgeted,
    Make,
    count_statements,
    exact_queries,
    make,
    make_many,
    max_queries,
    no_n_plus_one,
    override,
    postgres_server,
)
from fieldstone.testing.histories import MigrationsCheck
from fieldstone.testing.snapshots import SchemaSnapshot


class Project(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=80)


class Task(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    project_id: int = Field(foreign_key="project.id")
    project: Project = Relationship()


class TaskRead(Model):
    id: int
    title: str


app = FastAPI()


def get_session() -> Session:
    raise NotImplementedError


def test_a_function(client: TestClient, session: Session, make: Make, watch: Watch) -> None:
    garden = make(Project, name="Garden")
    assert_type(garden, Project)
    assert_type(make(Task, project=garden), Task)
    assert_type(make.many(Task, 3, project={"name": "House"}), list[Task])
    assert client.get("/tasks").status_code == 200
    assert session.exec(select(Task.title)).all()
    assert not watch.findings
    make(int)  # error: mypy[type-var] pyright[reportArgumentType]


async def test_a_coroutine(async_client: AsyncClient, async_session: AsyncSession, make: AsyncMake) -> None:
    garden = await make(Project, name="Garden")
    assert_type(garden, Project)
    assert_type(await make.many(Task, 3, project=garden), list[Task])
    make(Task)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    assert (await async_client.get("/tasks")).status_code == 200
    assert (await async_session.exec(select(Task.title))).all()


def test_a_session_of_ones_own(db: Database) -> None:
    with db.transaction() as session:
        assert_type(make(session, Task, title="Water"), Task)
        assert_type(make_many(session, Task, 3), list[Task])


async def test_an_async_session_of_ones_own(db: Database) -> None:
    async with db.async_transaction() as session:
        assert_type(await make(session, Task, title="Water"), Task)
        make(session, Task)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]


def test_budgets(client: TestClient, max_queries: Budgeted, exact_queries: Budgeted) -> None:
    with max_queries(2) as sent, exact_queries(plan(Task, TaskRead)):
        client.get("/tasks")
    assert len(sent.statements) == 1
    max_queries("two")  # error: mypy[arg-type] pyright[reportArgumentType]


def test_blocks(db: Database) -> None:
    with override(app, db, get_session) as overridden, TestClient(overridden) as client:
        with max_queries(2), exact_queries(1), no_n_plus_one(allow=["Task.project"]):
            client.get("/tasks")
        with count_statements(db) as statements:
            client.get("/tasks")
    assert_type(statements, list[str])
    with postgres_server() as url:
        assert_type(url, str)


def test_the_schema(schema_snapshot: SchemaSnapshot, check_migrations: MigrationsCheck) -> None:
    schema_snapshot()
    check_migrations()
