"""A subtree and the way up each take one statement, at any depth, and end also where a ring is stored."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import ForeignKeyConstraint, MetaData, insert, update
from sqlalchemy.orm import registry
from sqlmodel import col

from fieldstone import (
    Field,
    InvalidValues,
    Model,
    NotFound,
    PlanError,
    Relationship,
    ancestors,
    get,
    subtree,
)
from fieldstone.testing import count_statements
from tests.domain import ProjectRead, SubtaskRead, TagRead, Task, TaskTree, WorkerRead
from tests.faces import Face

FORESTS = MetaData()


class ForestModel(Model, registry=registry(metadata=FORESTS)):
    """Keep these tables apart from those of other test modules."""


class Staff(ForestModel, table=True):
    """Two trees in one table, and children in an order of their own."""

    id: int | None = Field(default=None, primary_key=True)
    name: str
    boss_id: int | None = Field(default=None, foreign_key="staff.id")
    mentor_id: int | None = Field(default=None, foreign_key="staff.id")
    boss: Staff | None = Relationship(back_populates="team")
    team: list[Staff] = Relationship(
        back_populates="boss", sa_relationship_kwargs={"order_by": "Staff.name.desc()"}
    )
    mentor: Staff | None = Relationship(back_populates="mentees")
    mentees: list[Staff] = Relationship(back_populates="mentor")


class Part(ForestModel, table=True):
    """A composite key."""

    __table_args__ = (
        ForeignKeyConstraint(["in_shop", "in_number"], ["part.shop", "part.number"], name="fk_part_in"),
    )
    shop: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    in_shop: int | None = None
    in_number: int | None = None
    whole: Part | None = Relationship(
        back_populates="parts",
        sa_relationship_kwargs={"remote_side": "[Part.shop, Part.number]"},
    )
    parts: list[Part] = Relationship(back_populates="whole")


class Full(Model):
    """A tree whose only columns are joined or collected ones."""

    title: str
    project: ProjectRead | None
    author: WorkerRead | None
    tags: list[TagRead]
    subtasks: list[Full]


class Plain(Model):
    id: int
    subtasks: list[Plain]


class Team(Model):
    name: str
    team: list[Team]


class Mentees(Model):
    name: str
    mentees: list[Mentees] = []


class Both(Model):
    name: str
    team: list[Both]
    mentees: list[Both]


class PartTree(Model):
    number: int
    parts: list[PartTree]


class PartRead(Model):
    number: int


class StaffRead(Model):
    name: str


@pytest.fixture
async def forests(face: Face) -> Face:
    await face.create_all(FORESTS)
    async with face.transaction() as session:
        session.add_all(
            [
                Staff(id=1, name="Ada"),
                Staff(id=2, name="Bo", boss_id=1),
                Staff(id=3, name="Cy", boss_id=1, mentor_id=2),
                Staff(id=4, name="Di", boss_id=3, mentor_id=3),
                Part(shop=1, number=1),
                Part(shop=1, number=2, in_shop=1, in_number=1),
                Part(shop=2, number=1),
                Part(shop=2, number=2, in_shop=1, in_number=2),
            ]
        )
    return face


def plain(tree: Any) -> dict[int, Any]:
    return {one.id: plain(one) for one in tree.subtasks}


async def test_a_subtree_takes_one_statement(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            found = await stored(subtree, session, Task, 1, Plain)
    assert isinstance(found, Plain)
    assert plain(found) == {2: {4: {}}, 3: {}}
    assert len(statements) == 1, statements
    assert "secret" not in statements[0]
    assert "title" not in statements[0]


async def test_what_else_the_schema_names_is_read_for_all_rows_at_once(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            found = await stored(subtree, session, Task, 1, Full)
    left, right = found.subtasks
    assert (found.project.name, left.author.name, right.project.name) == ("Apollo", "Claude", "Gemini")
    assert [[tag.label for tag in one.tags] for one in (found, left, right)] == [
        ["urgent", "later"],
        ["later"],
        [],
    ]
    assert [one.title for one in left.subtasks] == ["Leaf"]
    assert len(statements) == 2, statements


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(0, {}), (1, {2: {}, 3: {}}), (2, {2: {4: {}}, 3: {}}), (1000, {2: {4: {}}, 3: {}})],
)
async def test_a_subtree_goes_as_deep_as_asked(stored: Face, depth: int, expected: Any) -> None:
    async with stored.transaction(read_only=True) as session:
        assert plain(await stored(subtree, session, Task, 1, Plain, depth=depth)) == expected


async def test_the_depth_of_the_schema_is_the_default(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        whole = await stored(get, session, Task, 1, TaskTree)
        assert await stored(subtree, session, Task, 1, TaskTree) == whole
        shallow = await stored(subtree, session, Task, 1, TaskTree, depth=1)
    assert [one.subtasks for one in shallow.subtasks] == [[], []]


@pytest.mark.parametrize("depth", [-1, 1001])
async def test_a_depth_out_of_bounds_is_refused(stored: Face, depth: int) -> None:
    async with stored.transaction(read_only=True) as session:
        with pytest.raises(InvalidValues, match="A subtree refuses depth: must be from 0 to 1000"):
            await stored(subtree, session, Task, 1, Plain, depth=depth)


async def test_ancestors_come_from_the_root_down_in_one_statement(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as statements:
            found = await stored(ancestors, session, Task, 4, SubtaskRead)
        assert await stored(ancestors, session, Task, 1, SubtaskRead) == []
    assert found == [SubtaskRead(id=1, title="Root"), SubtaskRead(id=2, title="Left")]
    assert len(statements) == 1, statements


async def test_a_missing_row_is_not_found(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        for verb, schema in ((subtree, Plain), (ancestors, SubtaskRead)):
            with pytest.raises(NotFound, match="No Task with key 99 was found"):
                await stored(verb, session, Task, 99, schema)
            with pytest.raises(InvalidValues, match="The key of Task refuses id"):
                await stored(verb, session, Task, "one", schema)


async def test_a_stored_ring_ends(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored.exec(session, update(Task).where(col(Task.id) == 1).values(parent_id=4))
    async with stored.transaction(read_only=True) as session:
        assert plain(await stored(subtree, session, Task, 1, Plain)) == {2: {4: {}}, 3: {}}
        assert plain(await stored(subtree, session, Task, 4, Plain, depth=1000)) == {1: {2: {}, 3: {}}}
        above = await stored(ancestors, session, Task, 4, SubtaskRead)
    assert [one.id for one in above] == [1, 2]


async def test_a_chain_deeper_than_validators_descend_is_read(stored: Face) -> None:
    chain = [{"id": n, "title": "x", "parent_id": n - 1 if n > 100 else None} for n in range(100, 700)]
    async with stored.transaction() as session:
        await stored.run(session, lambda session: session.execute(insert(Task), chain))
    async with stored.transaction(read_only=True) as session:
        found = await stored(subtree, session, Task, 100, Plain)
        above = await stored(ancestors, session, Task, 699, SubtaskRead)
    depth = 0
    while found.subtasks:
        (found,), depth = found.subtasks, depth + 1
    assert (depth, found.id) == (599, 699)
    assert [one.id for one in above] == list(range(100, 699))


async def test_children_come_in_the_order_of_their_relationship(forests: Face) -> None:
    async with forests.transaction(read_only=True) as session:
        found = await forests(subtree, session, Staff, 1, Team)
    assert [one.name for one in found.team] == ["Cy", "Bo"]
    assert [one.name for one in found.team[0].team] == ["Di"]


async def test_of_several_trees_the_schema_or_the_relationship_chooses(forests: Face) -> None:
    async with forests.transaction(read_only=True) as session:
        mentees = await forests(subtree, session, Staff, 2, Mentees)
        bosses = await forests(ancestors, session, Staff, 2, StaffRead, through="boss")
        mentors = await forests(ancestors, session, Staff, 4, StaffRead, through="mentor")
        with pytest.raises(
            PlanError, match=r"several relationships to a parent\. Name one: through='boss', "
        ):
            await forests(ancestors, session, Staff, 3, StaffRead)
        with pytest.raises(PlanError, match="has no relationship 'team' to a parent"):
            await forests(ancestors, session, Staff, 3, StaffRead, through="team")
        with pytest.raises(PlanError, match="Both contains itself several times: team, mentees"):
            await forests(subtree, session, Staff, 3, Both)
    assert [one.name for one in mentees.mentees[0].mentees] == ["Di"]
    assert [one.name for one in bosses] == ["Ada"]
    assert [one.name for one in mentors] == ["Bo", "Cy"]


async def test_a_schema_without_the_list_is_refused(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with pytest.raises(PlanError, match=r'not contain itself\. Add to it subtasks: list\["Subtask'):
            await stored(subtree, session, Task, 1, SubtaskRead)


async def test_a_composite_key_is_followed(forests: Face) -> None:
    async with forests.transaction(read_only=True) as session:
        found = await forests(subtree, session, Part, (1, 1), PartTree)
        limited = await forests(subtree, session, Part, (1, 1), PartTree, depth=1)
        above = await forests(ancestors, session, Part, (2, 2), PartRead)
    assert found.model_dump() == {
        "number": 1,
        "parts": [{"number": 2, "parts": [{"number": 2, "parts": []}]}],
    }
    assert limited.model_dump() == {"number": 1, "parts": [{"number": 2, "parts": []}]}
    assert [one.number for one in above] == [1, 2]
