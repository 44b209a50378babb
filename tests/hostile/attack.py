"""What the hostile tests share: the rows of the app, and how a refusal is checked.

A refusal has the right status, names the field, is short, and leaves every row as it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
from sqlalchemy import select

from fieldstone import Database, create
from fieldstone.template.models import Assignment, Project, Task, Worker

JSON = {"content-type": "application/json"}
LONGEST_ANSWER = 60_000
MEGABYTES_10 = 10_000_000

# A body that each collection accepts, so that what a test adds to it is the only thing wrong.
GOOD: dict[str, dict[str, Any]] = {
    "/api/projects": {"name": "Second", "slug": "second"},
    "/api/tasks": {"title": "Second"},
    "/api/workers": {"id": "@second", "name": "Second", "type": "human"},
    "/api/tasks/1/assignments": {"worker_id": "@idle"},
}
ROWS = {
    "/api/projects": "/api/projects/1",
    "/api/tasks": "/api/tasks/1",
    "/api/workers": "/api/workers/@busy",
}
WRITES = [("POST", path) for path in GOOD] + [("PATCH", path) for path in ROWS.values()]


def plant(database: Database) -> None:
    """Store one project with a task, its subtask, and two workers of whom one is busy."""
    with database.transaction() as session:
        create(session, Project, {"name": "Shop", "slug": "shop"})
        create(session, Project, {"name": "Other", "slug": "other"})
        create(session, Task, {"title": "Task", "project_id": 1})
        create(session, Task, {"title": "Subtask", "parent_id": 1})
        create(session, Worker, {"id": "@busy", "name": "Busy", "type": "human"})
        create(session, Worker, {"id": "@idle", "name": "Idle", "type": "agent"})
        create(session, Assignment, {"task_id": 1, "worker_id": "@busy"})


@dataclass(frozen=True)
class Attacked:
    """The app under attack."""

    database: Database
    client: httpx.AsyncClient

    def stored(self) -> list[list[tuple[Any, ...]]]:
        """Read every row past the app."""
        tables = [vars(model)["__table__"] for model in (Project, Task, Worker, Assignment)]
        with self.database.engine.connect() as connection:
            return [
                [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                for table in tables
            ]

    @asynccontextmanager
    async def unharmed(self) -> AsyncIterator[None]:
        """Hold that nothing inside changes a row."""
        before = self.stored()
        yield
        assert self.stored() == before

    async def refused(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: dict[str, str] = JSON,
        *,
        status: int,
        field: str | None,
    ) -> httpx.Response:
        """Send a request and check that the API refuses it with this status, naming this field."""
        response = await self.client.request(method, path, content=content, headers=headers)
        sent = f"{method} {path[:80]} {content[:120] if content else ''!r}: {response.text[:400]}"
        assert response.status_code == status, sent
        assert response.headers["content-type"] == "application/problem+json", sent
        assert len(response.content) < LONGEST_ANSWER, sent[:200]
        problem = response.json()
        assert problem["status"] == status, sent
        named = [entry["field"] for entry in problem.get("errors", [])]
        assert (field in named) if field is not None else not named, sent
        return response
