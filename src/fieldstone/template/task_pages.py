"""The pages of a task: shown with its story, made, changed, moved, assigned and deleted through forms."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Form as FormField
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.responses import Response

from fieldstone import NotFound, create, delete, fetch, get, including_deleted, one, patch, restore, subtree
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession
from fieldstone.template import html
from fieldstone.template.asking import LARGEST_OFFSET
from fieldstone.template.board import move
from fieldstone.template.forms import Form
from fieldstone.template.html import go, own
from fieldstone.template.models import Assignment, Project, Status, Task, Worker, WorkerKey
from fieldstone.template.schemas import (
    AssignmentCreate,
    ProjectRead,
    TaskCreate,
    TaskDeleted,
    TaskDetails,
    TaskEdit,
    TaskRead,
    TaskSummary,
    TaskTree,
    WorkerRead,
)
from fieldstone.template.timelines import read_story


class _RowConvertor(IntegerConvertor):
    """Match the numbers that may be a row's: Starlette's own fails on one of 5,000 digits."""

    regex = "[0-9]{1,10}"


register_url_convertor("row", _RowConvertor())

task_pages = APIRouter()

# Deeper subtasks are shown on the pages of those above them.
LEVELS = 4


@task_pages.get("/new/task")
async def new_task(request: Request, session: AsyncReadSession, project_id: int | None = None) -> Response:
    return await _task_form(request, session, Form.blank(TaskCreate, project_id=project_id), "New task")


@task_pages.post("/new/task")
async def create_task(request: Request, session: AsyncWriteSession) -> Response:
    form = await Form.sent(request, TaskCreate)
    task = await form.save(session, lambda data: create(session, Task, data))
    return go(f"/tasks/{task.id}") if task else await _task_form(request, session, form, "New task")


@task_pages.get("/tasks/{key:row}")
async def show_task(
    request: Request,
    key: int,
    session: AsyncReadSession,
    history: Annotated[int, Query(ge=0, le=LARGEST_OFFSET)] = 0,
) -> Response:
    try:
        return await _task_page(request, session, key, passed=history)
    except NotFound:
        gone = including_deleted(select(Task).where(Task.id == key))
        task = await one(session, gone, TaskDeleted)
        return html.page(request, "task_deleted.html", 410, task=task)


@task_pages.get("/tasks/{key:row}/edit")
async def edit_task(request: Request, key: int, session: AsyncReadSession) -> Response:
    form = Form.showing(TaskEdit, await _editable(session, key))
    return await _task_form(request, session, form, "Edit task", back=f"/tasks/{key}")


@task_pages.post("/tasks/{key:row}/edit")
async def change_task(request: Request, key: int, session: AsyncWriteSession) -> Response:
    form = await Form.sent(request, TaskEdit)
    back = f"/tasks/{key}"
    task = await form.save(
        session,
        lambda data: patch(session, Task, key, data.model_dump(exclude={"version"}), version=data.version),
    )
    if task:
        return go(back)
    if form.stale or "version" in form.problems:
        form = form.against(await _editable(session, key))
    return await _task_form(request, session, form, "Edit task", back=back)


@task_pages.post("/tasks/{key:row}/move")
async def move_task(
    key: int,
    status: Annotated[Status, FormField()],
    back: Annotated[str, FormField()],
    session: AsyncWriteSession,
) -> Response:
    await move(session, key, status)
    return go(own(back))


@task_pages.post("/tasks/{key:row}/subtasks")
async def add_subtask(request: Request, key: int, session: AsyncWriteSession) -> Response:
    parent = await get(session, Task, key, TaskRead)
    form = await Form.sent(request, TaskCreate)
    placed = {"parent_id": key, "project_id": parent.project_id}
    task = await form.save(session, lambda data: create(session, Task, data.model_copy(update=placed)))
    return go(f"/tasks/{key}") if task else await _task_page(request, session, key, subtask=form)


@task_pages.post("/tasks/{key:row}/assign")
async def assign(request: Request, key: int, session: AsyncWriteSession) -> Response:
    await get(session, Task, key, TaskSummary)
    form = await Form.sent(request, AssignmentCreate)
    assignment = await form.save(
        session,
        lambda data: create(session, Assignment, {"task_id": key, **data.model_dump()}),
        taken="Already assigned to this task.",
    )
    return go(f"/tasks/{key}") if assignment else await _task_page(request, session, key, assign=form)


@task_pages.post("/tasks/{key:row}/unassign")
async def unassign(
    key: int, worker_id: Annotated[WorkerKey, FormField()], session: AsyncWriteSession
) -> Response:
    await delete(session, Assignment, (key, worker_id))
    return go(f"/tasks/{key}")


@task_pages.get("/tasks/{key:row}/delete")
async def confirm_deletion(request: Request, key: int, session: AsyncReadSession) -> Response:
    return html.page(request, "task_delete.html", task=await get(session, Task, key, TaskRead))


@task_pages.post("/tasks/{key:row}/delete")
async def delete_task(key: int, session: AsyncWriteSession) -> Response:
    await delete(session, Task, key)
    return go(f"/tasks/{key}")


@task_pages.post("/tasks/{key:row}/restore")
async def restore_task(key: int, session: AsyncWriteSession) -> Response:
    await restore(session, Task, key)
    return go(f"/tasks/{key}")


async def _task_page(
    request: Request,
    session: AsyncSession,
    key: int,
    *,
    passed: int = 0,
    subtask: Form[TaskCreate] | None = None,
    assign: Form[AssignmentCreate] | None = None,
) -> Response:
    """Show a task, with the form that was refused if one was."""
    workers = await fetch(session, select(Worker).order_by(Worker.name), WorkerRead)
    return html.page(
        request,
        "task.html",
        422 if subtask or assign else 200,
        task=await get(session, Task, key, TaskDetails),
        tree=await subtree(session, Task, key, TaskTree, depth=LEVELS),
        story=await read_story(session, key, workers, offset=passed),
        workers=workers,
        subtask_form=subtask or Form.blank(TaskCreate),
        assign_form=assign or Form.blank(AssignmentCreate),
    )


async def _editable(session: AsyncSession, key: int) -> dict[str, Any]:
    task = await get(session, Task, key, TaskDetails)
    return task.model_dump(include=set(TaskEdit.model_fields))


async def _task_form(
    request: Request, session: AsyncSession, form: Form[Any], heading: str, back: str = "/"
) -> Response:
    return html.page(
        request,
        "task_form.html",
        409 if form.stale else 422 if form.problems else 200,
        heading=heading,
        form=form,
        back=back,
        projects=await fetch(session, select(Project).order_by(Project.name), ProjectRead),
    )
