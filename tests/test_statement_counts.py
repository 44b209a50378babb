"""What each verb costs in statements, the same on both faces and both databases, and as the pages say.

The numbers stand in the tables of docs/read.md and docs/write.md, and nowhere else: a verb that costs
another number fails here, and so does a table that says another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

import fieldstone
from fieldstone import (
    Model,
    aggregate,
    ancestors,
    claim,
    claim_many,
    count,
    create,
    create_many,
    delete,
    delete_where,
    exists,
    fetch,
    first,
    get,
    get_for_update,
    json,
    json_create,
    json_get,
    json_page,
    json_patch,
    json_seek,
    link,
    one,
    one_or_none,
    page,
    patch,
    patch_where,
    plan,
    replace_links,
    restore,
    seek,
    stream,
    subtree,
    timeline,
    unlink,
    upsert,
    upsert_many,
)
from fieldstone.testing import count_statements
from tests import archive, chronicled, serving
from tests.archive import Tag as Label
from tests.chronicled import Ticket
from tests.domain import SubtaskRead, Tag, Task, TaskFull, TaskTree, Worker, WorkerRead
from tests.faces import Face
from tests.serving import application, client_on

DOCS = Path(__file__).parents[1] / "docs"
T: Any = Task
ALL, ONE = select(Task), select(Task).where(T.id == 1)
MANY = [{"id": f"@{number}", "name": "New"} for number in range(50)]
WORKERS = select(Worker).where(col(Worker.name) == "Ada")


class Statuses(Model):
    status: str
    tasks: int


@dataclass(frozen=True)
class Call:
    """A verb with what it is called with, by the words that the pages have for it."""

    words: str
    verb: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]


def call(words: str, verb: Callable[..., Any], *arguments: Any, **options: Any) -> Call:
    return Call(words, verb, arguments, options)


READS = [
    call("`get`", get, Task, 1, SubtaskRead),
    call("`fetch`", fetch, ALL, SubtaskRead),
    call("`first`", first, ALL, SubtaskRead),
    call("`one`", one, ONE, SubtaskRead),
    call("`one_or_none`", one_or_none, ONE, SubtaskRead),
    call("`count`", count, ALL),
    call("`exists`", exists, ALL),
    call("`page`", page, ALL, SubtaskRead),
    call("`page` with a total", page, ALL, SubtaskRead, total=True),
    call("`seek`", seek, ALL, SubtaskRead),
    call("`json`", json, ALL, SubtaskRead),
    call("`json_get`", json_get, Task, 1, SubtaskRead),
    call("`json_page`", json_page, ALL, SubtaskRead),
    call("`json_page` with a total", json_page, ALL, SubtaskRead, total=True),
    call("`json_seek`", json_seek, ALL, SubtaskRead),
    call(
        "`aggregate`", aggregate, select(T.status, func.count().label("tasks")).group_by(T.status), Statuses
    ),
    call("`subtree`", subtree, Task, 1, TaskTree),
    call("`ancestors`", ancestors, Task, 4, SubtaskRead),
]

WRITES = [
    call("`create`", create, Worker, {"id": "@new", "name": "New"}),
    call(
        "`create` with `into`, `json_create`", json_create, Worker, {"id": "@new", "name": "New"}, WorkerRead
    ),
    call("`patch` with `into`, `json_patch`", json_patch, Worker, "@ada", {"name": "Countess"}, WorkerRead),
    call("`patch`", patch, Worker, "@ada", {"name": "Countess"}),
    call("`delete`", delete, Tag, 1),
    call("`create_many`", create_many, Worker, MANY),
    call("`create_many` with `into`", create_many, Worker, MANY, into=WorkerRead),
    call("`patch_where`", patch_where, WORKERS, {"kind": "agent"}),
    call("`delete_where`", delete_where, select(Tag).where(col(Tag.id) == 1)),
    call("`upsert`", upsert, Tag, {"id": 1, "label": "x"}, on="id"),
    call("`upsert_many`", upsert_many, Tag, [{"id": n, "label": "x"} for n in range(1, 51)], on="id"),
    call("`link`", link, Task, 5, "tags", [1, 2]),
    call("`unlink`", unlink, Task, 1, "tags", [1, 2]),
    call("`replace_links`", replace_links, Task, 1, "tags", [2]),
    call("`claim`", claim, select(Worker).where(col(Worker.id) == "@ada"), {"kind": "agent"}),
    call("`claim` with `into`", claim, WORKERS, {"kind": "agent"}, into=WorkerRead),
    call("`claim_many`", claim_many, select(Worker), {"kind": "agent"}, limit=3),
    call("`get_for_update`", get_for_update, Worker, "@ada"),
]


KEPT = [
    call("`create` of an audited row", create, Ticket, {"title": "T", "slug": "new"}),
    call("`patch` of an audited row", patch, Ticket, 1, {"title": "T"}),
    call("`timeline`", timeline, Ticket, 1),
]

HIDDEN = [
    call("`delete` that marks", delete, Label, 1),
    call("`restore`", restore, Label, 2),
]

ROUTES = [
    ("`GET` of a list", "GET", "/teams", None),
    ("`GET` of a row", "GET", "/teams/1", None),
    ("`POST`", "POST", "/teams", {"name": "B"}),
    ("`PATCH`", "PATCH", "/teams/1", {"name": "C"}),
    ("`DELETE`", "DELETE", "/teams/1", None),
]


async def cost(face: Face, one: Call) -> int:
    """Count what one call takes, and undo it."""
    async with face.transaction() as session:
        with count_statements(face.database) as statements:
            await face(one.verb, session, *one.arguments, **one.options)
            await face.flush(session)
        await face.rollback(session)
    return len(statements)


def told(dialect: str) -> dict[str, int]:
    """Read the numbers of both pages, by the words before them."""
    found: dict[str, int] = {}
    for page_name in ("read.md", "write.md"):
        text = (DOCS / page_name).read_text(encoding="utf-8")
        rows = text.split("| what | statements |\n|---|---|\n")[1].split("\n\n")[0]
        for words, number, on_sqlite in re.findall(
            r"^\| (.+?) \| (\d+)(?: \(SQLite: (\d+)\))? \|$", rows, re.MULTILINE
        ):
            assert words not in found, f"{words} stands twice"
            found[words] = int(on_sqlite if on_sqlite and dialect == "sqlite" else number)
    return found


def expect(face: Face, counted: dict[str, int]) -> None:
    numbers = told(face.dialect)
    assert counted == {words: numbers.get(words) for words in counted}


async def test_reads_and_writes_cost_what_the_pages_say(stored: Face) -> None:
    expect(stored, {one.words: await cost(stored, one) for one in READS + WRITES})


async def test_a_collection_costs_one_statement_more(stored: Face) -> None:
    flat, nested = call("", fetch, ALL, SubtaskRead), call("", fetch, ALL, TaskFull)
    assert await cost(stored, nested) - await cost(stored, flat) == 3 == len(plan(Task, TaskFull).collections)


async def test_a_stream_costs_one_statement_however_many_batches(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            rows: Any = stream(session, ALL, SubtaskRead, batch=2)
            found = [one async for one in rows] if stored.is_async else list(rows)
    assert len(found) == 5
    expect(stored, {"`stream`": len(statements)})


async def test_histories_cost_what_the_pages_say(face: Face) -> None:
    await face.create_all(chronicled.METADATA)
    async with face.transaction() as session:
        await face(create, session, Ticket, {"title": "First", "slug": "first"})
    expect(face, {one.words: await cost(face, one) for one in KEPT})


async def test_rows_that_stay_cost_what_the_pages_say(face: Face) -> None:
    await face.create_all(archive.METADATA)
    async with face.transaction() as session:
        session.add_all([Label(label="a"), Label(label="b")])
    async with face.transaction() as session:
        await face(delete, session, Label, 2)
    expect(face, {one.words: await cost(face, one) for one in HIDDEN})


async def test_routes_cost_what_the_pages_say(face: Face) -> None:
    await face.create_all(serving.METADATA)
    async with face.transaction() as session:
        session.add(serving.Team(name="A"))
    counted = {}
    async with client_on(face, application) as client:
        for words, method, address, body in ROUTES:
            with count_statements(face.database) as statements:
                answer = await client.request(method, address, json=body)
            assert answer.status_code in (200, 201, 204)
            counted[words] = len(statements)
    expect(face, counted)


def test_every_public_verb_and_every_line_of_the_pages_is_counted() -> None:
    verbs = {name for name in fieldstone.__all__ if hasattr(getattr(fieldstone, name), "__wrapped__")}
    verbs -= {"acting", "after_commit"}  # these ask the database nothing
    calls = [*READS, *WRITES, *KEPT, *HIDDEN]
    assert verbs - {one.verb.__name__.removeprefix("_") for one in calls} == set()
    counted = {one.words for one in calls} | {route[0] for route in ROUTES} | {"`stream`"}
    assert counted == set(told("postgresql"))
