"""What the patterns document's blocks on loading and queries are for, done with Fieldstone.

Blocks A1, A2 and A8, in the document's order; the numbers are those of docs/from-the-documents.md,
and P1 to P38 are the project's own list of patterns. Every test runs sync and async, on SQLite and
on PostgreSQL.
"""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlmodel import and_, col, or_, select

from fieldstone import (
    InvalidValues,
    MultipleFound,
    NotFound,
    count,
    exists,
    fetch,
    loading,
    one,
    one_or_none,
    page,
    plan,
)
from fieldstone.testing import count_statements
from tests.documents.assessments import (
    METADATA,
    Assessment,
    AssessmentRead,
    AssessmentWithUser,
    Question,
    User,
    UserInDepth,
    UserRead,
    UserWithAssessments,
    UserWithTeam,
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


# A1 Eager loading


async def test_a1_p25_a_collection_comes_with_its_owner_in_two_statements(stored: Face) -> None:
    statement = select(User).where(User.email == ADA)
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as sent:
            user = await stored(one, session, statement, UserWithAssessments)
    assert sorted(each.title for each in user.assessments) == ["Goals", "Health", "Skills"]
    assert len(sent) == 2 == plan(User, UserWithAssessments).budget


async def test_a1_p25_a_reference_comes_in_the_same_statement(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as sent:
            found = await stored(fetch, session, select(Assessment), AssessmentWithUser)
    assert {each.user.email for each in found} == {ADA}
    assert len(sent) == 1


async def test_a1_p25_a_chain_takes_one_statement_for_each_level_of_collections(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as sent:
            users = await stored(fetch, session, select(User), UserInDepth)
    texts = [q.text for user in users for each in user.assessments for q in each.questions]
    assert sorted(texts) == ["How are you?", "Really?"]
    assert len(sent) == 3 == plan(User, UserInDepth).budget


async def test_a1_p25_instances_keep_what_was_loaded_after_the_transaction(stored: Face) -> None:
    statement = select(User).where(User.email == ADA).options(*loading(UserWithAssessments, User))
    async with stored.transaction() as session:
        user = await stored.run(session, lambda sync: sync.exec(statement).one())
    assert len(user.assessments) == 3


async def test_a1_p25_what_the_schema_does_not_name_raises_instead_of_loading(stored: Face) -> None:
    statement = select(User).where(User.email == ADA).options(*loading(UserRead, User))
    async with stored.transaction() as session:
        user = await stored.run(session, lambda sync: sync.exec(statement).one())
        with count_statements(stored.database) as sent, pytest.raises(Exception, match="assessments"):
            _ = user.assessments
    assert sent == []


# A2 N+1


async def test_a2_p25_a_loop_over_users_and_teams_costs_one_statement(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        with count_statements(stored.database) as sent:
            users = await stored(fetch, session, select(User), UserWithTeam)
            names = [user.team.name for user in users if user.team]
    assert sorted(names) == ["North", "North", "South"]
    assert len(sent) == 1


async def test_a2_p25_the_number_of_statements_does_not_grow_with_the_rows(stored: Face) -> None:
    sent_by_rows = []
    for added in (0, 20):
        async with stored.transaction() as session:
            for number in range(added):
                user = User(email=f"{number}@example.org", hashed_password="-")
                extra = Assessment(title="Extra", user_id=user.id)
                session.add_all([user, extra, Question(text="?", assessment_id=extra.id)])
        async with stored.transaction(read_only=True) as session:
            with count_statements(stored.database) as sent:
                await stored(fetch, session, select(User), UserInDepth)
        sent_by_rows.append(len(sent))
    assert sent_by_rows == [3, 3]


def test_a2_p25_a_plan_prints_what_the_document_looks_for_in_the_log() -> None:
    printed = str(plan(User, UserWithAssessments))
    assert "assessments" in printed
    assert "hashed_password" not in printed


# A8 Queries


async def test_a8_p24_one_or_none(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        found = await stored(one_or_none, session, select(User).where(User.email == ADA), UserRead)
        assert found is not None
        assert await stored(one_or_none, session, select(User).where(User.email == "x"), UserRead) is None


async def test_a8_p24_exactly_one_or_an_error_that_says_which(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        assert (await stored(one, session, select(User).where(User.email == ADA), UserRead)).email == ADA
        with pytest.raises(NotFound, match="User"):
            await stored(one, session, select(User).where(User.email == "x"), UserRead)
        with pytest.raises(MultipleFound, match="User"):
            await stored(one, session, select(User), UserRead)


async def test_a8_p24_a_list_with_a_filter(stored: Face) -> None:
    key = await key_of_ada(stored)
    of_ada = select(Assessment).where(Assessment.user_id == key)
    chosen = of_ada.where(
        or_(Assessment.title == "Goals", and_(Assessment.title == "Skills", Assessment.user_id == key))
    )
    async with stored.transaction(read_only=True) as session:
        assert len(await stored(fetch, session, of_ada, AssessmentRead)) == 3
        assert {each.title for each in await stored(fetch, session, chosen, AssessmentRead)} == {
            "Goals",
            "Skills",
        }


async def test_a8_p26_pages_cover_every_row_once_though_the_order_has_ties(stored: Face) -> None:
    by_owner = select(Assessment).order_by(col(Assessment.user_id).desc())
    async with stored.transaction(read_only=True) as session:
        pages = [
            await stored(page, session, by_owner, AssessmentRead, size=2, offset=offset, total=True)
            for offset in (0, 2)
        ]
    assert [len(each.items) for each in pages] == [2, 1]
    assert [each.has_more for each in pages] == [True, False]
    assert {each.total for each in pages} == {3}
    assert {item.title for each in pages for item in each.items} == {"Goals", "Health", "Skills"}


async def test_a8_p26_a_page_has_a_greatest_size_and_a_least_offset(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        for asked in ({"size": 10**9}, {"size": 0}, {"offset": -1}, {"offset": 10**20}):
            with pytest.raises(InvalidValues, match="must be from"):
                await stored(page, session, select(User), UserRead, **asked)


async def test_a8_p24_count_and_exists(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        assert await stored(count, session, select(Assessment)) == 3
        assert await stored(exists, session, select(User).where(User.email == ADA)) is True
        assert await stored(exists, session, select(User).where(User.email == "x")) is False
