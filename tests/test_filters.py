"""Filters, search and sort find the same rows on every face, at the price of the plan."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fieldstone import Resource, count, fetch, page, seek, typed
from fieldstone.testing import count_statements
from tests import domain, filtered
from tests.faces import Face
from tests.filtered import Colour, Level, Sample, SampleRead, samples, tasks

SAMPLES = samples()
TOKEN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def stored_samples() -> list[Sample]:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    return [
        Sample(id=1, name="Alpha", note="x", flag=True, total=3, points=10, seen_at=noon, token=TOKEN),
        Sample(id=2, name="alphabet", code="ZZ", size=7, ratio=1.5, level=Level.HIGH, rank=2, big=2**40),
        Sample(id=3, name="50%_[a]*?/x\\", note="", flag=False, total=1, price=Decimal("9.90"), zero=4),
        Sample(
            id=4,
            name="Émile beta",
            colour=Colour.DEEP_BLUE,
            state="open",
            day=date(2026, 1, 31),
            local_at=datetime(2026, 1, 31, 12),  # noqa: DTZ001 - the column keeps no zone
        ),
    ]


@pytest.fixture
async def stored(face: Face) -> Face:
    await face.create_all(filtered.METADATA)
    async with face.transaction() as session:
        session.add_all(stored_samples())
    return face


@pytest.fixture
async def domain_face(face: Face) -> Face:
    await face.create_all(domain.METADATA)
    async with face.transaction() as session:
        session.add_all(domain.sample())
    return face


async def found(face: Face, query: Any) -> list[int]:
    """Give the keys of the samples that a query finds, in its order."""
    resource = SAMPLES
    async with face.transaction(read_only=True) as session:
        rows = await face(fetch, session, resource.select(resource.selection(query)), SampleRead)
    return [row.id for row in rows] if "sort" in str(query) else sorted(row.id for row in rows)


CASES: list[tuple[Any, list[int]]] = [
    ("", [1, 2, 3, 4]),
    ("name=Alpha", [1]),
    ("name=alpha", []),
    ("name__ne=Alpha", [2, 3, 4]),
    ("name__in=Alpha&name__in=alphabet", [1, 2]),
    ("name__not_in=Alpha&name__not_in=alphabet", [3, 4]),
    # without a value: the complement of what eq and in find
    ("note=x", [1]),
    ("note=", [3]),
    ("note__ne=x", [2, 3, 4]),
    ("note__in=x", [1]),
    ("note__not_in=x", [2, 3, 4]),
    ("note__is_null=true", [2, 4]),
    ("note__is_null=false", [1, 3]),
    # case
    ("name__contains=lpha", [1, 2]),
    ("name__contains=Alpha", [1]),
    ("name__icontains=ALPHA", [1, 2]),
    ("name__startswith=a", [2]),
    ("name__istartswith=A", [1, 2]),
    ("name__endswith=BET", []),
    ("name__iendswith=BET", [2]),
    ("name__contains=mile", [4]),
    ("name__contains=É", [4]),
    # wildcards of LIKE and of GLOB stand for themselves
    ("name__contains=%25", [3]),
    ("name__contains=_", [3]),
    ("name__contains=*", [3]),
    ("name__contains=?/x", [3]),
    ("name__contains=[a]", [3]),
    ("name__contains=]", [3]),
    ("name__contains=[", [3]),
    ("name__endswith=\\", [3]),
    ("name__startswith=50%25_[", [3]),
    ("name__startswith=5_%25", []),
    ("name__icontains=%25_[A]", [3]),
    ("name__iendswith=X\\", [3]),
    # every kind
    ("code=ZZ", [2]),
    ("code__contains=z", []),
    ("flag=true", [1]),
    ("flag=0", [3]),
    ("flag__is_null=true", [2, 4]),
    ("size__eq=7", [2]),
    ("size__ge=0&size__lt=7", [1, 3, 4]),
    ("total__eq=3", [1]),
    ("total__le=1", [3]),
    ("points__gt=9&points__le=10", [1]),
    ("big=1099511627776", [2]),
    ("ratio__ge=1.5", [2]),
    ("price=9.9", [3]),
    ("price__lt=9.90", [1, 2, 4]),
    ("day=2026-01-31", [4]),
    ("day__gt=2026-01-31", []),
    ("seen_at=2026-01-31T13:00:00%2B01:00", [1]),
    ("seen_at__lt=2026-01-31T12:00:00Z", []),
    ("seen_at__ge=2026-01-31T00:00:00Z&seen_at__lt=2026-02-01T00:00:00Z", [1]),
    ("local_at__ge=2026-01-31T12:00:00", [4]),
    ("assumed_at__lt=2026-01-31T12:00:00", []),
    ("at__is_null=true&took__is_null=true", [1, 2, 3, 4]),
    ("colour=red", [1, 2, 3]),
    ("colour__in=deep, blue", [4]),
    ("level=2", [2]),
    ("rank__ne=1", [2]),
    ("state=open", [4]),
    ("state__ne=open", [1, 2, 3]),
    (f"token={TOKEN}", [1]),
    (f"token__ne={TOKEN}", [2, 3, 4]),
    ("zero=4", [3]),
    # search
    ("q=alpha", [1, 2]),
    ("q=ALPHA x", [1]),
    ("q=%25", [3]),
    ("q=", [1, 2, 3, 4]),
    ("q=%20 %09", [1, 2, 3, 4]),
    ("q=alpha nowhere", []),
    # order
    ("sort=total", [3, 1, 2, 4]),
    ("sort=-total", [2, 4, 1, 3]),
    ("sort=note,-id", [3, 1, 4, 2]),
    ("sort=-note,id", [2, 4, 1, 3]),
    ("sort=-id&name__icontains=alpha", [2, 1]),
    # from Python, with values
    ({"name__in": ["Alpha"], "points__ge": 10, "flag": True}, [1]),
    ({"seen_at__le": datetime(2026, 1, 31, 12, tzinfo=UTC), "token": TOKEN}, [1]),
    ([("colour", Colour.DEEP_BLUE), ("sort", "id")], [4]),
]


async def test_each_query_finds_the_same_rows_everywhere(stored: Face) -> None:
    for query, keys in CASES:
        assert await found(stored, query) == keys, query


TASK_CASES: list[tuple[str, list[int]]] = [
    ("", [1, 2, 3, 4, 5]),
    ("project.slug=apollo", [1, 2]),
    ("project.slug__ne=apollo", [3]),
    ("project__is_null=true", [4, 5]),
    ("project_id__is_null=false", [1, 2, 3]),
    ("parent.project.slug=apollo", [2, 3, 4]),
    ("assignments.worker_id=@claude-code", [1, 2]),
    ("assignments.worker_id__in=@ada&assignments.worker_id__in=@claude-code", [1, 2]),
    ("assignments__is_null=true", [3, 4, 5]),
    ("assignments__is_null=false", [1, 2]),
    ("assignments.worker.kind=human", [1]),
    ("subtasks.title=Left", [1]),
    ("subtasks.subtasks.title=Leaf", [1]),
    ("subtasks__is_null=false", [1, 2]),
    ("tags.label__in=urgent&tags.label__in=later", [1, 2]),
    ("tags.tasks.title=Left", [1, 2]),
    # one and the same related row has to fulfil all
    ("assignments.worker_id=@ada&assignments.role=assignee", [1]),
    ("assignments.worker_id=@ada&assignments.role=reviewer", []),
    ("assignments.worker_id=@ada&assignments.worker.kind=agent", []),
    ("assignments.worker_id=@claude-code&assignments.role__ne=reviewer", [2]),
    ("q=apollo left", [2]),
    ("q=claude", [1, 2]),
    ("q=r&status=completed", [3]),
    ("sort=-title", [1, 3, 5, 2, 4]),
    ("sort=project.name,-title", [1, 2, 3, 5, 4]),
    ("sort=-project.name,title", [4, 5, 3, 2, 1]),
    ("sort=-reviewer_id,title", [2, 5, 3, 1, 4]),
    ("sort=parent.project.slug,title", [4, 2, 3, 5, 1]),
]


async def test_relationships_are_followed_without_repeating_a_row(domain_face: Face) -> None:
    for query, keys in TASK_CASES:
        statement = tasks.select(tasks.selection(query))
        async with domain_face.transaction(read_only=True) as session:
            rows = await domain_face(fetch, session, statement, domain.TaskRead)
            assert [row.id for row in rows] == keys, query
            assert await domain_face(count, session, statement) == len(keys), query


async def test_a_filtered_page_takes_the_statements_of_its_plan(domain_face: Face) -> None:
    selection = tasks.selection(
        "q=left&assignments.worker_id=@claude-code&sort=project.name,-parent.project.slug"
    )
    with count_statements(domain_face.database) as statements:
        async with domain_face.transaction(read_only=True) as session:
            part = await domain_face(page, session, tasks.select(selection), domain.TaskRead)
    assert [task.id for task in part.items] == [2]
    assert len(statements) == tasks.plan.budget


async def test_a_selection_narrows_an_alias_and_keeps_its_conditions(domain_face: Face) -> None:
    other = aliased(domain.Task)
    selection = tasks.selection("subtasks.title=Left&sort=-title")
    statement = selection.apply(select(other).where(other.title != "Lone"))
    async with domain_face.transaction(read_only=True) as session:
        rows = await domain_face(fetch, session, statement, domain.TaskRead)
    assert [row.title for row in rows] == ["Root"]


async def test_a_sorted_list_is_walked_by_keyset(domain_face: Face) -> None:
    for query in (
        "sort=project.name,-title",
        "sort=-reviewer_id,title&q=e",
        "sort=parent.project.slug,title",
    ):
        statement = tasks.select(tasks.selection(query))
        async with domain_face.transaction(read_only=True) as session:
            rows = await domain_face(fetch, session, statement, domain.TaskRead)
            walked: list[Any] = []
            cursor = None
            for _ in rows:
                part = await domain_face(seek, session, statement, domain.TaskRead, size=1, cursor=cursor)
                walked, cursor = [*walked, *part.items], part.next
        assert (walked, cursor) == (rows, None), query


async def test_a_relationship_to_one_row_from_the_far_side_can_be_sorted_by(domain_face: Face) -> None:
    workers = Resource(
        domain.Worker, read=domain.WorkerRead, filters=["profile.bio", "profile"], sort=["profile.bio"]
    )
    for query, keys in [
        ("sort=-profile.bio", ["@grace", "@claude-code", "@ada"]),
        ("sort=profile.bio", ["@ada", "@claude-code", "@grace"]),
        ("profile__is_null=true", ["@claude-code", "@grace"]),
        ("profile.bio__startswith=Counts", ["@ada"]),
    ]:
        async with domain_face.transaction(read_only=True) as session:
            statement = workers.select(workers.selection(query))
            part = await domain_face(page, session, statement, domain.WorkerRead)
        assert [row.id for row in part.items] == keys, query


async def test_inherited_tables_are_filtered_and_sorted(domain_face: Face) -> None:
    cars = Resource(
        domain.Car,
        read=domain.CarRead,
        filters=["wheels", "doors", "owner.name"],
        sort=["wheels", "owner.name"],
    )
    async with domain_face.transaction() as session:
        session.add_all(
            [domain.Car(wheels=3, owner_id="@ada"), domain.Car(doors=2), domain.Vehicle(wheels=3)]
        )
    for query, doors in [("wheels=3&owner.name=Ada", [5]), ("doors__ge=1&sort=-owner.name,wheels", [2, 5])]:
        async with domain_face.transaction(read_only=True) as session:
            statement = cars.select(cars.selection(query))
            rows = await domain_face(fetch, session, statement, domain.CarRead)
        assert [row.doors for row in rows] == doors, query


async def test_typed_operands_build_what_the_query_string_builds(stored: Face) -> None:
    conditions: list[tuple[Any, list[int]]] = [
        (typed(Sample.name).eq("Alpha"), [1]),
        (typed(Sample.note).ne("x"), [2, 3, 4]),
        (typed(Sample.note).not_in("x", ""), [2, 4]),
        (typed(Sample.note).is_null(), [2, 4]),
        (typed(Sample.note).is_null(False), [1, 3]),
        (typed(Sample.name).contains("%_"), [3]),
        (typed(Sample.name).startswith("a"), [2]),
        (typed(Sample.name).endswith("bet"), [2]),
        (typed(Sample.name).icontains("ALPHA"), [1, 2]),
        (typed(Sample.name).istartswith("É"), [4]),
        (typed(Sample.name).iendswith("BETA"), [4]),
        (typed(Sample.points).ge(10), [1]),
        (typed(Sample.points).gt(10), []),
        (typed(Sample.points).lt(10), [2, 3, 4]),
        (typed(Sample.points).le(0), [2, 3, 4]),
        (typed(Sample.colour).in_(Colour.DEEP_BLUE), [4]),
        (typed(Sample.rank).in_(), []),
        (~typed(Sample.name).contains("lpha"), [3, 4]),
    ]
    for condition, keys in conditions:
        statement = select(Sample).where(condition).order_by(col(Sample.id))
        async with stored.transaction(read_only=True) as session:
            rows = await stored(fetch, session, statement, SampleRead)
        assert [row.id for row in rows] == keys, str(condition)
