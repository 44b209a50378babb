"""Field types: UTC input, 0 as null, and JSON columns that hold models and notice changes (P7, P9-P11)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, NaiveDatetime
from sqlalchemy import text
from sqlalchemy.orm import registry
from sqlmodel import col, select

from fieldstone import InvalidValues
from fieldstone.models import Field, Model, Timestamps, Versioned
from fieldstone.models.fields import AssumedUtc, Json, UtcDatetime, ZeroAsNull
from tests.faces import Face


class Local(Model, registry=registry()):
    """Keep this module's tables apart from those of other modules."""


NAIVE = datetime.fromisoformat("2026-01-01T01:00:00")


class Point(BaseModel):
    x: int
    label: str = ""
    children: list[Point] = []


class Steps(Local):
    names: list[str] = []


class Moment(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    strict: UtcDatetime | None = None
    lenient: AssumedUtc | None = None
    plain: datetime | None = None
    local: NaiveDatetime | None = None


class NodeBase(Local):
    parent_id: ZeroAsNull = Field(default=None, foreign_key="node.id")


class Node(NodeBase, table=True):
    id: int | None = Field(default=None, primary_key=True)


class Doc(Timestamps, Versioned, Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    point: Json[Point] = Field(default_factory=lambda: Point(x=0))
    points: Json[list[Point]] = Field(default_factory=list)
    free: Json[dict[str, Any]] = Field(default_factory=dict)
    maybe: Json[Steps] | None = None


# Time


@pytest.mark.parametrize(
    "written", ["2026-01-31T09:30:00Z", "2026-01-31T10:30:00+01:00", "2026-01-31T04:00:00-05:30"]
)
def test_any_offset_becomes_utc(written: str) -> None:
    moment = Moment.model_validate({"strict": written, "plain": written, "lenient": written})
    expected = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert (moment.strict, moment.plain, moment.lenient) == (expected, expected, expected)
    assert {each and each.tzinfo for each in (moment.strict, moment.plain, moment.lenient)} == {UTC}


def test_a_naive_datetime_is_refused_and_the_text_says_what_to_send() -> None:
    for name in ("strict", "plain"):
        with pytest.raises(
            InvalidValues, match=f"{name}: Input should have a UTC offset. Send e.g. 2026-01-31T09:30:00Z"
        ):
            Moment.model_validate({name: "2026-01-31T09:30:00"})


def test_a_naive_datetime_is_read_as_utc_where_the_field_says_so() -> None:
    assert Moment.model_validate({"lenient": "2026-01-31T09:30:00"}).lenient == datetime(
        2026, 1, 31, 9, 30, tzinfo=UTC
    )


def test_a_datetime_that_leaves_the_calendar_is_refused() -> None:
    with pytest.raises(InvalidValues, match="within the years 1 to 9999"):
        Moment(plain=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))


async def test_times_come_back_in_utc_and_naive_ones_naive(face: Face) -> None:
    await face.create_all([Moment])
    there = datetime(2026, 1, 31, 10, 30, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    async with face.transaction() as session:
        session.add(Moment(strict=there, lenient=there, plain=there, local=NAIVE))
    async with face.transaction() as session:
        found = (await face.exec(session, select(Moment))).one()
        assert {found.strict, found.lenient, found.plain} == {datetime(2026, 1, 31, 9, 30, 0, 5, tzinfo=UTC)}
        assert found.local == NAIVE


# Zero


@pytest.mark.parametrize("zero", [0, "0", None])
def test_zero_means_none_on_schemas_and_tables_and_on_assignment(zero: Any) -> None:
    assert NodeBase(parent_id=zero).parent_id is None
    node = Node(parent_id=zero)
    assert node.parent_id is None
    node.parent_id = 3
    node.parent_id = zero
    assert node.parent_id is None


def test_other_numbers_stay_and_nonsense_is_refused() -> None:
    assert Node(parent_id=5).parent_id == 5
    with pytest.raises(InvalidValues, match="parent_id"):
        Node(parent_id="x")
    with pytest.raises(InvalidValues, match="parent_id"):
        Node(parent_id=2**31)


# JSON


async def stored(face: Face) -> Doc:
    async with face.transaction() as session:
        return (await face.exec(session, select(Doc))).one()


async def make(face: Face, **values: Any) -> None:
    await face.create_all([Doc])
    async with face.transaction() as session:
        session.add(Doc(**values))


async def test_models_come_back_as_models(face: Face) -> None:
    point = Point(x=1, label="ü", children=[Point(x=2)])
    await make(face, point=point, points=[point], free={"a": [1, None]}, maybe=Steps(names=["n"]))
    doc = await stored(face)
    assert (doc.point, doc.points, doc.free, doc.maybe) == (
        point,
        [point],
        {"a": [1, None]},
        Steps(names=["n"]),
    )


def change_attribute(doc: Doc) -> None:
    doc.point.x = 9


def change_deeply(doc: Doc) -> None:
    doc.points[0].children.append(Point(x=9))


def change_dict(doc: Doc) -> None:
    doc.free["list"].append({"deep": [9]})


@pytest.mark.parametrize("change", [change_attribute, change_deeply, change_dict])
@pytest.mark.parametrize("moment", ["commit", "flush", "autoflush", "savepoint"])
async def test_a_change_in_place_is_written(face: Face, change: Any, moment: str) -> None:
    await make(face, points=[Point(x=1)], free={"list": []})
    async with face.transaction() as session:
        doc = (await face.exec(session, select(Doc))).one()
        change(doc)
        if moment == "flush":
            await face.flush(session)
        if moment == "autoflush":
            assert (await face.exec(session, select(Doc.version))).one() == 2
        if moment == "savepoint":
            await face.run(session, lambda s: s.begin_nested().commit())
    again = await stored(face)
    assert again.version == 2
    assert "9" in again.model_dump_json(include={"point", "points", "free"})


async def test_a_change_after_a_flush_or_commit_is_written_too(face: Face) -> None:
    await face.create_all([Doc])
    async with face.transaction() as session:
        kept = Point(x=1)
        doc = Doc(point=kept)
        session.add(doc)
        await face.flush(session)
        kept.x = 2
        await face.flush(session)
        kept.x = 3
        await face.commit(session)
        kept.x = 4
        doc.point.label = "x"
    assert (await stored(face)).point == Point(x=4, label="x")


async def test_reading_without_change_writes_nothing(face: Face) -> None:
    await make(face, points=[Point(x=1)])
    async with face.transaction() as session:
        doc = (await face.exec(session, select(Doc))).one()
        assert doc.points[0].x == 1
        await face.flush(session)
        assert not session.is_modified(doc)
        doc.points[0].x = 2
        doc.points[0].x = 1
    assert (await stored(face)).version == 1


async def test_merely_loaded_rows_are_not_kept_by_the_session(face: Face) -> None:
    await make(face)
    async with face.transaction() as session:
        doc = (await face.exec(session, select(Doc))).one()
        assert doc not in session.dirty
        assert doc.free == {}
        assert doc in session.dirty


async def test_a_rolled_back_change_is_gone(face: Face) -> None:
    await make(face, free={"a": 1})
    async with face.transaction() as session:
        doc = (await face.exec(session, select(Doc))).one()
        doc.free["a"] = 2
        await face.flush(session)
        await face.rollback(session)
        await face.run(session, lambda s: s.refresh(doc))
        assert doc.free == {"a": 1}
    assert (await stored(face)).version == 2 - 1


async def test_refreshing_forgets_the_change_in_place(face: Face) -> None:
    await make(face, free={"a": 1})
    async with face.transaction() as session:
        doc = (await face.exec(session, select(Doc))).one()
        doc.free["a"] = 2
        await face.run(session, lambda s: s.expire(doc))
        await face.run(session, lambda s: s.refresh(doc))
        assert doc.free == {"a": 1}
    assert (await stored(face)).version == 1


async def test_a_change_in_place_into_something_invalid_is_refused(face: Face) -> None:
    await make(face, free={"a": 1})
    for bad in ("a\x00b", float("nan"), ["\ud800"]):
        with pytest.raises(InvalidValues, match="Doc refuses free"):
            async with face.transaction() as session:
                (await face.exec(session, select(Doc))).one().free["a"] = bad
    assert (await stored(face)).free == {"a": 1}


@pytest.mark.parametrize("bad", ["a\x00", "\ud800", float("inf"), float("nan")])
def test_what_json_columns_cannot_store_is_refused_at_any_depth(bad: Any) -> None:
    with pytest.raises(InvalidValues, match="Doc refuses free"):
        Doc(free={"a": [{"b": bad}]})
    if isinstance(bad, str):
        with pytest.raises(InvalidValues, match="Doc refuses points"):
            Doc(points=[Point(x=1, children=[Point.model_construct(x=1, label=bad, children=[])])])


async def test_null_is_sql_null_and_a_document_can_be_searched(face: Face) -> None:
    await make(face, free={"color": "red"})
    async with face.transaction() as session:
        assert (await face.exec(session, select(Doc.id).where(col(Doc.maybe).is_(None)))).all() == [1]
        by_color = select(Doc.id).where(col(Doc.free)["color"].as_string() == "red")
        assert (await face.exec(session, by_color)).all() == [1]


async def test_a_document_that_no_longer_fits_its_type_loads_as_plain_json(face: Face) -> None:
    await make(face)
    async with face.transaction() as session:
        await face.run(
            session, lambda s: s.connection().execute(text("""UPDATE doc SET point = '{"y": 1}'"""))
        )
    assert (await stored(face)).point == {"y": 1}
