"""Demo data, planted once: through the same schemas and verbs as everybody else's.

All of it is one transaction, so nobody ever sees half of it. When two processes start at once, the
slug of the first project lets one of them win: the other waits for it, is refused, and goes on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from fieldstone import Conflict, Database, create, exists
from fieldstone.template.board import today
from fieldstone.template.models import Assignment, Project, Task, Worker
from fieldstone.template.schemas import ProjectCreate, TaskCreate, WorkerCreate

Planted = tuple[int | None, dict[str, Any]]
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
    tasks: list[Planted] = []
    for project in demo["projects"]:
        entries = project.pop("tasks")
        project_id = create(session, Project, ProjectCreate(**project)).id
        tasks += [(project_id, entry) for entry in entries]
    for worker in demo["workers"]:
        create(session, Worker, WorkerCreate(**worker))
    for project_id, entry in watch(tasks):
        _plant_task(session, project_id, entry)


def _plant_task(session: Session, project_id: int | None, entry: dict[str, Any]) -> None:
    due_date = today() + timedelta(days=entry["due_in_days"])
    task = create(session, Task, _task(entry, project_id=project_id, due_date=due_date))
    for status, titles in entry.get("subtasks", {}).items():
        for title in titles:
            subtask = {"title": title, "status": status, "priority": entry["priority"]}
            create(session, Task, _task(subtask, project_id=project_id, parent_id=task.id))
    for role in ("assignee", "reviewer"):
        for worker_id in entry.get(f"{role}s", []):
            create(session, Assignment, {"task_id": task.id, "worker_id": worker_id, "role": role})


def _task(entry: dict[str, Any], **more: Any) -> TaskCreate:
    sent = {name: value for name, value in entry.items() if name in TaskCreate.model_fields}
    if sent["status"] == "completed":
        sent["progress_percent"] = 100
    return TaskCreate(**sent, **more)
