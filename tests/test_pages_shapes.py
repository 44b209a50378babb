"""Keyset pages of the less common columns: the database's own ENUM, mixed Literals, JSON, renamed columns."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from sqlalchemy import Column, MetaData, String
from sqlalchemy import Enum as EnumColumn
from sqlalchemy.orm import registry
from sqlmodel import col, select

from fieldstone import Cursors, Field, Json, Model, PlanError, seek
from fieldstone.models import NAMING_CONVENTION
from tests.faces import Face

METADATA = MetaData(naming_convention=NAMING_CONVENTION)
CURSORS = Cursors("a secret that is long enough for cursors")


class Local(Model, registry=registry(metadata=METADATA)):
    """Keep this table apart from those of other test modules."""


class Size(Enum):
    """Not in the order of the alphabet, which is what tells the database's own order from another."""

    SMALL = "s"
    LARGE = "l"


class Parcel(Local, table=True):
    number: int = Field(primary_key=True)
    part: str = Field(primary_key=True)
    size: Size | None = Field(default=None, sa_column=Column(EnumColumn(Size), nullable=True))
    mark: Literal["a", 1, 2] | None = None
    weight: float | None = None
    receiver: str = Field(default="", sa_column=Column("sent_to", String, nullable=False))
    content: Json[list[int]] = Field(default_factory=list)


class ParcelRead(Model):
    number: int
    part: str


P: Any = Parcel


@pytest.mark.parametrize(
    "statement",
    [
        select(Parcel).order_by(P.size),
        select(Parcel).order_by(col(P.size).desc().nulls_last(), P.part),
        select(Parcel).order_by(col(P.mark).desc()),
        select(Parcel).order_by(P.receiver, col(P.number).desc()),
        select(Parcel).order_by(P.__table__.c.sent_to.desc(), P.weight),
        select(Parcel).order_by(P.part, P.number, P.size),
    ],
)
async def test_less_common_columns_are_walked_there_and_back(face: Face, statement: Any) -> None:
    await face.create_all(METADATA)
    marks, sizes = ["a", 1, 2, None], [Size.LARGE, None, Size.SMALL]
    async with face.transaction() as session:
        for n in range(24):
            values: dict[str, Any] = {
                "size": sizes[n % 3],
                "mark": marks[n % 4],
                "weight": [1e300, -0.0, None][n % 3],
            }
            session.add(Parcel(number=n // 2, part="xy"[n % 2], receiver=str(n % 5), **values))
    async with face.transaction(read_only=True) as session:
        whole = (await face(seek, session, statement, ParcelRead, size=100, cursors=CURSORS)).items
        pages = [await face(seek, session, statement, ParcelRead, size=5, cursors=CURSORS)]
        for direction in ("next", "previous"):
            while (cursor := getattr(pages[-1], direction)) is not None:
                pages.append(
                    await face(seek, session, statement, ParcelRead, size=5, cursor=cursor, cursors=CURSORS)
                )
    assert len(whole) == 24
    assert [one.items for one in pages[:5]] == [whole[start : start + 5] for start in range(0, 24, 5)]
    assert [one.items for one in pages[5:]] == [one.items for one in pages[3::-1]]


async def test_an_order_by_json_is_refused(face: Face) -> None:
    await face.create_all(METADATA)
    async with face.transaction(read_only=True) as session:
        with pytest.raises(
            PlanError, match=r"ordered by 'parcel\.content', which holds JSON\. Store what is"
        ):
            await face(seek, session, select(Parcel).order_by(P.content), ParcelRead)
