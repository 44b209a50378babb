"""The board: what it shows, how it is filtered and paged, and how tasks move on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fieldstone import Database, create
from fieldstone.template.board import COLUMN_SIZE, today
from fieldstone.template.models import Assignment, Project, Task, Worker
from fieldstone.testing import count_statements
from tests.template.visitor import View, Visitor


def titles(view: View, status: str) -> list[str]:
    column = view.page.one("section", id=status)
    return [heading.text for heading in column.all("h3")]


def plant(database: Database, model: type[Any], **values: Any) -> Any:
    with database.transaction() as session:
        return create(session, model, values)


async def test_every_task_stands_in_the_column_of_its_status(visitor: Visitor, database: Database) -> None:
    for status in ("pending", "in_progress", "completed"):
        plant(database, Task, title=f"A {status} task", status=status)
    view = await visitor.open("/")
    assert {status: titles(view, status) for status in ("pending", "in_progress", "completed")} == {
        "pending": ["A pending task"],
        "in_progress": ["A in_progress task"],
        "completed": ["A completed task"],
    }


async def test_the_urgent_come_first_and_those_without_a_date_last(
    visitor: Visitor, database: Database
) -> None:
    plant(database, Task, title="low", priority="low", due_date=today())
    plant(database, Task, title="high, some day", priority="high")
    plant(database, Task, title="high, next week", priority="high", due_date=today() + timedelta(7))
    plant(database, Task, title="high, tomorrow", priority="high", due_date=today() + timedelta(1))
    plant(database, Task, title="medium", due_date=today() - timedelta(3))
    view = await visitor.open("/")
    assert titles(view, "pending") == ["high, tomorrow", "high, next week", "high, some day", "medium", "low"]


async def test_of_the_completed_the_latest_comes_first(visitor: Visitor, database: Database) -> None:
    for title in ("first", "second", "third"):
        plant(database, Task, title=title, status="completed", priority="low" if title == "third" else "high")
    view = await visitor.open("/")
    assert titles(view, "completed") == ["third", "second", "first"]


async def test_only_what_is_open_past_its_day_is_overdue(visitor: Visitor, database: Database) -> None:
    yesterday = today() - timedelta(1)
    late = plant(database, Task, title="late", due_date=yesterday)
    plant(database, Task, title="done", status="completed", due_date=yesterday)
    plant(database, Task, title="due today", due_date=today())
    view = await visitor.open("/")
    assert [
        card.attributes["id"] for card in view.page.all("li", class_="card") if card.all(class_="late")
    ] == [f"task-{late.id}"]
    assert "1 overdue" in view.page.one("p", class_="lead").text


async def test_a_card_counts_its_subtasks_and_names_its_people(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/")
    card = next(one for one in view.page.all("li", class_="card") if "checkout" in one.text)
    assert card.one(class_="subtasks").text == "3/5 subtasks completed"
    assert [face.text for face in card.all(class_="face")] == [
        "MO Mira Okafor, human",
        "CC Claude Code, agent",
        "JL Jonas Lindqvist, human",
    ]
    assert card.one("progress").attributes["value"] == "60"


async def test_subtasks_have_no_card_of_their_own(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/")
    assert len(view.page.all("li", class_="card")) == 47
    assert "Sketch the page with three customers" not in view.page.text


async def test_a_filter_narrows_the_board_and_is_remembered(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/?project.slug=shop&assignments.worker_id=%40claude-code&q=")
    assert [card.one("h3").text for card in view.page.all("li", class_="card")] == [
        "Search that forgives spelling mistakes",
        "Bring the checkout down to one page",
    ]
    filters = view.page.one("form", class_="filter")
    typed = {name: value for name, value in filters.fields().items() if value}
    assert typed == {"project.slug": "shop", "assignments.worker_id": "@claude-code"}
    assert filters.attributes["method"] == "get"


async def test_the_empty_choice_of_a_filter_means_all(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/?project.slug=&assignments.worker_id=&q=&due_date__le=&sort=")
    assert len(view.page.all("li", class_="card")) == 47


async def test_a_filter_that_matches_nothing_shows_empty_columns(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/?assignments.worker_id=%40nobody")
    assert [one.text for one in view.page.all("li", class_="empty")] == ["Nothing here."] * 3


async def test_a_full_column_turns_pages_without_losing_a_task(visitor: Visitor, database: Database) -> None:
    for number in range(COLUMN_SIZE + 3):
        plant(database, Task, title=f"Task {number:02}")
    first = await visitor.open("/")
    assert len(titles(first, "pending")) == COLUMN_SIZE
    assert first.page.one("section", id="pending").one("h2").text == f"Pending {COLUMN_SIZE + 3}"
    [more] = [link for link in first.page.all("a") if link.text == "More"]
    second = await visitor.open(more.attributes["href"])
    assert titles(first, "pending") + titles(second, "pending") == [
        f"Task {n:02}" for n in range(COLUMN_SIZE + 3)
    ]
    [back] = [link for link in second.page.all("a") if link.text == "Back"]
    assert titles(await visitor.open(back.attributes["href"]), "pending") == titles(first, "pending")


async def test_a_moved_task_changes_its_column_and_the_filter_stays(
    visitor: Visitor, planted: Database
) -> None:
    view = await visitor.open("/?project.slug=shop")
    card = next(one for one in view.page.all("li", class_="card") if "spelling" in one.text)
    moved = await visitor.send(view, card.one("form").attributes["action"], status="completed")
    assert moved.address == "/?project.slug=shop"
    assert "Search that forgives spelling mistakes" in titles(moved, "completed")
    assert "Search that forgives spelling mistakes" not in titles(moved, "pending")


@pytest.mark.parametrize(("status", "progress"), [("completed", 100), ("pending", 0), ("in_progress", 60)])
async def test_moving_a_task_sets_its_progress(
    visitor: Visitor, planted: Database, status: str, progress: int
) -> None:
    view = await visitor.post("/tasks/1/move", status=status, back="/tasks/1")
    assert view.page.all("progress")[0].attributes["value"] == str(progress)


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.test/", "//elsewhere.test/", "javascript:alert(1)"])
async def test_moving_never_leads_away_from_the_site(
    visitor: Visitor, planted: Database, elsewhere: str
) -> None:
    response = await visitor.client.post("/tasks/1/move", data={"status": "pending", "back": elsewhere})
    assert response.headers["location"] == "/"


async def test_an_unknown_status_is_refused_and_nothing_moves(visitor: Visitor, planted: Database) -> None:
    view = await visitor.post("/tasks/1/move", status="forgotten", back="/")
    assert view.status == 422
    assert "Bring the checkout down to one page" in titles(await visitor.open("/"), "in_progress")


async def test_the_board_takes_six_statements_however_many_tasks_there_are(
    visitor: Visitor, planted: Database
) -> None:
    with count_statements(planted) as few:
        await visitor.open("/?project.slug=shop")
    for number in range(40):
        task = plant(planted, Task, title=f"Another {number}", project_id=1)
        plant(planted, Task, title="Its subtask", parent_id=task.id)
        plant(planted, Assignment, task_id=task.id, worker_id="@mira")
    with count_statements(planted) as many:
        await visitor.open("/?project.slug=shop")
    # Cards with their projects, assignments with their workers, subtasks; totals; the two filters.
    assert (len(few), len(many)) == (6, 6), many


async def test_an_empty_board_takes_no_statement_for_what_cannot_be_there(
    visitor: Visitor, database: Database
) -> None:
    with count_statements(database) as statements:
        await visitor.open("/")
    assert len(statements) == 4, statements


async def test_what_strangers_type_is_shown_as_text(visitor: Visitor, database: Database) -> None:
    script = '"><script>alert(1)</script>'
    project = plant(database, Project, name=script, slug="x", description=script)
    plant(database, Worker, id="@x", name=script, type="human")
    task = plant(database, Task, title=script, description=script, project_id=project.id)
    plant(database, Assignment, task_id=task.id, worker_id="@x")
    for address in (
        "/",
        f"/tasks/{task.id}",
        f"/tasks/{task.id}/edit",
        "/projects",
        "/projects/x",
        "/workers",
    ):
        view = await visitor.open(address)
        assert view.page.all("script") == []
        assert script in view.page.text or address.endswith("edit")
