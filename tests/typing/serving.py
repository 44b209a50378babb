"""Endpoints by hand, and routes that are made."""

from typing import Annotated, assert_type

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlmodel import Session, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import (
    Database,
    Field,
    Model,
    Page,
    Resource,
    create,
    get,
    page,
    partial,
    patch,
    stream,
    to_csv,
)
from fieldstone.fastapi import (
    AsyncAutocommit,
    AsyncReadSession,
    AsyncStreamSession,
    AsyncWriteSession,
    Autocommit,
    CurrentDatabase,
    ReadSession,
    StreamSession,
    WriteSession,
    database,
    install,
    problem_responses,
    routes,
)


class NoteBase(Model):
    text: str = Field(max_length=200)


class Note(NoteBase, table=True):
    id: int | None = Field(default=None, primary_key=True)


class NoteCreate(NoteBase): ...


@partial
class NoteUpdate(NoteBase): ...


class NoteRead(NoteBase):
    id: int


class NoteLine(Model):
    text: str


notes = Resource(Note, read=NoteRead, create=NoteCreate, update=NoteUpdate)
feed = Resource(Note, read=NoteRead, views={"line": NoteLine}, paging="keyset", total=1000, name="feed")
files = Resource(Note, read=NoteRead, exports=("csv", "ndjson"), total=False, name="files")
lines = Resource(Note, read=NoteRead, views={"line": NoteLine}, exports={"csv": "line"}, name="lines")
Resource(Note, read=NoteRead, paging="cursor")  # error: mypy[arg-type] pyright[reportArgumentType]
Resource(Note, read=NoteRead, exports=["xlsx"])  # error: mypy[list-item] pyright[reportArgumentType]
db = Database("sqlite://")
app = FastAPI()
install(app, db)
assert_type(routes(notes, exclude=("patch",)), APIRouter)
app.include_router(routes(notes, only=["list", "get"], sync=True, tags=["notes"]))
routes(notes, exclude=("remove",))  # error: mypy[arg-type] pyright[reportArgumentType]
app.include_router(routes(files, only=("export",)))
app.dependency_overrides[database] = lambda: db


@app.get("/notes/{id}", responses=problem_responses(404))
def read_note(id: int, session: ReadSession) -> NoteRead:  # noqa: A002
    assert_type(session, Session)
    return get(session, Note, id, NoteRead)


@app.patch("/notes/{id}")
async def patch_note(id: int, data: NoteUpdate, session: AsyncWriteSession) -> NoteRead:  # noqa: A002
    assert_type(session, AsyncSession)
    patch(session, Note, id, data)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    return await get(session, Note, id, NoteRead)


def author(session: ReadSession) -> str:
    return "@ada"


@app.post("/notes")
def add_note(data: NoteCreate, by: Annotated[str, Depends(author)], session: WriteSession) -> NoteRead:
    note = create(session, Note, data)
    return get(session, Note, note.id, NoteRead)


@app.get("/notes")
async def list_notes(session: AsyncReadSession) -> Page[NoteRead]:
    return await page(session, select(Note), NoteRead)


@app.get("/notes.txt")
def export_notes(session: StreamSession) -> StreamingResponse:
    assert_type(session, Session)
    return StreamingResponse(note.text for note in stream(session, select(Note), NoteRead))


@app.get("/notes.csv")
async def export_table(session: AsyncStreamSession) -> StreamingResponse:
    assert_type(session, AsyncSession)
    return StreamingResponse(to_csv(stream(session, select(Note), NoteRead), NoteRead))


@app.get("/dialect")
async def dialect(current: CurrentDatabase) -> str:
    return current.dialect


@app.get("/notes/{key}/at-once")
async def read_at_once(key: int, db: AsyncAutocommit) -> NoteRead:
    get(db, Note, key, NoteRead)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    return assert_type(await get(db, Note, key, NoteRead), NoteRead)


@app.get("/notes/{key}/at-once-sync")
def read_at_once_sync(key: int, db: Autocommit) -> NoteRead:
    return assert_type(get(db, Note, key, NoteRead), NoteRead)
