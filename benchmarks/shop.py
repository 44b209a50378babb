"""The data that the benchmarks read: 10 projects, 50 workers, 20,000 tasks, about 2 assignments a task."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from fieldstone import Database, Field, Model, Relationship

TASKS = 20_000


class Project(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list[Task] = Relationship(back_populates="project")


class Worker(Model, table=True):
    id: str = Field(primary_key=True)
    name: str
    assignments: list[Assignment] = Relationship(back_populates="worker")


class Task(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    status: str = "pending"
    progress_percent: int = 0
    project_id: int | None = Field(default=None, foreign_key="project.id")
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list[Assignment] = Relationship(
        back_populates="task", sa_relationship_kwargs={"order_by": "Assignment.worker_id"}
    )


class Assignment(Model, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", primary_key=True)
    role: str = "assignee"
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


class ProjectRead(Model):
    id: int
    name: str


class WorkerRead(Model):
    id: str
    name: str


class AssignmentRead(Model):
    role: str
    worker: WorkerRead


class TaskFlat(Model):
    id: int
    title: str
    status: str
    progress_percent: int


class TaskFull(TaskFlat):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


def fill(database: Database) -> None:
    """Make the tables and their rows."""
    database.create_all()
    rows: dict[type[Any], list[dict[str, Any]]] = {
        Project: [{"id": n, "name": f"Project {n}"} for n in range(1, 11)],
        Worker: [{"id": f"@worker-{n}", "name": f"Worker {n}"} for n in range(50)],
        Task: [
            {
                "id": n,
                "title": f"Task {n}",
                "status": "pending",
                "progress_percent": n % 101,
                "project_id": n % 10 + 1,
            }
            for n in range(1, TASKS + 1)
        ],
        Assignment: [
            {"task_id": n, "worker_id": f"@worker-{(n * 7 + k * 13) % 50}", "role": "assignee"}
            for n in range(1, TASKS + 1)
            for k in range(n % 5)
        ],
    }
    with database.transaction() as session:
        for model, values in rows.items():
            session.connection().execute(insert(model), values)
