"""What happened to a task, in the words of a page: who, when, and what it was and became."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select

from fieldstone import Change, HistoryRead, Page, fetch, history_of, page, typed, verb
from fieldstone.template.models import Project, Task
from fieldstone.template.schemas import ProjectLabel, WorkerRead

SIZE = 10

# The fields that a person knows by a name; the others say nothing to them.
NAMES = {
    "title": "Title",
    "description": "Description",
    "status": "Status",
    "priority": "Priority",
    "progress_percent": "Progress",
    "due_date": "Due",
    "contact": "Contact",
    "project_id": "Project",
    "role": "Role",
}


@dataclass(frozen=True)
class Step:
    """One field that changed. Without values if it is private."""

    name: str
    old: str | None
    new: str | None
    masked: bool


@dataclass(frozen=True)
class Event:
    """One change: by whom, if it is known, and in a sentence."""

    at: datetime
    actor: str | None
    kind: str | None
    sentence: str
    steps: list[Step]


@dataclass(frozen=True)
class Story:
    """Some of the events, the newest first."""

    events: list[Event]
    offset: int
    has_more: bool
    size: int = SIZE


@verb
def read_story(session: Session, key: int, workers: Iterable[WorkerRead], *, offset: int = 0) -> Story:
    """Read what happened to a task and to its assignments."""
    found = _entries(session, key, offset)
    people = {worker.id: worker.name for worker in workers}
    projects = _projects(session, found.items)
    events = [_event(entry, people, projects) for entry in found.items]
    return Story(events, offset, found.has_more)


def _entries(session: Session, key: int, offset: int) -> Page[HistoryRead]:
    entry = history_of(Task)
    own = and_(col(entry.model) == "Task", col(entry.key) == str(key))
    assigned = and_(col(entry.model) == "Assignment", typed(entry.key).startswith(f"[{key},"))
    newest = select(entry).where(or_(own, assigned)).order_by(col(entry.at).desc(), col(entry.id).desc())
    return page(session, newest, HistoryRead, size=SIZE, offset=offset)


def _projects(session: Session, entries: Iterable[HistoryRead]) -> Mapping[int, str]:
    """Name the projects that a task was in, if it ever changed its project."""
    changes = [_changes(entry).get("project_id", Change()) for entry in entries if entry.action == "changed"]
    keys = {key for change in changes for key in (change.old, change.new) if isinstance(key, int)}
    if not keys:
        return {}
    found = fetch(session, select(Project).where(col(Project.id).in_(keys)), ProjectLabel)
    return {project.id: project.name for project in found}


def _event(entry: HistoryRead, people: Mapping[str, str], projects: Mapping[int, str]) -> Event:
    actor = people.get(entry.actor, entry.actor) if entry.actor else None
    changed = _changes(entry) if entry.action == "changed" else {}
    steps = [
        Step(NAMES[name], _shown(name, one.old, projects), _shown(name, one.new, projects), one.masked)
        for name, one in changed.items()
        if name in NAMES
    ]
    return Event(entry.at, actor, entry.actor_kind, _sentence(entry, people), steps)


def _sentence(entry: HistoryRead, people: Mapping[str, str]) -> str:
    if entry.model != "Assignment":
        return f"{entry.action} this task"
    worker_id = _worker_of(entry.key)
    worker = people.get(worker_id, worker_id)
    if entry.action == "created":
        return f"assigned {worker} as {_changes(entry).get('role', Change()).new or 'assignee'}"
    return f"took {worker} off" if entry.action == "deleted" else f"changed the part of {worker}"


def _changes(entry: HistoryRead) -> dict[str, Change]:
    """Give the changes that can be told: another program may have stored what is none."""
    changes: Any = entry.changes
    if not isinstance(changes, dict):
        return {}
    return {name: one for name, one in changes.items() if isinstance(one, Change)}


def _worker_of(key: str) -> str:
    """Read the second part of an assignment's key."""
    try:
        _, worker_id = json.loads(key)
    except ValueError:
        return key
    return str(worker_id)


def _shown(name: str, value: Any, projects: Mapping[int, str]) -> str | None:
    """Write a value as the pages do. What other programs stored is shown as it is."""
    if value is None or value == "":
        return None
    if name == "project_id":
        return projects.get(value, f"No. {value}")
    if name == "progress_percent":
        return f"{value} %"
    if name == "due_date":
        return _day(str(value))
    text = str(value)
    return text.replace("_", " ").capitalize() if name in ("status", "priority", "role") else text


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%b %Y}"
