"""What the database document's endpoints and test fixtures are for, done with Fieldstone.

Blocks B5, B13 and B14, in the document's order; the numbers are those of docs/from-the-documents.md,
and P1 to P38 are the project's own list of patterns. Every application here is served both ways:
its routes made from the resource, and the same five written by hand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import text
from sqlmodel import select

from fieldstone import Database, NotFound, Page, count, create, delete, get, page, patch
from fieldstone.fastapi import (
    AsyncReadSession,
    AsyncWriteSession,
    ReadSession,
    WriteSession,
    database,
    install,
    routes,
)
from tests.documents.tasks import METADATA, Task, TaskCreate, TaskRead, TaskUpdate, task_resource
from tests.faces import Face


def by_hand(app: FastAPI) -> None:
    """Write the five endpoints as one would who wants to change them."""

    @app.post("/tasks", status_code=201)
    async def add_task(data: TaskCreate, session: AsyncWriteSession) -> TaskRead:
        task = await create(session, Task, data)
        return await get(session, Task, task.id, TaskRead)

    @app.get("/tasks")
    async def read_tasks(session: AsyncReadSession, size: int = 20, offset: int = 0) -> Page[TaskRead]:
        return await page(session, select(Task), TaskRead, size=size, offset=offset)

    @app.get("/tasks/{task_id}")
    async def read_task(task_id: int, session: AsyncReadSession) -> TaskRead:
        return await get(session, Task, task_id, TaskRead)

    @app.patch("/tasks/{task_id}")
    async def change_task(task_id: int, data: TaskUpdate, session: AsyncWriteSession) -> TaskRead:
        await patch(session, Task, task_id, data)
        return await get(session, Task, task_id, TaskRead)

    @app.delete("/tasks/{task_id}", status_code=204)
    async def remove_task(task_id: int, session: AsyncWriteSession) -> None:
        await delete(session, Task, task_id)


def by_hand_sync(app: FastAPI) -> None:
    """Write the same without `async` and `await`, and change nothing else."""

    @app.post("/tasks", status_code=201)
    def add_task(data: TaskCreate, session: WriteSession) -> TaskRead:
        task = create(session, Task, data)
        return get(session, Task, task.id, TaskRead)

    @app.get("/tasks")
    def read_tasks(session: ReadSession, size: int = 20, offset: int = 0) -> Page[TaskRead]:
        return page(session, select(Task), TaskRead, size=size, offset=offset)

    @app.get("/tasks/{task_id}")
    def read_task(task_id: int, session: ReadSession) -> TaskRead:
        return get(session, Task, task_id, TaskRead)

    @app.patch("/tasks/{task_id}")
    def change_task(task_id: int, data: TaskUpdate, session: WriteSession) -> TaskRead:
        patch(session, Task, task_id, data)
        return get(session, Task, task_id, TaskRead)

    @app.delete("/tasks/{task_id}", status_code=204)
    def remove_task(task_id: int, session: WriteSession) -> None:
        delete(session, Task, task_id)


def application(db: Database, *, form: str, is_async: bool) -> FastAPI:
    app = FastAPI(title="Tasks")
    install(app, db)
    if form == "generated":
        app.include_router(routes(task_resource(), sync=not is_async))
    else:
        (by_hand if is_async else by_hand_sync)(app)
    return app


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture(params=["generated", "by_hand"])
async def http(request: pytest.FixtureRequest, face: Face) -> AsyncIterator[AsyncClient]:
    """Serve tasks in both forms, on each face."""
    await face.create_all(METADATA)
    app = application(face.database, form=request.param, is_async=face.is_async)
    async with client_of(app) as client:
        yield client


async def test_b5_p33_a_task_is_created_listed_read_changed_and_deleted(http: AsyncClient) -> None:
    made = await http.post("/tasks", json={"title": "Write"})
    assert (made.status_code, made.json()["title"], made.json()["status"]) == (201, "Write", "pending")
    path = f"/tasks/{made.json()['id']}"
    listed = (await http.get("/tasks")).json()
    assert [task["title"] for task in listed["items"]] == ["Write"]
    assert (await http.get(path)).json() == made.json()
    changed = (await http.patch(path, json={"priority": "high"})).json()
    assert (changed["title"], changed["priority"]) == ("Write", "high")
    assert changed["updated_at"] >= made.json()["updated_at"]
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404


async def test_b5_p28_a_missing_task_is_404_for_every_verb(http: AsyncClient) -> None:
    for answer in (
        await http.get("/tasks/999"),
        await http.patch("/tasks/999", json={"title": "x"}),
        await http.delete("/tasks/999"),
    ):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "No Task with key" in answer.json()["detail"]


WRONG: tuple[tuple[str, object], ...] = (
    ("status", "garbage"),
    ("title", None),
    ("title", "x" * 201),
    ("title", "NUL \x00"),
    ("progress_percent", 101),
    ("progress_percent", 10**20),
    ("titel", "x"),
    ("due_date", "2026-05-01T12:00:00"),
)


async def test_b5_p28_what_is_wrong_is_422_and_named_and_the_list_still_works(http: AsyncClient) -> None:
    made = (await http.post("/tasks", json={"title": "one"})).json()
    for field, value in WRONG:
        for answer in (
            await http.patch(f"/tasks/{made['id']}", json={field: value}),
            await http.post("/tasks", json={"title": "two", field: value}),
        ):
            assert answer.status_code == 422, (field, value)
            assert field in {error["field"] for error in answer.json()["errors"]}
    assert [task["title"] for task in (await http.get("/tasks")).json()["items"]] == ["one"]


async def test_b5_p9_p28_a_project_that_is_not_there_is_409_and_zero_means_none(http: AsyncClient) -> None:
    assert (await http.post("/tasks", json={"title": "t", "project_id": 0})).json()["project_id"] is None
    refused = await http.post("/tasks", json={"title": "t", "project_id": 999})
    assert refused.status_code == 409
    assert [error["field"] for error in refused.json()["errors"]] == ["project_id"]


async def test_b5_p1_a_client_sets_no_key_and_no_time_of_the_servers(http: AsyncClient) -> None:
    for sent in ({"id": 77}, {"created_at": "2000-01-01T00:00:00Z"}):
        assert (await http.post("/tasks", json={"title": "t", **sent})).status_code == 422


async def test_b5_p26_a_page_that_no_list_has_is_422(http: AsyncClient) -> None:
    for query in ("size=-1", "size=1000000000", f"size={10**20}", f"offset={10**20}", "offset=-1"):
        assert (await http.get(f"/tasks?{query}")).status_code == 422, query


async def test_b5_p28_a_key_that_no_row_can_have_is_no_500(http: AsyncClient) -> None:
    for key in (10**20, 2**40, "one"):
        for answer in (await http.get(f"/tasks/{key}"), await http.delete(f"/tasks/{key}")):
            assert answer.status_code in (404, 422), key


async def test_b5_p27_a_misspelt_parameter_is_refused_with_those_that_exist(face: Face) -> None:
    await face.create_all(METADATA)
    app = application(face.database, form="generated", is_async=face.is_async)
    async with client_of(app) as http:
        answer = await http.get("/tasks?statsu=pending")
    assert answer.status_code == 422
    assert "size" in answer.json()["errors"][0]["message"]


LATE = {
    "sqlite": (
        "CREATE TABLE late (id INTEGER REFERENCES task (id) DEFERRABLE INITIALLY DEFERRED)",
        *(
            f"CREATE TRIGGER late_{event} AFTER {event} ON task BEGIN INSERT INTO late VALUES (-1); END"
            for event in ("INSERT", "UPDATE", "DELETE")
        ),
    ),
    "postgresql": (
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'refused at commit'; END $$""",
        """CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE OR DELETE ON task
           DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()""",
    ),
}
"""What makes the database itself refuse a change of a task, and not before COMMIT."""


