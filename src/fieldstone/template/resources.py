"""What each list of the app may be asked for: by the API, by the board and by an export alike.

So a query means the same wherever it stands: the address of a board, with another path, is the
address of its tasks in the API and of its export.
"""

from __future__ import annotations

from sqlmodel import col

from fieldstone import Resource
from fieldstone.template.models import Project, Task, Worker
from fieldstone.template.schemas import (
    ProjectCreate,
    ProjectRead,
    ProjectUpdate,
    TaskCreate,
    TaskRead,
    TaskRow,
    TaskUpdate,
    WorkerCreate,
    WorkerRead,
    WorkerUpdate,
)

projects = Resource(
    Project,
    read=ProjectRead,
    create=ProjectCreate,
    update=ProjectUpdate,
    order_by=[col(Project.name)],
    filters=["slug", "color"],
    sort=["name", "created_at"],
    search=["name", "description"],
)
tasks = Resource(
    Task,
    read=TaskRead,
    create=TaskCreate,
    update=TaskUpdate,
    views={"full": TaskRead, "summary": TaskRow},
    order_by=[col(Task.created_at).desc()],
    paging="keyset",  # the list is long, and changes while it is read
    total=1_000,
    exports={"csv": "summary", "ndjson": "full"},
    filters=[
        *["status", "priority", "due_date", "updated_at", "parent_id"],
        *["project.slug", "assignments.worker_id", "assignments.role"],
    ],
    sort=["due_date", "created_at", "updated_at", "progress_percent", "title"],
    search=["title", "description"],
)
workers = Resource(
    Worker,
    read=WorkerRead,
    create=WorkerCreate,
    update=WorkerUpdate,
    order_by=[col(Worker.name)],
    filters=["id", "type"],
    sort=["name", "id"],
    search=["id", "name"],
)
