"""Models of several owners: what a scope must keep apart, however the rows hang together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, text
from sqlalchemy.orm import registry
from sqlmodel import Session

from fieldstone import Field, Model, Relationship, SoftDeleted, Timestamps, Versioned
from fieldstone.history import Audited
from tests.faces import Face

METADATA = MetaData()


class TenantModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Area(TenantModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    slug: str = Field(unique=True)
    jobs: list[Job] = Relationship(back_populates="area")


class JobTag(TenantModel, table=True):
    job_id: int = Field(foreign_key="job.id", primary_key=True, ondelete="CASCADE")
    tag_id: int = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")


class Tag(TenantModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    label: str
    jobs: list[Job] = Relationship(back_populates="tags", link_model=JobTag)


class Job(SoftDeleted, Audited, Timestamps, Versioned, TenantModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    title: str = Field(unique=True)
    points: int = 0
    area_id: int | None = Field(default=None, foreign_key="area.id")
    parent_id: int | None = Field(default=None, foreign_key="job.id", ondelete="CASCADE")
    area: Area | None = Relationship(back_populates="jobs")
    parent: Job | None = Relationship(back_populates="subjobs")
    subjobs: list[Job] = Relationship(back_populates="parent")
    tags: list[Tag] = Relationship(back_populates="jobs", link_model=JobTag)
    remarks: list[Remark] = Relationship(back_populates="job")


class Remark(TenantModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    text: str = ""
    job_id: int = Field(default=None, foreign_key="job.id", ondelete="CASCADE")
    job: Job = Relationship(back_populates="remarks")


class TagRead(Model):
    label: str


class JobRead(Model):
    id: int
    title: str


class AreaRead(Model):
    id: int
    slug: str
    jobs: list[JobRead]


class JobFull(JobRead):
    area: AreaRead | None
    parent: JobRead | None
    subjobs: list[JobRead]
    tags: list[TagRead]


class RemarkRead(Model):
    id: int
    job: JobRead


def sample() -> list[Any]:
    """Two owners, 7 and 8, whose rows point to each other's."""
    mine, theirs = Area(id=1, owner_id=7, slug="mine"), Area(id=2, owner_id=8, slug="theirs")
    red, blue = Tag(id=1, owner_id=7, label="red"), Tag(id=2, owner_id=8, label="blue")
    first = Job(id=1, owner_id=7, title="first", points=1, area=mine, tags=[red, blue])
    second = Job(id=2, owner_id=7, title="second", points=2, area=theirs, parent=first)
    third = Job(id=3, owner_id=8, title="third", points=3, area=mine, parent=first, tags=[red])
    fourth = Job(id=4, owner_id=7, title="fourth", points=4, parent=third)
    remarks = [Remark(id=1, job=first), Remark(id=2, job=third)]
    return [mine, theirs, red, blue, first, second, third, fourth, *remarks]


async def stock(face: Face) -> None:
    """Store the sample; keys that the database makes begin above its own."""
    async with face.transaction() as session:
        session.add_all(sample())
        if face.dialect == "postgresql":
            await face.run(session, _begin_above)


def _begin_above(session: Session) -> None:
    for table in ("area", "tag", "job", "remark"):
        session.connection().execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"))
