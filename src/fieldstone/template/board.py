"""The queries behind the board, and what moving a task on it means.

The verbs here are the app's own: written once, with `@verb`, they serve the API and the pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, get_args
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, case, func
from sqlmodel import Session, col, select

from fieldstone import fetch, patch, verb
from fieldstone.template.models import Assignment, Project, Slug, Status, Task, WorkerKey
from fieldstone.template.schemas import TaskCard

COLUMN_SIZE = 30
STATUSES: tuple[Status, ...] = get_args(Status)


def today() -> date:
    """Give the day by which tasks are due; in UTC, as every time in the app."""
    return datetime.now(UTC).date()


class BoardQuery(BaseModel):
    """Which tasks to show. Without a status, all columns are shown."""

    model_config = ConfigDict(extra="forbid")

    project: Slug | None = Field(default=None, max_length=40, description="The slug of a project.")
    worker: WorkerKey | None = Field(default=None, max_length=40, description="The id of a worker.")
    status: Status | None = None
    offset: int = Field(default=0, ge=0, le=100_000, description="How many cards to skip in each column.")

    @property
    def narrowed(self) -> bool:
        return bool(self.model_dump(exclude_defaults=True))

    @property
    def address(self) -> str:
        """The address of the board that shows this."""
        sent = self.model_dump(exclude_defaults=True)
        return f"/?{urlencode(sent)}" if sent else "/"

    def turned(self, status: Status, pages: int) -> BoardQuery:
        """Turn to another page of one column."""
        return self.model_copy(update={"status": status, "offset": max(0, self.offset + pages * COLUMN_SIZE)})


class Column(BaseModel):
    status: Status
    total: int
    has_more: bool
    tasks: list[TaskCard]


class Board(BaseModel):
    columns: list[Column]
    overdue: int


@verb
def read_board(session: Session, query: BoardQuery) -> Board:
    """Read the tasks that the query wants, by status; subtasks stand on their task's card."""
    cards = fetch(session, _cards(query), TaskCard)
    totals = {status: (total, late) for status, total, late in session.exec(_totals(query))}
    columns = []
    for status in (query.status,) if query.status else STATUSES:
        tasks = [card for card in cards if card.status == status]
        total, _ = totals.get(status, (0, 0))
        has_more = query.offset + len(tasks) < total
        columns.append(Column(status=status, total=total, has_more=has_more, tasks=tasks))
    return Board(columns=columns, overdue=sum(late for _, late in totals.values()))


@verb
def move(session: Session, key: int, status: Status) -> Task:
    """Give a task another status. What is completed is done to 100 percent; what is pending, to 0."""
    progress = {"pending": {"progress_percent": 0}, "completed": {"progress_percent": 100}}
    return patch(session, Task, key, {"status": status, **progress.get(status, {})})


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


def _cards(query: BoardQuery) -> Any:
    """Select the same number of cards from every column, in one statement."""
    place = func.row_number().over(partition_by=col(Task.status), order_by=_order()).label("place")
    placed = select(Task.id, place).where(*_wanted(query)).subquery()
    return (
        select(Task)
        .join(placed, col(Task.id) == placed.c.id)
        .where(placed.c.place > query.offset, placed.c.place <= query.offset + COLUMN_SIZE)
        .order_by(placed.c.place)
    )


def _totals(query: BoardQuery) -> Any:
    """Count the tasks, and the overdue ones, of each status."""
    late = (col(Task.due_date) < today()) & (col(Task.status) != "completed")
    return (
        select(Task.status, func.count(), func.count().filter(late))
        .where(*_wanted(query))
        .group_by(col(Task.status))
    )


def _wanted(query: BoardQuery) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [col(Task.parent_id).is_(None)]
    if query.status:
        wanted.append(col(Task.status) == query.status)
    if query.project:
        wanted.append(col(Task.project_id).in_(select(Project.id).where(Project.slug == query.project)))
    if query.worker:
        mine = select(Assignment.task_id).where(Assignment.worker_id == query.worker)
        wanted.append(col(Task.id).in_(mine))
    return wanted


def _order() -> list[Any]:
    """Put the most urgent first; of what is completed, the latest."""
    completed = case((col(Task.status) == "completed", col(Task.updated_at)))
    rank = case({"high": 0, "medium": 1}, value=col(Task.priority), else_=2)
    return [completed.desc(), rank, col(Task.due_date).is_(None), col(Task.due_date), col(Task.id)]
