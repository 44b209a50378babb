"""Unique keys that deleted rows give free, the history of a deletion, and what a model may declare (P28)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Index, MetaData, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import registry
from sqlalchemy.schema import CreateIndex
from sqlmodel import select

from fieldstone import (
    Conflict,
    Field,
    InvalidValues,
    Model,
    ModelError,
    NotFound,
    PlanError,
    Relationship,
    Resource,
    SchemaError,
    SoftDeleted,
    acting,
    create,
    delete,
    delete_where,
    fetch,
    including_deleted,
    link,
    restore,
    timeline,
    upsert,
    upsert_many,
)
from fieldstone.history import history_of
from tests.archive import METADATA, Board, BoardRead, Card, CardRead, Tag, sample
from tests.faces import Face


@pytest.fixture
async def archive(face: Face) -> Face:
    """The sample, with the card 2 and the tag 1 deleted."""
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all(sample())
    async with face.transaction() as session:
        await face(delete, session, Card, 2)
        await face(delete, session, Tag, 1)
    return face


def test_unique_keys_become_indexes_over_the_rows_that_are_not_deleted() -> None:
    tables = METADATA.tables
    for dialect in (postgresql.dialect(), sqlite.dialect()):  # type: ignore[no-untyped-call]
        made = [
            str(CreateIndex(index).compile(dialect=dialect))
            for name in ("board", "card", "tag")
            for index in sorted(tables[name].indexes, key=lambda one: str(one.name))
        ]
        assert made == [
            "CREATE UNIQUE INDEX uq_board_slug ON board (slug) WHERE deleted_at IS NULL",
            "CREATE UNIQUE INDEX uq_card_board_id_label ON card (board_id, label) WHERE deleted_at IS NULL",
            "CREATE UNIQUE INDEX ix_tag_label ON tag (label) WHERE deleted_at IS NULL",
        ]
        assert not any(isinstance(one, UniqueConstraint) for one in tables["card"].constraints)


def test_a_condition_of_ones_own_stays() -> None:
    class Own(Model, registry=registry(metadata=MetaData())):
        pass

    class Slot(SoftDeleted, Own, table=True):
        __table_args__ = (Index("ux_slot", "hour", unique=True, postgresql_where="hour > 1"),)
        id: int | None = Field(default=None, primary_key=True)
        hour: int

    [index] = Own.metadata.tables["slot"].indexes
    written = str(CreateIndex(index).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert written.endswith("ON slot (hour) WHERE hour > 1 AND deleted_at IS NULL")
    written = str(CreateIndex(index).compile(dialect=sqlite.dialect()))
    assert written.endswith("ON slot (hour) WHERE deleted_at IS NULL")


async def test_a_taken_value_names_its_field(archive: Face) -> None:
    with pytest.raises(Conflict, match="Board refuses slug: another row already has this value") as told:
        async with archive.transaction() as session:
            await archive(create, session, Board, {"id": 9, "slug": "work"})
    assert told.value.constraint == "uq_board_slug"


async def test_an_upsert_finds_the_visible_row_or_makes_a_new_one(archive: Face) -> None:
    async with archive.transaction() as session:
        made = await archive(upsert, session, Tag, {"id": 11, "label": "red"}, on="label")
        assert (made.created, made.row.id) == (True, 11)
        again = await archive(upsert, session, Tag, {"label": "red"}, on="label", update=())
        assert (again.created, again.row.id) == (False, 11)
        rows = [{"id": 12, "label": "green"}, {"id": 13, "label": "blue"}]
        counts = await archive(upsert_many, session, Tag, rows, on="label", update=())
        assert (counts.created, counts.updated, counts.unchanged) == (1, 0, 1)
        values = {"id": 14, "label": "left", "board_id": 1, "points": 6}
        made = await archive(upsert, session, Card, values, on=("board_id", "label"), into=CardRead)
        assert made.created
        again = await archive(upsert, session, Card, values, on=("board_id", "label"), into=CardRead)
        assert (again.created, again.row.id) == (False, 14)
        found = (await archive.exec(session, including_deleted(select(Tag.label)))).all()
        assert sorted(found) == ["blue", "green", "red", "red"]


async def test_an_upsert_by_key_leaves_a_deleted_row_alone(archive: Face) -> None:
    for update in (None, ()):
        with pytest.raises(Conflict) as told:
            async with archive.transaction() as session:
                await archive(upsert, session, Tag, {"id": 1, "label": "new"}, on="id", update=update)
        assert (told.value.kind, told.value.fields) == ("unique", ("id",))
        with pytest.raises(Conflict):
            async with archive.transaction() as session:
                rows = [{"id": 1, "label": "new"}, {"id": 2, "label": "blue"}]
                await archive(upsert_many, session, Tag, rows, on="id", update=update)
    async with archive.transaction() as session:
        label = including_deleted(select(Tag.label).where(Tag.id == 1))
        assert (await archive.exec(session, label)).one() == "red"


async def test_nested_rows_may_take_what_a_deleted_row_had(archive: Face) -> None:
    values = {"id": 12, "label": "left", "board_id": 1}
    async with archive.transaction() as session:
        await archive(create, session, Card, {**values, "notes": [{"id": 8, "text": "x"}]})
    for labels in (["a", "a"], ["left"]):
        cards = [{"id": 20 + place, "label": label} for place, label in enumerate(labels)]
        with pytest.raises((InvalidValues, Conflict)) as told:
            async with archive.transaction() as session:
                subcards = [{**one, "board_id": 1} for one in cards]
                wanted = {"id": 19, "label": "b", "board_id": 1, "subcards": subcards}
                await archive(create, session, Card, wanted)
        assert isinstance(told.value, InvalidValues)
        assert [one.path[:2] for one in told.value.problems] == [("subcards", len(labels) - 1)]


async def test_nested_values_cannot_name_a_deleted_row(archive: Face) -> None:
    values = {"id": 12, "label": "x", "board_id": 1}
    with pytest.raises(InvalidValues, match=r"tags.0.id: points to Tag that does not exist"):
        async with archive.transaction() as session:
            await archive(create, session, Card, {**values, "tags": [{"id": 1}, {"id": 2}]})


async def test_the_history_tells_of_deletion_and_restoration(archive: Face) -> None:
    with acting("@ada"):
        async with archive.transaction() as session:
            await archive(restore, session, Card, 2)
        async with archive.transaction() as session:
            await archive(delete_where, session, select(Card).where(Card.id == 2))
    async with archive.transaction() as session:
        for key in (2, 3):
            told = (await archive(timeline, session, Card, key)).items
            assert [one.action for one in told] == ["deleted", "restored", "deleted", "created"]
            assert [one.actor for one in told] == ["@ada", "@ada", None, None]
            assert list(told[0].changes) == list(told[1].changes) == ["deleted_at"]
            assert told[1].changes["deleted_at"].new is None
        assert (await archive(timeline, session, Card, 1)).items[0].action == "created"
    assert history_of(Card) is not None


async def test_a_mark_set_by_hand_is_told_as_well(archive: Face) -> None:
    async with archive.transaction() as session:
        card = await archive.run(session, lambda s: s.get_one(Card, 4))
        card.deleted_at = card.created_at
    async with archive.transaction() as session:
        assert (await archive(timeline, session, Card, 4)).items[0].action == "deleted"


def test_no_input_schema_may_set_the_mark() -> None:
    class BoardCreate(Model):
        slug: str
        deleted_at: str | None = None

    with pytest.raises(SchemaError, match=r"would let a client set Board.deleted_at, which the server makes"):
        Resource(Board, read=BoardRead, create=BoardCreate)


async def test_only_models_that_keep_deleted_rows_can_restore(archive: Face) -> None:
    class Plain(Model, registry=registry(metadata=MetaData())):
        pass

    class Thing(Plain, table=True):
        id: int | None = Field(default=None, primary_key=True)

    async with archive.transaction() as session:
        with pytest.raises(
            ModelError, match=r"Thing keeps no deleted rows, so none can be restored. Derive it"
        ):
            await archive(restore, session, Thing, 1)


def test_links_cannot_be_kept_when_they_are_deleted() -> None:
    class Base(Model, registry=registry(metadata=MetaData())):
        pass

    class Link(SoftDeleted, Base, table=True):
        left_id: int = Field(foreign_key="left.id", primary_key=True)
        right_id: int = Field(foreign_key="right.id", primary_key=True)

    class Left(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        rights: list[Right] = Relationship(link_model=Link)

    class Right(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    with pytest.raises(
        ModelError, match=r"Left.rights cannot be stored in Link, which keeps its deleted rows"
    ):
        Base._sa_registry.configure()


class VehicleBase(Model, registry=registry(metadata=MetaData())):
    pass


class Vehicle(SoftDeleted, VehicleBase, table=True):
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}
    id: int | None = Field(default=None, primary_key=True)
    kind: str = "vehicle"
    plate: str = Field(unique=True)


class Car(Vehicle, table=True):
    __mapper_args__ = {"polymorphic_identity": "car"}
    id: int | None = Field(default=None, foreign_key="vehicle.id", primary_key=True)
    doors: int = 5


class VehicleRead(Model):
    id: int
    plate: str


class CarRead(VehicleRead):
    doors: int


class Driver(SoftDeleted, VehicleBase, table=True):
    id: int = Field(primary_key=True)
    car_id: int | None = Field(default=None, foreign_key="car.id")


async def test_rows_in_two_tables_are_marked_and_hidden(face: Face) -> None:
    await face.create_all(VehicleBase.metadata)
    async with face.transaction() as session:
        session.add_all([Vehicle(id=1, plate="a"), Car(id=2, plate="b", doors=3), Car(id=3, plate="c")])
        await face.flush(session)
        session.add(Driver(id=1, car_id=2))
    async with face.transaction() as session:
        with pytest.raises(Conflict, match="Car cannot be deleted or re-keyed: Driver still points to it"):
            await face(delete, session, Car, 2)
        await face(delete, session, Driver, 1)
        await face(delete, session, Car, 2)
    async with face.transaction() as session:
        assert [one.id for one in await face(fetch, session, select(Car), CarRead)] == [3]
        assert [one.id for one in await face(fetch, session, select(Vehicle), VehicleRead)] == [1, 3]
        assert await face(delete_where, session, select(Car).where(Car.doors == 5)) == 1
        assert [one.id for one in await face(fetch, session, select(Vehicle), VehicleRead)] == [1]
        assert (await face(restore, session, Car, 2)).doors == 3
        with pytest.raises(NotFound):
            await face(delete, session, Vehicle, 3)


async def test_an_association_that_is_kept_is_no_link(face: Face) -> None:
    async with face.transaction() as session:
        with pytest.raises(PlanError, match=r"Work.shifts cannot be linked: Shift keeps its deleted rows"):
            await face(link, session, Work, 1, "shifts", ["x"])


class ShiftBase(Model, registry=registry(metadata=MetaData())):
    pass


class Hand(ShiftBase, table=True):
    id: str = Field(primary_key=True)


class Shift(SoftDeleted, ShiftBase, table=True):
    work_id: int = Field(foreign_key="work.id", primary_key=True)
    hand_id: str = Field(foreign_key="hand.id", primary_key=True)
    work: Work = Relationship(back_populates="shifts")


class Work(ShiftBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    shifts: list[Shift] = Relationship(back_populates="work")


def test_a_child_of_a_table_cannot_keep_rows_that_its_parent_does_not() -> None:
    class Kept(Model, registry=registry(metadata=MetaData())):
        pass

    class Parent(Kept, table=True):
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "parent"}
        id: int | None = Field(default=None, primary_key=True)
        kind: str = "parent"

    with pytest.raises(ModelError, match="Child is SoftDeleted, but Parent, whose rows it shares, is not"):

        class Child(SoftDeleted, Parent, table=True):
            __mapper_args__ = {"polymorphic_identity": "child"}


@pytest.mark.parametrize("unique", [UniqueConstraint("name", deferrable=True, initially="DEFERRED")])
def test_a_deferred_key_is_refused(unique: Any) -> None:
    class Late(Model, registry=registry(metadata=MetaData())):
        pass

    with pytest.raises(ModelError, match=r"uq_thing_name of thing is deferrable. A SoftDeleted model makes"):

        class Thing(SoftDeleted, Late, table=True):
            __table_args__ = (unique,)
            id: int | None = Field(default=None, primary_key=True)
            name: str
