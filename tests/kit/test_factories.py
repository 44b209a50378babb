"""Made rows are valid, complete, and the same in every run."""

from __future__ import annotations

import enum
import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import ConfigurationError, Field, Model, Relationship, UtcDatetime
from fieldstone.testing import factories, make, make_many

METADATA = MetaData()


class Local(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def even(value: int) -> int:
    if value % 2:
        raise ValueError("Input should be even")
    return value


def shout(value: str) -> str:
    if not value.startswith("!"):
        raise ValueError("Input should start with !")
    return value


class Team(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=6, unique=True)
    members: list[Person] = Relationship(back_populates="team")


class Skill(Local, table=True):
    code: str = Field(primary_key=True, max_length=12)


class PersonSkill(Local, table=True):
    person_code: str = Field(primary_key=True, foreign_key="person.code")
    skill_code: str = Field(primary_key=True, foreign_key="skill.code")


class Person(Local, table=True):
    code: str = Field(primary_key=True, min_length=8, max_length=12)
    age: int = Field(ge=18, le=99)
    places: Annotated[int, AfterValidator(even)]
    share: Decimal = Field(max_digits=5, decimal_places=2, ge=0)
    kind: Literal["one", "two"]
    colour: Colour
    slug: str = Field(regex="^[a-z]{3}-[0-9]{4}$", unique=True)
    born: date
    seen: UtcDatetime
    key: uuid.UUID
    note: str | None = None
    team_id: int = Field(foreign_key="team.id")
    boss_code: str | None = Field(default=None, foreign_key="person.code")
    team: Team = Relationship(back_populates="members")
    skills: list[Skill] = Relationship(link_model=PersonSkill)


class Badge(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    person_code: str = Field(foreign_key="person.code")


class Loud(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    word: Annotated[str, AfterValidator(shout)]


class Answer(Local, table=True):
    choice: Literal["yes", "no"] = Field(primary_key=True)


class Egg(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    hen_id: int = Field(foreign_key="hen.id")


class Hen(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    egg_id: int = Field(foreign_key="egg.id")


class Note(Model): ...


@pytest.fixture
def fieldstone_metadata() -> MetaData:
    return METADATA


def test_what_is_required_is_made_up_and_valid(session: Session) -> None:
    people = make_many(session, Person, 20)
    for person in people:
        Person.model_validate(person.model_dump())
    assert people[0].code == "code 1.."
    assert people[0].seen.tzinfo is not None
    assert len({person.slug for person in people}) == 20
    assert {person.kind for person in people} == {"one", "two"}
    assert len({person.team_id for person in people}) == 20


def test_what_may_be_missing_stays_so_unless_asked_for(session: Session) -> None:
    boss = make(session, Person)
    assert (boss.note, boss.boss_code) == (None, None)
    person = make(session, Person, note="new", boss_code=boss.code)
    assert (person.note, person.boss_code) == ("new", boss.code)


def test_relationships_take_instances_values_and_numbers(session: Session) -> None:
    team = make(session, Team, name="red", members=2)
    assert [member.team_id for member in team.members] == [team.id, team.id]
    assert make(session, Person, team=team).team_id == team.id
    assert make(session, Person, team={"name": "blue"}).team.name == "blue"
    assert make(session, Person, team_id=team.id).team_id == team.id
    skilled = make(session, Person, skills=[{"code": "weld"}, make(session, Skill)])
    assert {skill.code for skill in skilled.skills} == {"weld", "code 1"}
    assert [one.note for one in make(session, Team, members=[{"note": "a"}, {"note": "b"}]).members] == [
        "a",
        "b",
    ]


def test_a_required_key_without_a_relationship_is_followed_as_well(session: Session) -> None:
    badge = make(session, Badge)
    assert session.get(Person, badge.person_code) is not None
    people = make_many(session, Person, 2)
    assert make(session, PersonSkill, person_code=people[0].code).person_code == people[0].code


async def test_rows_are_made_with_async_sessions_too(async_session: AsyncSession) -> None:
    team = await make(async_session, Team)
    people = await make_many(async_session, Person, 2, team=team)
    assert {person.team_id for person in people} == {team.id}


def test_values_depend_on_the_tests_name_alone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def slugs(test: str) -> list[str]:
        session.rollback()
        monkeypatch.setenv("PYTEST_CURRENT_TEST", f"{test} (call)")
        factories.begin()
        return [person.slug for person in make_many(session, Person, 3)]

    first, second = slugs("test_a.py::test_one"), slugs("test_a.py::test_two")
    assert slugs("test_a.py::test_one") == slugs("test_a.py::test_one") == first != second
    assert first[0] == "crs-5706"  # in every process


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (Person, {"colr": "red"}, r"Person has no 'colr'\. It has: team, skills, .*colour"),
        (Note, {}, r"Note has no table, so no row of it can be made\. Name a table model\."),
        (
            Loud,
            {},
            r"No valid values were found for Loud \(word\): .*start with !.* Give them: make\(session,",
        ),
        (Egg, {}, r"Hen needs a Egg, which needs a Hen in turn\. Make one of them yourself and give it\."),
        (Person, {"age": 17}, r"No valid values were found for Person .*age: Input should be greater"),
    ],
    ids=["unknown", "no table", "own rule", "circle", "given and invalid"],
)
def test_what_cannot_be_made_is_an_error(
    session: Session, model: type[Any], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(session, model, **values)


def test_unique_values_run_out(session: Session) -> None:
    assert {answer.choice for answer in make_many(session, Answer, 2)} == {"yes", "no"}
    with pytest.raises(ConfigurationError, match="there are no more that are unique"):
        make(session, Answer)
