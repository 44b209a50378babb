r"""What a list may be asked for, asked wrongly: filters, sort, search, cursors, views, exports and claims.

A refusal names the parameter. What is no mistake but looks like one, such as a wildcard in a text,
is taken at its word.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlencode

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fieldstone import Cursors, Database, create, seek
from fieldstone.template.app import create_app
from fieldstone.template.models import Task
from fieldstone.template.resources import tasks
from fieldstone.template.schemas import TaskSummary
from tests.hostile.attack import LONGEST_ANSWER, Attacked
from tests.serving import client_of
from tests.template.migrated import migrated

LISTS = ["/api/projects", "/api/tasks", "/api/workers"]
NOT_TEXT = ["%00", "a%00b"]
NO_DAY = ["x", "", "2026-02-30", "0000-01-01", "10000-01-01", "NaN", "1e999", "infinity", "%00", "9" * 400]
NO_MOMENT = ["x", "", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "%00"]
NO_KEY = ["x", "", "1.5", "NaN", "2147483648", "-2147483649", "9" * 5_000, "true", "null", "%00"]

# Parameter, the values that it refuses, for tasks.
REFUSED: list[tuple[str, list[str]]] = [
    ("status", ["x", "", "Pending", "pending,completed", "pending%00", "[]"]),
    ("status__ne", ["x", ""]),
    ("status__in", ["x", "", "pending,completed"]),
    ("due_date", NO_DAY),
    ("due_date__le", NO_DAY),
    ("due_date__in", NO_DAY),
    ("due_date__is_null", ["x", "", "2", "null", "%00"]),
    ("updated_at__ge", NO_MOMENT),
    ("parent_id", NO_KEY),
    ("parent_id__in", NO_KEY),
    ("parent_id__gt", NO_KEY),
    ("project.slug", ["a b", "%00", "x" * 41, "é", "A"]),
    ("project.slug__contains", ["", "x" * 201, *NOT_TEXT]),
    ("assignments.worker_id", ["ben", "%00", "@" + "x" * 40, "@A"]),
    ("assignments.worker_id__iendswith", ["", "x" * 201, *NOT_TEXT]),
    ("assignments.role", ["x", "", "owner"]),
    ("q", [*NOT_TEXT, "x" * 201, "+".join("abcdefghijk")]),
    ("sort", ["", "x", "-", "--title", "title,", ",title", "title,title", "title,-title", "+title", "%00"]),
    (
        "sort",
        ["contact", "project.slug", "assignments.worker_id", "id;drop", "title desc", "title nulls first"],
    ),
    ("view", ["", "x", "FULL", "contact", "id,title", "%00", "__class__"]),
    ("cursor", ["", "x", "%00", "%ff", "A" * 5_000, "eyJ2IjpbMV19", "..", "'"]),
    ("size", ["0", "-1", "101", "9" * 5_000, "NaN", "%00"]),
]


@pytest.mark.parametrize(("name", "values"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
async def test_a_value_that_a_list_does_not_take_is_refused_by_name(
    attacked: Attacked, name: str, values: list[str]
) -> None:
    for value in values:
        await attacked.refused("GET", f"/api/tasks?{name}={value}", status=422, field=named(name, value))


def named(name: str, value: str) -> str:
    """One of several values is named by its place among them; several in one are not taken apart."""
    return f"{name}.0" if name.endswith("__in") and "," not in value else name


UNKNOWN = [
    *[
        "contact",
        "contact__contains",
        "title",
        "description__icontains",
        "version",
        "id",
    ],  # nobody listed these
    *["status__lt", "status__like", "status__regex", "due_date__contains", "parent_id__icontains"],
    *[
        "project.name",
        "project",
        "assignments",
        "assignments.worker.name",
        "project.tasks.title",
        "parent.title",
    ],
    *[
        "status[]",
        "status[ne]",
        "filter[status]",
        "status__ne__in",
        "status__",
        "__class__",
        "_sa_instance_state",
    ],
    *["order_by", "limit", "fields", "include", "where", "%00", "%ff", "%ED%A0%80", "x" * 1_000],
]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_is_asked_as_strictly_as_a_list(attacked: Attacked, form: str) -> None:
    path = f"/api/tasks.{form}"
    for name, values in REFUSED:
        if name not in ("cursor", "size"):
            await attacked.refused(
                "GET", f"{path}?{name}={values[0]}", status=422, field=named(name, values[0])
            )
    for name in ("size", "offset", "cursor", "total", "format", "columns", "contact", "%00"):
        field = name.replace("%00", "\0")
        await attacked.refused("GET", f"{path}?{name}=1", status=422, field=field)
    if form == "csv":
        await attacked.refused("GET", f"{path}?view=full", status=422, field="view")
    for other in ("xlsx", "csv.exe", "csv%00"):
        await attacked.refused("GET", f"/api/tasks.{other}", status=404, field=None)
    assert (await attacked.client.get("/api/workers.csv")).status_code == 404


@pytest.mark.parametrize("name", UNKNOWN, ids=lambda one: one[:30])
async def test_what_nobody_listed_cannot_be_asked_for(attacked: Attacked, name: str) -> None:
    field = str(httpx.QueryParams(f"{name}=1").multi_items()[0][0])[:100]
    answer = await attacked.refused("GET", f"/api/tasks?{name}=1", status=422, field=field)
    assert "contact" not in answer.json()["errors"][0]["message"]


async def test_a_hundred_values_are_taken_and_more_are_not(attacked: Attacked) -> None:
    many = "&".join(f"parent_id__in={number}" for number in range(100))
    assert (await attacked.client.get(f"/api/tasks?{many}")).status_code == 200
    for more in (1, 3_000):
        path = f"/api/tasks?{many}{'&parent_id__in=1' * more}"
        await attacked.refused("GET", path, status=422, field="parent_id__in")


@pytest.mark.parametrize(
    "name", ["status", "q", "sort", "size", "cursor", "view", "due_date__le", "parent_id"]
)
async def test_a_parameter_that_is_sent_twice_is_refused(attacked: Attacked, name: str) -> None:
    good = {"status": "pending", "sort": "title", "size": "1", "view": "full", "due_date__le": "2026-01-01"}
    sent = f"{name}={good.get(name, '1')}"
    await attacked.refused("GET", f"/api/tasks?{sent}&{sent}", status=422, field=name)


ODD = [
    "100%",
    "_",
    "%",
    "\\",
    "a_c",
    "a*c",
    "[a-z]",
    "''",
    '"',
    "/",
    "?",
    "--",
    "{}",
    "${1}",
    "e\u0301",
    "🌿",
]


@pytest.mark.parametrize("odd", ODD)
async def test_a_wildcard_finds_itself_and_nothing_else(attacked: Attacked, odd: str) -> None:
    made = (await attacked.client.post("/api/tasks", json={"title": f"x{odd}y"})).json()
    other = (await attacked.client.post("/api/tasks", json={"title": "xabcy"})).json()
    slug = await attacked.client.get(f"/api/tasks?project.slug__contains={quote(odd, safe='')}")
    found = await attacked.client.get(f"/api/tasks?q=x{quote(odd, safe='')}y&view=summary")
    page = await attacked.client.get(f"/?q={quote(odd, safe='')}")
    for task in (made, other):
        assert (await attacked.client.delete(f"/api/tasks/{task['id']}")).status_code == 204
    assert [task["id"] for task in found.json()["items"]] == [made["id"]]
    assert (slug.status_code, slug.json()["items"]) == (200, [])
    assert (page.status_code, f'/tasks/{other["id"]}"' in page.text) == (200, False)


async def cursor_of(attacked: Attacked, query: str) -> str:
    answer = await attacked.client.get(f"/api/tasks?size=1&{query}")
    cursor = answer.json()["next"]
    assert isinstance(cursor, str)
    return cursor


async def test_a_cursor_continues_its_own_list_and_no_other(attacked: Attacked) -> None:
    cursor = await cursor_of(attacked, "sort=title")
    good = await attacked.client.get(
        "/api/tasks", params={"cursor": cursor, "sort": "title", "view": "summary"}
    )
    assert [task["title"] for task in good.json()["items"]] == ["Task"]
    for query in ("", "sort=-title", "sort=due_date", "sort=title&status=pending", "sort=title&q=task"):
        await attacked.refused("GET", f"/api/tasks?{query}&cursor={cursor}", status=422, field="cursor")
    for path in ("/api/projects", "/api/workers"):
        await attacked.refused("GET", f"{path}?cursor={cursor}", status=422, field="cursor")


async def test_a_cursor_that_was_changed_or_cut_is_refused(attacked: Attacked) -> None:
    cursor = await cursor_of(attacked, "sort=title")
    other = "B" if cursor[10] == "A" else "A"
    for broken in (cursor[:-1], cursor[1:], cursor[:10] + other + cursor[11:], cursor * 2, cursor + "="):
        path = f"/api/tasks?sort=title&{urlencode({'cursor': broken})}"
        await attacked.refused("GET", path, status=422, field="cursor")


async def test_a_cursor_of_an_old_secret_is_refused(attacked: Attacked) -> None:
    wanted = tasks.select(tasks.selection("sort=title"))
    with attacked.database.transaction(read_only=True) as session:
        old = seek(session, wanted, TaskSummary, size=1, cursors=Cursors("s" * 32)).next
    await attacked.refused("GET", f"/api/tasks?sort=title&cursor={old}", status=422, field="cursor")


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b"{}", 422, "worker_id"),
        (b'{"worker_id": null}', 422, "worker_id"),
        (b'{"worker_id": 1}', 422, "worker_id"),
        (b'{"worker_id": "busy"}', 422, "worker_id"),
        (b'{"worker_id": "@nobody"}', 422, "worker_id"),
        (rb'{"worker_id": "@a\u0000"}', 422, "worker_id"),
        (rb'{"worker_id": "\ud800"}', 422, "worker_id"),
        (b'{"worker_id": "@idle", "project": "A b"}', 422, "project"),
        (b'{"worker_id": "@idle", "project": 1}', 422, "project"),
        (rb'{"worker_id": "@idle", "project": "\u0000"}', 422, "project"),
        (b'{"worker_id": "@idle", "status": "completed"}', 422, "status"),
        (b'{"worker_id": "@idle", "task_id": 1}', 422, "task_id"),
        (b'["@idle"]', 422, ""),
        (b"@idle", 400, None),
    ],
)
async def test_a_claim_that_says_nothing_good_hands_out_nothing(
    attacked: Attacked, content: bytes, status: int, field: str | None
) -> None:
    async with attacked.unharmed():
        await attacked.refused("POST", "/api/tasks/claim", content, status=status, field=field)


@pytest.mark.parametrize(
    "actor", ["@nobody", "busy", "@", "@A", "@" + "x" * 5_000, "@busy, @idle", "%00", ""]
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/tasks", {"title": "x"}),
        ("PATCH", "/api/tasks/1", {"title": "x"}),
        ("DELETE", "/api/tasks/1", None),
        ("POST", "/api/tasks/claim", {"worker_id": "@idle"}),
        ("DELETE", "/api/tasks/1/assignments/@busy", None),
    ],
)
async def test_nobody_acts_under_a_name_that_no_worker_has(
    attacked: Attacked, actor: str, method: str, path: str, body: dict[str, str] | None
) -> None:
    headers = {"X-Actor": actor, "content-type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    async with attacked.unharmed():
        await attacked.refused(method, path, content, headers, status=422, field="X-Actor")


MALFORMED = ["x", "1", '"', '""x', "W/", 'w/"1"', '"1" "2"', ",", '"1",', "*,*", '"\u00e9', '"' + "x" * 5_000]


@pytest.mark.parametrize("match", MALFORMED, ids=lambda one: one[:10])
async def test_a_match_that_is_malformed_changes_nothing(attacked: Attacked, match: str) -> None:
    headers = {b"if-match": match.encode(), b"content-type": b"application/json"}
    async with attacked.unharmed():
        for method, content in (("PATCH", b'{"title": "x"}'), ("DELETE", None)):
            answer = await attacked.client.request(method, "/api/tasks/1", content=content, headers=headers)
            assert answer.status_code in (400, 412), (match[:20], answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(answer.content) < 1_000


@pytest.mark.parametrize(
    "match", ['"999"', 'W/"1"', '"2", "3"', '"-1"', '"1.0"', '"0x1"', '""', '"9999999999999999999"']
)
async def test_a_match_with_another_version_changes_nothing(attacked: Attacked, match: str) -> None:
    headers = {"if-match": match, "content-type": "application/json"}
    async with attacked.unharmed():
        for method, content in (("PATCH", b'{"title": "x"}'), ("DELETE", None)):
            await attacked.refused(method, "/api/tasks/1", content, headers, status=412, field=None)


NAMES = st.sampled_from(
    [
        *(one.name for one in tasks.grammar.parameters),
        "q",
        "sort",
        "size",
        "cursor",
        "view",
        "total",
        "contact",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        ["pending", "high", "2026-01-31", "2026-01-31T00:00:00Z", "1", "true", "shop", "@busy", "title"]
    ),
    st.text(max_size=12),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.sampled_from(["-due_date,title", "summary", "%", "_", "\\", "\x00", "\ufffd", "'); --"]),
)


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(NAMES | st.text(max_size=8), VALUES), max_size=5))
@example([("status__in", "pending"), ("status__in", "completed"), ("sort", "-due_date,title"), ("size", "1")])
async def test_any_query_finds_tasks_or_is_refused_by_name(
    attacked: Attacked, pairs: list[tuple[str, str]]
) -> None:
    query = urlencode(pairs, errors="replace")
    answer = await attacked.client.get(f"/api/tasks?{query}")
    page = await attacked.client.get(f"/?{query}")
    assert page.status_code in (200, 422), query
    assert len(answer.content) < LONGEST_ANSWER
    if answer.status_code == 422:
        sent = {name for name, _ in httpx.QueryParams(query).multi_items()}
        named = {re.sub(r"\.\d+$", "", entry["field"]) for entry in answer.json()["errors"]}
        assert named, query
        assert {
            name for name in named if not any(one[:100].startswith(name[:90]) for one in sent)
        } == set(), query
        return
    assert answer.status_code == 200, (query, answer.text)
    assert {task["id"] for task in answer.json()["items"]} <= {1, 2}


async def test_a_list_of_a_deep_tree_is_read_to_its_bound(database: Database) -> None:
    migrated(database)
    with database.transaction() as session:
        parent = None
        for number in range(60):
            parent = create(session, Task, {"title": str(number), "parent_id": parent}).id
    async with client_of(create_app(database)) as client:
        tree, depth = (await client.get("/api/tasks/1/tree")).json(), 0
        while tree["subtasks"]:
            [tree], depth = tree["subtasks"], depth + 1
        assert depth == 20
        assert (await client.get("/tasks/1")).status_code == 200
        assert (await client.get("/tasks/60")).status_code == 200
