"""What the documents' relationships do on plain SQLModel: classes that are not found, rows left behind.

See plain.py for why these tests stand here.
"""

from typing import Any

import pytest
from sqlalchemy import MetaData
from sqlalchemy.exc import IntegrityError, InvalidRequestError, SAWarning
from sqlalchemy.orm import registry
from sqlmodel import Field, Relationship, Session, SQLModel, delete, select

from tests.documents.plain import Plain

METADATA = MetaData()


class PrintedModel(SQLModel, registry=registry(metadata=METADATA)):
    """Stand above the tables of this module."""


class Task(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    parent_id: int | None = Field(default=None, foreign_key="task.id")
    assignments: list["TaskAssignment"] = Relationship(back_populates="task")


class TaskAssignment(PrintedModel, table=True):
    task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
    worker_id: str = Field(primary_key=True)
    task: Task = Relationship(back_populates="assignments")


class Owner(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    pieces: list["Piece"] = Relationship(back_populates="owner")


class Piece(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(default=None, foreign_key="owner.id")
    owner: Owner = Relationship(back_populates="pieces")


def test_a3_a7_a_relationship_to_a_class_that_the_block_lacks_fails_at_first_use() -> None:
    apart = registry()

    class Apart(SQLModel, registry=apart):
        pass

    class Person(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        assessments: list["Missing"] = Relationship()  # type: ignore[name-defined]  # noqa: F821  # as printed

    try:
        with pytest.raises(InvalidRequestError, match="failed to locate a name"):
            Person()
    finally:
        apart.dispose()


def test_a7_deleting_a_user_who_has_assessments_breaks_their_foreign_key(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        owner = Owner(pieces=[Piece()])
        session.add(owner)
        session.commit()
        session.delete(owner)
        with pytest.raises(IntegrityError, match=r"(?i)not.null"):
            session.flush()


def test_a7_a_postponed_list_is_taken_for_the_name_of_a_class() -> None:
    apart = registry()

    class Apart(SQLModel, registry=apart):
        pass

    class Person(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        pieces: "list[Piece]" = Relationship()

    try:
        with pytest.raises(InvalidRequestError, match="generic class"):
            Person()
    finally:
        apart.dispose()


def test_b8_deleting_either_end_of_an_assignment_fails(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        task = Task(title="t", assignments=[TaskAssignment(worker_id="@ada")])
        session.add(task)
        session.commit()
        session.delete(task)
        with pytest.raises(AssertionError, match="blank-out primary key"):
            session.flush()


def test_b8_an_association_cannot_be_made_from_a_create_schema() -> None:
    class AssignmentIn(SQLModel):
        worker_id: str

    class TaskIn(SQLModel):
        title: str
        assignments: list[AssignmentIn]

    with pytest.raises(AttributeError, match="_sa_instance_state"):
        Task.model_validate(TaskIn(title="t", assignments=[AssignmentIn(worker_id="@ada")]))


def test_b6_a_second_task_class_collides_with_the_first() -> None:
    shared = MetaData()

    class First(SQLModel, registry=registry(metadata=shared)):
        pass

    class Second(SQLModel, registry=registry(metadata=shared)):
        pass

    def declare(base: Any) -> None:
        class Job(base, table=True):  # type: ignore[misc, call-arg]  # a base chosen at run time
            id: int | None = Field(default=None, primary_key=True)

    declare(First)
    with pytest.raises(InvalidRequestError, match="already defined"):
        declare(Second)


def test_b7_a_bulk_deletion_leaves_links_behind_on_sqlite(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(Task(title="t", assignments=[TaskAssignment(worker_id="@ada")]))
        session.commit()
        if plain.is_sqlite:
            session.exec(delete(Task))
            assert len(session.exec(select(TaskAssignment)).all()) == 1
        else:
            with pytest.raises(IntegrityError, match="foreign key"):
                session.exec(delete(Task))


def test_b9_a_task_becomes_its_own_grandparent(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        root, leaf = Task(title="root"), Task(title="leaf")
        session.add_all([root, leaf])
        session.flush()
        leaf.parent_id, root.parent_id = root.id, leaf.id
        session.commit()
        assert {task.parent_id for task in session.exec(select(Task))} == {root.id, leaf.id}


def test_b21_two_relationships_that_do_not_know_each_other_disagree() -> None:
    class Linked(SQLModel, registry=registry()):
        pass

    class Whole(Linked, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tasks: list["Part"] = Relationship()

    class Part(Linked, table=True):
        id: int | None = Field(default=None, primary_key=True)
        whole_id: int | None = Field(default=None, foreign_key="whole.id")
        whole: Whole | None = Relationship()

    with pytest.warns(SAWarning, match="conflicts with relationship"):
        whole, part = Whole(), Part()
    whole.tasks.append(part)
    assert part.whole is None
