"""The exports that a resource names: which rows and columns, what is refused, and what a session may do."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI
from openapi_spec_validator import validate
from pydantic import field_serializer
from sqlalchemy import text
from starlette.responses import StreamingResponse

from fieldstone import Database, DesignError, Resource, fetch, plan, stream, to_csv
from fieldstone.fastapi import (
    AsyncReadSession,
    AsyncStreamSession,
    AsyncWriteSession,
    ReadSession,
    StreamSession,
    WriteSession,
    install,
    routes,
)
from fieldstone.testing import count_statements
from tests.conftest import FreshUrl
from tests.domain import (
    METADATA,
    ProjectRead,
    SubtaskRead,
    Task,
    TaskCreate,
    TaskFull,
    TaskRead,
    TaskUpdate,
    sample,
)
from tests.faces import Face
from tests.serving import client_of, client_on


class TaskLine(SubtaskRead):
    """Flat, since a project's fields have columns of their own."""

    project: ProjectRead | None


class Unwritable(SubtaskRead):
    @field_serializer("title")
    def fail(self, title: str) -> str:
        raise ZeroDivisionError("a secret of the server")


tasks = Resource(
    Task,
    read=TaskRead,
    create=TaskCreate,
    update=TaskUpdate,
    views={"line": TaskLine, "card": SubtaskRead, "everything": TaskFull, "unwritable": Unwritable},
    exports={"csv": "line", "ndjson": "full"},
    order_by=[Task.id],
    filters=["status", "project.slug", "title"],
    sort=["title", "project.name"],
    search=["title"],
)


@pytest.fixture
async def client(stored: Face) -> AsyncIterator[httpx.AsyncClient]:
    async with client_on(stored, application) as client:
        yield client


def application(database: Database, *, sync: bool, **options: Any) -> FastAPI:
    app = FastAPI()
    install(app, database)
    app.include_router(routes(tasks, sync=sync, **options))
    return app


def lines(answer: httpx.Response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.text)))


async def test_an_export_says_what_it_is_and_how_to_call_it(client: httpx.AsyncClient) -> None:
    written = await client.get("/tasks.csv")
    assert written.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert written.headers["content-disposition"] == 'attachment; filename="tasks.csv"'
    assert "content-length" not in written.headers
    objects = await client.get("/tasks.ndjson")
    assert objects.headers["content-type"] == "application/x-ndjson"
    assert objects.headers["content-disposition"] == 'attachment; filename="tasks.ndjson"'


async def test_an_export_holds_what_the_list_shows_for_the_same_query(client: httpx.AsyncClient) -> None:
    for query in (
        "",
        "status=pending&sort=-title",
        "project.slug=apollo",
        "q=o&sort=project.name",
        "title=nothing",
    ):
        shown = (await client.get(f"/tasks?{query}&size=100")).json()["items"]
        objects = (await client.get(f"/tasks.ndjson?{query}")).text
        assert [json.loads(line) for line in objects.splitlines()] == shown
        head, *rows = lines(await client.get(f"/tasks.csv?{query}"))
        assert head == ["id", "title", "project.id", "project.name"]
        assert [int(row[0]) for row in rows] == [item["id"] for item in shown]


async def test_an_export_has_the_views_that_fit_and_takes_their_plan(
    client: httpx.AsyncClient, stored: Face
) -> None:
    for form, view, schema in (
        ("csv", "line", TaskLine),
        ("csv", "card", SubtaskRead),
        ("ndjson", "full", TaskRead),
        ("ndjson", "everything", TaskFull),
    ):
        with count_statements(stored.database) as statements:
            answer = await client.get(f"/tasks.{form}?view={view}")
        assert answer.status_code == 200
        assert len(statements) == plan(Task, schema).budget, view
    for line in (await client.get("/tasks.ndjson?view=everything")).text.splitlines():
        assert list(json.loads(line)) == list(TaskFull.model_fields)


