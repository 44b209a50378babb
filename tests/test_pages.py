"""Pages have bounds, totals that cost what was agreed, orders that can be continued, and links."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, literal_column, text
from sqlalchemy import select as core_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fieldstone import (
    Cursors,
    InvalidValues,
    KeysetPage,
    Page,
    PlanError,
    link_header,
    page,
    page_links,
    seek,
)
from fieldstone.paging.keyset import walk
from fieldstone.testing import count_statements
from tests.domain import Assignment, Profile, Project, SubtaskRead, Tag, Task, Worker
from tests.faces import Face

# SQLModel types the attributes of a class as the values of its instances.
T: Any = Task
P: Any = Project
A: Any = Assignment
F: Any = Profile
G: Any = Tag

CURSORS = Cursors("a secret that is long enough for cursors")


@pytest.mark.parametrize(
    ("total", "expected"),
    [(False, (None, False)), (True, (5, False)), (4, (4, True)), (5, (5, False)), (6, (5, False))],
)
async def test_a_total_is_exact_capped_or_left_out(
    stored: Face, total: bool | int, expected: tuple[int | None, bool]
) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            part = await stored(page, session, select(Task), SubtaskRead, size=2, total=total)
    assert (part.total, part.total_capped) == expected
    assert len(statements) == (1 if total is False else 2)


async def test_a_capped_total_counts_no_further_than_one_row_more(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            few = await stored(page, session, select(Task).limit(3), SubtaskRead, total=4)
    assert "LIMIT" in statements[1]
    assert (few.total, few.total_capped) == (3, False)


@pytest.mark.parametrize("total", [0, -1, 10_000_001])
async def test_a_cap_out_of_bounds_is_refused(stored: Face, total: int) -> None:
    async with stored.transaction(read_only=True) as session:
        with pytest.raises(
            InvalidValues, match="A page refuses total: must be from 1 to 10000000, or a bool"
        ):
            await stored(page, session, select(Task), SubtaskRead, total=total)


@pytest.mark.parametrize("size", [0, -1, 1001])
async def test_a_keyset_page_out_of_bounds_is_refused(stored: Face, size: int) -> None:
    async with stored.transaction(read_only=True) as session:
        with pytest.raises(InvalidValues, match="A page refuses size: must be from 1 to 1000"):
            await stored(seek, session, select(Task), SubtaskRead, size=size)


@pytest.mark.parametrize("cursor", ["", "?", "\x00", "ä" * 50, "A" * 5000, "null", "-1"])
async def test_what_is_no_cursor_is_refused_before_any_statement(stored: Face, cursor: str) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction(read_only=True) as session:
            with pytest.raises(InvalidValues, match="A page refuses cursor: ") as caught:
                await stored(seek, session, select(Task), SubtaskRead, cursor=cursor)
    assert caught.value.problems[0].rule == "cursor"
    assert statements == []


# Orders and joins that cannot be continued, and what to write instead.


def first_step(statement: Any) -> Any:
    return walk(statement, Task, size=2, cursor=None, cursors=CURSORS).statement


PROJECTS = core_select(func.max(col(P.id)).label("id")).subquery()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            select(Task).order_by(func.lower(T.title)),
            r"cannot be ordered by 'lower\(task.title\)', which is no column. Order by columns of Task or of",
        ),
        (select(Task).order_by(text("title")), "ordered by 'title', which is no column"),
        (select(Task).order_by(literal_column("1").desc()), "ordered by '1 DESC', which is no column"),
        (
            select(Task).order_by(P.name),
            r"'project.name': its table is not in the statement. Join it, as in: select\(Task\).join",
        ),
        (
            select(Task).join(T.tags).order_by(G.label),
            r"cannot join tasktag, tag: one Task may come several times. Filter by exists, as in Task.oth",
        ),
        (
            select(Task).join(Assignment).distinct().order_by(A.role),
            "'assignment.role': a Task may join several of these. Order by columns of what it joins at most",
        ),
        (select(Task).join(Worker, literal_column("true")), "cannot join worker"),
        (select(Task).where(col(P.id) > 0), "cannot join project"),
        (
            select(Task).select_from(Project).join(Task, isouter=True),
            r"needs Task in every row, and an outer join may leave it out. Start from select\(Task\)",
        ),
        (select(Task).join(Project, full=True), "needs Task in every row"),
        (
            select(Task).limit(3),
            r"has a size instead of a limit. Take limit\(...\) and offset\(...\) off the statement",
        ),
        (select(Task).offset(3), "has a size instead of a limit"),
        (select(Task).join(PROJECTS, PROJECTS.c.id == T.project_id), "cannot join a subquery: "),
    ],
)
def test_an_order_that_cannot_be_continued_is_refused(statement: Any, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        first_step(statement)


ADA: Any = aliased(Worker)


@pytest.mark.parametrize(
    "statement",
    [
        select(Task).join(Project).order_by(P.name),
        select(Task).join(ADA, T.author).join(Profile, isouter=True).order_by(F.bio),
        select(Task).where(T.project_id == P.id).order_by(P.slug),
        select(Task).select_from(Project).join(Task).order_by(P.slug),
        select(Task)
        .join(Assignment, (col(A.task_id) == T.id) & (col(A.worker_id) == "@ada"))
        .order_by(A.role),
        select(Task).join(Assignment).distinct().order_by(T.title),
        select(Task).join(Project).join(Assignment).distinct().order_by(P.name),
    ],
)
async def test_what_joins_at_most_one_row_may_be_ordered_by(stored: Face, statement: Any) -> None:
    async with stored.transaction(read_only=True) as session:
        expected = (await stored(seek, session, statement, SubtaskRead, size=100)).items
        if not statement._distinct:  # PostgreSQL orders DISTINCT rows by what they show only
            assert (await stored(page, session, statement, SubtaskRead, size=100)).items == expected
        found: list[Any] = []
        part = await stored(seek, session, statement, SubtaskRead, size=1)
        while part.next is not None:
            found += part.items
            part = await stored(seek, session, statement, SubtaskRead, size=1, cursor=part.next)
    assert [*found, *part.items] == expected
    assert len({one.id for one in expected}) == len(expected) > 0


async def test_what_is_no_select_of_the_model_is_refused(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        for statement in (select(T.id), select(Task, Project)):
            with pytest.raises(PlanError, match=r"takes an ordinary select\(Task\), and nothing beside it"):
                await stored(seek, session, statement, SubtaskRead)


# Links


def offset_page(offset: int, has_more: bool, total: int | None = None, capped: bool = False) -> Page[Any]:
    return Page[SubtaskRead](
        items=[], size=20, offset=offset, has_more=has_more, total=total, total_capped=capped
    )


@pytest.mark.parametrize(
    ("part", "offsets"),
    [
        (offset_page(0, False), {}),
        (offset_page(0, True), {"next": 20}),
        (offset_page(10, False), {"prev": 0}),
        (offset_page(10_000_000, True), {"prev": 9_999_980}),
        (offset_page(20, True, 61), {"prev": 0, "next": 40, "last": 60}),
        (offset_page(20, True, 60), {"prev": 0, "next": 40, "last": 40}),
        (offset_page(20, True, 60, capped=True), {"prev": 0, "next": 40}),
        (offset_page(900, False, 25), {"prev": 20, "last": 20}),
        (offset_page(0, False, 0), {"last": 0}),
        (offset_page(0, True, 10_000_021), {"next": 20}),
    ],
)
def test_links_of_an_offset_page_keep_the_rest_of_the_query(part: Any, offsets: dict[str, int]) -> None:
    links = {relation: f"/tasks?done=true&size=20&offset={offset}" for relation, offset in offsets.items()}
    assert page_links(part, "/tasks?done=true&offset=7&size=20") == {
        "first": "/tasks?done=true&size=20",
        **links,
    }


@pytest.mark.parametrize(
    ("edges", "cursors"),
    [
        ({}, {}),
        ({"next": "n-_"}, {"next": "n-_"}),
        ({"next": "n", "previous": "p"}, {"next": "n", "prev": "p"}),
    ],
)
def test_links_of_a_keyset_page_keep_the_rest_of_the_query(edges: Any, cursors: dict[str, str]) -> None:
    part = KeysetPage[SubtaskRead](items=[], size=20, **edges)
    links = {relation: f"/tasks?done=true&size=20&cursor={cursor}" for relation, cursor in cursors.items()}
    assert page_links(part, "/tasks?done=true&cursor=x&size=20") == {
        "first": "/tasks?done=true&size=20",
        **links,
    }


def test_a_link_keeps_repeated_and_empty_parameters_and_drops_the_fragment() -> None:
    part = KeysetPage[SubtaskRead](items=[], size=20, next="n")
    found = page_links(part, "https://example.org/t?tag=a&tag=b&q=&q2=a%26b%20c#top")
    assert found["next"] == "https://example.org/t?tag=a&tag=b&q=&q2=a%26b+c&cursor=n"


def test_a_link_header_names_each_relation_and_cannot_be_broken_out_of() -> None:
    links = {"next": 'https://example.org/a>; rel="x", <b\r\nX: y?cursor=ä', "prev": "/t?a=1&b=%3E"}
    assert link_header(links) == (
        '<https://example.org/a%3E;%20rel=%22x%22,%20%3Cb%0D%0AX:%20y?cursor=%C3%A4>; rel="next", '
        '</t?a=1&b=%3E>; rel="prev"'
    )
    assert link_header({}) == ""
