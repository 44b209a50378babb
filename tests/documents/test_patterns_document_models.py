"""What the patterns document's blocks on models and writing are for, done with Fieldstone.

Blocks A3 to A7 and A9, in the document's order; the numbers are those of docs/from-the-documents.md,
and P1 to P38 are the project's own list of patterns. Every test runs sync and async, on SQLite and
on PostgreSQL.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import registry
from sqlmodel import select

from fieldstone import (
    Conflict,
    Field,
    InvalidValues,
    Model,
    NotFound,
    NotLoaded,
    PlanError,
    Resource,
    SchemaError,
    count,
    create,
    delete,
    first,
    get,
    one,
    patch,
    upsert,
)
from fieldstone.testing import count_statements
from tests.documents.assessments import (
    METADATA,
    Assessment,
    AssessmentCreate,
    AssessmentRead,
    AssessmentUpdate,
    AssessmentWithQuestions,
    Question,
    Team,
    User,
    UserAnswer,
    UserBase,
    UserCreate,
    UserRead,
    UserUpdate,
    sample,
)
from tests.faces import Face


@pytest.fixture
async def stored(face: Face) -> Face:
    """Have three users, of whom ada took three assessments."""
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all(sample())
    return face


ADA = "ada@example.org"


async def key_of_ada(face: Face) -> UUID:
    async with face.transaction(read_only=True) as session:
        ada: UserRead = await face(one, session, select(User).where(User.email == ADA), UserRead)
    return ada.id


# A3 Model and schemas


async def test_a3_p6_a_password_goes_in_and_never_comes_out(stored: Face) -> None:
    sent = UserCreate(email="new@example.org", password="correct horse battery")
    async with stored.transaction() as session:
        user = await stored(create, session, User, sent)
        assert user.hashed_password == "hashed:yrettab esroh tcerroc"
        with count_statements(stored.database) as statements:
            read = await stored(get, session, User, user.id, UserRead)
    assert set(read.model_dump()) == {"id", "email", "created_at"}
    assert not any("hashed_password" in statement for statement in statements)


def test_a3_p6_a_field_that_the_table_lacks_is_refused_before_anything_runs() -> None:
    class UserRead(Model):
        id: UUID
        password: str

    with pytest.raises((PlanError, SchemaError), match=r"password(.|\n)*User"):
        Resource(User, read=UserRead)


def test_a3_p1_an_update_schema_that_loosens_a_rule_is_refused_before_anything_runs() -> None:
    class UserUpdate(Model):
        email: str | None = None

    with pytest.raises(SchemaError, match="email"):
        Resource(User, read=UserRead, update=UserUpdate)


def test_a3_p1_a_create_schema_may_not_set_what_the_server_makes() -> None:
    class UserCreate(UserBase):
        hashed_password: str
        created_at: datetime

    with pytest.raises(SchemaError, match="created_at"):
        Resource(User, read=UserRead, create=UserCreate)


async def test_a3_p5_an_update_changes_what_was_sent_and_nothing_else(stored: Face) -> None:
    key = await key_of_ada(stored)
    async with stored.transaction() as session:
        user = await stored(
            patch, session, User, key, UserUpdate.model_validate({"password": "another long one"})
        )
        assert (user.email, user.hashed_password) == (ADA, "hashed:eno gnol rehtona")
    async with stored.transaction() as session:
        user = await stored(patch, session, User, key, UserUpdate.model_validate({}))
        assert (user.email, user.hashed_password) == (ADA, "hashed:eno gnol rehtona")


@pytest.mark.parametrize(
    ("sent", "about"),
    [
        ({"email": None}, "email"),
        ({"email": ""}, "email"),
        ({"password": "short"}, "password"),
        ({"emial": ADA}, "emial"),
    ],
)
def test_a3_p5_an_update_keeps_every_rule_of_its_base(sent: dict[str, Any], about: str) -> None:
    with pytest.raises(ValueError, match=about):
        UserUpdate.model_validate(sent)


async def test_a3_p7_created_at_is_made_in_utc(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        user = await stored(first, session, select(User), UserRead)
    assert user is not None
    assert user.created_at.tzinfo is UTC
    assert abs((datetime.now(UTC) - user.created_at).total_seconds()) < 60


async def test_a3_p28_a_second_user_with_the_same_address_is_a_conflict_that_names_the_field(
    stored: Face,
) -> None:
    with pytest.raises(Conflict, match="email") as refused:
        async with stored.transaction() as session:
            await stored(create, session, User, UserCreate(email=ADA, password="correct horse battery"))
    assert (refused.value.kind, refused.value.fields) == ("unique", ("email",))
    assert ADA not in str(refused.value)


# A4 Session state


async def test_a4_p22_an_object_stays_readable_after_commit(stored: Face) -> None:
    async with stored.transaction() as session:
        user = User(email="test@example.org", hashed_password="-")
        session.add(user)
        await stored.commit(session)
        assert user.email == "test@example.org"
    assert user.email == "test@example.org"
    assert user.model_dump()["email"] == "test@example.org"


async def test_a4_p22_what_the_server_makes_is_there_without_a_refresh(stored: Face) -> None:
    async with stored.transaction() as session:
        user = await stored(
            create, session, User, UserCreate(email="new@example.org", password="a long password")
        )
    assert isinstance(user.id, UUID)
    assert user.created_at <= user.updated_at


async def test_a4_p22_what_a_rollback_expired_is_not_dumped_as_nothing(stored: Face) -> None:
    async with stored.transaction() as session:
        user = await stored.run(session, lambda sync: sync.exec(select(User).where(User.email == ADA)).one())
        await stored.rollback(session)
        with pytest.raises(NotLoaded, match=r"User cannot be dumped without .*email.*refresh"):
            user.model_dump()


# A5 UUID


async def test_a5_p8_keys_are_made_in_order_of_time(stored: Face) -> None:
    made = []
    async with stored.transaction() as session:
        for number in range(20):
            team = await stored(create, session, Team, {"name": str(number)})
            made.append(team.id)
    assert made == sorted(made)


async def test_a5_p8_a_uuid_and_its_text_find_the_same_row_on_either_database(stored: Face) -> None:
    key = await key_of_ada(stored)
    async with stored.transaction(read_only=True) as session:
        for written in (key, str(key)):
            found = await stored(one, session, select(User).where(User.id == written), UserRead)
            assert found.id == key
            assert (await stored(get, session, User, written, UserRead)).id == key


async def test_a5_p8_text_that_is_no_uuid_is_refused_alike_on_either_database(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with pytest.raises(Exception, match=r"(?i)uuid") as refused:
            await stored(get, session, User, "no-uuid", UserRead)
    assert isinstance(refused.value, (InvalidValues, NotFound))


# A6 Nullable fields


async def test_a6_p9_an_optional_field_is_null_until_it_is_set(stored: Face) -> None:
    key = await key_of_ada(stored)
    async with stored.transaction() as session:
        made = await stored(create, session, Assessment, AssessmentCreate(title="Bare", user_id=key))
        assert (made.description, made.completed_at, made.coach_id) == (None, None, None)
        done = datetime(2026, 5, 1, 12, tzinfo=UTC)
        await stored(
            patch, session, Assessment, made.id, AssessmentUpdate.model_validate({"completed_at": done})
        )
        read = await stored(get, session, Assessment, made.id, AssessmentRead)
        assert read.completed_at == done
        await stored(
            patch, session, Assessment, made.id, AssessmentUpdate.model_validate({"completed_at": None})
        )
        assert (await stored(get, session, Assessment, made.id, AssessmentRead)).completed_at is None


def test_a6_p4_a_required_field_is_missed_at_once() -> None:
    with pytest.raises(InvalidValues, match=r"Assessment refuses title: Field required"):
        Assessment(user_id=uuid4())  # type: ignore[call-arg]  # the mistake under test


def test_a6_p4_an_optional_field_without_default_must_be_given() -> None:
    class Apart(Model, registry=registry()):
        pass

    class Strict(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        description: str | None

    with pytest.raises(InvalidValues, match="description: Field required"):
        Strict()  # type: ignore[call-arg]  # the mistake under test
    assert Strict(description=None).description is None


# A7 Relationships


async def test_a7_p13_both_sides_of_a_relationship_agree_before_and_after_storing(stored: Face) -> None:
    async with stored.transaction() as session:
        user = User(email="new@example.org", hashed_password="-")
        assessment = Assessment(title="One", user=user)  # type: ignore[call-arg]  # the relationship gives user_id
        for text in ("First", "Second"):
            assessment.questions.append(Question(text=text))  # type: ignore[call-arg]  # likewise
        assert user.assessments == [assessment]
        session.add(user)
    async with stored.transaction(read_only=True) as session:
        read = await stored(get, session, Assessment, assessment.id, AssessmentWithQuestions)
    assert sorted(question.text for question in read.questions) == ["First", "Second"]


async def test_a7_p17_two_references_to_one_table_are_told_apart_by_their_names(stored: Face) -> None:
    class Coached(Model):
        title: str
        user: UserRead
        coach: UserRead | None

    async with stored.transaction(read_only=True) as session:
        found = await stored(one, session, select(Assessment).where(Assessment.title == "Health"), Coached)
    assert found.coach is not None
    assert (found.user.email, found.coach.email) == (ADA, "bob@example.org")


async def test_a7_p13_deleting_a_user_takes_along_what_cannot_be_without_it(stored: Face) -> None:
    key = await key_of_ada(stored)
    async with stored.transaction() as session:
        await stored(delete, session, User, key)
    async with stored.transaction(read_only=True) as session:
        assert await stored(count, session, select(Assessment)) == 0
        assert await stored(count, session, select(Question)) == 0
        assert await stored(count, session, select(Team)) == 2


# A9 Upsert


async def test_a9_p29_an_upsert_returns_the_row_as_it_now_is(stored: Face) -> None:
    async with stored.transaction() as session:
        answer = await make_answer(stored, session)
        keys = {"user_id": answer.user_id, "question_id": answer.question_id}
        before = answer.updated_at
        outcome = await stored(
            upsert, session, UserAnswer, {**keys, "value": "new"}, on=("user_id", "question_id")
        )
        assert not outcome.created
        again = outcome.row
        assert again is answer
        assert (again.value, again.id) == ("new", answer.id)
        assert again.updated_at > before
        assert await stored(count, session, select(UserAnswer)) == 1


async def make_answer(face: Face, session: Any) -> UserAnswer:
    question = (await face.exec(session, select(Question))).first()
    user = (await face.exec(session, select(User).where(User.email == ADA))).one()
    answer = UserAnswer(user_id=user.id, question_id=question.id, value="old")
    session.add(answer)
    await face.flush(session)
    return answer
