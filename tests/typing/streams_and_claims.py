"""Streams and exports are generators of the session's face; claims give the instance, or what `into` says."""

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from typing import assert_type

from sqlmodel import Session, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Field, Model, claim, claim_many, get_for_update, stream, to_csv, to_ndjson

Chunks = Generator[bytes, None, None]
AsyncChunks = AsyncGenerator[bytes, None]


class Job(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


class JobRead(Model):
    id: int


def synchronously(session: Session) -> None:
    assert_type(stream(session, select(Job).where(Job.id == 1), JobRead), Generator[JobRead, None, None])
    assert_type(to_csv(stream(session, select(Job), JobRead), JobRead), Chunks)
    assert_type(to_ndjson([JobRead(id=1)]), Chunks)
    assert_type(claim(session, select(Job).order_by(Job.name), {"name": "a"}), Job | None)
    assert_type(claim(session, select(Job), {"name": "a"}, into=JobRead), JobRead | None)
    assert_type(claim_many(session, select(Job), {"name": "a"}, limit=2), list[Job])
    assert_type(claim_many(session, select(Job), {"name": "a"}, limit=2, into=JobRead), list[JobRead])
    assert_type(get_for_update(session, Job, 1), Job)


async def asynchronously(session: AsyncSession) -> None:
    assert_type(stream(session, select(Job), JobRead, batch=10), AsyncGenerator[JobRead, None])
    assert_type(to_csv(stream(session, select(Job), JobRead), JobRead), AsyncChunks)
    assert_type(to_ndjson(stream(session, select(Job), JobRead)), AsyncChunks)
    assert_type(await claim(session, select(Job), {"name": "a"}), Job | None)
    assert_type(await claim(session, select(Job), {"name": "a"}, into=JobRead), JobRead | None)
    assert_type(await claim_many(session, select(Job), {"name": "a"}, limit=2), list[Job])
    assert_type(await claim_many(session, select(Job), {}, limit=2, into=JobRead), list[JobRead])
    assert_type(await get_for_update(session, Job, 1), Job)
    claim(session, select(Job), {"name": "a"})  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    jobs = stream(session, select(Job), JobRead)
    for job in jobs:  # error: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        print(job)


def any_iterable(rows: Iterable[JobRead], more: AsyncIterable[JobRead]) -> None:
    assert_type(to_csv(rows, JobRead), Chunks)
    assert_type(to_csv(more, JobRead), AsyncChunks)
