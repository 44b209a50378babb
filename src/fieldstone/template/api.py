"""The API: the routes of each resource, and by hand what a resource does not know.

A route written by hand reads like a generated one; both use the same verbs. Those that write take
the header X-Actor.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from fieldstone import HistoryRead, Page, Selection, create, delete, get, restore, subtree, timeline
from fieldstone.fastapi import AsyncReadSession, AsyncWriteSession, problem_responses, routes
from fieldstone.template.actors import named
from fieldstone.template.board import Board, claim_next, read_board
from fieldstone.template.models import Assignment, Priority, Slug, Status, Task, WorkerKey
from fieldstone.template.resources import projects, tasks, workers
from fieldstone.template.schemas import (
    AssignmentCreate,
    AssignmentRead,
    TaskClaim,
    TaskRead,
    TaskSummary,
    TaskTree,
)

# Functions have the names of what they do, which then are the names that a generated client has.
api = APIRouter(prefix="/api", generate_unique_id_function=lambda route: route.name)
work = APIRouter(prefix="/tasks", tags=["tasks"])

TaskKey = Annotated[int, Path(ge=-(2**31), le=2**31 - 1, description="The id of a task.", examples=[1])]
DEEPEST = 20
NOTHING_WAITS: dict[str, Any] = {"description": "Nothing waits for this worker."}


class BoardQuery(BaseModel):
    """Which tasks to show, in the words in which a list of tasks is asked for."""

    model_config = ConfigDict(extra="forbid")

    project: Slug | None = Field(
        None, alias="project.slug", max_length=40, description="The slug of a project.", examples=["shop"]
    )
    worker: WorkerKey | None = Field(
        None,
        alias="assignments.worker_id",
        max_length=40,
        description="The id of a worker.",
        examples=["@claude-code"],
    )
    status: Status | None = Field(None, description="Only the column of this status.", examples=["pending"])
    priority: Priority | None = Field(None, description="Only tasks of this priority.", examples=["high"])
    offset: int = Field(default=0, ge=0, le=100_000, description="How many cards to skip in each column.")

    @property
    def selection(self) -> Selection:
        return tasks.selection(self.model_dump(by_alias=True, exclude_none=True, exclude={"offset"}))


@api.get("/board", tags=["board"], summary="Show the board", responses=problem_responses(422, 503))
async def show_board(query: Annotated[BoardQuery, Query()], session: AsyncReadSession) -> Board:
    """Give the first cards of every column, and how many there are in all."""
    return await read_board(session, query.selection, offset=query.offset)


@work.post(
    "/claim",
    summary="Claim the next task",
    dependencies=[named],
    response_model=TaskRead,
    responses={204: NOTHING_WAITS, **problem_responses(400, 415, 422, 503)},
)
async def claim_task(data: TaskClaim, session: AsyncWriteSession) -> TaskRead | Response:
    """Let a worker start the most urgent task that is pending and nobody else's.

    The task is in progress from then on, and the worker is among its assignees. However many workers
    ask at once, no two of them get the same task.
    """
    return await claim_next(session, data) or Response(status_code=204)


@work.get("/{task_id}/history", summary="Tell the history of a task", responses=problem_responses(422, 503))
async def tell_task_history(
    task_id: TaskKey,
    session: AsyncReadSession,
    size: Annotated[int, Query(ge=1, le=100, description="The most entries to return.")] = 20,
    offset: Annotated[int, Query(ge=0, le=100_000, description="How many entries to skip.")] = 0,
) -> Page[HistoryRead]:
    """Tell who changed what of a task, the newest first; also of one that was deleted."""
    return await timeline(session, Task, task_id, size=size, offset=offset)


@work.get(
    "/{task_id}/tree", summary="Get a task with all below it", responses=problem_responses(404, 422, 503)
)
async def get_task_tree(task_id: TaskKey, session: AsyncReadSession) -> TaskTree:
    """Give a task with all that is below it, down to the twentieth level."""
    return await subtree(session, Task, task_id, TaskTree, depth=DEEPEST)


@work.post(
    "/{task_id}/restore",
    summary="Restore a deleted task",
    dependencies=[named],
    responses=problem_responses(404, 422, 503),
)
async def restore_task(task_id: TaskKey, session: AsyncWriteSession) -> TaskRead:
    """Bring back a task with the subtasks that were deleted with it. One that is there stays as it is."""
    await restore(session, Task, task_id)
    return await get(session, Task, task_id, TaskRead)


@work.post(
    "/{task_id}/assignments",
    summary="Assign a worker",
    status_code=201,
    dependencies=[named],
    responses=problem_responses(400, 404, 409, 415, 422, 503),
)
async def assign_worker(
    task_id: TaskKey, data: AssignmentCreate, session: AsyncWriteSession
) -> AssignmentRead:
    await get(session, Task, task_id, TaskSummary)
    await create(session, Assignment, {"task_id": task_id, **data.model_dump()})
    return await get(session, Assignment, (task_id, data.worker_id), AssignmentRead)


@work.delete(
    "/{task_id}/assignments/{worker_id}",
    summary="Unassign a worker",
    status_code=204,
    dependencies=[named],
    responses=problem_responses(404, 422, 503),
)
async def unassign_worker(task_id: TaskKey, worker_id: WorkerKey, session: AsyncWriteSession) -> None:
    await delete(session, Assignment, (task_id, worker_id))


for resource in (projects, tasks, workers):
    api.include_router(routes(resource, exclude=("create", "patch", "delete")))
    api.include_router(routes(resource, only=("create", "patch", "delete"), dependencies=[named]))
api.include_router(work)
