"""What all ways to use Fieldstone have in common: a database, and an application that has it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from fastapi import FastAPI, Response

from benchmarks.stacks.fieldstone.models import CURSORS, EventRead, latest
from benchmarks.stacks.stack import Request, Stack
from fieldstone import Database, seek
from fieldstone.fastapi import install


class Fieldstone(Stack):
    """An application over a database; `serve` adds the endpoints."""

    paging = "keyset"
    # Who writes the JSON of collections.
    json_by: ClassVar[Literal["auto", "rows", "database"]] = "auto"

    async def open(self, url: str) -> None:
        self.database = Database(url, json_by=self.json_by)
        self.app = FastAPI()
        install(self.app, self.database)
        self.serve(self.app)

    async def close(self) -> None:
        await self.database.aclose()

    def serve(self, app: FastAPI) -> None:
        """Add the endpoints."""
        raise NotImplementedError

    async def place_of(self, before: int) -> Any:
        """Follow the cursors, in long steps."""
        cursor = None
        async with self.database.async_transaction(read_only=True) as session:
            while before:
                step = min(before, 1000)
                found = await seek(session, latest(), EventRead, size=step, cursor=cursor, cursors=CURSORS)
                cursor, before = found.next, before - step
        return cursor

    def ask_events(self, place: Any) -> Request:
        return Request("GET", "/events", f"cursor={place}" if place else "")


def answer(content: bytes, *, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")