async def test_text_that_a_spreadsheet_would_run_is_disarmed(client: httpx.AsyncClient, stored: Face) -> None:
    titles = ['=HYPERLINK("http://evil")', "@SUM(A1)", "-1+1", 'quoted "a", b', "two\nlines", "-1", "+2.5"]
    async with stored.transaction() as session:
        session.add_all(Task(id=number, title=title) for number, title in enumerate(titles, start=10))
    [_, *rows] = lines(await client.get("/tasks.csv?view=card"))
    assert [title for _, title in rows[5:]] == [f"'{title}" for title in titles[:3]] + titles[3:]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("size=3", "size", "Unknown parameter. Known are: view, q, sort, "),
        ("offset=3", "offset", "Unknown parameter"),
        ("cursor=x", "cursor", "Unknown parameter"),
        ("total=true", "total", "Unknown parameter"),
        ("view=full", "view", "Input should be 'line', 'card' or 'unwritable'"),
        ("status=x", "status", "Input should be 'pending', 'in_progress' or 'completed'"),
        ("sort=secret", "sort", "Input should name some of: title, project.name"),
        ("status=pending&status=pending", "status", "takes one value"),
    ],
)
async def test_what_an_export_cannot_do_is_refused_by_name(
    client: httpx.AsyncClient, query: str, field: str, message: str
) -> None:
    refused = await client.get(f"/tasks.csv?{query}")
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert "content-disposition" not in refused.headers
    [error] = refused.json()["errors"]
    assert (error["in"], error["field"]) == ("query", field)
    assert message in error["message"]


async def test_what_fails_before_the_first_byte_is_a_problem(client: httpx.AsyncClient, stored: Face) -> None:
    for form in ("csv", "ndjson"):
        failed = await client.get(f"/tasks.{form}?view=unwritable")
        assert (failed.status_code, failed.headers["content-type"]) == (500, "application/problem+json")
        assert "secret" not in failed.text
    async with stored.transaction() as session:
        await stored.exec(session, text("DROP TABLE assignment"))
        await stored.exec(session, text("DROP TABLE tasktag"))
    lacking = await client.get("/tasks.ndjson")
    assert (lacking.status_code, lacking.headers["content-type"]) == (500, "application/problem+json")


async def test_a_database_that_is_away_is_answered_503(face: Face) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none", connect_attempts=1)
    async with away, client_of(application(away, sync=not face.is_async)) as client:
        failed = await client.get("/tasks.csv")
    assert (failed.status_code, failed.headers["content-type"]) == (503, "application/problem+json")


async def test_a_row_whose_key_looks_like_an_export_is_still_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/tasks/1")).status_code == 200
    assert (await client.get("/tasks/csv")).json()["errors"][0]["field"] == "id"
    assert (await client.get("/tasks.xlsx")).status_code == 404
    assert (await client.post("/tasks.csv")).status_code == 405


def test_exports_are_chosen_like_other_operations() -> None:
    def operations(**options: Any) -> set[str]:
        made: Any = routes(tasks, **options).routes
        return {route.operation_id for route in made}

    exports = {"export_tasks_csv", "export_tasks_ndjson"}
    assert operations() >= exports
    assert operations(only=("export",)) == exports
    assert not operations(exclude=("export",)) & exports
    plain = Resource(Task, read=TaskRead)
    with pytest.raises(DesignError, match=r"'tasks' cannot export: it names no exports\. Give it some: exp"):
        routes(plain, only=("export",))


