"""The tables of the corpus: plain SQLModel, as a program has them that knows nothing of Fieldstone."""

from datetime import datetime
from typing import Any, Optional

from sqlalchemy import Column, DateTime, MetaData, func
from sqlalchemy.orm import registry
from sqlmodel import Field, Relationship, SQLModel

METADATA = MetaData()


class Corpus(SQLModel, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other tests."""


class TaskTag(Corpus, table=True):
    task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
    tag_id: int | None = Field(default=None, foreign_key="tag.id", primary_key=True)


class Project(Corpus, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Tag(Corpus, table=True):
    id: int | None = Field(default=None, primary_key=True)
    label: str
    tasks: list["Task"] = Relationship(back_populates="tags", link_model=TaskTag)


class Task(Corpus, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    body: str = ""
    project_id: int | None = Field(default=None, foreign_key="project.id")
    parent_id: int | None = Field(default=None, foreign_key="task.id")
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list["Assignment"] = Relationship(back_populates="task")
    tags: list[Tag] = Relationship(back_populates="tasks", link_model=TaskTag)
    parent: Optional["Task"] = Relationship(
        back_populates="children", sa_relationship_kwargs={"remote_side": "Task.id"}
    )
    children: list["Task"] = Relationship(back_populates="parent")


class Worker(Corpus, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    hashed_password: str = "hashed"
    assignments: list["Assignment"] = Relationship(back_populates="worker")


class Assignment(Corpus, table=True):
    task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
    worker_id: int | None = Field(default=None, foreign_key="worker.id", primary_key=True)
    role: str = "assignee"
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


def _touched() -> Any:
    return Column(DateTime, server_default=func.now(), onupdate=func.now())


class Note(Corpus, table=True):
    """A row that the database writes to by itself."""

    id: int | None = Field(default=None, primary_key=True)
    text: str
    touched_at: datetime | None = Field(default=None, sa_column=_touched())


class TaskRead(SQLModel):
    id: int
    title: str


class TaskCreate(SQLModel):
    title: str
    project_id: int | None = None


class WorkerRead(SQLModel):
    id: int
    name: str


def sample() -> list[SQLModel]:
    """Make six tasks of two projects, each with two workers and a tag, in two trees."""
    workers = [Worker(id=n, name=f"worker {n}") for n in (1, 2, 3)]
    tags = [Tag(id=n, label=f"tag {n}") for n in (1, 2)]
    projects = [Project(id=n, name=f"project {n}") for n in (1, 2, 3)]
    tasks = [
        Task(id=n, title=f"task {n}", project_id=n % 3 + 1, parent_id={2: 1, 3: 1, 4: 2, 5: 4}.get(n))
        for n in range(1, 7)
    ]
    links: list[SQLModel] = [
        *(Assignment(task_id=n, worker_id=k) for n in range(1, 7) for k in (1, n % 2 + 2)),
        *(TaskTag(task_id=n, tag_id=n % 2 + 1) for n in range(1, 7)),
    ]
    return [*workers, *tags, *projects, *tasks, *links, *(Note(id=n, text=f"note {n}") for n in (1, 2))]
