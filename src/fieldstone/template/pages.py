"""The pages for a browser. Every one works without JavaScript.

A GET reads into the schema that its template shows. A POST writes and sends the browser on (303),
or shows its form again (422) with what was typed and what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Form as FormField
from pydantic import ConfigDict, model_validator
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.responses import Response

from fieldstone import create, delete, fetch, get, one, page, patch
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession
from fieldstone.template import html
from fieldstone.template.board import BoardQuery, move, read_board, tallies
from fieldstone.template.forms import Form
from fieldstone.template.html import go
from fieldstone.template.models import Assignment, Project, Slug, Status, Task, Worker, WorkerKey
from fieldstone.template.schemas import (
    AssignmentCreate,
    ProjectCreate,
    ProjectRead,
    TaskCard,
    TaskCreate,
    TaskRead,
    TaskUpdate,
    WorkerCard,
    WorkerRead,
)


class _RowConvertor(IntegerConvertor):
    """Match the numbers that may be a row's: Starlette's own fails on one of 5,000 digits."""

    regex = "[0-9]{1,10}"


register_url_convertor("row", _RowConvertor())

pages = APIRouter(include_in_schema=False)

by_name = select(Project).order_by(Project.name)


class BoardForm(BoardQuery):
    """The same from a person: a form sends its empty choices, and a link may carry what others added."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in sent.items() if value != ""}


@pages.get("/")
async def board(
    request: Request, query: Annotated[BoardForm, Query()], session: AsyncReadSession
) -> Response:
    return html.page(
        request,
        "board.html",
        board=await read_board(session, query),
        query=query,
        projects=await fetch(session, by_name, ProjectRead),
        workers=await _workers(session),
    )


@pages.get("/new/task")
async def new_task(request: Request, session: AsyncReadSession, project_id: int | None = None) -> Response:
    return await _task_form(request, session, Form.blank(TaskCreate, project_id=project_id), "New task")


@pages.post("/new/task")
async def create_task(request: Request, session: AsyncWriteSession) -> Response:
    form = await Form.sent(request, TaskCreate)
    task = await form.save(session, lambda data: create(session, Task, data))
    return go(f"/tasks/{task.id}") if task else await _task_form(request, session, form, "New task")


@pages.get("/tasks/{key:row}")
async def show_task(request: Request, key: int, session: AsyncReadSession) -> Response:
    return await _task_page(request, session, key)


@pages.get("/tasks/{key:row}/edit")
async def edit_task(request: Request, key: int, session: AsyncReadSession) -> Response:
    task = await get(session, Task, key, TaskRead)
    form = Form.showing(TaskUpdate, task.model_dump(include=set(TaskUpdate.model_fields)))
    return await _task_form(request, session, form, "Edit task", back=f"/tasks/{key}")


@pages.post("/tasks/{key:row}/edit")
async def change_task(request: Request, key: int, session: AsyncWriteSession) -> Response:
    form = await Form.sent(request, TaskUpdate)
    task = await form.save(session, lambda data: patch(session, Task, key, data))
    back = f"/tasks/{key}"
    return go(back) if task else await _task_form(request, session, form, "Edit task", back=back)


@pages.post("/tasks/{key:row}/move")
async def move_task(
    key: int,
    status: Annotated[Status, FormField()],
    back: Annotated[str, FormField()],
    session: AsyncWriteSession,
) -> Response:
    await move(session, key, status)
    return go(_own(back))


@pages.post("/tasks/{key:row}/subtasks")
async def add_subtask(request: Request, key: int, session: AsyncWriteSession) -> Response:
    parent = await get(session, Task, key, TaskRead)
    form = await Form.sent(request, TaskCreate)
    placed = {"parent_id": key, "project_id": parent.project_id}
    task = await form.save(session, lambda data: create(session, Task, data.model_copy(update=placed)))
    return go(f"/tasks/{key}") if task else await _task_page(request, session, key, subtask=form)


@pages.post("/tasks/{key:row}/assign")
async def assign(request: Request, key: int, session: AsyncWriteSession) -> Response:
    form = await Form.sent(request, AssignmentCreate)
    assignment = await form.save(
        session,
        lambda data: create(session, Assignment, {"task_id": key, **data.model_dump()}),
        taken="Already assigned to this task.",
    )
    return go(f"/tasks/{key}") if assignment else await _task_page(request, session, key, assign=form)


@pages.post("/tasks/{key:row}/unassign")
async def unassign(
    key: int, worker_id: Annotated[WorkerKey, FormField()], session: AsyncWriteSession
) -> Response:
    await delete(session, Assignment, (key, worker_id))
    return go(f"/tasks/{key}")


@pages.get("/tasks/{key:row}/delete")
async def confirm_deletion(request: Request, key: int, session: AsyncReadSession) -> Response:
    return html.page(request, "task_delete.html", task=await get(session, Task, key, TaskRead))


@pages.post("/tasks/{key:row}/delete")
async def delete_task(key: int, session: AsyncWriteSession) -> Response:
    await delete(session, Task, key)
    return go("/")


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


async def _task_page(
    request: Request,
    session: AsyncSession,
    key: int,
    *,
    subtask: Form[TaskCreate] | None = None,
    assign: Form[AssignmentCreate] | None = None,
) -> Response:
    """Show a task, with the form that was refused if one was."""
    return html.page(
        request,
        "task.html",
        422 if subtask or assign else 200,
        task=await get(session, Task, key, TaskRead),
        workers=await _workers(session),
        subtask_form=subtask or Form.blank(TaskCreate),
        assign_form=assign or Form.blank(AssignmentCreate),
    )


async def _task_form(
    request: Request, session: AsyncSession, form: Form[Any], heading: str, back: str = "/"
) -> Response:
    return html.page(
        request,
        "task_form.html",
        422 if form.problems else 200,
        heading=heading,
        form=form,
        back=back,
        projects=await fetch(session, by_name, ProjectRead),
    )


def _own(address: str) -> str:
    """Keep to this site: an address from a form may lead anywhere."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"
