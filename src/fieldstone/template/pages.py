"""The pages for a browser. Every one works without JavaScript.

A GET reads into the schema that its template shows. A POST writes and sends the browser on (303),
or shows its form again (422) with what was typed and what is wrong.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Form as FormField
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from fieldstone import create, fetch, get, one, page
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession
from fieldstone.template import html
from fieldstone.template.actors import COOKIE, Me, chosen
from fieldstone.template.asking import LARGEST_OFFSET, asked
from fieldstone.template.board import claim_next, deleted_tasks, read_board, tallies
from fieldstone.template.forms import Form
from fieldstone.template.html import go, own
from fieldstone.template.models import Project, Slug, Task, Worker, WorkerKey
from fieldstone.template.schemas import (
    ProjectCreate,
    ProjectRead,
    TaskCard,
    TaskClaim,
    TaskDeleted,
    WorkerCard,
    WorkerRead,
)
from fieldstone.template.task_pages import task_pages

pages = APIRouter(include_in_schema=False, dependencies=[chosen])

by_name = select(Project).order_by(Project.name)


@pages.get("/")
async def board(request: Request, session: AsyncReadSession) -> Response:
    query = asked(request.query_params.multi_items())
    return html.page(
        request,
        "board.html",
        422 if query.problems else 200,
        board=await read_board(session, query.wanted, offset=query.offset),
        query=query,
        projects=await fetch(session, by_name, ProjectRead),
        workers=await _workers(session),
    )


@pages.post("/claim")
async def claim(
    request: Request,
    me: Me,
    session: AsyncWriteSession,
    project: Annotated[Slug | None, FormField(max_length=40)] = None,
) -> Response:
    """Start the next task as whoever works at this browser."""
    if me is None:
        return go("/me")
    task = await claim_next(session, TaskClaim(worker_id=me.id, project=project))
    return go(f"/tasks/{task.id}") if task else html.page(request, "claim.html")


@pages.get("/me")
async def who(request: Request, session: AsyncReadSession, back: str = "/") -> Response:
    return html.page(request, "me.html", workers=await _workers(session), back=own(back))


@pages.post("/me")
async def choose_who(
    session: AsyncReadSession,
    back: Annotated[str, FormField()],
    worker_id: Annotated[WorkerKey | None, FormField(max_length=40)] = None,
) -> Response:
    """Remember who is working at this browser, or forget it."""
    answer = go(own(back))
    if worker_id is None:
        answer.delete_cookie(COOKIE)
        return answer
    await get(session, Worker, worker_id, WorkerRead)
    answer.set_cookie(COOKIE, worker_id, max_age=31_536_000, httponly=True, samesite="lax")
    return answer


@pages.get("/deleted")
async def list_deleted(
    request: Request,
    session: AsyncReadSession,
    offset: Annotated[int, Query(ge=0, le=LARGEST_OFFSET)] = 0,
) -> Response:
    tasks = await page(session, deleted_tasks(), TaskDeleted, size=30, offset=offset)
    return html.page(request, "deleted.html", tasks=tasks)


@pages.get("/projects")
async def list_projects(request: Request, session: AsyncReadSession) -> Response:
    projects = await fetch(session, by_name, ProjectRead)
    return html.page(request, "projects.html", projects=projects, tallies=await tallies(session))


@pages.get("/new/project")
async def new_project(request: Request) -> Response:
    return html.page(request, "project_form.html", form=Form.blank(ProjectCreate))


@pages.post("/new/project")
async def create_project(request: Request, session: AsyncWriteSession) -> Response:
    form = await Form.sent(request, ProjectCreate)
    project = await form.save(session, lambda data: create(session, Project, data))
    if project is None:
        return html.page(request, "project_form.html", 422, form=form)
    return go(f"/projects/{project.slug}")


@pages.get("/projects/{slug}")
async def show_project(request: Request, slug: Slug, session: AsyncReadSession, offset: int = 0) -> Response:
    project = await one(session, select(Project).where(Project.slug == slug), ProjectRead)
    tasks = select(Task).where(Task.project_id == project.id, col(Task.parent_id).is_(None))
    open_first = tasks.order_by(col(Task.status) == "completed", col(Task.due_date))
    return html.page(
        request,
        "project.html",
        project=project,
        tally=(await tallies(session, project.id))[project.id],
        tasks=await page(session, open_first, TaskCard, size=50, offset=offset),
    )


@pages.get("/workers")
async def list_workers(request: Request, session: AsyncReadSession) -> Response:
    workers = await fetch(session, select(Worker).order_by(Worker.name), WorkerCard)
    return html.page(request, "workers.html", workers=workers)


async def _workers(session: AsyncSession) -> list[WorkerRead]:
    return await fetch(session, select(Worker).order_by(Worker.name), WorkerRead)


pages.include_router(task_pages)
