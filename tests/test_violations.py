"""What the database refuses is said in the model's words, alike on both databases and faces."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
    create_engine,
    insert,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as AnySession
from sqlmodel import Field, Session, SQLModel

from fieldstone import Database
from fieldstone.errors import (
    ConfigurationError,
    Conflict,
    InvalidValues,
    StaleVersion,
    TransactionConflict,
    Unavailable,
)
from fieldstone.violations import explain, explained
from tests.faces import Face

SECRET = "s3cret-value"


class Owner(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(default="", unique=True)
    seen: datetime | None = None


class Part(SQLModel, table=True):
    """Its attribute `code` has another name in the database, as have real ones."""

    __table_args__ = (
        UniqueConstraint("code_column", "batch"),
        Index("ix_part_serial", "serial", unique=True),
        CheckConstraint("batch >= 0", name="batch_is_positive"),
    )
    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(default="", sa_column=Column("code_column", String(8), nullable=False))
    batch: int = 0
    serial: str | None = None
    size: int = Field(default=0, sa_column=Column("size", Integer, nullable=False))
    owner_id: int | None = Field(default=None, foreign_key="owner.id")
    maker_id: int | None = Field(default=None, foreign_key="owner.id")
    parent_id: int | None = Field(default=None, foreign_key="part.id")


class Counted(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    version: int = 1
    note: str = ""


Counted.__mapper__.version_id_col = Counted.__table__.c.version  # type: ignore[attr-defined]  # made by SQLModel's metaclass

MODELS: tuple[Any, ...] = (Owner, Part, Counted)

Work = Callable[[AnySession], object]


@pytest.fixture
async def ready(face: Face) -> Face:
    metadata = MetaData()
    for model in MODELS:
        model.__table__.to_metadata(metadata)
    face.database.create_all(metadata)
    return face


async def attempt(face: Face, work: Work) -> None:
    async with face.transaction() as session:
        await face.run(session, work)
        await face.flush(session)


def adding(*rows: SQLModel) -> Work:
    def work(session: AnySession) -> None:
        for row in rows:
            session.add(row)
            session.flush()

    return work


@pytest.mark.parametrize(
    ("rows", "fields"),
    [
        ((Owner(name=SECRET), Owner(name=SECRET)), ("name",)),
        ((Part(code="a", batch=1), Part(code="a", batch=1)), ("code", "batch")),
        ((Part(code="a", serial=SECRET), Part(code="b", serial=SECRET)), ("serial",)),
    ],
    ids=["column", "composite", "index"],
)
async def test_unique_key_names_all_its_fields(
    ready: Face, rows: tuple[SQLModel, ...], fields: tuple[str, ...]
) -> None:
    with pytest.raises(Conflict, match="another row already has this value") as refusal:
        await attempt(ready, adding(*(type(row)(**row.model_dump()) for row in rows)))
    assert (refusal.value.kind, refusal.value.fields) == ("unique", fields)
    assert refusal.value.subject == type(rows[0]).__name__
    assert refusal.value.constraint is not None
    assert SECRET not in str(refusal.value)


async def test_primary_key_is_a_unique_key_too(ready: Face) -> None:
    def work(session: AnySession) -> None:
        session.connection().execute(insert(Owner), [{"id": 1, "name": "a"}])
        session.connection().execute(insert(Owner), [{"id": 1, "name": "b"}])

    with pytest.raises(Conflict) as refusal:
        await attempt(ready, work)
    assert (refusal.value.kind, refusal.value.fields) == ("unique", ("id",))


@pytest.mark.parametrize("field", ["owner_id", "maker_id", "parent_id"])
async def test_missing_target_names_the_key_that_points_to_it(ready: Face, field: str) -> None:
    """SQLite itself does not say which of the three keys is broken."""
    with pytest.raises(Conflict, match=rf"Part refuses {field}: it points to") as refusal:
        await attempt(ready, adding(Part(**dict[str, Any]({field: 999}))))
    assert refusal.value.kind == "foreign_key"
    assert refusal.value.fields == (field,)
    assert refusal.value.other == ("Part" if field == "parent_id" else "Owner")


async def test_missing_target_of_an_update_is_named(ready: Face) -> None:
    def work(session: AnySession) -> None:
        session.add(owner := Owner())
        session.flush()
        session.add(part := Part(owner_id=owner.id))
        session.flush()
        part.maker_id = 999

    with pytest.raises(Conflict) as refusal:
        await attempt(ready, work)
    assert (refusal.value.kind, refusal.value.fields) == ("foreign_key", ("maker_id",))


async def test_row_that_others_point_to_names_them(ready: Face) -> None:
    def work(session: AnySession) -> None:
        session.add(owner := Owner())
        session.flush()
        session.add(Part(maker_id=owner.id))
        session.flush()
        session.delete(owner)

    with pytest.raises(
        Conflict, match="Owner cannot be deleted or re-keyed: Part still points to it"
    ) as refusal:
        await attempt(ready, work)
    assert (refusal.value.kind, refusal.value.subject, refusal.value.other) == ("referenced", "Owner", "Part")


async def test_many_rows_at_once_claim_no_key_that_is_not_known(ready: Face) -> None:
    def work(session: AnySession) -> None:
        rows = [
            {
                "code_column": str(number),
                "batch": 0,
                "size": 0,
                "owner_id": None,
                "maker_id": 999,
                "parent_id": None,
            }
            for number in range(2)
        ]
        session.connection().execute(Part.__table__.insert(), rows)  # type: ignore[attr-defined]  # made by SQLModel's metaclass

    with pytest.raises(Conflict) as refusal:
        await attempt(ready, work)
    assert refusal.value.kind == "foreign_key"
    if ready.dialect == "postgresql":
        assert refusal.value.fields == ("maker_id",)
    else:
        assert refusal.value.fields == ()
        assert "one of maker_id, owner_id, parent_id" in str(refusal.value)


async def test_check_names_its_fields(ready: Face) -> None:
    with pytest.raises(
        InvalidValues, match=r"Part refuses batch: must satisfy the rule .*batch_is_positive"
    ) as refusal:
        await attempt(ready, adding(Part(batch=-1)))
    assert [(one.path, one.rule) for one in refusal.value.problems] == [(("batch",), "check")]


async def test_null_names_its_field(ready: Face) -> None:
    def work(session: AnySession) -> None:
        session.add(Part())
        session.flush()
        session.connection().execute(text("UPDATE part SET code_column = NULL"))

    with pytest.raises(InvalidValues, match="Part refuses code: must not be null") as refusal:
        await attempt(ready, work)
    assert refusal.value.problems[0].rule == "not_null"


@pytest.mark.parametrize(
    ("part", "field", "rule", "refused_by_sqlite"),
    [
        ({"code": SECRET}, "code", "too_long", False),
        ({"size": 2**40}, "size", "out_of_range", False),
        ({"size": 2**80}, "size", "out_of_range", True),
        ({"size": -(2**80)}, "size", "out_of_range", True),
        ({"code": "a\0b"}, "code", "bad_text", False),
        ({"code": "a\ud800"}, "code", "bad_text", True),
        ({"serial": "\ud800"}, "serial", "bad_text", True),
        ({"size": SECRET}, "size", "bad_value", False),
    ],
    ids=["long", "int32", "int64", "negative", "nul", "surrogate", "unbounded", "type"],
)
async def test_value_that_cannot_be_stored_names_its_field(
    ready: Face, part: dict[str, Any], field: str, rule: str, refused_by_sqlite: bool
) -> None:
    if ready.dialect == "sqlite" and not refused_by_sqlite:
        # SQLite stores it: these rules are the model's to keep, and its CHECKs'.
        await attempt(ready, adding(Part(**part)))
        return
    with pytest.raises(InvalidValues) as refusal:
        await attempt(ready, adding(Part(**part)))
    assert refusal.value.subject == "Part"
    assert [(one.path, one.rule) for one in refusal.value.problems] == [((field,), rule)]
    assert SECRET not in str(refusal.value)
    assert "INSERT" not in str(refusal.value)


async def test_value_that_its_type_refuses_is_named_by_its_table(ready: Face) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # the mistake under test
    with pytest.raises(InvalidValues, match="is not of the column's type") as refusal:
        await attempt(ready, lambda session: session.add(Owner(name="a", seen=naive)))
    assert "2026" not in str(refusal.value)


async def test_number_out_of_range_in_a_condition_is_no_crash(ready: Face) -> None:
    from sqlmodel import select

    with pytest.raises(InvalidValues, match="outside the range"):
        async with ready.transaction() as session:
            await ready.exec(session, select(Part).where(Part.size == 2**80))


async def test_row_changed_by_another_is_stale(ready: Face) -> None:
    def work(session: AnySession) -> None:
        session.add(row := Counted())
        session.flush()
        session.connection().execute(text("UPDATE counted SET version = 7"))
        row.note = "mine"

    with pytest.raises(StaleVersion, match="Counted was changed by someone else"):
        await attempt(ready, work)


async def test_error_of_the_program_stays_what_it_is(ready: Face) -> None:
    with pytest.raises(DBAPIError) as error:
        await attempt(ready, lambda session: session.connection().execute(text("SELEC 1")))
    assert explain(error.value) is None


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM missing",
        "SELECT missing FROM part",
        "UPDATE part SET missing = 1",
        "INSERT INTO part (missing) VALUES (1)",
    ],
)
async def test_what_the_database_lacks_is_said_with_the_remedy(ready: Face, statement: str) -> None:
    lacking = r"does not have what the models say: .*missing.*\. Bring its tables up to date"
    with pytest.raises(ConfigurationError, match=lacking):
        await attempt(ready, lambda session: session.connection().execute(text(statement)))


async def test_parameters_stay_out_of_the_cause(ready: Face) -> None:
    with pytest.raises(Conflict) as refusal:
        await attempt(ready, adding(Owner(name=SECRET), Owner(name=SECRET)))
    assert isinstance(refusal.value.__cause__, DBAPIError)
    assert "parameters hidden" in str(refusal.value.__cause__)


def test_error_of_the_callers_own_code_passes_untouched() -> None:
    with pytest.raises(OverflowError), explained():
        float(10**400)
    with pytest.raises(UnicodeEncodeError), explained():
        "\ud800".encode()


def test_engine_made_elsewhere_is_explained_without_claims() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("PRAGMA foreign_keys = ON"))
        for model in MODELS:
            model.__table__.create(connection)
    with Session(engine) as session, pytest.raises(InvalidValues, match="outside the range"), explained():
        session.add(Part(size=2**80))
        session.flush()
    with Session(engine) as session, pytest.raises(Conflict, match="Owner refuses name"), explained():
        session.add_all([Owner(name="a"), Owner(name="a")])
        session.flush()
    engine.dispose()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("40001", TransactionConflict),
        ("40P01", TransactionConflict),
        ("57014", Unavailable),
        ("55P03", Unavailable),
        ("53300", Unavailable),
    ],
)
async def test_sqlstate_decides_not_the_class(
    fresh_url: Callable[[str], str], state: str, expected: type[Exception], is_async: bool
) -> None:
    async with Database(fresh_url("postgresql")) as database:
        raising = text(f"DO $$ BEGIN RAISE EXCEPTION 'it happened' USING ERRCODE = '{state}'; END $$")
        with pytest.raises(expected):
            await attempt(Face(database, is_async), lambda session: session.connection().execute(raising))


async def test_lock_timeout_of_the_server_is_unavailable(fresh_url: Callable[[str], str]) -> None:
    async with Database(fresh_url("postgresql")) as database:
        with pytest.raises(Unavailable, match="ran too long"), database.transaction() as session:
            session.connection().execute(text("SET LOCAL statement_timeout = 50"))
            session.connection().execute(text("SELECT pg_sleep(5)"))
