"""No row comes to stand below itself: by no verb, no assignment and no two transactions at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import ForeignKeyConstraint, MetaData, update
from sqlalchemy.orm import registry
from sqlmodel import Session, col, select

from fieldstone import (
    Field,
    InvalidValues,
    Model,
    Relationship,
    TransactionConflict,
    create,
    patch,
)
from fieldstone.testing import count_statements
from tests.domain import Task
from tests.faces import Face

RINGS = MetaData()


class RingModel(Model, registry=registry(metadata=RINGS)):
    """Keep these tables apart from those of other test modules."""


class Step(RingModel, table=True):
    """A ring is meant: there is no list side."""

    id: int | None = Field(default=None, primary_key=True)
    next_id: int | None = Field(default=None, foreign_key="step.id")
    next: Step | None = Relationship()


class Friend(RingModel, table=True):
    """A ring is allowed in so many words."""

    id: int | None = Field(default=None, primary_key=True)
    likes_id: int | None = Field(
        default=None, foreign_key="friend.id", sa_column_kwargs={"info": {"acyclic": False}}
    )
    likes: Friend | None = Relationship(back_populates="liked_by")
    liked_by: list[Friend] = Relationship(back_populates="likes")


class Part(RingModel, table=True):
    """A composite key, without relationships, and no ring."""

    __table_args__ = (
        ForeignKeyConstraint(["in_shop", "in_number"], ["part.shop", "part.number"], name="fk_part_in"),
    )
    shop: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    in_shop: int | None = Field(default=None, sa_column_kwargs={"info": {"acyclic": True}})
    in_number: int | None = None


@pytest.fixture
async def rings(face: Face) -> Face:
    await face.create_all(RINGS)
    return face


async def parents(face: Face) -> dict[int, int | None]:
    async with face.transaction() as session:
        tasks = (await face.exec(session, select(Task).order_by(col(Task.id)))).all()
        return {task.id: task.parent_id for task in tasks}


STORED = {1: None, 2: 1, 3: 1, 4: 2, 5: None}


@pytest.mark.parametrize("parent", [1, 2, 3, 4])
async def test_a_patch_below_itself_is_refused_and_names_the_field(stored: Face, parent: int) -> None:
    with pytest.raises(InvalidValues) as caught:
        async with stored.transaction() as session:
            await stored(patch, session, Task, 1, {"parent_id": parent})
    (problem,) = caught.value.problems
    assert (problem.path, problem.rule) == (("parent_id",), "cycle")
    assert str(caught.value) == (
        "Task refuses parent_id: would put a Task below itself. Choose one that is not below it"
    )
    assert await parents(stored) == STORED


async def test_a_move_elsewhere_in_the_tree_is_made(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored(patch, session, Task, 2, {"parent_id": 3})
        await stored(patch, session, Task, 1, {"parent_id": 5})
    assert await parents(stored) == {**STORED, 2: 3, 1: 5}


async def test_only_a_move_below_another_costs_statements(stored: Face) -> None:
    turns = 1 if stored.dialect == "postgresql" else 0
    for values, further in (({"title": "x"}, 0), ({"parent_id": 3}, 1 + turns), ({"parent_id": None}, 0)):
        async with stored.transaction() as session:
            with count_statements(stored.database) as statements:
                await stored(patch, session, Task, 4, values)
        assert len(statements) == 2 + further, statements
    with count_statements(stored.database) as statements:
        async with stored.transaction() as session:
            await stored(create, session, Task, {"id": 9, "title": "x", "parent_id": 4})
    assert len(statements) == 1, statements


async def test_a_row_created_below_itself_is_refused(stored: Face) -> None:
    with pytest.raises(InvalidValues, match="parent_id: would put a Task below itself"):
        async with stored.transaction() as session:
            await stored(create, session, Task, {"id": 9, "title": "x", "parent_id": 9})


async def test_an_assigned_key_is_refused_at_the_flush(stored: Face) -> None:
    with pytest.raises(InvalidValues, match="parent_id"):
        async with stored.transaction() as session:
            root = (await stored.exec(session, select(Task).where(Task.id == 1))).one()
            root.parent_id = 4
    assert await parents(stored) == STORED


async def test_an_assigned_parent_is_refused_at_the_flush(stored: Face) -> None:
    def assign(session: Session) -> None:
        root, leaf = session.get_one(Task, 1), session.get_one(Task, 4)
        root.parent = leaf

    with pytest.raises(InvalidValues, match="parent_id"):
        async with stored.transaction() as session:
            await stored.run(session, assign)
    assert await parents(stored) == STORED


async def test_a_cycle_that_is_all_in_memory_is_refused(stored: Face) -> None:
    def assign(session: Session) -> None:
        left, right = session.get_one(Task, 2), session.get_one(Task, 3)
        left.parent, right.parent = right, left

    with pytest.raises(InvalidValues, match="parent_id"):
        async with stored.transaction() as session:
            await stored.run(session, assign)
    with pytest.raises(InvalidValues, match="parent_id"):
        async with stored.transaction() as session:
            new = Task(title="new")
            new.parent = new
            session.add(new)
    assert await parents(stored) == STORED


async def test_children_put_below_their_own_descendant_are_refused(stored: Face) -> None:
    def append(session: Session) -> None:
        root, leaf = session.get_one(Task, 1), session.get_one(Task, 4)
        leaf.subtasks.append(root)

    with pytest.raises(InvalidValues, match="parent_id"):
        async with stored.transaction() as session:
            await stored.run(session, append)
    assert await parents(stored) == STORED


async def test_two_moves_that_cross_in_one_flush_are_made(stored: Face) -> None:
    def cross(session: Session) -> None:
        root, left = session.get_one(Task, 1), session.get_one(Task, 2)
        left.parent_id = None
        root.parent_id = 4

    async with stored.transaction() as session:
        await stored.run(session, cross)
    assert await parents(stored) == {**STORED, 2: None, 1: 4}


async def test_a_cycle_that_another_program_stored_does_not_stop_the_check(stored: Face) -> None:
    async with stored.transaction() as session:
        await stored.exec(session, update(Task).where(col(Task.id) == 1).values(parent_id=4))
    async with stored.transaction() as session:
        await stored(patch, session, Task, 5, {"parent_id": 1})
    with pytest.raises(InvalidValues, match="parent_id"):
        async with stored.transaction() as session:
            await stored(patch, session, Task, 3, {"parent_id": 5})
            await stored(patch, session, Task, 1, {"parent_id": 3})


async def test_a_ring_is_refused_only_where_the_model_means_a_tree(rings: Face) -> None:
    for model, up in ((Step, "next_id"), (Friend, "likes_id")):
        async with rings.transaction() as session:
            await rings(create, session, model, {"id": 1})
            await rings(create, session, model, {"id": 2, up: 1})
            await rings(patch, session, model, 1, {up: 2})


async def test_a_composite_key_is_followed(rings: Face) -> None:
    async with rings.transaction() as session:
        for number in (1, 2, 3):
            above = {"in_shop": 7, "in_number": number - 1} if number > 1 else {}
            await rings(create, session, Part, {"shop": 7, "number": number, **above})
    async with rings.transaction() as session:
        await rings(patch, session, Part, (7, 3), {"in_shop": 7, "in_number": 1})
    with pytest.raises(InvalidValues, match=r"in_shop: would put a Part below itself.*in_number"):
        async with rings.transaction() as session:
            await rings(patch, session, Part, (7, 1), {"in_shop": 7, "in_number": 3})


async def together(face: Face, *moves: tuple[int, int], isolation: str | None = None) -> list[Any]:
    """Make moves in transactions of their own, all of which have read before any writes."""
    options: Any = {"isolation_level": isolation} if isolation else {}
    barrier = threading.Barrier(len(moves), timeout=20)

    def move(key: int, parent: int) -> Any:
        try:
            with face.database.transaction() as session:
                if face.dialect == "postgresql":
                    session.connection(execution_options=options)
                    session.exec(select(Task)).all()
                barrier.wait()
                patch(session, Task, key, {"parent_id": parent})
                return None
        except (InvalidValues, TransactionConflict) as error:
            return error

    return await asyncio.gather(*(asyncio.to_thread(move, *one) for one in moves))


async def test_two_halves_of_a_cycle_never_both_commit(stored: Face) -> None:
    for _ in range(5):
        outcomes = await together(stored, (2, 3), (3, 2))
        assert sum(one is None for one in outcomes) == 1, outcomes
        assert all(one is None or isinstance(one, InvalidValues) for one in outcomes)
        async with stored.transaction() as session:
            for key in (2, 3):
                await stored(patch, session, Task, key, {"parent_id": 1})


async def test_three_parts_of_a_cycle_never_all_commit(stored: Face) -> None:
    async with stored.transaction() as session:
        for key in (2, 3, 4):
            await stored(patch, session, Task, key, {"parent_id": None})
    outcomes = await together(stored, (2, 3), (3, 4), (4, 2))
    assert sum(one is None for one in outcomes) == 2, outcomes


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_an_older_snapshot_does_not_hide_the_other_half(stored: Face, isolation: str) -> None:
    if stored.dialect == "sqlite":
        isolation = ""  # it has no other levels, and needs none
    outcomes = await together(stored, (2, 3), (3, 2), isolation=isolation)
    assert sum(one is None for one in outcomes) == 1, outcomes
