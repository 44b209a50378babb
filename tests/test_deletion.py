"""Deletion follows `ondelete` and nothing else, loaded or not; P13-P15."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from typing import Any

import pytest
from sqlalchemy.orm import registry
from sqlmodel import select

from fieldstone import Conflict
from fieldstone.models import Field, Model, Relationship
from tests.faces import Face


def tree(**key: Any) -> Any:
    class Base(Model, registry=registry()):
        pass

    class Parent(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        children: list["Child"] = Relationship(back_populates="parent")

    class Child(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="parent.id", **key)
        parent: Parent | None = Relationship(back_populates="children")

    return Base, Parent, Child


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(("key", "left"), [({"ondelete": "CASCADE"}, []), ({"ondelete": "SET NULL"}, [None])])
async def test_deleting_follows_ondelete_whether_or_not_the_children_are_loaded(
    face: Face, key: dict[str, Any], left: list[Any], loaded: bool
) -> None:
    base, parent, child = tree(**key)
    await face.create_all(base.metadata)
    async with face.transaction() as session:
        session.add(parent(id=1, children=[child()]))

    def remove(sync: Any) -> None:
        found = sync.get(parent, 1)
        if loaded:
            assert found.children
        sync.delete(found)

    async with face.transaction() as session:
        await face.run(session, remove)
    async with face.transaction() as session:
        assert (await face.exec(session, select(child.parent_id))).all() == left


@pytest.mark.parametrize("loaded", [False, True])
async def test_without_ondelete_the_database_refuses(face: Face, loaded: bool) -> None:
    base, parent, child = tree()
    await face.create_all(base.metadata)
    async with face.transaction() as session:
        session.add(parent(id=1, children=[child()]))

    def remove(sync: Any) -> None:
        found = sync.get(parent, 1)
        if loaded:
            assert found.children
        sync.delete(found)

    with pytest.raises(Conflict):
        async with face.transaction() as session:
            await face.run(session, remove)
    async with face.transaction() as session:
        assert (await face.exec(session, select(child.parent_id))).all() == [1]


async def test_cascade_delete_is_kept_where_it_is_asked_for(face: Face) -> None:
    class Base(Model, registry=registry()):
        pass

    class Parent(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        children: list["Child"] = Relationship(back_populates="parent", cascade_delete=True)

    class Child(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int = Field(foreign_key="parent.id", ondelete="CASCADE")
        parent: Parent = Relationship(back_populates="children")

    await face.create_all(Base.metadata)
    async with face.transaction() as session:
        session.add(Parent(id=1, children=[Child(id=1), Child(id=2)]))

    def orphan(sync: Any) -> None:
        parent = sync.get(Parent, 1)
        parent.children.remove(parent.children[0])

    async with face.transaction() as session:
        await face.run(session, orphan)
    async with face.transaction() as session:
        assert (await face.exec(session, select(Child.id))).all() == [2]
        await face.run(session, lambda s: s.delete(s.get(Parent, 1)))
    async with face.transaction() as session:
        assert (await face.exec(session, select(Child.id))).all() == []


@pytest.mark.parametrize("side", ["task", "worker"])
@pytest.mark.parametrize("loaded", [False, True])
async def test_an_association_with_fields_goes_with_either_end(face: Face, side: str, loaded: bool) -> None:
    class Base(Model, registry=registry()):
        pass

    class Assignment(Base, table=True):
        task_id: int = Field(foreign_key="task.id", ondelete="CASCADE", primary_key=True)
        worker_id: str = Field(foreign_key="worker.id", ondelete="CASCADE", primary_key=True)
        role: str = "owner"
        task: "Task" = Relationship(back_populates="assignments")
        worker: "Worker" = Relationship(back_populates="assignments")

    class Task(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        assignments: list[Assignment] = Relationship(back_populates="task")

    class Worker(Base, table=True):
        id: str = Field(primary_key=True)
        assignments: list[Assignment] = Relationship(back_populates="worker")

    await face.create_all(Base.metadata)
    async with face.transaction() as session:
        session.add(Task(id=1, assignments=[Assignment(worker=Worker(id="@ann"), role="reviewer")]))

    def remove(sync: Any) -> None:
        found = sync.get(Task, 1) if side == "task" else sync.get(Worker, "@ann")
        if loaded:
            assert [each.role for each in found.assignments] == ["reviewer"]
        sync.delete(found)

    async with face.transaction() as session:
        await face.run(session, remove)
    async with face.transaction() as session:
        assert (await face.exec(session, select(Assignment))).all() == []


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("ondelete", ["CASCADE", None])
async def test_links_of_a_many_to_many_follow_ondelete_alike_loaded_or_not(
    face: Face, ondelete: Any, loaded: bool
) -> None:
    class Base(Model, registry=registry()):
        pass

    key = {"ondelete": ondelete} if ondelete else {}

    class Link(Base, table=True):
        hero_id: int = Field(foreign_key="hero.id", primary_key=True, **key)
        tag_id: int = Field(foreign_key="tag.id", primary_key=True, **key)

    class Hero(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list["Tag"] = Relationship(back_populates="heroes", link_model=Link)

    class Tag(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        heroes: list[Hero] = Relationship(back_populates="tags", link_model=Link)

    await face.create_all(Base.metadata)
    async with face.transaction() as session:
        session.add(Hero(id=1, tags=[Tag(id=1), Tag(id=2)]))

    def remove(sync: Any) -> None:
        hero = sync.get(Hero, 1)
        if loaded:
            assert len(hero.tags) == 2
        sync.delete(hero)

    if ondelete:
        async with face.transaction() as session:
            await face.run(session, remove)
    else:
        with pytest.raises(Conflict):
            async with face.transaction() as session:
                await face.run(session, remove)
    async with face.transaction() as session:
        assert len((await face.exec(session, select(Link))).all()) == (0 if ondelete else 2)
