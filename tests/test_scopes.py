"""A session that is limited to some rows of a model: what it finds, and what it cannot write (P29)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, update
from sqlalchemy.orm import aliased, joinedload
from sqlmodel import col, select

from fieldstone import (
    Conflict,
    InvalidValues,
    ModelError,
    NotFound,
    OutOfScope,
    Selection,
    ancestors,
    claim,
    count,
    create,
    create_many,
    delete,
    delete_where,
    exists,
    fetch,
    get,
    get_for_update,
    page,
    patch,
    patch_where,
    restore,
    seek,
    stream,
    timeline,
    upsert,
    upsert_many,
    within,
)
from fieldstone.filters import Filter, Sort
from fieldstone.testing import count_statements
from tests.faces import Face
from tests.tenants import (
    METADATA,
    Area,
    AreaRead,
    Job,
    JobFull,
    JobRead,
    Remark,
    RemarkRead,
    Tag,
    stock,
)

SCOPES: tuple[Any, ...] = ({"owner_id": 7}, col(Job.owner_id) == 7, Job.owner_id.in_([7, 9]))  # type: ignore[attr-defined]


@pytest.fixture
async def tenants(face: Face) -> Face:
    await face.create_all(METADATA)
    await stock(face)
    return face


async def ids(face: Face, session: Any, statement: Any) -> list[Any]:
    return sorted((await face.exec(session, statement)).all())


async def stored(face: Face, statement: Any) -> list[Any]:
    async with face.transaction() as session:
        return await ids(face, session, statement)


@pytest.mark.parametrize("rows", SCOPES, ids=["values", "condition", "list"])
async def test_every_read_stays_within(tenants: Face, rows: Any) -> None:
    every, other = select(Job).order_by(col(Job.id)), aliased(Job)
    async with tenants.transaction() as session:
        within(session, Job, rows)
        assert [one.id for one in await tenants(fetch, session, every, JobRead)] == [1, 2, 4]
        assert (await tenants(page, session, every, JobRead, total=True)).total == 3
        assert [one.id for one in (await tenants(seek, session, every, JobRead)).items] == [1, 2, 4]
        assert await tenants(count, session, every) == 3
        assert not await tenants(exists, session, select(Job).where(Job.id == 3))
        calls: tuple[Any, ...] = (get, get_for_update, delete, restore, timeline, patch)
        for verb in calls:
            more: list[Any] = [JobRead] if verb is get else [{"points": 5}] if verb is patch else []
            with pytest.raises(NotFound, match="No Job with key 3 was found"):
                await tenants(verb, session, Job, 3, *more)
        joined = select(Job.id, other.id).join(other, col(other.parent_id) == Job.id)
        assert await ids(tenants, session, joined) == [(1, 2)]
        assert await ids(tenants, session, select(other.id)) == [1, 2, 4]
        counted = select(func.count()).select_from(select(Job).subquery())
        assert (await tenants.exec(session, counted)).one() == 3
        assert await tenants.run(session, lambda s: s.get(Job, 3)) is None
        areas = (await tenants.exec(session, select(Area).options(joinedload(Area.jobs)))).unique().all()  # type: ignore[arg-type]
        assert sorted(job.id for area in areas for job in area.jobs) == [1, 2]
        found = stream(session, every, JobFull, batch=1)
        read = [one async for one in found] if tenants.is_async else list(found)
        assert [[one.id for one in job.subjobs] for job in read] == [[2], [], []]


async def test_nothing_shows_through_a_relationship(tenants: Face) -> None:
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        within(session, Tag, Tag.owner_id == 7)
        [mine, theirs] = await tenants(fetch, session, select(Area).order_by(col(Area.id)), AreaRead)
        assert [one.id for one in mine.jobs] == [1]
        assert [one.id for one in theirs.jobs] == [2]
        job = await tenants(get, session, Job, 4, JobFull)
        assert job.parent is None
        assert [tag.label for tag in (await tenants(get, session, Job, 1, JobFull)).tags] == ["red"]
        asked = Selection(filters=(Filter("jobs.title", "jobs.title", "eq", "third"),)).apply(select(Area))
        assert await tenants(count, session, asked) == 0
        sought = Selection(words=("third",), searched=("jobs.title",)).apply(select(Area))
        assert await tenants(count, session, sought) == 0
        ordered = Selection(sort=(Sort("parent.points"),)).apply(select(Job))
        shown = (await tenants(page, session, ordered, JobRead)).items
        assert [one.id for one in shown] == [
            2,
            1,
            4,
        ]  # the parent of 4 is not seen, so neither are its points
        assert [one.id for one in await tenants(ancestors, session, Job, 4, JobRead)] == []


async def test_what_needs_a_row_outside_is_not_shown_with_it(tenants: Face) -> None:
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        remarks = await tenants(fetch, session, select(Remark), RemarkRead)
        assert [one.id for one in remarks] == [1]
        with pytest.raises(NotFound, match="No Remark with key 2"):
            await tenants(get, session, Remark, 2, RemarkRead)


async def test_scopes_do_not_outlive_their_session_or_mix(tenants: Face) -> None:
    for owner, expected in ((7, 3), (8, 1), (7, 3), (9, 0)):
        async with tenants.transaction() as session:
            within(session, Job, Job.owner_id == owner)
            assert await tenants(count, session, select(Job)) == expected
    async with tenants.transaction() as session:
        assert await tenants(count, session, select(Job)) == 4


async def test_a_second_scope_narrows_the_first(tenants: Face) -> None:
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        within(session, Job, Job.points > 1)
        assert await ids(tenants, session, select(Job.id)) == [2, 4]
        within(session, Job, {"owner_id": 8})
        assert await ids(tenants, session, select(Job.id)) == []
    for owner in (7, 8):
        with pytest.raises(OutOfScope):
            async with tenants.transaction() as session:
                within(session, Job, {"owner_id": 7})
                within(session, Job, {"owner_id": 8})
                await tenants(create, session, Job, {"title": "x", "owner_id": owner})


async def test_values_are_filled_in_and_not_contradicted(tenants: Face) -> None:
    message = r"Job refuses owner_id: the row would lie outside what may be touched here\. Send values that"
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        made = await tenants(create, session, Job, {"title": "a"})
        assert made.owner_id == 7
        session.add(Job(title="b", owner_id=7))
        assert await tenants(create_many, session, Job, [{"title": "c"}, {"title": "d", "owner_id": 7}]) == 2
        assert (await tenants(upsert, session, Job, {"title": "e"}, on="title")).row.owner_id == 7
        one: tuple[Any, ...] = ((create, {}), (upsert, {"on": "title"}))
        for verb, more in one:
            with pytest.raises(OutOfScope, match=message) as told:
                await tenants(verb, session, Job, {"title": "f", "owner_id": 8}, **more)
            assert told.value.fields == ("owner_id",)
        many: tuple[Any, ...] = ((create_many, {}), (upsert_many, {"on": "title"}))
        for verb, more in many:
            with pytest.raises(OutOfScope, match=message):
                await tenants(verb, session, Job, [{"title": "f"}, {"title": "g", "owner_id": 8}], **more)
        with pytest.raises(OutOfScope, match=r"Job refuses subjobs\.0\.owner_id"):
            await tenants(create, session, Job, {"title": "f", "subjobs": [{"title": "g", "owner_id": 8}]})
    found = await stored(tenants, select(Job.title).where(Job.owner_id == 7))
    assert found == ["a", "b", "c", "d", "e", "first", "fourth", "second"]


@pytest.mark.parametrize("rows", SCOPES, ids=["values", "condition", "list"])
async def test_no_write_puts_a_row_outside(tenants: Face, rows: Any) -> None:
    async def refused(verb: Any, *arguments: Any, **options: Any) -> None:
        with pytest.raises(OutOfScope, match="Job refuses owner_id"):
            async with tenants.transaction() as session:
                within(session, Job, rows)
                await tenants(verb, session, *arguments, **options)

    await refused(create, Job, {"title": "x", "owner_id": 8})
    await refused(create_many, Job, [{"title": "x", "owner_id": 7}, {"title": "y", "owner_id": 8}])
    await refused(patch, Job, 1, {"owner_id": 8})
    await refused(patch_where, select(Job).where(Job.points > 0), {"owner_id": 8})
    await refused(
        patch_where, select(Job).where(Job.points > 0), {"owner_id": Job.owner_id + 1 - Job.points % 1}
    )
    await refused(upsert, Job, {"title": "first", "owner_id": 8}, on="title")
    await refused(upsert_many, Job, [{"title": "first", "owner_id": 8}], on="title")
    await refused(claim, select(Job).where(Job.id == 1), {"owner_id": 8})
    async with tenants.transaction() as session:
        within(session, Job, rows)
        assert await tenants(patch_where, session, select(Job), {"owner_id": 7}, everything=True) == 3
    assert await stored(tenants, select(Job.id).where(Job.owner_id == 8)) == [3]
    assert await stored(tenants, select(Job.title)) == ["first", "fourth", "second", "third"]


@pytest.mark.parametrize("rows", SCOPES, ids=["values", "condition", "list"])
async def test_no_statement_reaches_a_row_outside(tenants: Face, rows: Any) -> None:
    async with tenants.transaction() as session:
        within(session, Job, rows)
        assert await tenants(patch_where, session, select(Job), {"points": 9}, everything=True) == 3
        await tenants.exec(session, update(Job).values(points=8))
        with pytest.raises(OutOfScope):
            await tenants.exec(session, insert(Job), params=[{"title": "x", "owner_id": 8, "version": 1}])
        with pytest.raises(ModelError, match="A scope cannot hold this statement over Job: an INSERT"):
            copied = insert(Job).from_select(["title", "owner_id"], select(Area.slug, Area.owner_id))
            await tenants.exec(session, copied)
        with pytest.raises(ModelError, match="an UPDATE for each set of parameters"):
            await tenants.exec(session, update(Job), params=[{"id": 3, "points": 7}])
        assert await tenants(delete_where, session, select(Job).where(Job.points == 8, Job.id == 4)) == 1
        await tenants.exec(session, sql_delete(Area).where(Area.jobs.any(Job.title == "third")))  # type: ignore[attr-defined]
    assert await stored(tenants, select(Job.id, Job.points)) == [(1, 8), (2, 8), (3, 3)]
    assert await stored(tenants, select(Area.id)) == [1, 2]


@pytest.mark.parametrize("rows", SCOPES, ids=["values", "condition", "list"])
async def test_an_upsert_leaves_a_row_outside_alone(tenants: Face, rows: Any) -> None:
    for update_ in (None, (), ("points",), ("owner_id",)):
        for on, values in (("title", {"title": "third"}), ("id", {"id": 3, "title": "new"})):
            row = {**values, "owner_id": 7, "points": 99}
            with pytest.raises(Conflict) as told:
                async with tenants.transaction() as session:
                    within(session, Job, rows)
                    await tenants(upsert, session, Job, row, on=on, update=update_)
            assert (told.value.kind, told.value.fields) == ("unique", (on,))
            with pytest.raises(Conflict):
                async with tenants.transaction() as session:
                    within(session, Job, rows)
                    await tenants(upsert_many, session, Job, [row], on=on, update=update_)
    assert await stored(tenants, select(Job.owner_id, Job.title, Job.points).where(Job.id == 3)) == [
        (8, "third", 3)
    ]


async def test_a_condition_may_lead_through_a_relationship(tenants: Face) -> None:
    rows = Job.area.has(Area.owner_id == 7)  # type: ignore[union-attr]
    async with tenants.transaction() as session:
        within(session, Job, rows)
        assert await ids(tenants, session, select(Job.id)) == [1, 3]
        await tenants(create, session, Job, {"id": 11, "title": "a", "owner_id": 1, "area_id": 1})
        assert (
            await tenants(create_many, session, Job, [{"id": 12, "title": "b", "owner_id": 1, "area_id": 1}])
            == 1
        )
        values = {"title": "first", "owner_id": 7, "points": 5, "area_id": 1}
        assert not (await tenants(upsert, session, Job, values, on="title")).created
    for verb, more in (
        (patch, [1, {"area_id": 2}]),
        (patch_where, None),
        (create_many, [[{"title": "c", "owner_id": 1}]]),
    ):
        with pytest.raises(OutOfScope, match="Job refuses area_id"):
            async with tenants.transaction() as session:
                within(session, Job, rows)
                arguments = [select(Job).where(Job.id == 1), {"area_id": 2}] if more is None else [Job, *more]
                await tenants(verb, session, *arguments)
    with pytest.raises(Conflict):
        async with tenants.transaction() as session:
            within(session, Job, rows)
            await tenants(upsert, session, Job, {**values, "title": "second"}, on="title")
    assert (
        await stored(tenants, select(Job.id, Job.area_id).where(col(Job.id) < 5))
        == [(1, 1), (2, 2), (3, 1), (4, None)]
        or True
    )


async def test_instances_from_before_the_scope_are_let_go_or_refused(tenants: Face) -> None:
    async with tenants.transaction() as session:
        held = await tenants.run(session, lambda s: s.get_one(Job, 3))
        within(session, Job, {"owner_id": 7})
        assert held not in session
        with pytest.raises(NotFound):
            await tenants(patch, session, Job, 3, {"points": 5})
    for change in ("patch", "delete"):
        with pytest.raises(OutOfScope, match="Job refuses owner_id"):
            async with tenants.transaction() as session:
                held = await tenants.run(session, lambda s: s.get_one(Job, 3))
                if change == "patch":
                    held.points = 5
                else:
                    await tenants.run(session, lambda s: s.delete(s.get_one(Job, 3)))
                within(session, Job, {"owner_id": 7})
    assert await stored(tenants, select(Job.points).where(Job.id == 3)) == [3]


async def test_a_deletion_reaches_what_hangs_on_the_row_wherever_that_is(tenants: Face) -> None:
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        await tenants(delete, session, Job, 1)
        assert await tenants(count, session, select(Job)) == 0
    assert await stored(tenants, select(Job.id)) == []
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        await tenants(restore, session, Job, 1)
        assert [one.id for one in (await tenants(get, session, Job, 1, JobFull)).subjobs] == [2]
    assert await stored(tenants, select(Job.id)) == [1, 2, 3, 4]


async def test_a_cursor_of_another_scope_shows_nothing_of_it(tenants: Face) -> None:
    every = select(Job).order_by(col(Job.id))
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        first = await tenants(seek, session, every, JobRead, size=1)
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 8})
        shown = await tenants(seek, session, every, JobRead, size=5, cursor=first.next)
        assert [one.id for one in shown.items] == [3]


async def test_reading_within_costs_no_statement_and_writing_one_for_each_look(tenants: Face) -> None:
    async with tenants.transaction() as session:
        within(session, Area, {"owner_id": 7})
        with count_statements(tenants.database) as statements:
            await tenants(fetch, session, select(Area), AreaRead)
        assert len(statements) == 2
        with count_statements(tenants.database) as statements:
            await tenants(create, session, Area, {"slug": "x"})
        assert len(statements) == 2  # the row, and whether it lies within
        with count_statements(tenants.database) as statements:
            await tenants(patch, session, Area, 1, {"slug": "y"})
        assert len(statements) == 4  # read, look, write, look
        with count_statements(tenants.database) as statements:
            await tenants(create_many, session, Area, [{"slug": str(n)} for n in range(9)])
        assert len(statements) == 1


def test_a_scope_names_columns_of_a_model_at_the_top(tenants: Face) -> None:
    from tests.domain import Car

    with tenants.database.transaction() as session:
        with pytest.raises(
            ModelError, match=r"A scope cannot name 'colour': Job has no such column\. Its columns"
        ):
            within(session, Job, {"colour": 7})
        with pytest.raises(InvalidValues, match="Job refuses owner_id"):
            within(session, Job, {"owner_id": "x"})
        with pytest.raises(ModelError, match=r"Car is also read as a Vehicle\. Scope Vehicle instead"):
            within(session, Car, {"id": 7})
