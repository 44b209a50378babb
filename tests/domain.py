"""The models that the tests of the verbs share: every kind of relationship, and columns that are private."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from fieldstone import Depth, Field, Model, Relationship, StoredAs, Timestamps, UUIDKey, partial
from fieldstone.models import NAMING_CONVENTION

METADATA = MetaData(naming_convention=NAMING_CONVENTION)


class DomainModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class ProjectBase(Model):
    name: str = Field(max_length=80)
    slug: str = Field(max_length=40, unique=True)


class Project(ProjectBase, DomainModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    secret: str = "project secret"
    tasks: list[Task] = Relationship(back_populates="project")


class Worker(DomainModel, table=True):
    id: str = Field(primary_key=True, max_length=40)
    name: str
    kind: Literal["human", "agent"] = "human"
    hashed_password: str = "worker secret"
    assignments: list[Assignment] = Relationship(back_populates="worker")
    profile: Profile | None = Relationship(back_populates="worker")
    authored: list[Task] = Relationship(back_populates="author")
    reviewed: list[Task] = Relationship(back_populates="reviewer")


class Profile(DomainModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", unique=True, ondelete="CASCADE")
    bio: str = ""
    secret: str = "profile secret"
    worker: Worker = Relationship(back_populates="profile")


class TaskTag(DomainModel, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    tag_id: int = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")


class Tag(DomainModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    label: str
    secret: str = "tag secret"
    tasks: list[Task] = Relationship(back_populates="tags", link_model=TaskTag)


class TaskBase(Model):
    title: str = Field(max_length=200)
    status: Literal["pending", "in_progress", "completed"] = "pending"
    progress_percent: int = Field(default=0, ge=0, le=100)
    project_id: int | None = Field(default=None, foreign_key="project.id")
    parent_id: int | None = Field(default=None, foreign_key="task.id", ondelete="CASCADE")


class Task(TaskBase, Timestamps, DomainModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    secret: str = "task secret"
    author_id: str | None = Field(default=None, foreign_key="worker.id", ondelete="SET NULL")
    reviewer_id: str | None = Field(default=None, foreign_key="worker.id")
    project: Project | None = Relationship(back_populates="tasks")
    parent: Task | None = Relationship(back_populates="subtasks")
    subtasks: list[Task] = Relationship(back_populates="parent")
    tags: list[Tag] = Relationship(back_populates="tasks", link_model=TaskTag)
    assignments: list[Assignment] = Relationship(back_populates="task")
    author: Worker | None = Relationship(back_populates="authored")
    reviewer: Worker | None = Relationship(back_populates="reviewed")


class Assignment(DomainModel, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    worker_id: str = Field(foreign_key="worker.id", primary_key=True, ondelete="CASCADE")
    role: str = "assignee"
    secret: str = "assignment secret"
    task: Task = Relationship(back_populates="assignments")
    worker: Worker = Relationship(back_populates="assignments")


class Vehicle(DomainModel, table=True):
    """Joined-table inheritance: a car has a row here and one of its own."""

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}
    id: int | None = Field(default=None, primary_key=True)
    kind: str = "vehicle"
    wheels: int = 4
    secret: str = "vehicle secret"
    owner_id: str | None = Field(default=None, foreign_key="worker.id")
    owner: Worker | None = Relationship()


class Car(Vehicle, table=True):
    __mapper_args__ = {"polymorphic_identity": "car"}
    id: int | None = Field(default=None, foreign_key="vehicle.id", primary_key=True)
    doors: int = 5


class Document(UUIDKey, DomainModel, table=True):
    """Single-table inheritance over a key that the server makes."""

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "document"}
    kind: str = "document"
    title: str
    secret: str = "document secret"


class Letter(Document, table=True):
    __mapper_args__ = {"polymorphic_identity": "letter"}
    recipient: str | None = None


def hash_password(password: str) -> str:
    return f"hashed:{password[::-1]}"


class ProjectRead(Model):
    id: int
    name: str


class TagRead(Model):
    label: str


class ProfileRead(Model):
    bio: str


class WorkerRead(Model):
    id: str
    name: str


class WorkerFull(WorkerRead):
    profile: ProfileRead | None


class WorkerCreate(Model):
    id: str
    name: str
    password: Annotated[str, Field(min_length=8), StoredAs("hashed_password", hash_password)]


class AssignmentRead(Model):
    role: str
    worker: WorkerRead


class SubtaskRead(Model):
    id: int
    title: str


class TaskRead(TaskBase):
    id: int
    project: ProjectRead | None
    assignments: list[AssignmentRead]


class TaskFull(TaskRead):
    parent: SubtaskRead | None
    subtasks: list[SubtaskRead]
    tags: list[TagRead]
    author: WorkerRead | None
    reviewer: WorkerFull | None


class TaskTree(Model):
    id: int
    title: str
    subtasks: Annotated[list[TaskTree], Depth(2)] = []


class ProjectFull(ProjectRead):
    tasks: list[TaskRead]


class TaskCreate(TaskBase):
    author_id: str | None = None


@partial
class TaskUpdate(TaskBase):
    pass


class CarRead(Model):
    id: int
    wheels: int
    doors: int
    owner: WorkerRead | None


class LetterRead(Model):
    title: str
    recipient: str | None


SECRETS = ("secret", "hashed_password")


def sample() -> list[Any]:
    """Two projects, three workers, five tasks in a tree of three levels, tags and assignments."""
    apollo, gemini = Project(id=1, name="Apollo", slug="apollo"), Project(id=2, name="Gemini", slug="gemini")
    ada = Worker(id="@ada", name="Ada", profile=Profile(worker_id="@ada", bio="Counts."))
    claude = Worker(id="@claude-code", name="Claude", kind="agent")
    grace = Worker(id="@grace", name="Grace")
    urgent, later = Tag(id=1, label="urgent"), Tag(id=2, label="later")
    root = Task(id=1, title="Root", project=apollo, author=ada, reviewer=grace, tags=[urgent, later])
    left = Task(id=2, title="Left", project=apollo, parent=root, author=claude, tags=[later])
    right = Task(id=3, title="Right", project=gemini, parent=root, status="completed")
    leaf = Task(id=4, title="Leaf", parent=left, reviewer=ada)
    lone = Task(id=5, title="Lone")
    links = [
        Assignment(task_id=1, worker_id="@ada"),
        Assignment(task_id=1, worker_id="@claude-code", role="reviewer"),
        Assignment(task_id=2, worker_id="@claude-code"),
    ]
    return [apollo, gemini, ada, claude, grace, urgent, later, root, left, right, leaf, lone, *links]
