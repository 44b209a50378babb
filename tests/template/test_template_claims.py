"""Workers that take the next task: the right one, once, and on record."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import insert
from sqlmodel import select

from fieldstone import Database, count, create, get, history_of, timeline
from fieldstone.template.board import today
from fieldstone.template.models import Assignment, Project, Task, Worker
from fieldstone.template.schemas import TaskRead
from fieldstone.testing import count_statements
from tests.template.migrated import migrated
from tests.template.visitor import Visitor

WORKERS, TASKS = 8, 200


@pytest.fixture
def crew(database: Database) -> Database:
    """A project, two agents and a person, and no tasks."""
    migrated(database)
    plant(database, Project, name="Shop", slug="shop")
    for key, kind in (("@one", "agent"), ("@two", "agent"), ("@ann", "human")):
        plant(database, Worker, id=key, name=key[1:].title(), type=kind)
    return database


def plant(database: Database, model: type[Any], **values: Any) -> Any:
    with database.transaction() as session:
        return create(session, model, values)


async def claimed(client: httpx.AsyncClient, worker: str, **more: Any) -> str | None:
    """Let a worker ask for a task; return its title, or None."""
    answer = await client.post("/api/tasks/claim", json={"worker_id": worker, **more})
    assert answer.status_code in (200, 204), answer.text
    return answer.json()["title"] if answer.status_code == 200 else None


async def test_the_most_urgent_task_that_waits_is_handed_out_first(
    client: httpx.AsyncClient, crew: Database
) -> None:
    plant(crew, Task, title="low", priority="low", due_date=today())
    plant(crew, Task, title="high", priority="high")
    plant(crew, Task, title="high, tomorrow", priority="high", due_date=today() + timedelta(1))
    plant(crew, Task, title="done", priority="high", status="completed")
    plant(crew, Task, title="begun", priority="high", status="in_progress")
    plant(crew, Task, title="subtask", priority="high", parent_id=1)
    titles = [await claimed(client, worker) for worker in ("@one", "@two", "@one", "@two")]
    assert titles == ["high, tomorrow", "high", "low", None]


async def test_a_claimed_task_is_begun_assigned_and_in_the_history(
    client: httpx.AsyncClient, crew: Database
) -> None:
    task = plant(crew, Task, title="Water", project_id=1)
    answer = await client.post("/api/tasks/claim", json={"worker_id": "@one", "project": "shop"})
    assert answer.json()["status"] == "in_progress"
    assert [(one["worker"]["id"], one["role"]) for one in answer.json()["assignments"]] == [
        ("@one", "assignee")
    ]
    assert answer.json() == (await client.get(f"/api/tasks/{task.id}")).json()
    with crew.transaction(read_only=True) as session:
        entry = timeline(session, Task, task.id).items[0]
        assert (entry.actor, entry.actor_kind) == ("@one", "agent")
        assert entry.changes["status"].new == "in_progress"
        assigned = select(history_of(Task)).where(history_of(Task).model == "Assignment")
        assert [(one.actor, one.key) for one in session.exec(assigned)] == [("@one", '[1,"@one"]')]


async def test_what_others_are_to_do_is_left_to_them(client: httpx.AsyncClient, crew: Database) -> None:
    for number, title in enumerate(("of two", "of one", "reviewed by two"), start=1):
        plant(crew, Task, title=title)
        role = "reviewer" if number == 3 else "assignee"
        plant(crew, Assignment, task_id=number, worker_id="@one" if number == 2 else "@two", role=role)
    assert [await claimed(client, "@one") for _ in range(3)] == ["of one", "reviewed by two", None]
    assert await claimed(client, "@two") == "of two"


async def test_who_reviews_a_task_and_claims_it_is_its_assignee(
    client: httpx.AsyncClient, crew: Database
) -> None:
    plant(crew, Task, title="Mine now")
    plant(crew, Assignment, task_id=1, worker_id="@one", role="reviewer")
    assert await claimed(client, "@one") == "Mine now"
    with crew.transaction(read_only=True) as session:
        assert [one.role for one in get(session, Task, 1, TaskRead).assignments] == ["assignee"]


async def test_a_worker_may_keep_to_one_project(client: httpx.AsyncClient, crew: Database) -> None:
    plant(crew, Task, title="elsewhere", priority="high")
    plant(crew, Task, title="in the shop", project_id=1)
    assert [await claimed(client, "@one", project="shop") for _ in range(2)] == ["in the shop", None]
    assert await claimed(client, "@one", project="no-such-project") is None


async def test_who_hands_out_work_for_others_is_the_actor(client: httpx.AsyncClient, crew: Database) -> None:
    plant(crew, Task, title="Water")
    sent = {"json": {"worker_id": "@one"}, "headers": {"X-Actor": "@ann"}}
    assert (await client.post("/api/tasks/claim", **sent)).status_code == 200  # type: ignore[arg-type]  # both fit
    with crew.transaction(read_only=True) as session:
        assert timeline(session, Task, 1).items[0].actor == "@ann"


async def test_a_claim_takes_few_statements_and_an_idle_one_two(
    client: httpx.AsyncClient, crew: Database
) -> None:
    plant(crew, Task, title="Water")
    with count_statements(crew) as busy:
        await claimed(client, "@one")
    with count_statements(crew) as idle:
        await claimed(client, "@one")
    # The worker; the task, found and changed; its assignment, which PostgreSQL locks before; an entry
    # for each; what is answered, in three.
    assert len(idle) == 2, idle
    assert len([one for one in busy if "SAVEPOINT" not in one]) == {"sqlite": 9}.get(crew.dialect, 10), busy


async def test_a_person_takes_the_next_task_with_a_button(visitor: Visitor, crew: Database) -> None:
    plant(crew, Task, title="elsewhere", priority="high")
    plant(crew, Task, title="in the shop", project_id=1)
    assert (await visitor.post("/claim")).page.one("h1").text == "Who are you?"
    await visitor.post("/me", worker_id="@ann", back="/")
    board = await visitor.open("/?project.slug=shop")
    taken = await visitor.send(board, "/claim")
    assert taken.page.one("h1").text == "in the shop"
    assert "Ann" in taken.page.one("ul", class_="people").text
    nothing = await visitor.send(board, "/claim")
    assert (nothing.status, nothing.page.one("h1").text) == (200, "Nothing waits for you")


async def test_eight_workers_claim_every_task_once_over_http(
    client: httpx.AsyncClient, crew: Database
) -> None:
    names = [f"@agent-{number}" for number in range(WORKERS)]
    for name in names:
        plant(crew, Worker, id=name, name=name, type="agent")
    with crew.transaction() as session:
        session.connection().execute(insert(Task), [{"title": f"Task {n}"} for n in range(TASKS)])

    async def work(name: str) -> list[str]:
        found: list[str] = []
        while title := await claimed(client, name):
            found.append(title)
        return found

    found = dict(zip(names, await asyncio.gather(*map(work, names)), strict=True))
    assert Counter(title for titles in found.values() for title in titles) == {
        f"Task {n}": 1 for n in range(TASKS)
    }
    with crew.transaction(read_only=True) as session:
        assert count(session, select(Task).where(Task.status == "in_progress")) == TASKS
        stored = session.exec(select(Assignment.worker_id, Task.title).join(Task))
        assert set(stored) == {(name, title) for name, titles in found.items() for title in titles}


async def test_eight_clients_that_send_if_match_lose_no_update(
    client: httpx.AsyncClient, crew: Database
) -> None:
    plant(crew, Task, title="Counted")
    rounds = 3

    async def count_up() -> int:
        refused = done = 0
        while done < rounds:
            read = await client.get("/api/tasks/1")
            more = {"progress_percent": read.json()["progress_percent"] + 1}
            match = {"If-Match": read.headers["etag"]}
            answer = await client.patch("/api/tasks/1", json=more, headers=match)
            assert answer.status_code in (200, 412), answer.text
            done += answer.status_code == 200
            refused += answer.status_code == 412
        return refused

    await asyncio.gather(*(count_up() for _ in range(WORKERS)))
    assert (await client.get("/api/tasks/1")).json()["progress_percent"] == WORKERS * rounds
    with crew.transaction(read_only=True) as session:
        entries = timeline(session, Task, 1, size=100).items
        assert [entry.changes["progress_percent"].new for entry in entries] == list(
            range(WORKERS * rounds, -1, -1)
        )
