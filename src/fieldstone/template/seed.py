"""Demo data, planted once: through the same schemas and verbs as everybody else's.

The tasks have lived already: who began, moved and completed them stands in their history. All of it
is one transaction, so nobody ever sees half of it. When two processes start at once, the
slug of the first project lets one of them win: the other waits for it, is refused, and goes on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from fieldstone import Conflict, Database, acting, create, exists, history_of, patch
from fieldstone.template.board import today
from fieldstone.template.models import Assignment, Project, Task, Worker
from fieldstone.template.schemas import ProjectCreate, TaskCreate, WorkerCreate

Planted = tuple[int | None, dict[str, Any]]
FOUNDER = "@mira"
Watch = Callable[[Sequence[Planted]], Iterable[Planted]]


def seed(database: Database, *, watch: Watch = iter) -> bool:
    """Plant the demo data if there are no projects yet, and tell whether it was planted.

    `watch` passes the tasks through one by one, and may show how far it is.
    """
    try:
        with database.transaction() as session:
            if exists(session, select(Project)):
                return False
            _plant(session, watch)
    except Conflict:
        return False
    return True


def _plant(session: Session, watch: Watch) -> None:
    demo = tomllib.loads((Path(__file__).parent / "demo.toml").read_text(encoding="utf-8"))
    agents = {worker["id"] for worker in demo["workers"] if worker["type"] == "agent"}
    tasks: list[Planted] = []
    # The projects first: the slug of one is what lets a single process win.
    for project in demo["projects"]:
        entries = project.pop("tasks")
        project_id = create(session, Project, ProjectCreate(**project)).id
        tasks += [(project_id, entry) for entry in entries]
    for worker in demo["workers"]:
        create(session, Worker, WorkerCreate(**worker))
    moments: dict[str, list[datetime]] = {}
    for number, (project_id, entry) in enumerate(watch(tasks)):
        key, lived = _live(session, project_id, entry, agents, began=_days_ago(4 + number * 7 % 17))
        moments[str(key)] = lived
    _date_back(session, moments)


def _live(
    session: Session, project_id: int | None, entry: dict[str, Any], agents: set[str], began: datetime
) -> tuple[int | None, list[datetime]]:
    """Plant a task and let a worker bring it to where it is. Tell its key, and when each change was."""
    with acting(FOUNDER):
        task = _plant_task(session, project_id, entry, began)
    worker_id = entry.get("assignees", [FOUNDER])[-1]
    steps = list(_steps(entry))
    pace = (_days_ago(0) - began) / (len(steps) + 1)
    moments = [began + pace * number for number in range(len(steps) + 1)]
    with acting(worker_id, kind="agent" if worker_id in agents else "human"):
        for step, at in zip(steps, moments[1:], strict=True):
            patch(session, Task, task.id, {**step, "updated_at": at})
    return task.id, moments


def _plant_task(session: Session, project_id: int | None, entry: dict[str, Any], began: datetime) -> Task:
    """Plant a task as it was in the beginning, with its subtasks as they are now."""
    times = {"created_at": began, "updated_at": began}
    due_date = today() + timedelta(days=entry["due_in_days"])
    new = _values(entry, status="pending", progress_percent=0, project_id=project_id, due_date=due_date)
    task = create(session, Task, new | times)
    for status, titles in entry.get("subtasks", {}).items():
        below = {"status": status, "priority": entry["priority"], "project_id": project_id}
        below |= {"parent_id": task.id, "progress_percent": 100 if status == "completed" else 0}
        for title in titles:
            create(session, Task, _values({"title": title}, **below) | times)
    people = [(one, role) for role in ("assignee", "reviewer") for one in entry.get(f"{role}s", [])]
    for minutes, (worker_id, role) in enumerate(people, start=1):
        assigned = {"worker_id": worker_id, "role": role, "assigned_at": began + timedelta(minutes=minutes)}
        create(session, Assignment, {"task_id": task.id, **assigned})
    return task


def _values(entry: dict[str, Any], **more: Any) -> dict[str, Any]:
    sent = {name: value for name, value in entry.items() if name in TaskCreate.model_fields}
    return TaskCreate(**{**sent, **more}).model_dump()


def _steps(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Say what changed since the task was new."""
    if entry["status"] != "pending":
        yield {"status": "in_progress"}
    if percent := entry.get("progress_percent"):
        yield {"progress_percent": percent}
    if entry["status"] == "completed":
        yield {"status": "completed", "progress_percent": 100}


def _date_back(session: Session, moments: Mapping[str, list[datetime]]) -> None:
    """Give the entries of the history the times of the changes, which were all made just now."""
    entry = history_of(Task)
    left = {key: iter(times) for key, times in moments.items()}
    made_at = {str(task.id): task.created_at for task in session.exec(select(Task))}
    for one in session.exec(select(entry).order_by(col(entry.id))):
        if one.model == "Assignment":
            one.at = datetime.fromisoformat(one.changes["assigned_at"]["new"])
        elif one.model == "Task":  # subtasks have not lived: they are what they were made as
            one.at = next(left[one.key]) if one.key in left else made_at[one.key]
    session.flush()


def _days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days, minutes=17 * days)
