"""Tables of a shop, and applications over them in every way in which an application has sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from sqlalchemy import MetaData, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import registry
from sqlmodel import Session, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Database, Field, Model, Relationship, Resource, count
from fieldstone.fastapi import install, routes

METADATA = MetaData()
NOWHERE = "/nonexistent/directory/shop.db"


class ShopModel(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Shelf(ShopModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    label: str = Field(max_length=20, unique=True)
    items: list[Item] = Relationship(back_populates="shelf")


class ItemBase(Model):
    name: str = Field(min_length=1, max_length=40, unique=True)
    shelf_id: int | None = Field(default=None, foreign_key="shelf.id")


class Item(ItemBase, ShopModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    shelf: Shelf | None = Relationship(back_populates="items")


class ItemCreate(ItemBase): ...


class ItemRead(ItemBase):
    id: int


items = Resource(Item, read=ItemRead, create=ItemCreate, name="items")

# What a module of an application holds, and what its startup uses: no test may reach it.
production = Database(f"sqlite:///{NOWHERE}")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with production.async_transaction(read_only=True) as session:
        found = await count(session, select(Item))
    yield {"found_at_start": found}


installed = FastAPI(title="installed", lifespan=lifespan)
install(installed, production)
installed.include_router(routes(items, exclude={"patch"}))

engine = create_engine(f"sqlite:///{NOWHERE}")
async_engine = create_async_engine(f"sqlite+aiosqlite:///{NOWHERE}")


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session
        session.commit()


async def get_async_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(async_engine, expire_on_commit=False) as session:
        yield session
        await session.commit()


by_hand = FastAPI(title="by hand")
by_hand_async = FastAPI(title="by hand, asynchronous")


@by_hand.post("/items", status_code=201)
def add(item: ItemCreate, session: Annotated[Session, Depends(get_session, scope="function")]) -> int:
    session.add(Item(**item.model_dump()))
    session.flush()
    return count(session, select(Item))


@by_hand_async.post("/items", status_code=201)
async def add_async(
    item: ItemCreate, session: Annotated[AsyncSession, Depends(get_async_session, scope="function")]
) -> int:
    session.add(Item(**item.model_dump()))
    await session.flush()
    return await count(session, select(Item))
