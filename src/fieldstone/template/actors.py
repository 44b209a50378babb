"""Who acts: what is changed in a request stands in the history under the worker named here.

A program names its worker in the header X-Actor; a person chooses theirs once, on a page, and a
cookie keeps it. Neither is proof: the app trusts whoever reaches it. Before strangers can, put a
sign-in in front, and take the worker from that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import acting, one_or_none
from fieldstone.fastapi import AsyncReadSession
from fieldstone.template.models import Worker, WorkerKey
from fieldstone.template.schemas import WorkerRead

COOKIE = "worker"

ActorHeader = Annotated[
    WorkerKey | None,
    Header(
        alias="X-Actor",
        max_length=40,
        description="The id of the worker in whose name the change is made, for the history.",
        examples=["@claude-code"],
    ),
]


async def named_actor(session: AsyncReadSession, x_actor: ActorHeader = None) -> AsyncIterator[None]:
    """Act in the name of the worker that a program says it is."""
    worker = await _worker(session, x_actor)
    if x_actor is not None and worker is None:
        unknown = {"type": "unknown_worker", "loc": ("header", "X-Actor"), "msg": "No worker has this id"}
        raise RequestValidationError([unknown])
    with _acting(worker):
        yield


async def chosen_actor(request: Request, session: AsyncReadSession) -> AsyncIterator[WorkerRead | None]:
    """Act in the name of the worker that a person has chosen, if that one is still there."""
    worker = await _worker(session, request.cookies.get(COOKIE))
    request.state.me = worker
    with _acting(worker):
        yield worker


named = Depends(named_actor, scope="function")
chosen = Depends(chosen_actor, scope="function")
Me = Annotated[WorkerRead | None, chosen]


async def _worker(session: AsyncSession, key: str | None) -> WorkerRead | None:
    if not key or len(key) > 40 or "\0" in key:
        return None
    return await one_or_none(session, select(Worker).where(Worker.id == key), WorkerRead)


def _acting(worker: WorkerRead | None) -> AbstractContextManager[None]:
    return acting(None) if worker is None else acting(worker.id, kind=worker.type)
