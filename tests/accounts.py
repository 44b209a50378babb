"""Accounts and transfers, small enough to be lost or kept in tests of transactions."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, MetaData
from sqlmodel import Field, SQLModel, select

from tests.faces import Face


class Account(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    balance: int = 0


class Transfer(SQLModel, table=True):
    """Its foreign key is checked at COMMIT only, so that a commit can be made to fail."""

    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["account.id"], deferrable=True, initially="DEFERRED"),
    )
    id: int | None = Field(default=None, primary_key=True)
    account_id: int


TABLES = [Account.__table__, Transfer.__table__]  # type: ignore[attr-defined]  # made by SQLModel's metaclass


def tables() -> MetaData:
    metadata = MetaData()
    for table in TABLES:
        table.to_metadata(metadata)
    return metadata


async def balances(face: Face) -> list[int]:
    async with face.transaction(read_only=True) as session:
        return list((await face.exec(session, select(Account.balance).order_by(Account.balance))).all())  # type: ignore[arg-type]  # a column at run time
