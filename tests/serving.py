"""What the tests of serving share: an application on a face, and a client that sees its answers only.

The tables here have rules that the database checks late or alone: a foreign key that PostgreSQL and
SQLite both check at COMMIT is how a commit is made to fail for real.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import cache
from typing import Annotated, Any, Literal

import httpx2 as httpx
from fastapi import APIRouter, FastAPI
from sqlalchemy import Column, ForeignKey, Integer, MetaData
from sqlalchemy.orm import registry
from sqlmodel import select

from fieldstone import Database, Field, Json, Model, Relationship, Resource, StoredAs, Timestamps, partial
from fieldstone.fastapi import install, routes
from fieldstone.testing import override
from tests.faces import Face

METADATA = MetaData()


class ServedModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class TeamBase(Model):
    name: str = Field(max_length=40, unique=True)


class Team(TeamBase, ServedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    jobs: list[Job] = Relationship(back_populates="team")


class JobBase(Model):
    title: str = Field(min_length=1, max_length=80)
    status: Literal["open", "done"] = "open"
    points: int = Field(default=0, ge=0)
    weight: float = 1.0
    team_id: int | None = Field(default=None, foreign_key="team.id")


class Job(JobBase, Timestamps, ServedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    secret: str = "job secret"
    details: Json[dict[str, Any] | None] = None
    checked_late_id: int | None = Field(
        default=None,
        sa_column=Column(
            Integer, ForeignKey("team.id", deferrable=True, initially="DEFERRED"), nullable=True
        ),
    )
    team: Team | None = Relationship(back_populates="jobs")


class Agent(ServedModel, table=True):
    id: str = Field(primary_key=True, min_length=2, max_length=40)
    name: str
    hashed_password: str


class Duty(ServedModel, table=True):
    job_id: int = Field(foreign_key="job.id", primary_key=True, ondelete="CASCADE")
    agent_id: str = Field(foreign_key="agent.id", primary_key=True)
    role: str = "assignee"


class TeamRead(TeamBase):
    id: int


class TeamCreate(TeamBase):
    pass


@partial
class TeamUpdate(TeamBase):
    pass


class JobRead(JobBase):
    id: int
    details: dict[str, Any] | None
    team: TeamRead | None


class JobCreate(JobBase):
    details: dict[str, Any] | None = None
    checked_late_id: int | None = None


@partial
class JobUpdate(JobBase):
    details: dict[str, Any] | None
    checked_late_id: int | None


class AgentRead(Model):
    id: str
    name: str


class AgentCreate(Model):
    id: str = Field(min_length=2, max_length=40)
    name: str
    password: Annotated[
        str, Field(min_length=8), StoredAs("hashed_password", lambda password: password[::-1])
    ]


class DutyRead(Model):
    job_id: int
    agent_id: str
    role: str


class DutyCreate(DutyRead):
    role: str = "assignee"


class DutyUpdate(Model):
    role: str


teams = Resource(Team, read=TeamRead, create=TeamCreate, update=TeamUpdate)
jobs = Resource(Job, read=JobRead, create=JobCreate, update=JobUpdate, max_page_size=50)
agents = Resource(Agent, read=AgentRead, create=AgentCreate)
duties = Resource(Duty, read=DutyRead, create=DutyCreate, update=partial(DutyUpdate))


def application(database: Database, *, sync: bool) -> FastAPI:
    """Serve every table of this module."""
    app = FastAPI(title="Jobs")
    install(app, database)
    for router in _routers(sync=sync):
        app.include_router(router)
    return app


@cache
def _routers(*, sync: bool) -> list[APIRouter]:
    return [routes(resource, sync=sync) for resource in (teams, jobs, agents, duties)]


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Call an application as a client does, to whom an exception is a response."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@asynccontextmanager
async def client_on(face: Face, make: Callable[..., FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    """Call the application that a function makes, on the database of a face."""
    with served(make, face.database, sync=not face.is_async) as app:
        async with client_of(app) as client:
            yield client


def served(make: Callable[..., FastAPI], database: Database, **how: bool) -> AbstractContextManager[FastAPI]:
    """Give the application that a function makes, on a database, to be left as it is.

    It is made once for all tests, since its routes take longer to make than most tests to run.
    """
    return override(_made(make, **how), database)


@cache
def _made(make: Callable[..., FastAPI], **how: bool) -> FastAPI:
    return make(Database("sqlite://"), **how)


async def stored_teams(face: Face) -> list[str]:
    """Read the names of the teams past the application."""
    async with face.transaction() as session:
        return [team.name for team in await face.exec(session, select(Team).order_by(Team.name))]


def url_of(database: Database) -> str:
    """Give the URL of a PostgreSQL database, with its password, to another process or driver."""
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