@pytest.mark.parametrize("form", ["generated", "by_hand"])
async def test_b5_b14_p21_a_commit_that_fails_is_never_a_2xx_and_never_a_row(face: Face, form: str) -> None:
    await face.create_all(METADATA)
    async with client_of(application(face.database, form=form, is_async=face.is_async)) as http:
        made = (await http.post("/tasks", json={"title": "before"})).json()
        async with face.transaction() as session:
            for statement in LATE[face.dialect]:
                await face.exec(session, text(statement))
        answers = [
            await http.post("/tasks", json={"title": "new"}),
            await http.patch(f"/tasks/{made['id']}", json={"title": "changed"}),
            await http.delete(f"/tasks/{made['id']}"),
        ]
        assert [answer.status_code for answer in answers if answer.status_code < 400] == []
        left = (await http.get("/tasks")).json()["items"]
    assert [task["title"] for task in left] == ["before"]


# B13 Testing


async def test_b13_p35_a_test_gives_the_application_a_database_of_its_own(face: Face) -> None:
    await face.create_all(METADATA)
    app = FastAPI()
    install(app, Database("sqlite:///never-opened.db"))
    app.include_router(routes(task_resource(), sync=not face.is_async))
    app.dependency_overrides[database] = lambda: face.database
    async with face.transaction() as session:
        task = await face(create, session, Task, TaskCreate(title="Draft", progress_percent=10))
    async with client_of(app) as http:
        told = (await http.patch(f"/tasks/{task.id}", json={"progress_percent": 20})).json()
    assert (told["title"], told["progress_percent"]) == ("Draft", 20)


@pytest.mark.parametrize("is_async", [False, True])
async def test_b13_p35_a_memory_database_serves_the_test_and_either_kind_of_application(
    is_async: bool,
) -> None:
    async with Database("sqlite://") as db:
        db.create_all(METADATA)
        with db.transaction() as session:
            task = create(session, Task, TaskCreate(title="Draft"))
        async with client_of(application(db, form="generated", is_async=is_async)) as http:
            assert (await http.patch(f"/tasks/{task.id}", json={"title": "Changed"})).status_code == 200
        async with db.async_transaction(read_only=True) as session:
            assert (await get(session, Task, task.id, TaskRead)).title == "Changed"


async def test_b13_p35_every_test_begins_with_an_empty_database(face: Face) -> None:
    await face.create_all(METADATA)
    async with face.transaction(read_only=True) as session:
        assert await face(count, session, select(Task)) == 0
        with pytest.raises(NotFound):
            await face(get, session, Task, 1, TaskRead)
