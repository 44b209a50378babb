"""The less common shapes of a mapping, on plain SQLModel tables, are read as exactly as the common ones."""

from typing import Any, cast

import pytest
from sqlalchemy import Column, ForeignKeyConstraint, Integer, MetaData, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import registry
from sqlmodel import Field, Relationship, SQLModel, col, select

from fieldstone import fetch, get, patch, plan
from fieldstone.testing import count_statements
from tests.faces import Face

METADATA = MetaData()


class Plain(SQLModel, registry=registry(metadata=METADATA)):
    pass


class Follow(Plain, table=True):
    follower_id: int = Field(foreign_key="person.id", primary_key=True)
    followee_id: int = Field(foreign_key="person.id", primary_key=True)


class Note(Plain, table=True):
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    text: str
    pinned: bool = False


class Badge(Plain, table=True):
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    label: str


class Person(Plain, table=True):
    id: int | None = Field(default=None, primary_key=True)
    model_config = cast(Any, {"ignored_types": (hybrid_property,)})
    first_name: str
    family: str = Field(sa_column=Column("last_name", String, nullable=False))
    follows: list["Person"] = Relationship(
        link_model=Follow,
        sa_relationship_kwargs={
            "primaryjoin": "Person.id == Follow.follower_id",
            "secondaryjoin": "Person.id == Follow.followee_id",
        },
    )
    notes: list[Note] = Relationship(sa_relationship_kwargs={"order_by": "Note.text.desc()"})
    pinned: list[Note] = Relationship(
        sa_relationship_kwargs={
            "primaryjoin": "and_(Person.id == Note.person_id, Note.pinned == True)",
            "viewonly": True,
        }
    )
    badge: Badge | None = Relationship(sa_relationship_kwargs={"uselist": False})

    @hybrid_property
    def full_name(self) -> str:
        return self.first_name + " " + self.family


class Order(Plain, table=True):
    shop: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    lines: list["Line"] = Relationship(back_populates="order")


class Line(Plain, table=True):
    __table_args__ = (ForeignKeyConstraint(["shop", "order_number"], ["order.shop", "order.number"]),)
    id: int | None = Field(default=None, primary_key=True)
    shop: int | None = Field(sa_column=Column(Integer, nullable=True))
    order_number: int
    order: Order | None = Relationship(back_populates="lines")


class NoteRead(SQLModel):
    text: str


class BadgeRead(SQLModel):
    label: str


class FollowedRead(SQLModel):
    first_name: str


class PersonRead(SQLModel):
    full_name: str
    family: str
    follows: list[FollowedRead]
    notes: list[NoteRead]
    pinned: list[NoteRead]
    badge: BadgeRead | None


class LineRead(SQLModel):
    id: int


class OrderRead(SQLModel):
    lines: list[LineRead]


class OrderNumber(SQLModel):
    number: int


class LineOfOrder(SQLModel):
    order: OrderNumber | None


@pytest.fixture
async def stored(face: Face) -> Face:
    await face.create_all(METADATA)
    ada = Person(id=1, first_name="Ada", family="Lovelace")
    alan = Person(id=2, first_name="Alan", family="Turing")
    ada.follows = [alan]
    alan.follows = [ada, alan]
    ada.notes = [
        Note(text="a", person_id=1),
        Note(text="c", pinned=True, person_id=1),
        Note(text="b", person_id=1),
    ]
    async with face.transaction() as session:
        session.add_all([ada, alan])
        await face.flush(session)
        session.add_all([Badge(id=1, person_id=2, label="first"), Badge(id=2, person_id=2, label="second")])
        session.add_all([Order(shop=1, number=1), Order(shop=2, number=1)])
        await face.flush(session)
        session.add_all([Line(id=1, shop=1, order_number=1), Line(id=2, shop=2, order_number=1)])
        session.add(Line(id=3, shop=None, order_number=1))
    return face


async def people(stored: Face) -> dict[str, Any]:
    async with stored.transaction(read_only=True) as session:
        found = await stored(fetch, session, select(Person), PersonRead)
    return {person.full_name: person for person in found}


async def test_every_relationship_is_one_statement_at_most(stored: Face) -> None:
    with count_statements(stored.database) as statements:
        await people(stored)
    assert len(statements) == plan(Person, PersonRead).budget == 5


async def test_a_hybrid_and_a_renamed_column_are_read_like_columns(stored: Face) -> None:
    assert (await people(stored))["Ada Lovelace"].family == "Lovelace"


async def test_many_to_many_with_oneself_keeps_its_direction(stored: Face) -> None:
    found = await people(stored)
    assert [one.first_name for one in found["Ada Lovelace"].follows] == ["Alan"]
    assert [one.first_name for one in found["Alan Turing"].follows] == ["Ada", "Alan"]


async def test_children_come_in_the_order_of_their_relationship(stored: Face) -> None:
    assert [note.text for note in (await people(stored))["Ada Lovelace"].notes] == ["c", "b", "a"]


async def test_a_relationship_with_a_condition_keeps_it(stored: Face) -> None:
    found = await people(stored)
    assert [note.text for note in found["Ada Lovelace"].pinned] == ["c"]
    assert found["Alan Turing"].pinned == []


async def test_one_to_one_without_a_unique_key_does_not_multiply_rows(stored: Face) -> None:
    found = await people(stored)
    assert len(found) == 2
    assert found["Alan Turing"].badge == BadgeRead(label="first")
    assert found["Ada Lovelace"].badge is None


async def test_composite_keys_connect_on_all_their_parts(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        assert [one.id for one in (await stored(get, session, Order, (2, 1), OrderRead)).lines] == [2]
        lines = await stored(fetch, session, select(Line).order_by(col(Line.id)), LineOfOrder)
    assert [line.order and line.order.number for line in lines] == [1, 1, None]


async def test_a_renamed_column_can_be_patched_by_its_attribute(stored: Face) -> None:
    async with stored.transaction() as session:
        person = await stored(patch, session, Person, 1, {"family": "King"})
    assert person.full_name == "Ada King"
