"""Views: a request picks one of the declared schemas by name, and gets exactly that one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from fieldstone import DesignError, Model, Resource, SchemaError, plan
from fieldstone.fastapi import install, routes
from fieldstone.testing import count_statements
from tests.domain import SubtaskRead, Task, TaskFull, TaskRead, TaskTree
from tests.faces import Face
from tests.serving import client_of, client_on

pytestmark = pytest.mark.usefixtures("by_rows")


class TaskBrief(SubtaskRead):
    """All its fields are TaskRead's, too."""

    status: str


VIEWS: dict[str, type[Any]] = {"brief": TaskBrief, "card": SubtaskRead, "everything": TaskFull}
SHAPES: dict[str, type[Any]] = {"full": TaskRead, **VIEWS}

tasks = Resource(Task, read=TaskRead, views=VIEWS, filters=["status"], sort=["title"])
by_cursor = Resource(Task, read=TaskRead, views=VIEWS, paging="keyset", name="board", subject="card")


@pytest.fixture
async def client(stored: Face) -> AsyncIterator[httpx.AsyncClient]:
    async with client_on(stored, application) as client:
        yield client


def application(database: Any, *, sync: bool) -> FastAPI:
    app = FastAPI()
    install(app, database)
    for resource in (tasks, by_cursor):
        app.include_router(routes(resource, sync=sync, exclude=("delete",)))
    return app


@pytest.mark.parametrize("path", ["/tasks", "/board"])
@pytest.mark.parametrize("view", [None, *SHAPES])
async def test_a_view_has_its_own_fields_and_no_others_and_takes_its_own_plan(
    client: httpx.AsyncClient, stored: Face, path: str, view: str | None
) -> None:
    schema = SHAPES[view or "full"]
    query = "" if view is None else f"?view={view}"
    for address in (path, f"{path}/1"):
        await client.get(address + query)  # the schema of the API is made once
        with count_statements(stored.database) as statements:
            answer = await client.get(address + query)
        assert answer.status_code == 200, answer.text
        assert len(statements) == plan(Task, schema).budget
        for item in answer.json()["items"] if address == path else [answer.json()]:
            assert list(item) == list(schema.model_fields)
            assert schema.model_validate(item).model_dump(mode="json") == item


async def test_an_empty_page_has_any_view(client: httpx.AsyncClient) -> None:
    for view in SHAPES:
        assert (await client.get(f"/tasks?view={view}&offset=50")).json()["items"] == []


async def test_links_keep_the_view(client: httpx.AsyncClient) -> None:
    page = (await client.get("/tasks?view=card&size=2")).json()
    following = (await client.get(page["links"]["next"])).json()
    assert following["items"] == [{"id": 3, "title": "Right"}, {"id": 4, "title": "Leaf"}]


@pytest.mark.parametrize("address", ["/tasks", "/tasks/1", "/board", "/board/1"])
async def test_a_view_that_is_none_is_refused_with_those_that_are(
    client: httpx.AsyncClient, address: str
) -> None:
    for view in ("secret", "", "Full", "%00", "full,card"):
        refused = await client.get(f"{address}?view={view}")
        assert refused.status_code == 422, view
        [error] = refused.json()["errors"]
        assert (error["in"], error["field"]) == ("query", "view")
        assert error["message"] == "Input should be 'full', 'brief', 'card' or 'everything'"
    misspelt = await client.get(f"{address}?veiw=card")
    assert misspelt.status_code == 422
    assert "view" in misspelt.json()["errors"][0]["message"]
    twice = await client.get(f"{address}?view=card&view=full")
    assert twice.json()["errors"][0]["rule"] == "sent_twice"


def test_openapi_says_which_views_there_are_and_what_each_looks_like(database: Any) -> None:
    document = application(database, sync=False).openapi()
    validate(document)
    for path, shape in (("/tasks", "LinkedPage_{}_"), ("/board", "LinkedKeysetPage_{}_")):
        for address, name in ((path, shape), (path + "/{id}", "{}")):
            operation = document["paths"][address]["get"]
            [view] = [one for one in operation["parameters"] if one["name"] == "view"]
            assert view["schema"]["enum"] == ["full", "brief", "card", "everything"]
            assert view["schema"]["default"] == "full"
            assert view["description"] == (
                "Which form of a result to return: full (TaskRead), brief (TaskBrief), card (SubtaskRead), "
                "everything (TaskFull)."
            )
            answered = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert [one["$ref"].rpartition("/")[2] for one in answered["anyOf"]] == [
                name.format(schema.__name__) for schema in SHAPES.values()
            ]
            assert "oneOf" not in answered


def test_the_default_view_may_have_another_name() -> None:
    named = Resource(Task, read=TaskRead, views={"card": SubtaskRead, "standard": TaskRead, "full": TaskFull})
    assert (named.default_view, list(named.all_views)) == ("standard", ["standard", "card", "full"])
    assert Resource(Task, read=TaskRead).all_views == {"full": TaskRead}


def test_two_views_of_one_name_are_refused() -> None:
    with pytest.raises(DesignError, match=r"two views called 'full': TaskRead, .* and TaskFull\. Name the"):
        Resource(Task, read=TaskRead, views={"full": TaskFull})


def test_a_view_is_checked_at_start_up_like_the_read_schema() -> None:
    class Odd(Model):
        colour: str

    with pytest.raises(SchemaError, match=r"Odd\.colour"):
        Resource(Task, read=TaskRead, views={"odd": Odd})
    with pytest.raises(DesignError, match=r"A view cannot be called 'a view'"):
        Resource(Task, read=TaskRead, views={"a view": TaskTree})


@pytest.mark.parametrize("exchanged", [(SubtaskRead, TaskBrief), (TaskBrief, SubtaskRead)])
async def test_of_two_views_that_share_all_fields_none_takes_the_place_of_the_other(
    stored: Face, exchanged: tuple[type[Any], type[Any]]
) -> None:
    read, other = exchanged
    app = FastAPI()
    install(app, stored.database)
    both = Resource(Task, read=read, views={"other": other})
    app.include_router(routes(both, sync=not stored.is_async, only=("list", "get")))
    async with client_of(app) as client:
        assert list((await client.get("/tasks/1")).json()) == list(read.model_fields)
        assert list((await client.get("/tasks/1?view=other")).json()) == list(other.model_fields)
        page = (await client.get("/tasks?view=other")).json()
        assert {tuple(item) for item in page["items"]} == {tuple(other.model_fields)}


class TaskDone(SubtaskRead):
    """It takes no status but one, as if the others had been stored by another program."""

    status: Literal["completed"]


async def test_a_badly_stored_row_is_shown_in_the_view_that_was_picked(stored: Face) -> None:
    app = FastAPI()
    install(app, stored.database)
    done = Resource(Task, read=SubtaskRead, views={"done": TaskDone})
    app.include_router(routes(done, sync=not stored.is_async, only=("list", "get")))
    async with client_of(app) as client:
        shown = await client.get("/tasks/1?view=done")
        assert shown.json() == {"id": 1, "title": "Root", "status": "pending"}
        assert (await client.get("/tasks?view=done&size=1")).json()["items"] == [shown.json()]
