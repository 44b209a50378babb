"""What the documents' models do on plain SQLModel: values that nothing checks, rows that do harm.

See plain.py for why these tests stand here.
"""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, IntegrityError, StatementError
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, select

from tests.documents.plain import Plain

METADATA = MetaData()


class PrintedModel(SQLModel, registry=registry(metadata=METADATA)):
    """Stand above the tables of this module."""


def aware_now() -> datetime:
    return datetime.now(UTC)


class Task(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=10)
    status: str = "pending"
    progress_percent: int = Field(default=0, ge=0, le=100)
    updated_at: datetime = Field(default_factory=aware_now)


class TaskUpdate(SQLModel):
    title: str | None = None
    status: str | None = None


class User(PrintedModel, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str
    hashed_password: str


class UserAnswer(PrintedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    user_id: int
    question_id: int
    value: str


def test_b2_b7_a_literal_on_a_table_cannot_be_imported() -> None:
    with pytest.raises(TypeError, match="issubclass"):

        class Worker(PrintedModel, table=True):
            id: str = Field(primary_key=True)
            type: Literal["human", "agent"]


def test_a3_b2_b8_a_naive_default_fails_at_the_first_flush(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(Task(title="naive", updated_at=datetime.now()))  # noqa: DTZ005  # the printed default
        with pytest.raises(StatementError) as refused:
            session.flush()
    assert isinstance(refused.value.orig, ValueError)


def test_b2_a_table_stores_what_its_fields_forbid(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(Task(title="t", status="nonsense", progress_percent=900))
        session.commit()
        stored = session.exec(select(Task)).one()
    assert (stored.status, stored.progress_percent) == ("nonsense", 900)


def test_a6_a_missing_title_is_noticed_by_the_database_alone(plain: Plain) -> None:
    incomplete = Task()  # type: ignore[call-arg]  # what a type checker sees, SQLModel does not
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(incomplete)
        with pytest.raises(IntegrityError, match=r"(?i)not.null"):
            session.flush()


def test_b2_updated_at_never_changes(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        task = Task(title="before")
        session.add(task)
        session.commit()
        first = task.updated_at
        task.title = "after"
        session.commit()
        session.refresh(task)
        assert task.updated_at == first


def test_b2_b10_a_patch_writes_garbage_and_drops_a_misspelt_key() -> None:
    task = Task(title="t")
    task.sqlmodel_update(
        TaskUpdate.model_validate({"status": "garbage", "titel": "x"}).model_dump(exclude_unset=True)
    )
    assert (task.status, task.title) == ("garbage", "t")


def test_b10_null_reaches_a_column_that_forbids_it(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        task = Task(title="t")
        session.add(task)
        session.flush()
        task.sqlmodel_update(TaskUpdate(title=None).model_dump(exclude_unset=True))
        with pytest.raises(IntegrityError, match=r"(?i)not.null"):
            session.flush()


def test_b2_sqlite_stores_a_title_past_its_length_and_postgresql_does_not(plain: Plain) -> None:
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(Task(title="x" * 11))
        if plain.is_sqlite:
            session.flush()
        else:
            with pytest.raises(StatementError, match="too long"):
                session.flush()


def test_a3_a_patched_password_disappears() -> None:
    class UserUpdate(SQLModel):
        password: str | None = None

    user = User(email="ada@example.org", hashed_password="old")
    user.sqlmodel_update(UserUpdate(password="new").model_dump(exclude_unset=True))
    assert user.hashed_password == "old"


def test_a3_a_user_made_from_its_create_schema_has_no_hash(plain: Plain) -> None:
    class UserCreate(SQLModel):
        email: str
        password: str

    user = User(**UserCreate(email="ada@example.org", password="secret").model_dump())
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(user)
        with pytest.raises(IntegrityError, match=r"(?i)not.null"):
            session.flush()


def test_a5_a_uuid_as_text_fails_on_sqlite_and_works_on_postgresql(plain: Plain) -> None:
    statement = select(User).where(User.id == str(uuid4()))
    with plain.engine(METADATA) as engine, Session(engine) as session:
        if plain.is_sqlite:
            with pytest.raises(StatementError, match="has no attribute 'hex'"):
                session.exec(statement)
        else:
            assert session.exec(statement).all() == []


def test_a6_an_optional_field_without_default_is_required_by_validation_alone() -> None:
    class Apart(SQLModel, registry=registry()):
        pass

    class Loose(Apart, table=True):
        id: int | None = Field(default=None, primary_key=True)
        description: str | None

    Loose()  # type: ignore[call-arg]  # what a type checker sees, the table does not
    with pytest.raises(ValidationError, match="description"):
        Loose.model_validate({})


def test_b18_the_corrected_class_has_no_primary_key() -> None:
    class Apart(SQLModel, registry=registry()):
        pass

    with pytest.raises(ArgumentError, match="primary key"):

        class Keyless(Apart, table=True):
            id: int


def test_b18_a_class_without_table_cannot_be_selected() -> None:
    class Plan(SQLModel):
        id: int

    with pytest.raises(ArgumentError):
        select(Plan)


def test_b24_zero_passes_through_an_update_schema_and_an_assignment() -> None:
    class TaskCreate(SQLModel):
        parent_id: int | None = None

    created = TaskCreate()
    created.parent_id = 0
    assert created.parent_id == 0


def test_b25_a_date_stripped_of_its_zone_is_refused_at_the_first_flush(plain: Plain) -> None:
    stripped = datetime(2026, 5, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    with plain.engine(METADATA) as engine, Session(engine) as session:
        session.add(Task(title="t", updated_at=stripped))
        with pytest.raises(StatementError, match="must have timezone information"):
            session.flush()


def test_a9_an_upsert_without_a_unique_constraint_is_refused(plain: Plain) -> None:
    dialect: Any = sqlite if plain.is_sqlite else postgresql
    statement = dialect.insert(UserAnswer).values(user_id=1, question_id=1, value="a")
    statement = statement.on_conflict_do_update(
        index_elements=["user_id", "question_id"], set_={"value": "b"}
    )
    with (
        plain.engine(METADATA) as engine,
        Session(engine) as session,
        pytest.raises(StatementError, match=r"(?i)on conflict"),
    ):
        session.exec(statement)
