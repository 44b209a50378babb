"""Routes that are generated from resources, asynchronous or in threads; none takes many rows at once."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from fastapi import FastAPI
from sqlmodel import col

from benchmarks.calling import asgi
from benchmarks.stacks.fieldstone.application import Fieldstone
from benchmarks.stacks.fieldstone.models import (
    CURSORS,
    Event,
    EventRead,
    Task,
    TaskCreate,
    TaskFull,
    TaskRead,
    TaskUpdate,
)
from benchmarks.stacks.stack import Request
from fieldstone import Resource
from fieldstone.fastapi import routes

tasks = Resource(Task, read=TaskRead, create=TaskCreate, update=TaskUpdate, views={"whole": TaskFull})
events = Resource(
    Event,
    read=EventRead,
    order_by=[col(Event.at).desc()],
    paging="keyset",
    max_page_size=1000,
    cursors=CURSORS,
)


class Routes(Fieldstone):
    """Asynchronous routes."""

    title = "Fieldstone, generated routes"
    envelope = "items"
    without = frozenset({"E6"})
    sync: ClassVar[bool] = False

    def serve(self, app: FastAPI) -> None:
        app.include_router(routes(tasks, sync=self.sync))
        app.include_router(routes(events, only=("list",), sync=self.sync))

    async def place_of(self, before: int) -> Any:
        """Follow the cursors that the route gives, in long steps."""
        cursor = ""
        while before:
            step = min(before, 1000)
            query = f"size={step}" + (f"&cursor={cursor}" if cursor else "")
            _, content = await asgi(self.app, Request("GET", "/events", query))
            cursor, before = json.loads(content)["next"], before - step
        return cursor

    def ask_flat(self, offset: int) -> Request:
        return Request("GET", "/tasks", f"size=100&offset={offset}")

    def ask_full(self, offset: int) -> Request:
        return Request("GET", "/tasks", f"size=100&offset={offset}&view=whole")

    def ask_events(self, place: Any) -> Request:
        return Request("GET", "/events", f"size=100&cursor={place}" if place else "size=100")


class SyncRoutes(Routes):
    """Routes that run in threads."""

    title = "Fieldstone, generated routes, sync"
    sync = True
