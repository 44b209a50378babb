"""The pages of a list over HTTP: by offset and by cursor, their links, and what is counted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate
from sqlmodel import col, func

from fieldstone import Cursors, DesignError, Resource
from fieldstone.fastapi import install, routes
from fieldstone.filters.grammar import RESERVED
from fieldstone.testing import count_statements
from tests import filtered
from tests.domain import SubtaskRead, Task, TaskRead
from tests.faces import Face
from tests.filtered import Sample, SampleRead
from tests.serving import client_of, client_on

T: Any = Task

QUERYABLE: Any = {
    "filters": ["status", "title", "project.slug", "assignments.worker_id"],
    "sort": ["title", "status", "project.name", "parent.project.slug", "reviewer_id"],
    "search": ["title"],
    "views": {"card": SubtaskRead},
    "max_page_size": 50,
}
SECRET = "a secret that is long enough for cursors"

tasks = Resource(Task, read=TaskRead, **QUERYABLE)
board = Resource(Task, read=TaskRead, name="board", subject="card", paging="keyset", **QUERYABLE)
public = Resource(Task, read=TaskRead, name="public", subject="public_task", total=3, **QUERYABLE)
feed = Resource(
    Task, read=TaskRead, name="feed", subject="entry", paging="keyset", total=3, cursors=Cursors(SECRET)
)
silent = Resource(Task, read=TaskRead, name="silent", subject="silent_task", total=False)
RESOURCES = (tasks, board, public, feed, silent)

pytestmark = pytest.mark.usefixtures("by_rows")


@pytest.fixture
async def client(stored: Face) -> AsyncIterator[httpx.AsyncClient]:
    async with client_on(stored, application) as client:
        yield client


def application(database: Any, *, sync: bool) -> FastAPI:
    app = FastAPI()
    install(app, database)
    for resource in RESOURCES:
        app.include_router(routes(resource, sync=sync, only=("list",)))
    return app


async def walked(client: httpx.AsyncClient, address: str, relation: str = "next") -> list[Any]:
    """Follow the links of a relation to the end."""
    pages = []
    following: str | None = address
    while following is not None:
        answer = await client.get(following)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        following = pages[-1]["links"][relation]
        assert (f'rel="{relation}"' in answer.headers["link"]) == (following is not None)
    return pages


def ids(pages: list[Any]) -> list[int]:
    return [item["id"] for page in pages for item in page["items"]]


QUERIES = [
    "",
    "sort=-status,title",
    "sort=project.name,-title",
    "sort=-parent.project.slug,reviewer_id",
    "status=pending&sort=-title",
    "status__in=pending&status__in=completed&sort=-reviewer_id",
    "assignments.worker_id=@claude-code&sort=title",
    "project.slug=apollo",
    "q=e&sort=title",
    "q=%C3%A9%20%26",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_links_lead_through_every_row_there_and_back_on_both_kinds_of_pages(
    client: httpx.AsyncClient, query: str
) -> None:
    whole = ids(await walked(client, f"/tasks?{query}&size=50"))
    for path in ("/tasks", "/board"):
        forward = await walked(client, f"{path}?view=card&{query}&size=2")
        assert ids(forward) == whole
        assert all(list(item) == ["id", "title"] for page in forward for item in page["items"])
        last = await client.get(
            forward[-2]["links"]["next"] if len(forward) > 1 else f"{path}?{query}&size=2"
        )
        backward = await walked(client, str(last.request.url), "prev")
        assert ids(backward[::-1]) == whole
        assert ids([(await client.get(backward[0]["links"]["first"])).json()]) == whole[:2]


async def test_a_page_takes_what_its_plan_says_at_any_depth(client: httpx.AsyncClient, stored: Face) -> None:
    for path in ("/tasks", "/board"):
        address = f"{path}?sort=-status,project.name&size=2"
        while address:
            with count_statements(stored.database) as statements:
                page = (await client.get(address)).json()
            assert len(statements) == tasks.plan.budget if page["items"] else 1
            address = page["links"]["next"]
        with count_statements(stored.database) as statements:
            await client.get(f"{path}?total=true")
        assert len(statements) == tasks.plan.budget + 1


async def test_the_cursor_in_the_body_goes_on_as_the_link_does(client: httpx.AsyncClient) -> None:
    first = (await client.get("/board?size=2&sort=-title")).json()
    assert set(first) == {"items", "size", "next", "previous", "total", "total_capped", "links"}
    by_hand = await client.get("/board", params={"size": 2, "sort": "-title", "cursor": first["next"]})
    assert by_hand.json() == (await client.get(first["links"]["next"])).json()
    larger = await client.get("/board", params={"size": 9, "sort": "-title", "cursor": first["next"]})
    assert len(larger.json()["items"]) == 3


# Cursors that are refused

FOREIGN = [
    ("size=2", "belongs to another list: its filters or its order are others"),
    ("sort=title", "belongs to another list"),
    ("sort=-title&status=pending", "belongs to another list"),
    ("sort=-title&q=e", "belongs to another list"),
]
BROKEN = ["", "x", "%00", "%F0%9F%92%A9", "a" * 5000, "=", "../..", "%ff"]


async def refusal(client: httpx.AsyncClient, address: str) -> str:
    refused = await client.get(address)
    assert refused.status_code == 422, address
    [error] = refused.json()["errors"]
    assert (error["in"], error["field"], error["rule"]) == ("query", "cursor", "cursor")
    return str(error["message"])


async def test_a_cursor_of_another_list_is_refused_with_a_remedy(client: httpx.AsyncClient) -> None:
    cursor = (await client.get("/board?sort=-title&size=1")).json()["next"]
    for query, message in FOREIGN:
        refused = await refusal(client, f"/board?{query}&cursor={cursor}")
        assert message in refused
        assert refused.endswith("Begin without a cursor")


async def test_a_broken_cursor_is_refused_by_name(client: httpx.AsyncClient) -> None:
    cursor = (await client.get("/board?size=1")).json()["next"]
    for broken in [*BROKEN, cursor[:-2], f"{cursor}AA", quote(cursor[:20] + "é" + cursor[20:])]:
        message = await refusal(client, f"/board?cursor={broken}")
        assert message.startswith(("is no cursor", "was not made by this service")), broken
    assert (await client.get(f"/board?cursor={cursor}&cursor={cursor}")).status_code == 422


async def test_a_cursor_of_another_secret_is_refused_and_the_log_says_what_to_set(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIELDSTONE_CURSOR_SECRET", raising=False)
    cursor = (await client.get("/feed?size=1")).json()["next"]
    with caplog.at_level(logging.WARNING, "fieldstone"):
        message = await refusal(client, f"/board?cursor={cursor}")
    assert message.startswith("was not made by this service, or was changed on the way")
    assert "set FIELDSTONE_CURSOR_SECRET, the same for all processes" in caplog.text


async def test_processes_that_share_a_secret_accept_each_others_cursors(stored: Face) -> None:
    cursor, found = None, []
    for _ in range(5):
        own = Resource(Task, read=TaskRead, paging="keyset", cursors=Cursors(SECRET))
        app = FastAPI()
        install(app, stored.database)
        app.include_router(routes(own, sync=not stored.is_async))
        async with client_of(app) as client:
            query = {"size": 1} if cursor is None else {"size": 1, "cursor": cursor}
            page = (await client.get("/tasks", params=query)).json()
        found.append(page)
        cursor = page["next"]
    assert (ids(found), cursor) == ([1, 2, 3, 4, 5], None)


async def test_each_kind_of_list_knows_its_own_parameter_only(client: httpx.AsyncClient) -> None:
    for address, known in (
        ("/board?offset=2", "size, cursor, total, view, q, sort"),
        ("/tasks?cursor=x", "size, offset, total, view, q, sort"),
    ):
        refused = await client.get(address)
        assert refused.status_code == 422
        assert f"Unknown parameter. Known are: {known}" in refused.json()["errors"][0]["message"]


@pytest.mark.parametrize("path", ["/tasks", "/board"])
async def test_the_size_of_a_page_is_capped(client: httpx.AsyncClient, path: str) -> None:
    for size in ("51", "0", "-1", "99999999999999999999", "1e3"):
        refused = await client.get(f"{path}?size={size}")
        assert refused.json()["errors"][0]["field"] == "size", size


# Links


async def test_the_link_header_says_what_the_body_says(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/tasks?status__in=pending&status__in=completed&sort=-title&size=2&offset=2&total=true"
    )
    kept = "status__in=pending&status__in=completed&sort=-title&size=2&total=true"
    assert answer.json()["links"] == {
        "first": f"/tasks?{kept}",
        "prev": f"/tasks?{kept}&offset=0",
        "next": f"/tasks?{kept}&offset=4",
        "last": f"/tasks?{kept}&offset=4",
    }
    assert answer.headers["link"] == ", ".join(
        f'<{url}>; rel="{relation}"' for relation, url in answer.json()["links"].items()
    )
    assert "last" not in (await client.get("/tasks?size=2")).headers["link"]
    assert "last" not in (await client.get("/board?size=2&total=true")).headers["link"]
    assert "last" not in (await client.get("/public?size=2&total=true")).headers["link"]


async def test_links_stand_below_the_root_path_of_a_proxy_and_name_no_host(stored: Face) -> None:
    app = application(stored.database, sync=not stored.is_async)
    transport = httpx.ASGITransport(app, root_path="/v1")
    async with httpx.AsyncClient(transport=transport, base_url="http://inside:8000") as client:
        for path in ("/board", "/v1/board"):  # from a proxy that strips the root, or not
            answer = await client.get(f"{path}?size=2")
            links = answer.json()["links"]
            assert links["first"] == "/v1/board?size=2"
            assert links["next"].startswith("/v1/board?size=2&cursor=")
            assert "inside" not in answer.headers["link"]
            assert (await client.get(links["next"])).status_code == 200


async def test_no_query_breaks_out_of_a_link(client: httpx.AsyncClient) -> None:
    for text in ("%3E%3B%20rel=%22x%22", "%0d%0aX-Header:%20y", "%22", "%ff", "a%2Bb", "%C3%A9"):
        answer = await client.get(f"/board?q={text}")
        assert answer.status_code == 200
        assert "x-header" not in answer.headers
        assert answer.headers["link"].isascii()
        assert answer.headers["link"].count("<") == answer.headers["link"].count(">") == 1


# Totals


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("/tasks?total=true", (5, False)),
        ("/board?total=true&size=2", (5, False)),
        ("/board?total=true&status=completed", (1, False)),
        ("/public?total=true", (3, True)),
        ("/feed?total=true&size=1", (3, True)),
        ("/public?total=true&status=completed", (1, False)),
        ("/tasks", (None, False)),
        ("/feed?total=false", (None, False)),
        ("/silent", (None, False)),
    ],
)
async def test_a_total_is_counted_as_far_as_the_resource_allows(
    client: httpx.AsyncClient, query: str, expected: tuple[int | None, bool]
) -> None:
    page = (await client.get(query)).json()
    assert (page["total"], page["total_capped"]) == expected


async def test_a_total_that_is_not_offered_is_an_unknown_parameter(client: httpx.AsyncClient) -> None:
    refused = await client.get("/silent?total=true")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["message"] == "Unknown parameter. Known are: size, offset"


async def test_a_capped_total_stops_counting_there(client: httpx.AsyncClient, stored: Face) -> None:
    for path in ("/public", "/feed"):
        with count_statements(stored.database) as statements:
            await client.get(f"{path}?total=true")
        assert "LIMIT" in statements[-1].upper()
        assert "count(*)" in statements[-1]


# What is said in advance


def test_openapi_describes_the_pages_their_parameters_and_their_header(database: Any) -> None:
    document = application(database, sync=False).openapi()
    validate(document)
    operation = document["paths"]["/feed"]["get"]
    assert "RFC 8288" in operation["responses"]["200"]["headers"]["Link"]["description"]
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert list(parameters) == ["size", "cursor", "total"]
    assert parameters["cursor"]["schema"]["type"] == "string"
    assert "same filters" in parameters["cursor"]["description"]
    assert "up to 3" in parameters["total"]["description"]
    properties = document["components"]["schemas"]["LinkedKeysetPage_TaskRead_"]["properties"]
    assert all(one.get("description") for name, one in properties.items() if name not in ("items", "links"))
    assert set(document["components"]["schemas"]["PageLinks"]["properties"]) == {
        "first",
        "prev",
        "next",
        "last",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paging": "cursor"}, r"has paging='cursor'\. Choose from: offset, keyset"),
        ({"total": 0}, r"has total=0\. Choose True to count all"),
        ({"total": 10**8}, "from 1 to 10000000"),
        (
            {"paging": "keyset", "order_by": [func.lower(col(T.title))]},
            r"The resource 'tasks' has no keyset pages: .* which is no column\. Order by columns of Task",
        ),
    ],
)
def test_pages_that_cannot_be_are_refused_at_start_up(options: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        Resource(Task, read=TaskRead, **options)


async def test_a_column_that_is_called_as_a_parameter_of_the_list_hides_none(face: Face) -> None:
    await face.create_all(filtered.METADATA)
    async with face.transaction() as session:
        session.add_all(Sample(id=number, name="a", size=number) for number in (1, 2, 3))
    every = Resource(
        Sample, read=SampleRead, filters=["size", "total"], sort=["id"], search=["name"], paging="keyset"
    )
    app = FastAPI()
    install(app, face.database)
    app.include_router(routes(every, sync=not face.is_async))
    assert not {one.name for one in every.grammar.parameters} & RESERVED
    async with client_of(app) as client:
        page = (await client.get("/samples?size__eq=2&size=1&total=true&total__is_null=true")).json()
    assert (ids([page]), page["size"], page["total"]) == ([2], 1, 1)
