"""What a change is based on, in verbs and in endpoints by hand."""

from typing import assert_type

from fastapi import FastAPI
from sqlmodel import Session

from fieldstone import Field, Model, Versioned, delete, get, partial, patch
from fieldstone.fastapi import AsyncWriteSession, ETag, IfMatch, ReadSession, RequiredIfMatch, WriteSession


class NoteBase(Model):
    text: str = Field(max_length=200)


class Note(NoteBase, Versioned, table=True):
    id: int | None = Field(default=None, primary_key=True)


@partial
class NoteUpdate(NoteBase): ...


class NoteRead(NoteBase):
    id: int
    version: int


app = FastAPI()


@app.get("/notes/{id}")
def read_note(id: int, session: ReadSession, etag: ETag) -> NoteRead:  # noqa: A002
    note = get(session, Note, id, NoteRead)
    assert_type(etag([1]), list[int])
    return etag(note, version=note.version)


@app.patch("/notes/{id}")
async def patch_note(id: int, data: NoteUpdate, session: AsyncWriteSession, version: IfMatch) -> NoteRead:  # noqa: A002
    assert_type(await patch(session, Note, id, data, version=version), Note)
    patch(session, Note, id, data, version=version)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    return await get(session, Note, id, NoteRead)


@app.delete("/notes/{id}")
def delete_note(id: int, session: WriteSession, version: RequiredIfMatch) -> None:  # noqa: A002
    delete(session, Note, id, version=version)


def versions(session: Session, note: NoteRead) -> None:
    patch(session, Note, note.id, {}, version=note.version)
    patch(session, Note, note.id, {}, version={"7", "8"})
    delete(session, Note, note.id, version=[7, 8])
    delete(session, Note, note.id, version=7.5)  # error: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
