"""The app's API: generated and hand-written routes, side by side."""

from __future__ import annotations

import httpx2 as httpx

from fieldstone import Database
from fieldstone.testing import count_statements


async def test_a_task_lives_through_create_read_update_and_delete(client: httpx.AsyncClient) -> None:
    made = await client.post("/api/tasks", json={"title": "Mulch", "priority": "low"})
    assert made.status_code == 201
    address = f"/api/tasks/{made.json()['id']}"
    assert (await client.get(address)).json() == made.json()
    changed = await client.patch(address, json={"status": "in_progress"})
    assert (changed.json()["status"], changed.json()["title"]) == ("in_progress", "Mulch")
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(address)).status_code == 404


async def test_a_wrong_value_is_refused_naming_the_field(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/tasks", json={"title": "", "progress_percent": 101})
    assert response.status_code == 422
    assert {entry["pointer"] for entry in response.json()["errors"]} == {"/title", "/progress_percent"}


async def test_a_worker_has_a_key_of_text(client: httpx.AsyncClient) -> None:
    worker = {"id": "@claude-code", "name": "Claude Code", "type": "agent"}
    assert (await client.post("/api/workers", json=worker)).status_code == 201
    assert (await client.get("/api/workers/@claude-code")).json() == worker
    assert (await client.post("/api/workers", json={**worker, "id": "no at"})).status_code == 422
    assert (await client.post("/api/workers", json=worker)).status_code == 409


async def test_workers_are_assigned_and_unassigned(client: httpx.AsyncClient, planted: Database) -> None:
    assigned = await client.post("/api/tasks/5/assignments", json={"worker_id": "@ben", "role": "reviewer"})
    assert assigned.status_code == 201
    assert (assigned.json()["role"], assigned.json()["worker"]["name"]) == ("reviewer", "Ben Whitfield")
    again = await client.post("/api/tasks/5/assignments", json={"worker_id": "@ben"})
    assert again.status_code == 409
    assert (await client.delete("/api/tasks/5/assignments/@ben")).status_code == 204
    assert (await client.delete("/api/tasks/5/assignments/@ben")).status_code == 404


async def test_nobody_is_assigned_to_a_task_that_is_not_there(
    client: httpx.AsyncClient, planted: Database
) -> None:
    response = await client.post("/api/tasks/4711/assignments", json={"worker_id": "@ben"})
    assert response.status_code == 404


async def test_the_board_is_there_for_programs(client: httpx.AsyncClient, planted: Database) -> None:
    with count_statements(planted) as statements:
        board = (
            await client.get("/api/board", params={"project.slug": "shop", "status": "completed"})
        ).json()
    [column] = board["columns"]
    assert (column["status"], column["total"], len(column["tasks"])) == ("completed", 3, 3)
    assert len(statements) == 4, statements


async def test_a_page_of_tasks_takes_three_statements(client: httpx.AsyncClient, planted: Database) -> None:
    with count_statements(planted) as statements:
        tasks = (await client.get("/api/tasks", params={"size": 50})).json()
    assert len(tasks["items"]) == 50
    assert len(statements) == 3, statements


async def test_the_documentation_names_the_api_and_not_the_pages(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs")).status_code == 200
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert "/api/tasks/{task_id}/assignments" in paths
    assert all(path.startswith("/api/") for path in paths)
