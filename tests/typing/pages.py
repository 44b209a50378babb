"""Both kinds of pages hold what their schema says, on either session."""

from typing import assert_type

from sqlmodel import Session, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Cursors, Field, KeysetPage, Model, Page, link_header, page, page_links, seek


class Task(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


class TaskRead(Model):
    title: str


CURSORS = Cursors("a secret that is long enough for cursors")
TASKS = select(Task).order_by(col(Task.title).desc())


def synchronously(session: Session) -> None:
    start = seek(session, TASKS, TaskRead, size=5)
    assert_type(start, KeysetPage[TaskRead])
    assert_type(start.items, list[TaskRead])
    assert_type(start.next, str | None)
    assert_type(seek(session, TASKS, TaskRead, cursor=start.next, cursors=CURSORS).previous, str | None)
    assert_type(page(session, TASKS, TaskRead, total=1000), Page[TaskRead])
    assert_type(page_links(start, "/tasks"), dict[str, str])
    assert_type(link_header(page_links(page(session, TASKS, TaskRead), "/tasks")), str)


async def asynchronously(session: AsyncSession) -> None:
    assert_type(await seek(session, TASKS, TaskRead), KeysetPage[TaskRead])
    seek(session, TASKS, TaskRead)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    seek(session, TASKS, TaskRead).next  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]


def with_wrong_arguments(session: Session) -> None:
    seek(session, TASKS, TaskRead, offset=20)  # error: mypy[call-overload] pyright[reportCallIssue]
    seek(session, TASKS, TaskRead, cursor=b"x")  # error: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
