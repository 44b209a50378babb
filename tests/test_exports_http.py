"""Exports over HTTP hold neither memory nor a connection: to the end, in an error, without a client."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import field_serializer
from sqlalchemy import MetaData, text
from sqlalchemy.orm import registry
from sqlmodel import col, select
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from fieldstone import Database, Field, Model, Resource, stream, to_csv
from fieldstone.fastapi import AsyncStreamSession, StreamSession, install, routes
from tests.faces import Face
from tests.serving import served

NOTES = MetaData()
MANY = 12_000


class NoteModel(Model, registry=registry(metadata=NOTES)):
    """Keep this table apart from those of other test modules."""


class Note(NoteModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    body: str


class NoteRead(Model):
    id: int
    body: str


EVERY = select(Note).order_by(col(Note.id))


class BrokenRead(NoteRead):
    @field_serializer("body")
    def broken(self, body: str) -> str:
        if self.id == MANY // 2:
            raise ZeroDivisionError("in the middle")
        return body


notes = Resource(Note, read=NoteRead, views={"broken": BrokenRead}, order_by=[col(Note.id)], exports=("csv",))


def export(session: StreamSession, view: str = "full") -> StreamingResponse:
    schema = notes.all_views[view]
    return StreamingResponse(to_csv(stream(session, EVERY, schema), schema), media_type="text/csv")


async def async_export(session: AsyncStreamSession, view: str = "full") -> StreamingResponse:
    schema = notes.all_views[view]
    return StreamingResponse(to_csv(stream(session, EVERY, schema), schema), media_type="text/csv")


@pytest.fixture
async def app(face: Face) -> AsyncIterator[FastAPI]:
    """An application that exports the notes of a filled table, by a made route and by a written one."""
    await face.create_all(NOTES)
    fill = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"
        " INSERT INTO note (id, body) SELECT i, 'note with some words ' || i FROM n"
    )
    async with face.transaction() as session:
        await face.run(session, lambda s: s.connection().execute(fill, {"many": MANY}))
    with served(application, face.database, sync=not face.is_async) as app:
        yield app


def application(database: Database, *, sync: bool) -> FastAPI:
    app = FastAPI()
    install(app, database)
    app.include_router(routes(notes, sync=sync))
    app.get("/written.csv")(export if sync else async_export)
    return app


class Transfer:
    """A server's side of one request, which sees each chunk when it is sent, and may lose the client."""

    def __init__(
        self, path: str, *, version: str = "2.4", lost_after: int | None = None, pause: float = 0.0
    ) -> None:
        self.path, self.version, self.lost_after, self.pause = path, version, lost_after, pause
        self.chunks = self.length = 0
        self.complete = False
        self.lost = asyncio.Event()

    async def run(self, app: FastAPI, query: bytes = b"") -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": self.version},
            "http_version": "1.1",
            "method": "GET",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": query,
            "headers": [],
        }
        await app(scope, self.receive, self.send)

    async def receive(self) -> dict[str, Any]:
        await self.lost.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] != "http.response.body":
            return
        if self.lost_after is not None and self.chunks >= self.lost_after:
            self.lost.set()
            if self.version == "2.4":
                raise OSError("the client is gone")
            if self.pause:
                await asyncio.sleep(self.pause)
        self.chunks += bool(message["body"])
        self.length += len(message["body"])
        self.complete = not message.get("more_body")


async def expect_released(face: Face) -> None:
    """No connection is in use any more."""
    pool: Any = face.database.async_engine.pool if face.is_async else face.database.engine.pool
    assert pool.checkedout() == 0
    async with face.transaction() as session:
        session.add(Note(id=MANY + 1, body="the file is not locked"))


BOTH = pytest.mark.parametrize("path", ["/notes.csv", "/written.csv"], ids=["made", "written"])


@BOTH
async def test_an_export_arrives_whole_and_in_chunks(face: Face, app: FastAPI, path: str) -> None:
    transfer = Transfer(path)
    tracemalloc.start()
    try:
        await transfer.run(app)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert transfer.complete
    assert transfer.chunks > 5
    expected = sum(len(f"{number},note with some words {number}\r\n") for number in range(1, MANY + 1))
    assert transfer.length == expected + len("id,body\r\n")
    assert peak < MANY * 300  # as objects alone, the rows would take several times that
    await expect_released(face)


@BOTH
async def test_an_error_among_the_rows_ends_the_transfer(face: Face, app: FastAPI, path: str) -> None:
    transfer = Transfer(path)
    with pytest.raises(Exception) as caught:  # Starlette may wrap what has a handler
        await transfer.run(app, b"view=broken")
    assert "in the middle" in f"{caught.value} {caught.value.__cause__}"
    assert transfer.chunks
    assert not transfer.complete
    await expect_released(face)


# Servers of one version are told by an error of send(), of the other by receive(), whatever is done then.
@BOTH
@pytest.mark.parametrize("lost_after", [0, 1])
@pytest.mark.parametrize(
    ("version", "pause"), [("2.4", 0), ("2.3", 0), ("2.3", 0.01)], ids=["told", "reading", "sending"]
)
async def test_a_client_that_leaves_releases_the_connection(
    face: Face, app: FastAPI, path: str, version: str, pause: float, lost_after: int
) -> None:
    transfer = Transfer(path, version=version, lost_after=lost_after, pause=pause)
    if version == "2.4":
        with pytest.raises(ClientDisconnect):
            await transfer.run(app)
    else:
        await transfer.run(app)
    assert not transfer.complete
    await expect_released(face)
    gc.collect()  # nothing is left for it to clean up
    await asyncio.sleep(0)
