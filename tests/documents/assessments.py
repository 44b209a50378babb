"""The domain of the patterns document: users take assessments, in teams, and answer questions.

Its tables have a registry of their own, so that their names may repeat those of other test modules.
Only public names are used: this is what a user of the package would write.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import MetaData, UniqueConstraint
from sqlalchemy.orm import registry

from fieldstone import Field, Model, Relationship, StoredAs, Timestamps, UtcDatetime, UUIDKey, partial

METADATA = MetaData()


class AssessmentModel(Model, registry=registry(metadata=METADATA)):
    """Stand above the tables of this domain."""


def hash_password(password: str) -> str:
    """Stand in for a real password hash: the tests only need to see that it was applied."""
    return f"hashed:{password[::-1]}"


Password = Annotated[str, Field(min_length=12), StoredAs("hashed_password", hash_password)]


class Team(UUIDKey, AssessmentModel, table=True):
    name: str = Field(max_length=80)
    members: list[User] = Relationship(back_populates="team")


class UserBase(Model):
    email: str = Field(min_length=3, max_length=254, unique=True)


class User(UserBase, UUIDKey, Timestamps, AssessmentModel, table=True):
    hashed_password: str
    team_id: UUID | None = Field(default=None, foreign_key="team.id", ondelete="SET NULL")
    team: Team | None = Relationship(back_populates="members")
    assessments: list[Assessment] = Relationship(back_populates="user")
    coached: list[Assessment] = Relationship(back_populates="coach")
    answers: list[UserAnswer] = Relationship(back_populates="user")


class AssessmentBase(Model):
    title: str = Field(max_length=200)
    description: str | None = None
    completed_at: UtcDatetime | None = None
    coach_id: UUID | None = Field(default=None, foreign_key="user.id", ondelete="SET NULL")


class Assessment(AssessmentBase, UUIDKey, Timestamps, AssessmentModel, table=True):
    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    user: User = Relationship(back_populates="assessments")
    coach: User | None = Relationship(back_populates="coached")
    questions: list[Question] = Relationship(back_populates="assessment")


class Question(UUIDKey, AssessmentModel, table=True):
    text: str
    assessment_id: UUID = Field(foreign_key="assessment.id", ondelete="CASCADE")
    assessment: Assessment = Relationship(back_populates="questions")
    answers: list[UserAnswer] = Relationship(back_populates="question")


class UserAnswer(UUIDKey, Timestamps, AssessmentModel, table=True):
    __table_args__ = (UniqueConstraint("user_id", "question_id"),)
    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    question_id: UUID = Field(foreign_key="question.id", ondelete="CASCADE")
    value: str
    user: User = Relationship(back_populates="answers")
    question: Question = Relationship(back_populates="answers")


class UserCreate(UserBase):
    password: Password


@partial
class UserUpdate(UserBase):
    password: Password


class UserRead(UserBase):
    id: UUID
    created_at: datetime


class TeamRead(Model):
    name: str


class UserWithTeam(UserRead):
    team: TeamRead | None


class QuestionRead(Model):
    text: str


class AssessmentRead(AssessmentBase):
    id: UUID
    user_id: UUID
    created_at: datetime


class AssessmentCreate(AssessmentBase):
    user_id: UUID


@partial
class AssessmentUpdate(AssessmentBase):
    pass


class AssessmentWithUser(AssessmentRead):
    user: UserRead


class AssessmentWithQuestions(AssessmentRead):
    questions: list[QuestionRead]


class UserWithAssessments(UserRead):
    assessments: list[AssessmentRead]


class UserInDepth(UserRead):
    """Reach two collections down and one reference across."""

    team: TeamRead | None
    assessments: list[AssessmentWithQuestions]


def sample() -> list[AssessmentModel]:
    """Make three users in two teams; ada took three assessments, of which one has questions."""
    north, south = Team(name="North"), Team(name="South")
    ada, bob, eve = (
        User(email=f"{name}@example.org", hashed_password=f"secret of {name}", team=team)
        for name, team in (("ada", north), ("bob", south), ("eve", north))
    )
    health = Assessment(title="Health", user_id=ada.id, coach_id=bob.id)
    others = [Assessment(title=title, user_id=ada.id) for title in ("Skills", "Goals")]
    questions = [Question(text=text, assessment_id=health.id) for text in ("How are you?", "Really?")]
    return [ada, bob, eve, health, *others, *questions]
