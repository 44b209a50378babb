"""What a model may and may not ask of its history, told when it is declared or first written."""

from __future__ import annotations

from typing import Annotated

import pytest
from sqlalchemy import MetaData, Table, join
from sqlalchemy.orm import registry

from fieldstone import (
    Audited,
    Field,
    HistoryEntry,
    Masked,
    Model,
    ModelError,
    Relationship,
    audited,
    create,
    history_of,
    history_table,
)
from tests.faces import Face

LINKED = MetaData()


class LinkedModel(Model, registry=registry(metadata=LINKED)):
    """Keep these tables apart from those of other test modules."""


class Tagging(Audited, LinkedModel, table=True):
    tag_id: int = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")
    item_id: int = Field(foreign_key="item.id", primary_key=True, ondelete="CASCADE")


class Tag(LinkedModel, table=True):
    id: int = Field(primary_key=True)


class Item(LinkedModel, table=True):
    id: int = Field(primary_key=True)
    tags: list[Tag] = Relationship(link_model=Tagging)


class Both:
    """A class of SQLAlchemy's own kind, over two tables."""

    def __init__(self, tag_id: int, item_id: int) -> None:
        self.tag_id, self.item_id = tag_id, item_id


_tag, _item = vars(Tag)["__table__"], vars(Item)["__table__"]
registry(metadata=LINKED).map_imperatively(
    Both,
    join(_tag, _item, _tag.c.id == _item.c.id),
    properties={"tag_id": _tag.c.id, "item_id": _item.c.id},
)


class KeyModel(Model, registry=registry(metadata=MetaData())):
    pass


class NamedModel(Model, registry=registry(metadata=MetaData())):
    pass


class PaperModel(Model, registry=registry(metadata=MetaData())):
    pass


def name_of(entries: type[HistoryEntry]) -> str:
    table: Table = vars(entries)["__table__"]
    return table.name


def test_a_key_that_is_masked_is_refused() -> None:
    with pytest.raises(ModelError, match="The history of Login would show 'token', which is masked"):

        class Login(Audited, KeyModel, table=True):
            token: str = Field(primary_key=True)

    class Reset(Audited, KeyModel, table=True):
        token: Annotated[str, Masked(False)] = Field(primary_key=True)

    assert name_of(history_of(Reset)) == "history"


def test_a_history_takes_another_name_where_its_own_is_taken() -> None:
    class History(NamedModel, table=True):
        id: int = Field(primary_key=True)

    with pytest.raises(ModelError, match="The history cannot be kept in 'history': a model has that table"):
        audited(History)
    assert name_of(history_table(NamedModel, name="audit")) == "audit"
    assert name_of(history_of(audited(History))) == "audit"


def test_a_history_is_declared_at_the_top_of_a_shared_table() -> None:
    class Paper(PaperModel, table=True):
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "paper"}
        id: int = Field(primary_key=True)
        kind: str = "paper"

    class Letter(Paper, table=True):
        __mapper_args__ = {"polymorphic_identity": "letter"}

    with pytest.raises(ModelError, match="Letter shares the table of Paper, which has no history"):
        audited(Letter)


async def test_a_link_with_a_history_is_not_written_through_a_list(face: Face) -> None:
    await face.create_all(LINKED)
    with pytest.raises(ModelError, match=r"Item\.tags cannot be changed as a list: Tagging has a history"):
        async with face.transaction() as session:
            session.add(Item(id=1, tags=[Tag(id=1)]))
            await face.flush(session)
    async with face.transaction() as session:
        session.add_all([Item(id=1), Tag(id=1)])
        await face.flush(session)
        await face(create, session, Tagging, {"tag_id": 1, "item_id": 1})


async def test_a_class_that_is_mapped_to_a_join_is_left_alone(face: Face) -> None:
    await face.create_all(LINKED)
    async with face.transaction() as session:
        session.add(Both(1, 1))
        await face.flush(session)
        await face.run(session, lambda s: s.delete(s.get_one(Both, 1)))
