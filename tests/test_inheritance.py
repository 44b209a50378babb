"""Subclasses of tables, and tables of plain SQLModel (P17)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from typing import Any, Optional

import pytest
from sqlalchemy.orm import registry
from sqlmodel import SQLModel, select

from fieldstone.models import Field, Model, Relationship
from tests.faces import Face


async def test_inheritance_in_one_table_and_joined(face: Face) -> None:
    class Base(Model, registry=registry()):
        pass

    class Employee(Base, table=True):
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}
        id: int | None = Field(default=None, primary_key=True)
        kind: str = "employee"
        name: str = Field(max_length=10)
        boss_id: int | None = Field(default=None, foreign_key="employee.id")
        boss: Optional["Manager"] = Relationship(back_populates="reports")

    class Manager(Employee, table=True):
        __mapper_args__ = {"polymorphic_identity": "manager"}
        bonus: int = Field(ge=1)
        reports: list[Employee] = Relationship(back_populates="boss")

    class Engineer(Employee, table=True):
        __mapper_args__ = {"polymorphic_identity": "engineer"}
        id: int | None = Field(default=None, primary_key=True, foreign_key="employee.id", ondelete="CASCADE")
        language: str = Field(max_length=5)

    assert set(Base.metadata.tables) == {"employee", "engineer"}
    assert set(Base.metadata.tables["engineer"].c.keys()) == {"id", "language"}
    assert Base.metadata.tables["employee"].c.bonus.nullable
    with pytest.raises(ValueError, match=r"Manager refuses bonus: Field required"):
        Manager(name="m")
    with pytest.raises(ValueError, match=r"Engineer refuses name"):
        Engineer(name="x" * 11, language="py")

    await face.create_all(Base.metadata)
    async with face.transaction() as session:
        session.add(
            Manager(name="m", bonus=3, reports=[Engineer(name="e", language="py"), Employee(name="x")])
        )
    async with face.transaction() as session:

        def look(sync: Any) -> Any:
            everyone = sync.exec(select(Employee).order_by(Employee.id)).all()
            return [(type(each).__name__, each.kind, each.boss and each.boss.name) for each in everyone]

        assert await face.run(session, look) == [
            ("Manager", "manager", None),
            ("Engineer", "engineer", "m"),
            ("Employee", "employee", "m"),
        ]
        assert (await face.exec(session, select(Engineer.language))).all() == ["py"]


def test_a_subclass_without_table_is_no_table() -> None:
    class Base(Model, registry=registry()):
        pass

    class Hero(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(max_length=3)
        team_id: int | None = Field(default=None, foreign_key="hero.id")
        team: Optional["Hero"] = Relationship()

    class HeroClone(Hero):
        pass

    assert set(Base.metadata.tables) == {"hero"}
    assert HeroClone.model_validate({"name": "a"}).model_dump() == {"id": None, "name": "a", "team_id": None}
    with pytest.raises(ValueError, match=r"at most 3"):
        HeroClone.model_validate({"name": "abcd"})


def test_plain_sqlmodel_ends_are_understood() -> None:
    shared = registry()

    class Plain(SQLModel, registry=shared):
        pass

    class Hard(Model, registry=shared):
        pass

    class Team(Plain, table=True):
        id: int | None = Field(default=None, primary_key=True)
        heroes: list["Hero"] = Relationship(back_populates="team")

    class Hero(Hard, table=True):
        id: int | None = Field(default=None, primary_key=True)
        team_id: int | None = Field(default=None, foreign_key="team.id")
        team: Team | None = Relationship(back_populates="heroes")

    team = Team(heroes=[Hero()])
    assert team.heroes[0].team is team
