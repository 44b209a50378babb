"""The queries behind the board, and what moving a task on it means.

The verbs here are the app's own: written once, with `@verb`, they serve the API and the pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, get_args

from pydantic import BaseModel
from sqlalchemy import and_, case, func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from fieldstone import (
    InvalidValues,
    Problem,
    Selection,
    acting,
    claim,
    current_actor,
    fetch,
    get,
    including_deleted,
    one_or_none,
    patch,
    upsert,
    verb,
)
from fieldstone.template.models import Assignment, Project, Status, Task, Worker
from fieldstone.template.schemas import TaskCard, TaskClaim, TaskRead, WorkerRead

COLUMN_SIZE = 30
STATUSES: tuple[Status, ...] = get_args(Status)


def today() -> date:
    """Give the day by which tasks are due; in UTC, as every time in the app."""
    return datetime.now(UTC).date()


class Column(BaseModel):
    status: Status
    total: int
    has_more: bool
    tasks: list[TaskCard]


class Board(BaseModel):
    columns: list[Column]
    overdue: int


@verb
def read_board(session: Session, wanted: Selection, *, offset: int = 0) -> Board:
    """Read the wanted tasks by status, passing over as many in each; subtasks stand on their task's card."""
    cards = fetch(session, _cards(wanted, offset), TaskCard)
    totals = {status: (total, late) for status, total, late in session.exec(_totals(wanted))}
    columns = []
    for status in _shown(wanted):
        tasks = [card for card in cards if card.status == status]
        total, _ = totals.get(status, (0, 0))
        has_more = offset + len(tasks) < total
        columns.append(Column(status=status, total=total, has_more=has_more, tasks=tasks))
    return Board(columns=columns, overdue=sum(late for _, late in totals.values()))


@verb
def move(session: Session, key: int, status: Status) -> Task:
    """Give a task another status. What is completed is done to 100 percent; what is pending, to 0."""
    progress = {"pending": {"progress_percent": 0}, "completed": {"progress_percent": 100}}
    return patch(session, Task, key, {"status": status, **progress.get(status, {})})


def deleted_tasks() -> Any:
    """Select what may be brought back, the latest first; what is below a deleted task comes with that."""
    above = aliased(Task)
    gone = select(above.id).where(above.id == Task.parent_id, col(above.deleted_at).is_not(None))
    deleted = select(Task).where(col(Task.deleted_at).is_not(None), ~gone.correlate(Task).exists())
    return including_deleted(deleted.order_by(col(Task.deleted_at).desc()))


@verb
def claim_next(session: Session, wanted: TaskClaim) -> TaskRead | None:
    """Let a worker start the most urgent task that waits and is nobody else's; None if there is none.

    However many ask at once, no task goes to two of them. Where nobody is said to act, the worker does.
    """
    worker = one_or_none(session, select(Worker).where(Worker.id == wanted.worker_id), WorkerRead)
    if worker is None:
        raise InvalidValues("The claim", [Problem(("worker_id",), "unknown_worker", "No worker has this id")])
    with nullcontext() if current_actor() else acting(worker.id, kind=worker.type):
        task = claim(session, _waiting_for(wanted), {"status": "in_progress"})
        if task is None:
            return None
        mine = {"task_id": task.id, "worker_id": worker.id, "role": "assignee"}
        upsert(session, Assignment, mine, on=("task_id", "worker_id"))
    return get(session, Task, task.id, TaskRead)


@verb
def tallies(session: Session, project_id: int | None = None) -> Mapping[int | None, dict[str, int]]:
    """Count the tasks of every project, or of one, by status."""
    counted = (
        select(Task.project_id, Task.status, func.count())
        .where(col(Task.parent_id).is_(None), col(Task.project_id).is_not(None))
        .group_by(col(Task.project_id), col(Task.status))
    )
    if project_id is not None:
        counted = counted.where(Task.project_id == project_id)
    found: defaultdict[int | None, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STATUSES, 0))
    for project, status, number in session.exec(counted):
        found[project][status] = number
    return found


def _cards(wanted: Selection, offset: int) -> Any:
    """Select the same number of cards from every column, in one statement."""
    place = func.row_number().over(partition_by=col(Task.status), order_by=_order(wanted)).label("place")
    placed = _narrowed(select(Task.id, place), wanted).subquery()
    return (
        select(Task)
        .join(placed, col(Task.id) == placed.c.id)
        .where(placed.c.place > offset, placed.c.place <= offset + COLUMN_SIZE)
        .order_by(placed.c.place)
    )


def _shown(wanted: Selection) -> list[Status]:
    """Leave out the columns in which no wanted task can stand."""
    asked = [one for one in wanted.filters if one.path == "status"]
    return [status for status in STATUSES if all(_ALLOWS[one.operator](one.value, status) for one in asked)]


_ALLOWS: dict[str, Callable[[Any, Status], bool]] = {
    "eq": lambda value, status: value == status,
    "ne": lambda value, status: value != status,
    "in": lambda values, status: status in values,
    "not_in": lambda values, status: status not in values,
}


def _totals(wanted: Selection) -> Any:
    """Count the tasks, and the overdue ones, of each status."""
    late = (col(Task.due_date) < today()) & (col(Task.status) != "completed")
    counted = select(Task.status, func.count(), func.count().filter(late))
    return _narrowed(counted, wanted).group_by(col(Task.status))


def _narrowed(statement: Any, wanted: Selection) -> Any:
    """Keep to the wanted tasks that stand on a board: no subtasks."""
    return replace(wanted, sort=()).apply(statement).where(col(Task.parent_id).is_(None))


def _order(wanted: Selection) -> list[Any]:
    """Order as it is wanted; otherwise the most urgent first, and of what is completed the latest."""
    if wanted.sort:
        columns = [(getattr(Task, one.path), one.descending) for one in wanted.sort]
        order = [column.desc() if descending else column.asc() for column, descending in columns]
        return [*(one.nulls_last() for one in order), col(Task.id)]
    completed = case((col(Task.status) == "completed", col(Task.updated_at)))
    return [completed.desc(), *_urgency()]


def _urgency() -> list[Any]:
    rank = case({"high": 0, "medium": 1}, value=col(Task.priority), else_=2)
    return [rank, col(Task.due_date).is_(None), col(Task.due_date), col(Task.id)]


def _waiting_for(wanted: TaskClaim) -> Any:
    waiting = select(Task).where(col(Task.parent_id).is_(None), Task.status == "pending")
    if wanted.project is not None:
        within = select(Project.id).where(Project.slug == wanted.project)
        waiting = waiting.where(col(Task.project_id).in_(within))
    return waiting.where(~_of_others(wanted.worker_id)).order_by(*_urgency())


def _of_others(worker_id: str) -> Any:
    """Tell whether somebody else is to do a task, and this worker is not."""
    assignees = select(Assignment.task_id).where(Assignment.task_id == Task.id, Assignment.role == "assignee")
    mine = assignees.where(Assignment.worker_id == worker_id)
    return and_(assignees.correlate(Task).exists(), ~mine.correlate(Task).exists())
