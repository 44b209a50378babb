"""Links are made, removed and replaced by key, any number of times, in few statements."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, UniqueConstraint, insert
from sqlalchemy.orm import registry
from sqlmodel import Session, col, select

from fieldstone import (
    Conflict,
    Field,
    InvalidValues,
    Model,
    NotFound,
    PlanError,
    Relationship,
    Timestamps,
    link,
    loading,
    replace_links,
    unlink,
)
from fieldstone.testing import count_statements
from tests.domain import Assignment, Project, Tag, Task, TaskFull, Worker
from tests.faces import Face

OTHERS = MetaData()


class OtherModel(Model, registry=registry(metadata=OTHERS)):
    """Keep these tables apart from those of other test modules."""


BARE = Table(
    "bare",
    OTHERS,
    Column("reader_id", Integer, ForeignKey("reader.id"), primary_key=True),
    Column("book_id", Integer, ForeignKey("book.id"), primary_key=True),
)


class Loan(Timestamps, OtherModel, table=True):
    """A key of its own, and a unique one over the two ends."""

    __table_args__ = (UniqueConstraint("reader_id", "book_id", name="uq_loan_pair"),)
    id: int | None = Field(default=None, primary_key=True)
    reader_id: int = Field(foreign_key="reader.id")
    book_id: int = Field(foreign_key="book.id")
    note: str = Field(default="", max_length=10)
    days: int = 14
    reader: Reader = Relationship(back_populates="loans")


class Reader(OtherModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    loans: list[Loan] = Relationship(back_populates="reader")
    favourites: list[Book] = Relationship(sa_relationship_kwargs={"secondary": BARE})


class Book(OtherModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


class LoanValues(Model):
    note: str = ""
    days: int = 14


@pytest.fixture
async def library(face: Face) -> Face:
    await face.create_all(OTHERS)
    async with face.transaction() as session:
        session.add_all([Reader(id=1), Reader(id=2), *(Book(id=n) for n in range(1, 5))])
    return face


async def tags(face: Face, key: int) -> list[int]:
    async with face.transaction() as session:
        statement = select(Tag.id).join(Tag.tasks).where(Task.id == key).order_by(col(Tag.id))  # type: ignore[arg-type]
        return list(await face.exec(session, statement))


async def roles(face: Face, key: int) -> dict[str, str]:
    async with face.transaction() as session:
        found = await face.exec(session, select(Assignment).where(Assignment.task_id == key))
        return {one.worker_id: one.role for one in found}


async def test_a_link_takes_one_statement_and_may_be_repeated(stored: Face) -> None:
    for _ in range(2):
        with count_statements(stored.database) as statements:
            async with stored.transaction() as session:
                await stored(link, session, Task, 2, "tags", [1, "2", 1])
        assert [one.split()[0] for one in statements] == ["INSERT"]
    assert await tags(stored, 2) == [1, 2]


async def test_links_go_both_ways(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(link, session, Tag, 1, "tasks", [3, 4])
        await stored(unlink, session, Tag, 2, "tasks", [1, 2])
    assert [await tags(stored, key) for key in (1, 2, 3, 4)] == [[1], [], [1], [1]]


async def test_a_link_carries_fields_of_its_own(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(link, session, Task, 5, "assignments", {"@ada": {"role": "reviewer"}, "@grace": {}})
        await stored(link, session, Task, 1, "assignments", ["@ada", "@claude-code", "@grace"])
    assert await roles(stored, 5) == {"@ada": "reviewer", "@grace": "assignee"}
    assert await roles(stored, 1) == {"@ada": "assignee", "@claude-code": "reviewer", "@grace": "assignee"}


async def test_a_field_that_is_sent_changes_a_link_that_is_there(stored: Face) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            both = {"@ada": {"role": "lead"}, "@claude-code": {"role": "lead"}}
            await stored(link, session, Task, 1, "assignments", both)
    assert len(statements) == 1, statements
    assert await roles(stored, 1) == {"@ada": "lead", "@claude-code": "lead"}


async def test_unlink_takes_one_statement_and_may_be_repeated(stored: Face) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            await stored(unlink, session, Task, 1, "tags", [2, 99])
    assert [one.split()[0] for one in statements] == ["DELETE"]
    async with stored.transaction() as session:
        await stored(unlink, session, Task, 1, "tags", [2])
        await stored(unlink, session, Task, 1, "assignments", ["@ada"])
    assert await tags(stored, 1) == [1]
    assert await roles(stored, 1) == {"@claude-code": "reviewer"}


@pytest.mark.parametrize(
    ("wanted", "expected"), [([1], [1]), ([1, 2], [1, 2]), ([], []), ([2, 1, 2], [1, 2])]
)
async def test_replace_makes_the_links_exactly_these(stored: Face, wanted: Any, expected: Any) -> None:
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            await stored(replace_links, session, Task, 2, "tags", wanted)
    made = ["INSERT"] if wanted else []
    assert [one.split()[0] for one in statements] == ["SELECT", "DELETE", *made]
    assert await tags(stored, 2) == expected


async def test_a_link_that_stays_keeps_its_fields(stored: Face) -> None:
    async with stored.transaction() as session:
        wanted = {"@claude-code": {}, "@grace": {"role": "lead"}}
        await stored(replace_links, session, Task, 1, "assignments", wanted)
    assert await roles(stored, 1) == {"@claude-code": "reviewer", "@grace": "lead"}


async def test_a_missing_row_is_not_found(stored: Face) -> None:
    for verb, targets in ((link, [1, 2]), (link, []), (unlink, [1]), (replace_links, [1])):
        with pytest.raises(NotFound, match="No Task with key 99 was found"):
            async with stored.transaction() as session:
                await stored(verb, session, Task, 99, "tags", targets)


@pytest.mark.parametrize("targets", [[99], [1, 99, 2]])
async def test_a_missing_target_is_a_conflict_that_names_the_field(stored: Face, targets: Any) -> None:
    for verb in (link, replace_links):
        with pytest.raises(Conflict) as caught:
            async with stored.transaction() as session:
                await stored(verb, session, Task, 1, "tags", targets)
        error = caught.value
        found = (error.subject, error.kind, error.fields, error.other)
        assert found == ("TaskTag", "foreign_key", ("tag_id",), "Tag")
    with pytest.raises(Conflict, match="refuses worker_id: it points to Worker that does not exist"):
        async with stored.transaction() as session:
            await stored(link, session, Task, 1, "assignments", ["@nobody", "@ada"])
    assert await tags(stored, 1) == [1, 2]


async def test_bad_values_are_refused_by_name(library: Face) -> None:
    async with library.transaction() as session:
        with pytest.raises(InvalidValues, match="The key of Book refuses id"):
            await library(link, session, Reader, 1, "favourites", ["one"])
        with pytest.raises(InvalidValues) as caught:
            await library(link, session, Reader, 1, "loans", {2: {"note": "x" * 11}})
        assert caught.value.problems[0].path == ("2", "note")
        with pytest.raises(InvalidValues, match=r"2\.colour: is not a field of Loan"):
            await library(link, session, Reader, 1, "loans", {2: {"colour": "red"}})
        with pytest.raises(TypeError, match=r"are a list of keys, .* not str\. Write: \['one'\]"):
            await library(link, session, Reader, 1, "loans", "one")


async def test_what_stores_no_links_is_refused(stored: Face) -> None:
    async with stored.transaction() as session:
        for model, name, others in (
            (Task, "subtasks", "tags, assignments"),
            (Task, "titel", "tags, assignments"),
            (Project, "tasks", "none"),
        ):
            with pytest.raises(PlanError, match=f"{name} stores no links: .* has links in: {others}"):
                await stored(link, session, model, 1, name, [1])


async def test_a_link_may_have_a_key_of_its_own(library: Face) -> None:
    async with library.transaction() as session:
        await library(link, session, Reader, 1, "loans", {1: LoanValues(days=7), 2: {}})
        (first, second) = (await library.exec(session, select(Loan).order_by(col(Loan.book_id)))).all()
        before = first.updated_at
        assert (first.days, second.days) == (7, 14)
        assert before <= datetime.now(UTC)
    async with library.transaction() as session:
        await library(link, session, Reader, 1, "loans", {1: LoanValues(note="late"), 2: {}})
        (again, _) = (await library.exec(session, select(Loan).order_by(col(Loan.book_id)))).all()
        assert (again.id, again.note, again.days) == (first.id, "late", 7)
        assert again.updated_at > before


async def test_a_link_table_needs_no_model(library: Face) -> None:
    async with library.transaction() as session:
        await library(replace_links, session, Reader, 1, "favourites", [1, 2])
        await library(replace_links, session, Reader, 1, "favourites", [2, 3])
        with pytest.raises(PlanError, match="stores links without fields of their own"):
            await library(link, session, Reader, 1, "favourites", {1: {"note": "x"}})
        rows = (await library.exec(session, select(BARE.c.book_id))).all()
    assert sorted(rows) == [2, 3]


async def test_what_the_session_has_loaded_stays_right(stored: Face) -> None:
    async with stored.transaction() as session:
        full = select(Task).options(*loading(TaskFull, Task)).where(Task.id == 1)
        task = (await stored.exec(session, full)).one()
        ada, claude = task.assignments
        await stored(replace_links, session, Task, 1, "tags", [2])
        assert [tag.id for tag in task.tags] == [2]
        await stored(replace_links, session, Task, 1, "assignments", {"@ada": {"role": "lead"}, "@grace": {}})
        assert [one.worker_id for one in task.assignments] == ["@ada", "@grace"]
        assert ada.role == "lead"
        assert claude not in session


async def test_the_other_side_is_kept_right_too(stored: Face) -> None:
    def read(session: Session) -> tuple[list[int | None], list[int]]:
        tag, worker = session.get_one(Tag, 1), session.get_one(Worker, "@grace")
        assert (len(tag.tasks), len(worker.assignments)) == (1, 0)
        link(session, Task, 3, "tags", [1])
        link(session, Task, 3, "assignments", ["@grace"])
        return [one.id for one in tag.tasks], [one.task_id for one in worker.assignments]

    async with stored.transaction() as session:
        assert await stored.run(session, read) == ([1, 3], [3])


async def test_work_that_is_pending_is_flushed_first(stored: Face) -> None:
    async with stored.transaction() as session:
        session.add(Task(id=9, title="New"))
        await stored(link, session, Task, 9, "tags", [1])
    assert await tags(stored, 9) == [1]


async def test_two_that_replace_the_same_links_take_turns(stored: Face) -> None:
    barrier = threading.Barrier(2, timeout=20)

    def replace(targets: list[int]) -> None:
        barrier.wait()
        with stored.database.transaction() as session:
            replace_links(session, Task, 5, "tags", targets)
            time.sleep(0.02)  # the other one has begun by now

    for _ in range(5):
        await asyncio.gather(*(asyncio.to_thread(replace, one) for one in ([1], [2])))
        assert await tags(stored, 5) in ([1], [2])


async def test_many_links_are_split_by_parameters(stored: Face) -> None:
    async with stored.transaction() as session:
        tags = [{"id": number, "label": "x"} for number in range(10, 15_520)]
        await stored.run(session, lambda s: s.connection().execute(insert(Tag), tags))
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            await stored(link, session, Task, 5, "tags", range(10, 15_520))
    assert len(statements) == 2
