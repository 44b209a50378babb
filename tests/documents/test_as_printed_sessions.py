"""What the documents' sessions and connections do on plain SQLModel: lazy loads, lost writes, bad URLs.

See plain.py for why these tests stand here.
"""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InvalidRequestError,
    MissingGreenlet,
    NoSuchModuleError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import joinedload, registry
from sqlmodel import Field, Relationship, Session, SQLModel, UniqueConstraint, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.documents.plain import Plain, statements

METADATA = MetaData()


class PrintedModel(SQLModel, registry=registry(metadata=METADATA)):
    """Stand above the tables of this module."""


class Team(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    members: list["User"] = Relationship(back_populates="team")


class User(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    email: str = "ada@example.org"
    logins: int = 0
    team_id: int | None = Field(default=None, foreign_key="team.id")
    team: Team | None = Relationship(back_populates="members")


class UserAnswer(PrintedModel, table=True):
    __table_args__ = (UniqueConstraint("user_id", "question_id"),)
    id: int | None = Field(default=None, primary_key=True)
    user_id: int
    question_id: int
    value: str
    updated_at: datetime | None = None


# On SQLite each failed lazy load leaves a coroutine of aiosqlite behind.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.fixture(autouse=True)
def _leave_no_coroutine() -> Iterator[None]:
    yield
    gc.collect()


@contextmanager
def missing_greenlet() -> Iterator[None]:
    """Expect MissingGreenlet: bare from asyncpg, and inside a StatementError from aiosqlite."""
    with pytest.raises((MissingGreenlet, StatementError)) as refused:
        yield
    assert "MissingGreenlet" in f"{refused.type.__name__} {refused.value}"


async def test_a1_a2_a_lazy_relationship_raises_under_async(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine, AsyncSession(engine) as session:
        session.add(User(team=Team(name="North")))
        await session.commit()
        session.expunge_all()
        user = (await session.exec(select(User))).one()
        with missing_greenlet():
            _ = user.team


def test_a2_a_loop_over_users_sends_one_statement_for_each_team(plain: Plain) -> None:
    with plain.engine(METADATA) as engine:
        with Session(engine) as session:
            session.add_all([User(team=Team(name=f"team {number}")) for number in range(5)])
            session.commit()
        with Session(engine) as session, statements(engine) as sent:
            names = [user.team.name for user in session.exec(select(User)) if user.team]
    assert (len(names), len(sent)) == (5, 6)


def test_a1_a_joined_collection_without_unique_raises(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(Team(name="North", members=[User(), User()]))
        session.commit()
        found = session.exec(select(Team).options(joinedload(Team.members)))  # type: ignore[arg-type]  # a class attribute
        with pytest.raises(InvalidRequestError, match="unique"):
            found.all()


async def test_a4_b16_b22_b23_an_attribute_after_commit_raises_under_async(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine, AsyncSession(engine) as session:
        user = User()
        session.add(user)
        await session.commit()
        assert inspect(user).persistent, "expired, but not detached as the document says"
        with missing_greenlet():
            _ = user.email


def test_a4_an_expired_object_dumps_as_nothing(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        user = User()
        session.add(user)
        session.commit()
        assert user.model_dump() == {}


async def test_a4_a_rollback_expires_even_without_expire_on_commit(plain: Plain) -> None:
    async with (
        plain.async_engine(METADATA) as engine,
        AsyncSession(engine, expire_on_commit=False) as session,
    ):
        user = User()
        session.add(user)
        await session.commit()
        await session.rollback()
        assert user.email == "ada@example.org"
        await session.refresh(user)
        await session.rollback()
        with missing_greenlet():
            _ = user.email


def test_a8_a_result_is_gone_after_it_was_read(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(User())
        session.commit()
        result = session.connection().execute(select(User))
        result.one_or_none()
        with pytest.raises(InvalidRequestError, match="closed"):
            result.one()


def test_a8_exec_has_no_scalar_methods(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        result: Any = session.exec(select(User))
        with pytest.raises(AttributeError, match="scalar_one_or_none"):
            result.scalar_one_or_none()


async def test_a9_an_upsert_leaves_the_loaded_row_as_it_was(plain: Plain) -> None:
    async with (
        plain.async_engine(METADATA) as engine,
        AsyncSession(engine, expire_on_commit=False) as session,
    ):
        answer = UserAnswer(user_id=1, question_id=1, value="old")
        session.add(answer)
        await session.commit()
        dialect: Any = sqlite if plain.is_sqlite else postgresql
        statement = dialect.insert(UserAnswer).values(user_id=1, question_id=1, value="new")
        statement = statement.on_conflict_do_update(
            index_elements=["user_id", "question_id"], set_={"value": "new"}
        )
        await session.exec(statement)
        await session.commit()
        assert (await session.exec(select(UserAnswer))).one().value == "old"


def test_b3_b14_two_sessions_that_read_then_write_lose_one_increment(plain: Plain) -> None:
    with plain.engine(METADATA) as engine:
        with Session(engine) as session:
            session.add(User(id=1))
            session.commit()
        with Session(engine) as one, Session(engine) as other:
            read = [(session, session.get_one(User, 1)) for session in (one, other)]
            for session, user in read:
                user.logins += 1
                session.commit()
        with Session(engine) as session:
            assert session.get_one(User, 1).logins == 1


def test_b3_sqlite_stores_a_reference_to_nothing_and_postgresql_does_not(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(User(team_id=999))
        if plain.is_sqlite:
            session.commit()
        else:
            with pytest.raises(IntegrityError, match="foreign key"):
                session.commit()


@pytest.mark.parametrize("create", [create_engine, create_async_engine])
def test_b3_b4_an_unset_url_is_not_named(create: Any) -> None:
    with pytest.raises(ArgumentError, match="got None"):
        create(None)


def test_b4_a_sync_sqlite_url_is_refused_by_the_async_engine() -> None:
    with pytest.raises(InvalidRequestError, match="not async"):
        create_async_engine("sqlite:///tasks.db")


@pytest.mark.parametrize(
    "parameter", ["channel_binding=require", "connect_timeout=5", "application_name=api"]
)
async def test_b12_what_neon_puts_into_its_url_stops_asyncpg(parameter: str) -> None:
    engine = create_async_engine(f"postgresql+asyncpg://user:secret@127.0.0.1:1/db?{parameter}")
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        await engine.connect()
    await engine.dispose()


def test_b12_the_short_scheme_is_unknown() -> None:
    with pytest.raises(NoSuchModuleError, match="postgres"):
        create_async_engine("postgres://user:secret@ep.neon.tech/db")


def test_b12_replacing_text_in_a_url_reaches_its_password() -> None:
    url = "postgresql://user:sslmode=x@ep.neon.tech/db"
    assert ":ssl=x@" in url.replace("sslmode=", "ssl=")


async def test_b5_two_workers_that_start_at_once_do_not_both_start(plain: Plain) -> None:
    async def start() -> bool:
        engine = create_async_engine(plain.async_url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
        except SQLAlchemyError:
            return False
        finally:
            await engine.dispose()
        return True

    assert not all(await asyncio.gather(*(start() for _ in range(6))))


async def test_b17_a_missing_row_is_none_and_fails_on_the_next_line(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine, AsyncSession(engine) as session:
        user: Any = await session.get(User, 999)
        with pytest.raises(AttributeError, match="NoneType"):
            _ = user.email


async def test_b19_a_sync_session_does_not_open_asynchronously(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine:
        session: Any = Session(engine)  # type: ignore[arg-type]  # as printed
        with pytest.raises(TypeError, match="asynchronous context manager"):
            async with session:
                pass


async def test_b20_a_forgotten_await_deletes_nothing(plain: Plain) -> None:
    async with plain.async_engine(METADATA) as engine, AsyncSession(engine) as session:
        user = User()
        session.add(user)
        await session.commit()
        session.delete(user)  # type: ignore[unused-coroutine]  # as printed
        await session.commit()
        gc.collect()
        assert len((await session.exec(select(User))).all()) == 1


def test_b15_a_service_that_commits_keeps_what_its_caller_takes_back(plain: Plain) -> None:
    def record_action(session: Session) -> None:
        session.add(Team(name="log"))
        session.commit()

    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(User())
        record_action(session)
        session.rollback()
        assert len(session.exec(select(User)).all()) == 1
