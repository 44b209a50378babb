"""The routes of the django-ninja stack; imported when Django is configured."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import path
from ninja import NinjaAPI, Schema
from ninja.pagination import CursorPagination, paginate
from pydantic import AwareDatetime, Field

from benchmarks.stacks.peers.django_tables.models import Event, Task

Title = Annotated[str, Field(max_length=200)]
Status = Literal["pending", "in_progress", "completed"]
Percent = Annotated[int, Field(ge=0, le=100)]


class TaskIn(Schema):
    title: Title
    status: Status = "pending"
    progress_percent: Percent = 0
    created_at: AwareDatetime
    project_id: int | None = None


class TaskPatch(Schema):
    title: Title | None = None
    status: Status | None = None
    progress_percent: Percent | None = None


class TaskOut(Schema):
    id: int
    title: str
    status: str
    progress_percent: int
    created_at: datetime


class ProjectOut(Schema):
    id: int
    name: str


class WorkerOut(Schema):
    id: str
    name: str


class AssignmentOut(Schema):
    role: str
    worker: WorkerOut


class TaskWhole(TaskOut):
    project: ProjectOut | None
    assignments: list[AssignmentOut]


class EventOut(Schema):
    id: int
    at: int
    kind: str


api = NinjaAPI()


@api.get("/tasks", response=list[TaskOut])
def list_tasks(request: HttpRequest, offset: int = 0, limit: int = 100) -> Any:
    return Task.objects.order_by("id")[offset : offset + limit]


@api.get("/tasks/full", response=list[TaskWhole])
def list_full(request: HttpRequest, offset: int = 0, limit: int = 100) -> Any:
    whole = Task.objects.select_related("project").prefetch_related("assignments__worker")
    return whole.order_by("id")[offset : offset + limit]


@api.get("/tasks/{int:task_id}", response=TaskOut)
def get_task(request: HttpRequest, task_id: int) -> Any:
    return get_object_or_404(Task, id=task_id)


@api.post("/tasks", response={201: TaskOut})
def create_task(request: HttpRequest, payload: TaskIn) -> Any:
    return 201, Task.objects.create(**payload.dict())


@api.post("/tasks/bulk", response={201: dict[str, int]})
def create_tasks(request: HttpRequest, payload: list[TaskIn]) -> Any:
    made = Task.objects.bulk_create([Task(**one.dict()) for one in payload])
    return 201, {"created": len(made)}


@api.patch("/tasks/{int:task_id}", response=TaskOut)
def update_task(request: HttpRequest, task_id: int, payload: TaskPatch) -> Any:
    task = get_object_or_404(Task, id=task_id)
    for name, value in payload.dict(exclude_unset=True).items():
        setattr(task, name, value)
    task.save()
    return task


@api.get("/events", response=list[EventOut])
@paginate(CursorPagination, ordering=("-at", "-id"), page_size=100)
def list_events(request: HttpRequest) -> Any:
    return Event.objects.all()


urlpatterns = [path("", api.urls)]
