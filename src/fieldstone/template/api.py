"""The API: five routes for each resource, and by hand what a resource does not know.

A route written by hand reads like a generated one; both use the same verbs.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlmodel import col

from fieldstone import Resource, create, delete, get
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession, problem_responses, routes
from fieldstone.template.board import Board, BoardQuery, read_board
from fieldstone.template.models import Assignment, Project, Task, Worker, WorkerKey
from fieldstone.template.schemas import (
    AssignmentCreate,
    AssignmentRead,
    ProjectCreate,
    ProjectRead,
    ProjectUpdate,
    TaskCreate,
    TaskRead,
    TaskUpdate,
    WorkerCreate,
    WorkerRead,
    WorkerUpdate,
)

projects = Resource(
    Project, read=ProjectRead, create=ProjectCreate, update=ProjectUpdate, order_by=[col(Project.name)]
)
tasks = Resource(
    Task, read=TaskRead, create=TaskCreate, update=TaskUpdate, order_by=[col(Task.created_at).desc()]
)
workers = Resource(
    Worker, read=WorkerRead, create=WorkerCreate, update=WorkerUpdate, order_by=[col(Worker.name)]
)

api = APIRouter(prefix="/api")
assignments = APIRouter(prefix="/tasks/{task_id}/assignments", tags=["tasks"])

TaskKey = Annotated[int, Path(ge=-(2**31), le=2**31 - 1)]


@api.get("/board", tags=["board"], responses=problem_responses(422, 503))
async def board(query: Annotated[BoardQuery, Query()], session: AsyncReadSession) -> Board:
    return await read_board(session, query)


@assignments.post("", status_code=201, responses=problem_responses(400, 409, 415, 422, 503))
async def assign(task_id: TaskKey, data: AssignmentCreate, session: AsyncWriteSession) -> AssignmentRead:
    await create(session, Assignment, {"task_id": task_id, **data.model_dump()})
    return await get(session, Assignment, (task_id, data.worker_id), AssignmentRead)


@assignments.delete("/{worker_id}", status_code=204, responses=problem_responses(404, 422, 503))
async def unassign(task_id: TaskKey, worker_id: WorkerKey, session: AsyncWriteSession) -> None:
    await delete(session, Assignment, (task_id, worker_id))


for router in (routes(projects), routes(tasks), assignments, routes(workers)):
    api.include_router(router)
