"""The pages of a task: shown, made, changed, assigned and deleted through forms."""

from __future__ import annotations

from sqlmodel import col, select

from fieldstone import Database, count, get
from fieldstone.template.models import Assignment, Task
from fieldstone.template.schemas import TaskRead
from fieldstone.testing import count_statements
from tests.template.visitor import Visitor


def stored(database: Database, key: int) -> TaskRead:
    with database.transaction(read_only=True) as session:
        return get(session, Task, key, TaskRead)


async def test_a_task_page_shows_what_is_known(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/tasks/1")
    assert view.status == 200
    assert view.page.one("h1").text == "Bring the checkout down to one page"
    assert view.page.one("h2", id="subtasks").text == "Subtasks 3 of 5"
    assert len(view.page.one("div", class_="prose").all("p")) == 2
    people = view.page.one("ul", class_="people").all("li")
    assert [person.one(class_="who").one("a").text for person in people] == [
        "Mira Okafor",
        "Claude Code",
        "Jonas Lindqvist",
    ]


async def test_a_subtask_shows_the_way_up(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/tasks/1")
    first, *_ = view.page.one("section", aria_labelledby="subtasks").all("a")
    below = await visitor.open(first.attributes["href"])
    path = below.page.one("nav", class_="path").all("a")
    assert [link.text for link in path] == ["Board", "Online shop", "Bring the checkout down to one page"]


async def test_a_task_page_takes_five_statements(visitor: Visitor, planted: Database) -> None:
    with count_statements(planted) as statements:
        await visitor.open("/tasks/1")
    # The task with its project and parents, its assignments, what is below it, its history; the workers.
    assert len(statements) == 5, statements


async def test_a_new_task_is_stored_and_shown(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/new/task?project_id=2")
    assert view.form("").fields()["project_id"] == "2"
    made = await visitor.send(
        view, title="  Water the ferns ", description="One.\r\n\r\nTwo.", due_date="2031-05-01"
    )
    assert made.page.one("h1").text == "Water the ferns"
    task = stored(planted, int(made.address.rsplit("/", 1)[1]))
    assert (task.title, task.description, str(task.due_date)) == (
        "Water the ferns",
        "One.\n\nTwo.",
        "2031-05-01",
    )
    assert (task.project and task.project.slug, task.priority, task.status) == ("app", "medium", "pending")


async def test_a_refused_form_keeps_what_was_typed_and_says_what_is_wrong(
    visitor: Visitor, planted: Database
) -> None:
    view = await visitor.open("/new/task")
    again = await visitor.send(
        view,
        title=" ",
        description="Kept <as typed>",
        progress_percent="140",
        due_date="soon",
        priority="high",
    )
    assert again.status == 422
    assert again.problem("title") == "Please fill this in."
    assert again.problem("progress_percent") == "Input should be less than or equal to 100"
    assert again.problem("due_date") == "Please give a date, such as 2026-05-31."
    assert again.form("").fields() == {
        "title": "",
        "description": "Kept <as typed>",
        "project_id": "",
        "status": "pending",
        "priority": "high",
        "due_date": "soon",
        "progress_percent": "140",
        "contact": "",
    }
    assert again.page.one(role="alert").text.startswith("This could not be saved yet.")
    with planted.transaction(read_only=True) as session:
        assert count(session, select(Task).where(Task.description == "Kept <as typed>")) == 0


async def test_a_project_that_is_gone_is_said_at_its_field(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/new/task")
    again = await visitor.send(view, title="For a project of yesterday", project_id="4711")
    assert again.status == 422
    assert again.problem("project_id") == "This does not exist any more."


async def test_an_edit_form_shows_what_is_stored_and_changes_it(visitor: Visitor, planted: Database) -> None:
    before = stored(planted, 1)
    view = await visitor.open("/tasks/1/edit")
    assert view.form("").fields()["title"] == before.title
    assert view.form("").fields()["description"] == before.description
    shown = await visitor.send(view, title="One page", project_id="", due_date="", progress_percent="70")
    assert shown.address == "/tasks/1"
    after = stored(planted, 1)
    assert (after.title, after.project, after.due_date, after.progress_percent) == (
        "One page",
        None,
        None,
        70,
    )
    assert (after.description, after.status, after.priority) == (before.description, "in_progress", "high")
    assert after.updated_at > before.updated_at


async def test_a_refused_edit_changes_nothing(visitor: Visitor, planted: Database) -> None:
    before = stored(planted, 1)
    again = await visitor.send(await visitor.open("/tasks/1/edit"), title="x" * 201, progress_percent="5")
    assert again.status == 422
    assert again.problem("title") == "String should have at most 200 characters"
    assert again.form("").fields()["progress_percent"] == "5"
    assert stored(planted, 1) == before


async def test_a_worker_is_assigned_with_a_role_and_removed(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/tasks/1")
    assigned = await visitor.send(view, "/tasks/1/assign", worker_id="@ben", role="reviewer")
    assert assigned.address == "/tasks/1"
    assert [
        (one.worker.id, one.role) for one in stored(planted, 1).assignments if one.worker.id == "@ben"
    ] == [("@ben", "reviewer")]
    removed = await visitor.post("/tasks/1/unassign", worker_id="@ben")
    assert removed.status == 200
    assert "@ben" not in [one.worker.id for one in stored(planted, 1).assignments]


async def test_assigning_twice_is_said_kindly(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/tasks/1")
    again = await visitor.send(view, "/tasks/1/assign", worker_id="@mira", role="reviewer")
    assert again.status == 422
    assert again.problem("worker_id") == "Already assigned to this task."
    assert again.form("/tasks/1/assign").fields() == {"worker_id": "@mira", "role": "reviewer"}
    assert [one.role for one in stored(planted, 1).assignments if one.worker.id == "@mira"] == ["assignee"]


async def test_assigning_somebody_unknown_is_refused(visitor: Visitor, planted: Database) -> None:
    again = await visitor.post("/tasks/1/assign", worker_id="@nobody", role="assignee")
    assert again.status == 422
    assert len(stored(planted, 1).assignments) == 3


async def test_a_subtask_joins_its_parent_and_project(visitor: Visitor, planted: Database) -> None:
    view = await visitor.open("/tasks/1")
    added = await visitor.send(view, "/tasks/1/subtasks", title="Thank the testers")
    assert "Thank the testers" in added.page.one("section", aria_labelledby="subtasks").text
    subtask = stored(planted, 1).subtasks[-1]
    assert stored(planted, subtask.id).project_id == 1


async def test_a_subtask_without_a_title_is_refused_at_its_field(visitor: Visitor, planted: Database) -> None:
    again = await visitor.send(await visitor.open("/tasks/1"), "/tasks/1/subtasks", title="")
    assert again.status == 422
    assert again.problem("title") == "Please fill this in."


async def test_deleting_asks_first_takes_subtasks_along_and_can_be_undone(
    visitor: Visitor, planted: Database
) -> None:
    question = await visitor.open("/tasks/1/delete")
    assert "Its 5 subtasks will be deleted with it." in question.page.text
    keys = [1, *(subtask.id for subtask in stored(planted, 1).subtasks)]
    gone = await visitor.send(question)
    assert (gone.status, gone.address) == (410, "/tasks/1")
    assert gone.page.one("h1").text == "“Bring the checkout down to one page” was deleted"
    with planted.transaction(read_only=True) as session:
        assert count(session, select(Task).where(col(Task.id).in_(keys))) == 0
        assert count(session, select(Task)) == 140 - 6
    assert "Bring the checkout" not in (await visitor.open("/workers")).page.text
    assert "Bring the checkout" not in (await visitor.open("/projects/shop")).page.text
    listed = await visitor.open("/deleted")
    assert [one.text for one in listed.page.one("ul", class_="lines").all("a")][::2] == [
        "Bring the checkout down to one page"
    ]
    back = await visitor.send(listed, "/tasks/1/restore")
    assert (back.status, back.page.one("h1").text) == (200, "Bring the checkout down to one page")
    assert len(back.page.one("ul", class_="people").all("li")) == 3
    with planted.transaction(read_only=True) as session:
        assert count(session, select(Task)) == 140
        assert count(session, select(Assignment).where(Assignment.task_id == 1)) == 3
    told = [one.text for one in back.page.one("ol", class_="story").all("p")][:2]
    assert [one.split(" ", 1)[1].rsplit(" ", 2)[0] for one in told] == [
        "restored this task",
        "deleted this task",
    ]


async def test_what_is_not_there_has_a_page_saying_so(visitor: Visitor, planted: Database) -> None:
    for address in ("/tasks/4711", "/tasks/x", "/tasks/4711/edit", "/tasks/4711/delete", "/projects/none"):
        view = await visitor.open(address)
        assert view.status == 404
        assert view.page.one("h1").text == "There is nothing here"
        assert view.page.one("a", class_="brand").attributes["href"] == "/"


async def test_a_form_for_a_task_that_is_gone_is_answered_so(visitor: Visitor, planted: Database) -> None:
    fields = {"title": "x", "status": "pending", "back": "/", "worker_id": "@mira", "role": "assignee"}
    for action in ("edit", "move", "subtasks", "assign", "unassign", "delete"):
        view = await visitor.post(f"/tasks/4711/{action}", **fields)
        assert (action, view.status) == (action, 404)
