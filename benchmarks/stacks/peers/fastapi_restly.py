"""fastapi-restly, as its pages "Getting Started", "Using RestView" and "Customizing RestView" write it.

Two views over one model, since a view has one response schema; what that names is loaded by selectinload.
Lists are pages by number, with their total, which the library always counts. Many rows at once have an
endpoint of their own in the view, which adds instances to its session.
"""

from typing import Any

import fastapi_restly as fr
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from benchmarks.stacks.peers.tables import (
    Event,
    EventRead,
    Task,
    TaskCreate,
    TaskFull,
    TaskRead,
    TaskUpdate,
    asynchronous,
)
from benchmarks.stacks.stack import Request, Stack

PAGES = fr.NumberedPagination(max_page_size=100, default_page_size=100)


class TaskView(fr.AsyncRestView):
    prefix = "/tasks"
    model = Task
    schema = TaskRead
    schema_create = TaskCreate
    schema_update = TaskUpdate
    pagination = PAGES

    @fr.post("/bulk", status_code=201)
    async def create_tasks(self, data: list[TaskCreate]) -> dict[str, int]:
        self.session.add_all([Task(**one.model_dump()) for one in data])
        await self.session.commit()
        return {"created": len(data)}


class WholeTaskView(fr.AsyncRestView):
    prefix = "/whole-tasks"
    model = Task
    schema = TaskFull
    pagination = PAGES


class EventView(fr.AsyncRestView):
    prefix = "/events"
    model = Event
    schema = EventRead
    pagination = PAGES


class RestlyStack(Stack):
    """Its application; without HTTP the library has nothing to call."""

    title = "fastapi-restly"
    envelope = "data"

    async def open(self, url: str) -> None:
        self.app = FastAPI()
        self.engine = create_async_engine(asynchronous(url), pool_size=5, max_overflow=10)
        sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        fr.configure(self.app, async_make_session=sessions)
        for view in (TaskView, WholeTaskView, EventView):
            fr.include_view(self.app, view)

    async def close(self) -> None:
        await self.engine.dispose()

    def ask_flat(self, offset: int) -> Request:
        return Request("GET", "/tasks/", f"page={offset // 100 + 1}&page_size=100&sort=id")

    def ask_full(self, offset: int) -> Request:
        return Request("GET", "/whole-tasks/", f"page={offset // 100 + 1}&page_size=100&sort=id")

    def ask_create(self, content: bytes) -> Request:
        return Request("POST", "/tasks/", body=content)

    def ask_events(self, place: Any) -> Request:
        return Request("GET", "/events/", f"page={place // 100 + 1}&page_size=100&sort=-at,-id")
