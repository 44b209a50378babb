"""What type checkers see of soft deletion and of scopes."""

from __future__ import annotations

from typing import assert_type

from sqlmodel import Session, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from fieldstone import (
    Field,
    Model,
    Resource,
    SoftDeleted,
    delete,
    delete_where,
    including_deleted,
    restore,
    within,
)


class Note(SoftDeleted, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int


class NoteRead(Model):
    id: int


def own() -> dict[str, int]:
    return {"owner_id": 7}


notes = Resource(Note, read=NoteRead, scope=own)


def say(session: Session) -> None:
    within(session, Note, {"owner_id": 7})
    within(session, Note, Note.owner_id == 7)
    within(session, Note, col(Note.owner_id).in_([7, 8]))
    assert_type(restore(session, Note, 1), Note)
    assert_type(delete(session, Note, 1, for_good=True), None)
    assert_type(including_deleted(select(Note)), SelectOfScalar[Note])
    assert_type(delete_where(session, including_deleted(select(Note)), for_good=True), int)
    assert_type(delete_where(session, select(Note), into=NoteRead, for_good=True), list[NoteRead])
    within(session, Note, 7)  # error: mypy[arg-type] pyright[reportArgumentType]


async def say_async(session: AsyncSession) -> None:
    within(session, Note, {"owner_id": 7})
    assert_type(await restore(session, Note, 1), Note)
    assert_type(await delete_where(session, select(Note), for_good=True), int)
