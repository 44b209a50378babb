"""How often PostgreSQL is asked for one piece of work, counted on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count as count_up
from typing import Any

import pytest
from fastapi import FastAPI, Response
from sqlalchemy import func, text
from sqlmodel import col, select

from fieldstone import (
    Database,
    Field,
    Model,
    ReadOnlyTransaction,
    Resource,
    count,
    create,
    delete,
    exists,
    fetch,
    get,
    json,
    json_create,
    json_get,
    json_page,
    json_patch,
    page,
    partial,
    patch,
    seek,
    upsert,
)
from fieldstone.fastapi import AsyncAutocommit, Autocommit, install, routes
from tests import domain
from tests.conftest import FreshUrl
from tests.domain import SubtaskRead, Task, TaskFull, Worker, WorkerRead
from tests.faces import Face
from tests.serving import client_of
from tests.wire import Wire, wire_to_sample

WARM = 8  # drivers prepare a statement when they have seen it often enough
ALL = select(Task).order_by(col(Task.id))


@pytest.fixture
def wire(fresh_url: FreshUrl) -> Iterator[tuple[Wire, str]]:
    with wire_to_sample(fresh_url("postgresql")) as found:
        yield found


@pytest.fixture(params=[False, True], ids=["sync", "async"])
async def face(
    anyio_backend: str, wire: tuple[Wire, str], request: pytest.FixtureRequest
) -> AsyncIterator[Face]:
    """Give a database that is reached over the wire."""
    async with Database(wire[1]) as database:
        yield Face(database, request.param)


async def cost(wire: Wire, work: Callable[[], Awaitable[Any]]) -> int:
    """Count the round trips of work that was done before."""
    for _ in range(WARM):
        await work()
    wire.round_trips = 0
    await work()
    return wire.round_trips


READS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], int]] = {
    "get": (get, (Task, 1, SubtaskRead), {}, 1),
    "fetch": (fetch, (ALL, SubtaskRead), {}, 1),
    "page": (page, (ALL, SubtaskRead), {"size": 2}, 1),
    "page with a total": (page, (ALL, SubtaskRead), {"size": 2, "total": True}, 2),
    "seek": (seek, (ALL, SubtaskRead), {"size": 2}, 1),
    "count": (count, (ALL,), {}, 1),
    "exists": (exists, (ALL,), {}, 1),
    "json": (json, (ALL, SubtaskRead), {}, 1),
    "json_get": (json_get, (Task, 1, SubtaskRead), {}, 1),
    "json_page": (json_page, (ALL, SubtaskRead), {"size": 2}, 1),
    "three collections": (json, (ALL, TaskFull), {}, 4),
}


async def test_a_write_on_its_own_asks_once(face: Face, wire: tuple[Wire, str]) -> None:
    target: Any = face.alone
    numbers = count_up()

    async def made(verb: Any, **options: Any) -> Any:
        number = next(numbers)
        arguments = () if options else (WorkerRead,)
        return await face(verb, target, Worker, {"id": f"@{number}", "name": "New"}, *arguments, **options)

    async def changed(verb: Any, **options: Any) -> Any:
        arguments = () if options else (WorkerRead,)
        return await face(
            verb, target, Worker, "@ada", {"name": f"Ada {next(numbers)}"}, *arguments, **options
        )

    async def made_and_deleted() -> None:
        number = next(numbers)
        await face(json_create, target, Worker, {"id": f"@{number}", "name": "New"}, WorkerRead)
        await face(delete, target, Worker, f"@{number}")

    async def unchanged() -> Any:
        return await face(json_patch, target, Worker, "@grace", {"name": "Grace"}, WorkerRead)

    await face(json_patch, target, Worker, "@grace", {"name": "Grace"}, WorkerRead)
    assert await cost(wire[0], unchanged) == 2, "the update that finds nothing to do, and the row"

    async def merged(name: str) -> Any:
        data = {"id": "@linus", "name": name}
        return await face(upsert, target, Worker, data, on="id", into=WorkerRead)

    assert await cost(wire[0], lambda: merged(f"Linus {next(numbers)}")) == 1
    assert await cost(wire[0], lambda: merged("Linus")) == 2, "the same as what is stored, and the row"
    assert await cost(wire[0], made_and_deleted) == 2
    assert await cost(wire[0], lambda: made(json_create)) == 1
    assert await cost(wire[0], lambda: made(create, into=WorkerRead)) == 1
    assert await cost(wire[0], lambda: changed(json_patch)) == 1
    assert await cost(wire[0], lambda: changed(patch, into=WorkerRead)) == 1


async def test_a_read_on_its_own_asks_once_for_each_statement(face: Face, wire: tuple[Wire, str]) -> None:
    target: Any = face.alone
    counted = {
        name: await cost(wire[0], lambda: face(verb, target, *arguments, **options))  # noqa: B023
        for name, (verb, arguments, options, _) in READS.items()
    }
    assert counted == {name: expected for name, (*_, expected) in READS.items()}


async def test_a_read_only_unit_begins_no_transaction_that_nothing_needs(
    face: Face, wire: tuple[Wire, str]
) -> None:
    async def read() -> None:
        async with face.transaction(read_only=True) as session:
            await face(get, session, Task, 1, SubtaskRead)
            await face(fetch, session, ALL, SubtaskRead)

    assert await cost(wire[0], read) == 2


async def test_a_unit_that_may_write_has_a_transaction(face: Face, wire: tuple[Wire, str]) -> None:
    async def read() -> None:
        async with face.transaction() as session:
            await face(get, session, Task, 1, SubtaskRead)

    assert await cost(wire[0], read) == 3


async def test_a_read_only_unit_begins_before_anything_else(face: Face) -> None:
    async with face.transaction(read_only=True) as session:
        await face(get, session, Task, 1, SubtaskRead)
        with pytest.raises(ReadOnlyTransaction):
            async with face.transaction(read_only=True) as other:
                await face(get, other, Task, 1, SubtaskRead)
                other.add(domain.Project(id=9, name="New", slug="new"))
        state = text("SELECT current_setting('transaction_read_only'), now()")
        first = (await face.run(session, lambda s: s.connection().execute(state))).one()
        assert first[0] == "on"
        await face(get, session, Task, 1, SubtaskRead)
        again = (await face.run(session, lambda s: s.connection().execute(state))).one()
        assert again == first, "it is one transaction from here on"


async def test_what_stands_still_in_a_transaction_is_read_in_one(face: Face, wire: tuple[Wire, str]) -> None:
    made: Any = Task.created_at

    async def read() -> None:
        async with face.transaction(read_only=True) as session:
            await face(fetch, session, ALL.where(made <= func.now()), SubtaskRead)

    assert await cost(wire[0], read) == 3


async def test_an_endpoint_of_one_verb_asks_once(face: Face, wire: tuple[Wire, str]) -> None:
    app = FastAPI()
    install(app, face.database)

    @app.get("/sync/{key}")
    def read(key: int, db: Autocommit) -> Response:
        return Response(json_get(db, Task, key, SubtaskRead))

    @app.get("/async/{key}")
    async def read_async(key: int, db: AsyncAutocommit) -> Response:
        return Response(await json_get(db, Task, key, SubtaskRead))

    async with client_of(app) as client:
        address = "/async/1" if face.is_async else "/sync/1"
        assert (await client.get(address)).status_code == 200
        assert await cost(wire[0], lambda: client.get(address)) == 1


class WorkerCreate(Model):
    id: str = Field(min_length=1, max_length=40)
    name: str = Field(min_length=1, max_length=80)
    hashed_password: str = "x"


@partial
class WorkerUpdate(Model):
    name: str = Field(min_length=1, max_length=80)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/worker/@ada", None),
        ("GET", "/worker", None),
        ("POST", "/worker", {"name": "New"}),
        ("PATCH", "/worker/@ada", {}),
    ],
)
async def test_a_generated_route_asks_once(
    face: Face, wire: tuple[Wire, str], method: str, path: str, body: dict[str, str] | None
) -> None:
    app = FastAPI()
    install(app, face.database)
    workers = Resource(Worker, name="worker", read=WorkerRead, create=WorkerCreate, update=WorkerUpdate)
    app.include_router(routes(workers, sync=not face.is_async))
    before = 0
    async with client_of(app) as client:
        for number in range(WARM):
            before = wire[0].round_trips
            fresh = {"POST": {"id": f"@{number}"}, "PATCH": {"name": f"Ada {number}"}}.get(method, {})
            answer = await client.request(method, path, json=None if body is None else body | fresh)
            assert answer.is_success, answer.text
    assert wire[0].round_trips - before == 1


async def test_a_connection_that_was_idle_is_asked_before_it_is_used(wire: tuple[Wire, str]) -> None:
    for is_async in (False, True):
        async with Database(wire[1], ping_after=0) as database:
            face = Face(database, is_async)

            async def read() -> None:
                async with face.transaction(read_only=True) as session:  # noqa: B023
                    await face(get, session, Task, 1, SubtaskRead)  # noqa: B023

            assert await cost(wire[0], read) > 1
