"""Tables with a column of every type, rows of ordinary and of extreme values, and schemas that read them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, NaiveDatetime
from sqlalchemy import BigInteger, MetaData, Numeric, event
from sqlalchemy.orm import registry
from sqlmodel import Session

from fieldstone import Depth, Field, Json, Model, Relationship
from fieldstone.models import NAMING_CONVENTION

METADATA = MetaData(naming_convention=NAMING_CONVENTION)


class Apart(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Colour(Enum):
    RED = "red"
    GREEN = "grün"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cabinet(Apart, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    parent_id: int | None = Field(default=None, foreign_key="cabinet.id")
    parent: Cabinet | None = Relationship(back_populates="drawers")
    drawers: list[Cabinet] = Relationship(back_populates="parent")
    specimens: list[Specimen] = Relationship(back_populates="cabinet")


class Label(Apart, table=True):
    """Found by a key of two columns, one of them a UUID."""

    specimen_id: uuid.UUID = Field(foreign_key="specimen.id", primary_key=True)
    position: int = Field(primary_key=True)
    text: str
    specimen: Specimen = Relationship(back_populates="labels")


class Values(Model):
    """A field of every type."""

    text: str = Field(min_length=1, max_length=100)
    note: str | None = None
    whole: int = Field(default=0, ge=-(2**31), lt=2**31)
    large: int = Field(default=0, sa_type=BigInteger)
    real: float = 0.0
    flag: bool = False
    maybe: bool | None = None
    amount: Decimal = Field(default=Decimal(0), max_digits=12, decimal_places=4, sa_type=Numeric(12, 4))
    day: date | None = None
    at: datetime = Field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    seen_at: datetime | None = None
    local_at: NaiveDatetime | None = None
    clock: time | None = None
    colour: Colour = Colour.RED
    level: Level | None = None
    kind: Literal["a", "b", "ü"] | None = None
    number: Literal[1, 2, 3] = 1
    reference: uuid.UUID | None = None


class Specimen(Values, Apart, table=True):
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    duration: timedelta = timedelta(0)
    raw: bytes = b""
    facts: Json[dict[str, Any]] = Field(default_factory=dict)
    cabinet_id: int | None = Field(default=None, foreign_key="cabinet.id")
    cabinet: Cabinet | None = Relationship(back_populates="specimens")
    labels: list[Label] = Relationship(back_populates="specimen")


class CabinetRead(Model):
    id: int
    name: str


class LabelRead(Model):
    text: str = Field(serialization_alias="theText")


class SpecimenRead(Values):
    id: uuid.UUID


class SpecimenFull(SpecimenRead):
    cabinet: CabinetRead | None
    labels: list[LabelRead]


class Aliased(BaseModel):
    whole: int = Field(alias="the whole")
    labels: list[LabelRead] = Field(serialization_alias='"quoted"')
    text: str = Field(exclude=True)
    note: str | None = None
    cabinet: CabinetRead | None = Field(alias="theCabinet")


class CabinetTree(Model):
    name: str
    drawers: Annotated[list[CabinetTree], Depth(2)] = []


class CabinetDeep(CabinetRead):
    parent: CabinetRead | None
    specimens: list[SpecimenFull]


class Everything(SpecimenFull):
    """Hold what only Pydantic writes, too."""

    duration: timedelta
    raw: bytes
    facts: Json[dict[str, Any]]


SCHEMAS: dict[type[Model], list[type[BaseModel]]] = {
    Specimen: [SpecimenRead, SpecimenFull, Aliased, Everything],
    Cabinet: [CabinetRead, CabinetTree, CabinetDeep],
}


def rows() -> list[Any]:
    """Make rows of ordinary and of extreme values; every nullable column is null somewhere."""
    attic, cellar = Cabinet(id=1, name="attic"), Cabinet(id=2, name='cel"lar\n')
    box = Cabinet(id=3, name="box", parent=cellar, drawers=[Cabinet(id=4, name="", parent_id=3)])
    plain = Specimen(id=uuid.UUID(int=1), text="plain", cabinet=attic)
    low = Specimen(
        id=uuid.UUID(int=2),
        text="\x01\x1f\x7f\u2028\ud7ff\U0001f600 \\ / ' \"",
        note="",
        whole=-(2**31),
        large=-(2**63),
        real=-1e-300,
        flag=True,
        maybe=False,
        amount=Decimal("-99999999.9999"),
        day=date(1, 1, 1),
        at=datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        seen_at=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        local_at=datetime.fromisoformat("2026-03-29T02:30:00"),
        clock=time(0, 0, 0, 1),
        colour=Colour.GREEN,
        level=Level.HIGH,
        kind="ü",
        number=3,
        reference=uuid.UUID(int=0),
        duration=timedelta(days=-1, microseconds=1),
        raw=b"plain",
        facts={"a": [1, 2.5, None, {"b": "ü"}]},
        cabinet=cellar,
        labels=[Label(specimen_id=uuid.UUID(int=2), position=n, text=f"label {n}") for n in (3, 1, 2)],
    )
    high = Specimen(
        id=uuid.UUID(int=2**128 - 1),
        text="z" * 100,
        note="café 東京",
        whole=2**31 - 1,
        large=2**63 - 1,
        real=math.pi * 1e300,
        maybe=True,
        amount=Decimal("0.0001"),
        day=date(9999, 12, 31),
        at=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        seen_at=datetime(2026, 6, 1, 12, 0, 0, 500000, tzinfo=UTC),
        local_at=datetime.fromisoformat("2026-03-29T02:30:00.000120"),
        clock=time(23, 59, 59),
        level=Level.LOW,
        kind="a",
        reference=uuid.uuid5(uuid.NAMESPACE_DNS, "example"),
        labels=[Label(specimen_id=uuid.UUID(int=2**128 - 1), position=1, text="only")],
    )
    return [attic, cellar, box, plain, low, high]


def listen(session: Session) -> Callable[[], None]:
    """Send the reads of a session the whole way, by listening to them; call what comes back to stop."""

    def heard(state: Any) -> None:
        """Do nothing, which nobody can know."""

    event.listen(session, "do_orm_execute", heard)
    return lambda: event.remove(session, "do_orm_execute", heard)


def unruled(session: Session, table: str, limited: str, *columns: str) -> None:
    """Take every rule of a table out of the way: another program may write past them.

    `limited` is a column of text with a length, `columns` are those that shall take null.
    """
    if session.get_bind().dialect.name == "sqlite":
        run(session, f"ALTER TABLE {table} RENAME TO ruled_{table}")
        run(session, f"CREATE TABLE {table} AS SELECT * FROM ruled_{table}")
        return
    run(session, f"ALTER TABLE {table} DISABLE TRIGGER ALL", f"ALTER TABLE {table} ALTER {limited} TYPE text")
    names = f"SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = '{table}'::regclass"
    for name in session.connection().exec_driver_sql(names).scalars().all():
        run(session, f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for column in columns:
        run(session, f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")


def run(session: Session, *statements: str) -> None:
    for statement in statements:
        session.connection().exec_driver_sql(statement)


def outcome(read: Callable[[], Any]) -> Any:
    """Give what comes of a read, or what it raises."""
    try:
        return repr(read())
    except Exception as error:
        return type(error).__name__, str(error)
