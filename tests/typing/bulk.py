"""Upserts and writes of many rows give what `into` says; without it an instance or a count."""

from typing import assert_type

from sqlmodel import Session, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import (
    Database,
    Field,
    Model,
    UpsertCounts,
    Upserted,
    create_many,
    delete_where,
    patch_where,
    upsert,
    upsert_many,
)


class Item(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)


class ItemRead(Model):
    id: int


def synchronously(session: Session, db: Database) -> None:
    assert_type(upsert(session, Item, {"code": "a"}, on=("code",)), Upserted[Item])
    assert_type(upsert(session, Item, {"code": "a"}, on="code", update=(), into=ItemRead), Upserted[ItemRead])
    assert_type(upsert(session, Item, {"code": "a"}, on="code").row, Item)
    assert_type(upsert_many(session, Item, [{"code": "a"}], on="code"), UpsertCounts)
    assert_type(upsert(db.autocommit, Item, {"code": "a"}, on="code", into=ItemRead), Upserted[ItemRead])
    assert_type(create_many(session, Item, ({"code": f"{n}"} for n in range(3))), int)
    assert_type(create_many(session, Item, [{"code": "a"}], into=ItemRead), list[ItemRead])
    assert_type(create_many(session, Item, b"[]", schema=ItemRead), int)
    create_many(session, Item, b"[]")  # error: mypy[arg-type] pyright[reportCallIssue, reportArgumentType]
    assert_type(patch_where(session, select(Item).where(Item.code == "a"), {"code": "b"}), int)
    assert_type(patch_where(session, select(Item), {}, into=ItemRead, everything=True), list[ItemRead])
    assert_type(delete_where(session, select(Item).where(Item.code == "a")), int)
    assert_type(delete_where(session, select(Item).where(Item.code == "a"), into=ItemRead), list[ItemRead])
    upsert(session, Item, {"code": "a"})  # error: mypy[call-overload] pyright[reportCallIssue]


async def asynchronously(session: AsyncSession, db: Database) -> None:
    assert_type(await upsert(session, Item, {"code": "a"}, on=("code",)), Upserted[Item])
    assert_type(await upsert(session, Item, {"code": "a"}, on="code", into=ItemRead), Upserted[ItemRead])
    assert_type(await upsert_many(session, Item, [{"code": "a"}], on="code"), UpsertCounts)
    alone = db.async_autocommit
    assert_type(await upsert(alone, Item, {"code": "a"}, on="code", into=ItemRead), Upserted[ItemRead])
    assert_type(await create_many(session, Item, [{"code": "a"}]), int)
    assert_type(await create_many(session, Item, [{"code": "a"}], into=ItemRead), list[ItemRead])
    assert_type(await patch_where(session, select(Item).where(Item.code == "a"), {"code": "b"}), int)
    assert_type(await delete_where(session, select(Item), into=ItemRead, everything=True), list[ItemRead])
    delete_where(session, select(Item))  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
