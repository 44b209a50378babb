"""Every type of column against every awkward JSON value: stored and read back the same, or refused."""

from __future__ import annotations

import enum
import uuid
from collections.abc import AsyncIterator
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import BigInteger, MetaData, SmallInteger
from sqlalchemy.orm import registry

from fieldstone import Database, Field, Json, Model, Resource, Timestamps, UtcDatetime, ZeroAsNull, partial
from fieldstone.fastapi import install, routes
from tests.faces import DIALECTS, Lend, LentFace
from tests.serving import client_on

METADATA = MetaData()


class ValueModel(Model, registry=registry(metadata=METADATA)):
    """Keep this table apart from those of other test modules."""


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(Model):
    x: float
    y: int | None = None


class SampleBase(Model):
    text: str = ""
    short: str = Field(default="", max_length=5)
    integer: int = 1
    big: int = Field(default=1, sa_type=BigInteger)
    small: int = Field(default=1, sa_type=SmallInteger)
    real: float = 1.0
    flag: bool = False
    moment: UtcDatetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    price: Decimal | None = Field(default=None, max_digits=8, decimal_places=2)
    amount: Decimal | None = None
    token: uuid.UUID | None = None
    colour: Colour | None = None
    level: Level | None = None
    letter: Literal["a", "b"] = "a"
    number: Literal[1, 2] = 1
    parent_id: ZeroAsNull = Field(default=None, foreign_key="sample.id")
    document: Json[dict[str, Any] | None] = None
    points: Json[list[Point] | None] = None
    raw: bytes | None = None
    single: int | None = Field(default=None, unique=True)


class Sample(SampleBase, Timestamps, ValueModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


class SampleRead(SampleBase):
    id: int


class SampleCreate(SampleBase): ...


@partial
class SampleUpdate(SampleBase): ...


samples = Resource(Sample, read=SampleRead, create=SampleCreate, update=SampleUpdate)

NUMBERS = """
NaN Infinity -Infinity 1e400 -0.0 1e-400 0 1 1.5 1e20 -1e20 1e308 32768 2147483648 -2147483649
9223372036854775808 -9223372036854775809 -62135596801 253402300800
"""
TEXTS = r"""
a abcdef r \u0000 \ud800 \udc00\ud800 \ufeff \\x00 /w== \u0967\u0968 1_000 0x10 1e15 1e1000 1e-1000 NaN sNaN
Infinity 123456.789 0E+30 99999999999999999999999999999999999999
2020-01-01 0001-01-01 9999-12-31 2020-01-01T00:00:00 2020-01-01T00:00:00Z
0001-01-01T00:00:00+14:00 9999-12-31T23:59:59-14:00 24:00 12:00:00+05:00 23:59:60
P1D P999999999D -P999999999D P1Y 018f6f6e-7e1e-7000-8000-000000000000
"""
OTHERS = r"""
true null [] {} [1] {"a":1} {"a":"\u0000"} {"\u0000":1} {"a":1e308} {"a":99999999999999999999999}
[{"x":1}] [{"x":1e400}] [{"x":1,"y":99999999999999999999}]
"""
AWKWARD = [
    *NUMBERS.split(),
    *(f'"{text}"' for text in ("", "x" * 100_000, *TEXTS.split())),
    *OTHERS.split(),
]


@pytest.fixture(params=DIALECTS)
async def client(
    anyio_backend: str, request: pytest.FixtureRequest, lend: Lend
) -> AsyncIterator[httpx.AsyncClient]:
    face = LentFace(lend, request.param, is_async=True)
    await face.create_all(METADATA)
    async with client_on(face, application) as client:
        yield client
    await face.aclose()


def application(database: Database, *, sync: bool) -> FastAPI:
    app = FastAPI()
    install(app, database)
    app.include_router(routes(samples, sync=sync))
    return app


@pytest.mark.parametrize("field", SampleBase.model_fields)
async def test_a_value_is_stored_and_read_back_or_refused(client: httpx.AsyncClient, field: str) -> None:
    assert (await client.post("/samples", json={})).status_code == 201
    stored = 0
    for value in AWKWARD:
        body = f'{{"{field}": {value}}}'.encode()
        created = await client.post("/samples", content=body, headers={"content-type": "application/json"})
        assert created.status_code in (201, 409, 422), (value[:80], created.text[:300])
        if created.status_code == 201:
            stored += 1
            assert (await client.get(created.headers["location"])).json() == created.json(), value
        changed = await client.patch("/samples/1", content=body, headers={"content-type": "application/json"})
        assert changed.status_code in (200, 409, 422), (value[:80], changed.text[:300])
    assert stored > 0
    listed = await client.get("/samples?size=100")
    assert listed.status_code == 200
    assert len(listed.json()["items"]) == stored + 1
