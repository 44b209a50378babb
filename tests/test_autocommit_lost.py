"""A connection that is lost while a write without a session is under way: nobody knows what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from fieldstone import CommitOutcomeUnknown, Database, create, delete, exists, get, json_create, json_patch
from tests.conftest import FreshUrl
from tests.domain import Worker, WorkerRead
from tests.faces import Face
from tests.wire import Wire, wire_to_sample

MARK = "a mark on the wire"
KEY = "@a-mark-on-the-wire"

# What is written, and how to see afterwards that the server has done it.
WRITES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = {
    "create": (create, (Worker, {"id": "@new", "name": MARK}), {"into": WorkerRead}, MARK),
    "json_create": (json_create, (Worker, {"id": "@new", "name": MARK}, WorkerRead), {}, MARK),
    "json_patch": (json_patch, (Worker, "@ada", {"name": MARK}, WorkerRead), {}, MARK),
    "delete": (delete, (Worker, KEY), {}, KEY),
}


@pytest.fixture
def wire(fresh_url: FreshUrl) -> Iterator[tuple[Wire, str]]:
    with wire_to_sample(fresh_url("postgresql"), Worker(id=KEY, name="Goes")) as found:
        yield found


@pytest.fixture(params=[False, True], ids=["sync", "async"])
async def face(
    anyio_backend: str, wire: tuple[Wire, str], request: pytest.FixtureRequest
) -> AsyncIterator[Face]:
    async with Database(wire[1]) as database:
        yield Face(database, request.param)


@pytest.mark.parametrize("delivered", [True, False], ids=["delivered", "lost"])
@pytest.mark.parametrize("name", WRITES)
async def test_a_write_whose_answer_was_lost_has_an_unknown_outcome(
    face: Face, wire: tuple[Wire, str], name: str, delivered: bool
) -> None:
    verb, arguments, options, mark = WRITES[name]
    assert await face(get, face.alone, Worker, "@ada", WorkerRead)
    wire[0].deliver, wire[0].cut_at = delivered, mark.encode()
    with pytest.raises(CommitOutcomeUnknown, match=r"may or may not be stored\. Read it back"):
        await face(verb, face.alone, *arguments, **options)
    assert await face(get, face.alone, Worker, "@grace", WorkerRead), "another connection is taken"
    assert await is_done(face, name) is delivered, "both outcomes happen, and look alike from here"


async def is_done(face: Face, name: str) -> bool:
    """Tell whether the server has done a write; its session may end a moment after its connection."""
    done: Any = {
        "create": col(Worker.id) == "@new",
        "json_create": col(Worker.id) == "@new",
        "json_patch": col(Worker.name) == MARK,
        "delete": ~select(Worker.id).where(col(Worker.id) == KEY).exists(),
    }[name]
    async with face.transaction() as session:  # it waits for the locks of what is still under way
        await face.run(session, lambda inner: inner.connection().execute(text("LOCK TABLE worker")))
        return bool(await face(exists, session, select(Worker).where(done)))


async def test_a_read_whose_answer_was_lost_is_asked_again(face: Face, wire: tuple[Wire, str]) -> None:
    assert await face(get, face.alone, Worker, "@ada", WorkerRead)
    wire[0].cut_at = KEY.encode()
    assert (await face(get, face.alone, Worker, KEY, WorkerRead)).name == "Goes"