def test_openapi_describes_an_export(database: Database) -> None:
    document = application(database, sync=False).openapi()
    validate(document)
    operation = document["paths"]["/tasks.csv"]["get"]
    assert (operation["operationId"], operation["summary"]) == ("export_tasks_csv", "Export tasks as CSV")
    assert operation["description"].startswith("Every row that the query selects")
    assert sorted(operation["responses"]) == ["200", "422", "503"]
    answered = operation["responses"]["200"]
    assert answered["content"] == {
        "text/csv": {"schema": {"type": "string"}, "example": "id,title,project.id,project.name\r\n"}
    }
    assert answered["headers"].keys() == {"Content-Disposition"}
    names = [one["name"] for one in operation["parameters"]]
    assert names[0] == "view"
    assert not {"size", "offset", "cursor", "total"} & set(names)
    assert list(document["paths"]["/tasks.ndjson"]["get"]["responses"]["200"]["content"]) == [
        "application/x-ndjson"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"exports": ("csv",)},
            (
                r"'tasks' cannot be exported as CSV by its view 'full': TaskRead.assignments holds many .*"
                r".*Declare a flat view and name it: views=\{'flat': \.\.\.\}, exports=\{'csv': 'flat'\}\.$"
            ),
        ),
        (
            {"exports": ("csv",), "views": {"card": SubtaskRead}},
            r"Name a flat view: exports=\{'csv': 'card'\}",
        ),
        ({"exports": {"ndjson": "card"}}, r"has no view 'card' to export as ndjson\. Its views are: full\."),
        ({"exports": ("xlsx",)}, r"cannot be exported as 'xlsx'\. Choose from: csv, ndjson\."),
        ({"exports": "csv"}, r"exports='csv' is one text\. Write exports=\('csv',\)\."),
    ],
)
def test_exports_that_cannot_be_are_refused_at_start_up(options: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        Resource(Task, read=TaskRead, **options)


# Sessions


def reader(session: ReadSession) -> str:
    return str(fetch(session, tasks.select(), SubtaskRead)[0].title)


async def async_reader(session: AsyncReadSession) -> str:
    return (await fetch(session, tasks.select(), SubtaskRead))[0].title


async def test_who_may_export_is_read_before_and_both_take_one_connection(
    face: Face, fresh_url: FreshUrl
) -> None:
    async with Database(fresh_url(face.dialect), pool_size=1, max_overflow=0, pool_timeout=2) as small:
        small.create_all(METADATA)
        with small.transaction() as session:
            session.add_all(sample())
        guard = Depends(async_reader if face.is_async else reader)
        app = application(small, sync=not face.is_async, dependencies=[guard])
        async with client_of(app) as client:
            for _ in range(3):
                assert len(lines(await client.get("/tasks.csv"))) == 6


def written(session: WriteSession) -> None:
    """Ask to write in a request that streams."""


async def async_written(session: AsyncWriteSession) -> None:
    """Ask to write in a request that streams."""


@pytest.mark.parametrize("first", ["write", "stream"])
async def test_a_request_that_streams_does_not_write_and_is_told_what_to_do(stored: Face, first: str) -> None:
    app = FastAPI()
    install(app, stored.database)

    def late(session: StreamSession, more: ReadSession, by: None = Depends(written)) -> None: ...
    async def async_late(
        session: AsyncStreamSession, more: AsyncReadSession, by: None = Depends(async_written)
    ) -> None: ...
    def early(session: WriteSession, more: StreamSession) -> None: ...
    async def async_early(session: AsyncWriteSession, more: AsyncStreamSession) -> None: ...

    endpoints: Any = {
        (False, "stream"): late,
        (True, "stream"): async_late,
        (False, "write"): early,
        (True, "write"): async_early,
    }
    app.get("/both")(endpoints[stored.is_async, first])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(
            Exception, match="asks for a session that streams and for one that writes"
        ) as told:
            await client.get("/both")
    assert "database.transaction()" in str(told.value)


async def test_a_reading_session_beside_a_streaming_one_is_the_same(stored: Face) -> None:
    app = FastAPI()
    install(app, stored.database)

    def export(session: StreamSession, more: ReadSession) -> StreamingResponse:
        assert more is session
        return StreamingResponse(to_csv(stream(session, tasks.select(), SubtaskRead), SubtaskRead))

    async def async_export(session: AsyncStreamSession, more: AsyncReadSession) -> StreamingResponse:
        assert more is session
        return StreamingResponse(to_csv(stream(session, tasks.select(), SubtaskRead), SubtaskRead))

    app.get("/lines")(async_export if stored.is_async else export)
    async with client_of(app) as client:
        assert len(lines(await client.get("/lines"))) == 6
