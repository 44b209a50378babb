"""Who changed what: the story on a task's page, whose name a change is made in, and stale forms."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest

from fieldstone import Database, HistoryRead, acting, create, get, patch, timeline
from fieldstone.template.models import Assignment, Project, Task, Worker
from fieldstone.template.schemas import TaskRead
from fieldstone.testing import count_statements
from tests.template.markup import Element
from tests.template.migrated import migrated
from tests.template.visitor import View, Visitor


def story(view: View) -> list[Element]:
    return [one for one in view.page.one("ol", class_="story").children if isinstance(one, Element)]


def newest(database: Database, key: int) -> HistoryRead:
    with database.transaction(read_only=True) as session:
        return timeline(session, Task, key).items[0]


def change(database: Database, key: int, **values: Any) -> None:
    with database.transaction() as session:
        patch(session, Task, key, values)


async def choose(visitor: Visitor, worker: str) -> View:
    return await visitor.post("/me", worker_id=worker, back="/tasks/1")


async def test_demo_data_has_lived(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/tasks/1")
    assert [one.one("p").text.rpartition(" · ")[0] or one.one("p").text for one in story(view)] == [
        "Claude Code agent changed this task 1 day ago",
        "Claude Code agent changed this task 2 days ago",
        "Mira Okafor assigned Jonas Lindqvist as reviewer 4 days ago",
        "Mira Okafor assigned Claude Code as assignee 4 days ago",
        "Mira Okafor assigned Mira Okafor as assignee 4 days ago",
        "Mira Okafor created this task 4 days ago",
    ]
    assert [step.text for step in view.page.one("ol", class_="story").all("ul", class_="steps")] == [
        "Progress 0 % → became 60 %",
        "Status Pending → became In progress",
    ]


async def test_a_change_stands_on_the_page_with_who_made_it_and_what_it_was(
    visitor: Visitor, planted: Database
) -> None:
    assert (await choose(visitor, "@ben")).page.one(
        "a", class_="me"
    ).text == "BW Ben Whitfield, human Ben Whitfield"
    view = await visitor.open("/tasks/1/edit")
    shown = await visitor.send(view, title="One page", project_id="2", due_date="", description="Short")
    first = story(shown)[0]
    assert first.one("strong").text == "Ben Whitfield"
    assert first.one("time").text == "just now"
    steps = {step.one("b").text: step for step in first.one("ul").all("li")}
    assert (steps["Title"].one("del").text, steps["Title"].one("ins").text) == (
        "Bring the checkout down to one page",
        "One page",
    )
    assert (steps["Project"].one("del").text, steps["Project"].one("ins").text) == (
        "Online shop",
        "Garden app",
    )
    assert steps["Due"].one("ins").text == "nothing"
    assert steps.keys() == {"Title", "Project", "Due", "Description"}


async def test_what_is_private_is_said_to_have_changed_and_not_shown(
    visitor: Visitor, planted: Database
) -> None:
    view = await visitor.open("/tasks/1/edit")
    shown = await visitor.send(view, contact="ann@example.org")
    assert story(shown)[0].one("ul").text == "Contact changed, not shown"
    assert "ann@example.org" in shown.page.one("dl").text
    assert "ann@example.org" not in newest(planted, 1).model_dump_json()


async def test_a_change_by_nobody_known_is_said_to_be_somebodys(visitor: Visitor, planted: Database) -> None:
    shown = await visitor.post("/tasks/1/move", status="completed", back="/tasks/1")
    assert story(shown)[0].one("strong").text == "Somebody"
    assert newest(planted, 1).actor is None


async def test_a_long_story_is_told_in_pages(visitor: Visitor, planted: Database) -> None:
    for percent in range(15):
        change(planted, 2, progress_percent=percent)
    view = await visitor.open("/tasks/2")
    assert len(story(view)) == 10
    [older] = [link for link in view.page.all("a") if link.text == "Older"]
    rest = await visitor.open(older.attributes["href"].partition("#")[0])
    [newer] = [link for link in rest.page.all("a") if link.text == "Newer"]
    assert [one.text for one in story(rest)][-1].startswith("Mira Okafor created this task") or len(
        story(rest)
    ) == 10
    assert newer.attributes["href"] == "/tasks/2?history=0#history"


async def test_a_story_outlives_workers_and_projects(visitor: Visitor, database: Database) -> None:
    migrated(database)
    with acting("@gone", kind="agent"), database.transaction() as session:
        project = create(session, Project, {"name": "Short", "slug": "short"})
        create(session, Worker, {"id": "@gone", "name": "Gone", "type": "agent"})
        task = create(session, Task, {"title": "Stays"})
        create(session, Assignment, {"task_id": task.id, "worker_id": "@gone", "role": "reviewer"})
        patch(session, Task, task.id, {"project_id": project.id})
        patch(session, Task, task.id, {"project_id": None})

        session.delete(project)
        session.delete(session.get_one(Worker, "@gone"))
    told = [one.text for one in story(await visitor.open("/tasks/1"))]
    assert any("@gone agent took @gone off" in one for one in told), told
    assert any("No. 1 → became nothing" in one for one in told), told


@pytest.mark.parametrize("cookie", ["@nobody", "", "x" * 5_000, "%00", "🌿", "@ben; Path=/"])
async def test_a_cookie_that_names_no_worker_is_nobodys(
    visitor: Visitor, planted: Database, cookie: str
) -> None:
    response = await visitor.client.get("/", headers={b"cookie": f"worker={cookie}".encode()})
    assert response.status_code == 200
    known = "Ben Whitfield</span></a>" in response.text
    assert known == cookie.startswith("@ben;")


async def test_who_one_is_can_be_forgotten(visitor: Visitor, planted: Database) -> None:
    await choose(visitor, "@ben")
    forgotten = await visitor.post("/me", back="https://elsewhere.test/")
    assert forgotten.address == "/"
    assert forgotten.page.one("a", class_="me").text == "Who are you?"


async def test_somebody_who_is_not_there_cannot_be_chosen(visitor: Visitor, planted: Database) -> None:
    assert (await choose(visitor, "@nobody")).status == 404


async def test_a_program_acts_as_the_worker_that_it_names(
    client: httpx.AsyncClient, planted: Database
) -> None:
    headers = {"X-Actor": "@test-runner"}
    assert (await client.patch("/api/tasks/1", json={"title": "Run"}, headers=headers)).status_code == 200
    entry = newest(planted, 1)
    assert (entry.actor, entry.actor_kind, entry.action) == ("@test-runner", "agent", "changed")
    told = (await client.get("/api/tasks/1/history", params={"size": 1})).json()
    assert told["items"][0]["actor"] == "@test-runner"
    assert told["items"][0]["changes"]["title"]["new"] == "Run"
    assert told["has_more"] is True


@pytest.mark.parametrize(
    ("actor", "message"),
    [("@nobody", "No worker has this id"), ("nobody", "String should match"), ("@" + "x" * 40, "at most 40")],
)
async def test_an_actor_that_is_no_worker_is_refused_by_the_header(
    client: httpx.AsyncClient, planted: Database, actor: str, message: str
) -> None:
    refused = await client.patch("/api/tasks/1", json={"title": "Run"}, headers={"X-Actor": actor})
    assert refused.status_code == 422
    [problem] = refused.json()["errors"]
    assert (problem["in"], problem["field"]) == ("header", "X-Actor")
    assert message in problem["message"]
    assert newest(planted, 1).changes.get("title") is None


async def test_an_old_form_is_refused_with_both_values_and_can_be_sent_again(
    visitor: Visitor, planted: Database
) -> None:
    mine = await visitor.open("/tasks/1/edit")
    change(planted, 1, title="Theirs", priority="low", project_id=2)
    again = await visitor.send(mine, title="Mine")
    assert again.status == 409
    assert again.page.one(role="alert").text.startswith("Somebody else changed this while you did.")
    assert again.form("").fields()["title"] == "Mine"
    said = [one.text for one in again.page.all("p", class_="stored")]
    assert said == ["Stored now: Theirs", "Stored now: Garden app", "Stored now: Low"]
    with planted.transaction(read_only=True) as session:
        assert get(session, Task, 1, TaskRead).title == "Theirs"
    kept = await visitor.send(again, title="Both")
    assert kept.page.one("h1").text == "Both"


async def test_the_story_takes_one_statement_and_one_more_for_projects(
    visitor: Visitor, planted: Database
) -> None:
    change(planted, 1, project_id=2)
    change(planted, 1, project_id=3)
    with count_statements(planted) as statements:
        await visitor.open("/tasks/1")
    assert len(statements) == 6, statements


async def test_subtasks_are_shown_with_theirs(visitor: Visitor, planted: Database) -> None:
    with planted.transaction() as session:
        below = create(session, Task, {"title": "Below", "parent_id": 2})
        create(session, Task, {"title": "Deeper", "parent_id": below.id})
    view = await visitor.open("/tasks/1")
    tree = view.page.one("section", aria_labelledby="subtasks")
    nested = tree.one("ul", class_="lines") if len(tree.all("ul")) == 1 else tree.all("ul")[1]
    assert "Below" in nested.text
    assert "Deeper" in nested.text
