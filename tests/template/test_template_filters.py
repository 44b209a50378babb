"""What a list of tasks is asked for: the same words on the board, in the API and in an export."""

from __future__ import annotations

import csv
import io
import json

import httpx2 as httpx
import pytest

from fieldstone import Database
from fieldstone.testing import count_statements
from tests.template.visitor import View, Visitor


def shown(view: View) -> list[str]:
    return sorted(card.one("h3").text for card in view.page.all("li", class_="card"))


def chips(view: View) -> dict[str, str]:
    """Each condition that the page names, with the address that leads out of it."""
    return {one.text: one.attributes["href"] for one in view.page.all("a", class_="without")}


async def test_words_are_searched_in_title_and_description(visitor: Visitor, planted: Database) -> None:
    assert shown(await visitor.open("/?q=PHONE+load")) == ["Product photos load too slowly on phones"]
    assert "Crash when a garden has no beds" in shown(await visitor.open("/?q=eleven+times"))
    assert shown(await visitor.open("/?q=%25")) == []


async def test_conditions_are_named_and_each_can_be_dropped(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/?project.slug=shop&priority=high&q=phone&due_date__le=2100-01-31&sort=title")
    assert shown(view) == ["Product photos load too slowly on phones"]
    assert list(chips(view)) == [
        "Without Priority high",
        "Without Due by 31 Jan 2100",
        "Without Project shop",
        "Without Words phone",
    ]
    wider = await visitor.open(chips(view)["Without Words phone"])
    assert list(chips(wider)) == list(chips(view))[:3]
    assert wider.page.one("select", name="sort").one("option", selected="").attributes["value"] == "title"
    assert len(shown(wider)) > 1


async def test_the_form_keeps_what_it_shows_and_what_it_has_no_control_for(
    visitor: Visitor, planted: Database
) -> None:
    view = await visitor.open("/?status__in=pending&status__in=completed&assignments.role=reviewer&q=a")
    form = view.page.one("form", class_="filter")
    hidden = [(one.attributes["name"], one.attributes["value"]) for one in form.all("input", type="hidden")]
    assert hidden == [
        ("status__in", "pending"),
        ("status__in", "completed"),
        ("assignments.role", "reviewer"),
    ]
    assert form.fields()["q"] == "a"
    assert [one.attributes["id"] for one in view.page.all("section")] == ["pending", "completed"]


async def test_an_order_holds_in_every_column(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/?sort=-title")
    for column in view.page.all("section"):
        titles = [one.text for one in column.all("h3")]
        assert titles == sorted(titles, reverse=True)


async def test_links_between_pages_keep_what_was_asked_for(visitor: Visitor, planted: Database) -> None:
    for number in range(35):
        await visitor.client.post("/api/tasks", json={"title": f"Weed bed {number:02}", "priority": "low"})
    view = await visitor.open("/?q=weed&priority=low&sort=title")
    [more] = [link for link in view.page.all("a") if link.text == "More"]
    rest = await visitor.open(more.attributes["href"])
    assert shown(rest) == [f"Weed bed {number}" for number in range(30, 35)]
    assert rest.page.one("input", name="q").attributes["value"] == "weed"
    [back] = [link for link in rest.page.all("a") if link.text == "Back"]
    assert shown(await visitor.open(back.attributes["href"])) == shown(view)


@pytest.mark.parametrize(
    ("query", "name", "sentence"),
    [
        ("status=urgent", "status", "Please choose one of the list."),
        ("due_date__le=soon", "due_date__le", "Please give a date, such as 2026-05-31."),
        (
            "assignments.worker_id=Ben",
            "assignments.worker_id",
            "Please use small letters, digits and hyphens.",
        ),
        ("utm_source=letter", "utm_source", "Tasks cannot be asked for by this."),
        ("contact=ann", "contact", "Tasks cannot be asked for by this."),
        ("offset=-1", "offset", "Please give a whole number up to 100000."),
        ("sort=contact", "sort", "Input should name some of: due_date, created_at, updated_at, "),
        ("q=a&q=b", "q", "was sent more than once and takes one value."),
        ("parent_id__in=1&parent_id__in=x", "parent_id__in", "Please give a whole number."),
    ],
)
async def test_what_is_not_understood_is_said_and_the_rest_is_shown(
    visitor: Visitor, planted: Database, query: str, name: str, sentence: str
) -> None:
    view = await visitor.open(f"/?project.slug=shop&{query}")
    assert view.status == 422
    [said] = view.page.one(role="alert").all("li")
    assert said.text.startswith(f"{name}: {sentence}")
    assert view.page.one("select", name="project.slug").one("option", selected="").text == "Online shop"
    assert len(shown(view)) == 9


async def test_the_export_of_a_board_holds_what_the_board_shows(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/?project.slug=app&q=garden&sort=-title")
    [link] = [one for one in view.page.all("a") if one.text == "Export as CSV"]
    file = await visitor.client.get(link.attributes["href"])
    assert file.headers["content-disposition"] == 'attachment; filename="tasks.csv"'
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [row["title"] for row in rows] == shown(view)[::-1]
    assert {row["project.name"] for row in rows} == {"Garden app"}
    assert list(rows[0])[:4] == ["id", "title", "status", "priority"]


async def test_an_export_as_ndjson_has_every_task_that_is_asked_for(
    client: httpx.AsyncClient, planted: Database
) -> None:
    with count_statements(planted) as statements:
        file = await client.get("/api/tasks.ndjson?priority=high&view=summary")
    lines = [json.loads(line) for line in file.text.splitlines()]
    assert {line["priority"] for line in lines} == {"high"}
    listed = await client.get("/api/tasks?priority=high&total=true&size=1")
    assert listed.json()["total"] == len(lines) > 20
    assert len(statements) == 1, statements


async def test_a_view_is_chosen_by_name_and_costs_what_it_shows(
    client: httpx.AsyncClient, planted: Database
) -> None:
    with count_statements(planted) as statements:
        listed = await client.get("/api/tasks?view=summary&size=5")
    assert len(statements) == 1, statements
    assert set(listed.json()["items"][0]) == {
        *("id", "title", "status", "priority", "progress_percent", "due_date"),
        *("project", "created_at", "updated_at"),
    }


async def test_a_list_is_walked_by_its_links_without_losing_a_task(
    client: httpx.AsyncClient, planted: Database
) -> None:
    address, found = "/api/tasks?view=summary&sort=-due_date&size=40", []
    while address:
        page = (await client.get(address)).json()
        found += [task["id"] for task in page["items"]]
        address = page["links"]["next"]
        if len(found) == 40:  # what comes and goes meanwhile moves no other
            assert (await client.delete(f"/api/tasks/{found[0]}")).status_code == 204
            assert (await client.post("/api/tasks", json={"title": "New"})).status_code == 201
    assert len(found) == len(set(found))
    assert {*range(1, 141)} - {*found} == set()


async def test_conditions_below_one_relationship_hold_for_one_assignment(
    client: httpx.AsyncClient, planted: Database
) -> None:
    query = "assignments.worker_id=@test-runner&assignments.role=reviewer&view=summary"
    reviewed = (await client.get(f"/api/tasks?{query}")).json()["items"]
    assert "Make colours readable for everyone" in [task["title"] for task in reviewed]
    assert len({task["id"] for task in reviewed}) == len(reviewed)


async def test_a_task_that_is_unchanged_is_not_sent_again(
    client: httpx.AsyncClient, planted: Database
) -> None:
    read = await client.get("/api/tasks/1")
    again = await client.get("/api/tasks/1", headers={"If-None-Match": read.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await client.patch("/api/tasks/1", json={"title": "New"})
    assert (
        await client.get("/api/tasks/1", headers={"If-None-Match": read.headers["etag"]})
    ).status_code == 200
    stale = await client.patch(
        "/api/tasks/1", json={"title": "x"}, headers={"If-Match": read.headers["etag"]}
    )
    assert stale.status_code == 412


async def test_a_deleted_task_is_in_no_list_and_comes_back(
    client: httpx.AsyncClient, planted: Database
) -> None:
    assert (await client.delete("/api/tasks/1", headers={"X-Actor": "@mira"})).status_code == 204
    assert (await client.get("/api/tasks/1")).status_code == 404
    assert (await client.get("/api/tasks/2")).status_code == 404
    assert (await client.get("/api/tasks?total=true&size=1")).json()["total"] == 134
    assert (await client.get("/api/tasks/1/history?size=1")).json()["items"][0]["action"] == "deleted"
    restored = await client.post("/api/tasks/1/restore")
    assert (restored.status_code, len(restored.json()["subtasks"])) == (200, 5)
    assert (await client.get("/api/tasks?total=true&size=1")).json()["total"] == 140
