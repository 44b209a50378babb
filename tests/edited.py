"""The models that the tests of preconditions share: rows with a counter, with another version, with none."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from fastapi import FastAPI
from sqlalchemy import Column, MetaData, String
from sqlalchemy.orm import registry
from sqlmodel import Field as PlainField
from sqlmodel import SQLModel

from fieldstone import Database, Field, Model, Relationship, Resource, Versioned, partial
from fieldstone.fastapi import install, routes

METADATA = MetaData()


class EditedModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class SheetBase(Model):
    title: str = Field(min_length=1, max_length=40)
    count: int = Field(default=0, ge=0)


class Sheet(SheetBase, Versioned, EditedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    remarks: list[Remark] = Relationship(back_populates="sheet")


class Remark(EditedModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    text: str
    sheet_id: int = Field(foreign_key="sheet.id", ondelete="CASCADE")
    sheet: Sheet = Relationship(back_populates="remarks")


class Card(SheetBase, EditedModel, table=True):
    """Keeps no version."""

    id: int | None = Field(default=None, primary_key=True)


class Machine(Versioned, EditedModel, table=True):
    """Joined-table inheritance: the version stands in the parent's table."""

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "machine"}
    id: int | None = Field(default=None, primary_key=True)
    kind: str = "machine"


class Robot(Machine, table=True):
    __mapper_args__ = {"polymorphic_identity": "robot"}
    id: int | None = Field(default=None, foreign_key="machine.id", primary_key=True)
    arms: int = 2


class PlainEdited(SQLModel, registry=registry(metadata=METADATA)):
    """Stand in the same metadata."""


REVISION = Column("revision", String, nullable=False)


class Script(PlainEdited, table=True):
    """A SQLModel table whose version is a text, with characters that stand in no entity tag."""

    __mapper_args__: ClassVar[Any] = {
        "version_id_col": REVISION,
        "version_id_generator": lambda version: f'"é-{uuid.uuid4().hex}"',
    }
    id: int | None = PlainField(default=None, primary_key=True)
    title: str
    count: int = 0
    revision: str = PlainField(default="", sa_column=REVISION)


class RemarkRead(Model):
    text: str


class SheetRead(SheetBase):
    id: int
    remarks: list[RemarkRead]


class CardRead(SheetBase):
    id: int


class Brief(Model):
    title: str


class SheetCreate(SheetBase):
    pass


@partial
class SheetUpdate(SheetBase):
    pass


sheets = Resource(Sheet, read=SheetRead, create=SheetCreate, update=SheetUpdate)
cards = Resource(Card, read=CardRead, create=SheetCreate, update=SheetUpdate)
scripts = Resource(Script, read=CardRead, create=SheetCreate, update=SheetUpdate)
strict = Resource(
    Sheet,
    read=SheetRead,
    create=SheetCreate,
    update=SheetUpdate,
    name="strict",
    subject="strict_sheet",
    require_match=True,
)

viewed = Resource(
    Sheet, read=SheetRead, update=SheetUpdate, views={"brief": Brief}, name="viewed", subject="viewed_sheet"
)
viewed_cards = Resource(
    Card,
    read=CardRead,
    update=SheetUpdate,
    views={"brief": Brief},
    name="viewed_cards",
    subject="viewed_card",
)


def application(database: Database, *, sync: bool) -> FastAPI:
    """Serve every table of this module."""
    app = FastAPI(title="Sheets")
    install(app, database)
    for resource in (sheets, cards, scripts, strict, viewed, viewed_cards):
        app.include_router(routes(resource, sync=sync))
    return app
