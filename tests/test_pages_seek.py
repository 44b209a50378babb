"""Keyset pages hold every row once, in one order on both databases, while other rows come and go."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from sqlalchemy import MetaData, delete
from sqlalchemy.orm import aliased, registry
from sqlmodel import col, select

from fieldstone import (
    Cursors,
    Field,
    InvalidValues,
    KeysetPage,
    Model,
    Relationship,
    fetch,
    page,
    plan,
    seek,
)
from fieldstone.models import NAMING_CONVENTION
from fieldstone.testing import count_statements
from tests.domain import METADATA as DOMAIN
from tests.domain import Assignment, AssignmentRead, Car, CarRead, Task, TaskFull, sample
from tests.faces import Face

METADATA = MetaData(naming_convention=NAMING_CONVENTION)


class Local(Model, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Shelf(Local, table=True):
    code: str = Field(primary_key=True, max_length=20)
    room: str | None = None
    books: list[Book] = Relationship(back_populates="shelf")


class Book(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False
    rank: int | None = None
    weight: float | None = None
    price: Decimal | None = Field(default=None, max_digits=10, decimal_places=2)
    printed: date | None = None
    seen_at: datetime | None = None
    code: UUID | None = None
    level: Level | None = None
    kind: Literal["novel", "essay"] = "novel"
    shelf_code: str | None = Field(default=None, foreign_key="shelf.code")
    shelf: Shelf | None = Relationship(back_populates="books")


class BookRead(Model):
    id: int


class TitleRead(Model):
    title: str


class ShelfRead(Model):
    code: str


# SQLModel types the attributes of a class as the values of its instances.
B: Any = Book
S: Any = Shelf
C: Any = Car

START = datetime(2026, 1, 1, 12, 0, 0, 123456, UTC)
CURSORS = Cursors("a secret that is long enough for cursors")


def books(count: int, seed: int = 1) -> list[Any]:
    """Shelves, and books with many equal values and many nulls."""
    chance = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if chance.random() < 0.3 else value

    shelves = [Shelf(code=code, room=room) for code, room in (("a", "Ö"), ("b", None), ("c'", "attic"))]
    return shelves + [
        Book(
            id=number,
            title=chance.choice(["alpha", "Beta", "ünï 😀", "", "o'clock \\ %_"]),
            done=chance.random() < 0.5,
            rank=maybe(chance.randint(-2, 2)),
            weight=maybe(chance.choice([0.1, 1e300, -0.3, 1 / 3])),
            price=maybe(Decimal(chance.choice(["0.10", "19.99", "-3.33"]))),
            printed=maybe(date(2026, 1, chance.randint(1, 3))),
            seen_at=maybe(START + timedelta(microseconds=chance.randint(0, 3))),
            code=maybe(UUID(int=chance.choice([7, 2**127, 2**64]))),
            level=maybe(chance.choice(list(Level))),
            kind=chance.choice(["novel", "essay"]),
            shelf_code=maybe(chance.choice(["a", "b", "c'"])),
        )
        for number in chance.sample(range(1, count * 2), count)
    ]


@pytest.fixture
async def stored(face: Face) -> Face:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all(books(40))
    return face


with_shelf = select(Book).join(Shelf, isouter=True)
shelf: Any = aliased(Shelf)

ORDERS: dict[str, Any] = {
    "the key alone": select(Book),
    "the key down": select(Book).order_by(col(B.id).desc(), B.title),
    "text": select(Book).order_by(B.title),
    "bool down": select(Book).order_by(col(B.done).desc()),
    "two directions": select(Book).order_by(B.done, col(B.title).desc()),
    "three directions": select(Book).order_by(B.kind, col(B.done).desc(), B.title),
    "a null": select(Book).order_by(B.rank),
    "a null down": select(Book).order_by(col(B.rank).desc()),
    "nulls first": select(Book).order_by(col(B.rank).nulls_first(), col(B.printed).desc().nulls_last()),
    "nulls last": select(Book).order_by(col(B.rank).desc().nulls_last(), B.done),
    "null behind": select(Book).order_by(B.done, B.rank, col(B.weight).desc(), B.title),
    "float": select(Book).order_by(B.weight),
    "decimal": select(Book).order_by(col(B.price).desc()),
    "date": select(Book).order_by(B.printed),
    "microseconds": select(Book).order_by(col(B.seen_at).desc(), B.rank),
    "uuid": select(Book).order_by(B.code),
    "enum": select(Book).order_by(col(B.level).desc()),
    "literal": select(Book).order_by(B.kind),
    "a joined column": with_shelf.order_by(S.room, col(B.done).desc()),
    "an inner join": select(Book).join(B.shelf).order_by(col(S.code).desc()),
    "an alias": select(Book).join(shelf, B.shelf).order_by(shelf.room),
    "filtered": select(Book).where(col(B.done).is_(True), col(B.rank).in_([1, 2])).order_by(B.rank),
}


async def walked(
    face: Face, session: Any, statement: Any, schema: Any, size: int, cursor: str | None = None
) -> list[KeysetPage[Any]]:
    """Follow `next` to the end."""
    pages = [await face(seek, session, statement, schema, size=size, cursor=cursor, cursors=CURSORS)]
    while (following := pages[-1].next) is not None:
        pages.append(
            await face(seek, session, statement, schema, size=size, cursor=following, cursors=CURSORS)
        )
    return pages


async def walked_back(
    face: Face, session: Any, statement: Any, schema: Any, size: int, last: KeysetPage[Any]
) -> list[KeysetPage[Any]]:
    """Follow `previous` to the start; the pages come in the order of the list."""
    pages = [last]
    while (previous := pages[0].previous) is not None:
        found = await face(seek, session, statement, schema, size=size, cursor=previous, cursors=CURSORS)
        pages.insert(0, found)
    return pages


def ids(pages: list[KeysetPage[Any]]) -> list[int]:
    return [item.id for one in pages for item in one.items]


@pytest.mark.parametrize("order", ORDERS)
async def test_there_and_back_every_row_comes_once_in_the_order_of_offset_pages(
    stored: Face, order: str
) -> None:
    statement = ORDERS[order]
    async with stored.transaction(read_only=True) as session:
        expected = [one.id for one in (await stored(page, session, statement, BookRead, size=1000)).items]
        assert sorted(expected) == sorted(
            one.id for one in await stored(fetch, session, statement.order_by(None), BookRead)
        )
        for size in (1, 7, 1000):
            forward = await walked(stored, session, statement, BookRead, size)
            assert ids(forward) == expected
            assert all(len(one.items) == size for one in forward[:-1])
            assert forward[0].previous is None
            backward = await walked_back(stored, session, statement, BookRead, size, forward[-1])
            assert [one.items for one in backward] == [one.items for one in forward]


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_of_any_columns_is_walked_there_and_back(stored: Face, seed: int) -> None:
    chance = random.Random(seed)
    names = ["title", "done", "rank", "weight", "price", "printed", "seen_at", "level", "shelf_code", "id"]
    clauses = []
    for name in chance.sample(names, chance.randint(2, 4)):
        clause: Any = col(getattr(B, name))
        clause = chance.choice([clause.asc(), clause.desc()])
        clauses.append(chance.choice([clause, clause.nulls_first(), clause.nulls_last()]))
    statement = select(Book).order_by(*clauses)
    async with stored.transaction(read_only=True) as session:
        expected = [one.id for one in (await stored(page, session, statement, BookRead, size=1000)).items]
        forward = await walked(stored, session, statement, BookRead, 3)
        backward = await walked_back(stored, session, statement, BookRead, 3, forward[-1])
    assert ids(forward) == ids(backward) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (select(Book).order_by(B.rank), [2, 4, 1, 3]),
        (select(Book).order_by(col(B.rank).desc()), [3, 1, 4, 2]),
        (select(Book).order_by(col(B.rank).nulls_first()), [1, 3, 2, 4]),
        (select(Book).order_by(col(B.rank).desc().nulls_last()), [4, 2, 3, 1]),
    ],
)
async def test_nulls_and_equals_have_the_same_places_on_both_databases(
    face: Face, statement: Any, expected: list[int]
) -> None:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        for number, rank in enumerate([None, 1, None, 2], start=1):
            session.add(Book(id=number, title="", rank=rank))
    async with face.transaction(read_only=True) as session:
        assert ids(await walked(face, session, statement, BookRead, 1)) == expected
        assert ids([await face(page, session, statement, BookRead)]) == expected


async def test_an_alias_of_the_model_a_composite_key_and_inheritance_are_walked(face: Face) -> None:
    await face.create_all(DOMAIN)
    async with face.transaction() as session:
        session.add_all(sample())
        await face.flush(session)
        session.add_all(Car(id=number, wheels=number % 2) for number in range(1, 5))
    task: Any = aliased(Task)
    of_task: Any = select(Assignment).join(Task).order_by(col(Task.title).desc())
    async with face.transaction(read_only=True) as session:
        found = await walked(face, session, select(task).order_by(task.project_id), TaskFull, 2)
        assert ids(found) == [1, 2, 3, 4, 5]
        links = await walked(face, session, of_task, AssignmentRead, 1)
        assert [one.items[0].worker.id for one in links] == ["@claude-code", "@ada", "@claude-code"]
        cars = await walked(face, session, select(Car).order_by(C.wheels), CarRead, 3)
        assert ids(cars) == [2, 4, 1, 3]


async def disturb(face: Face, session: Any, staying: set[int], chance: random.Random) -> None:
    """Delete some rows that need not stay, and insert others anywhere."""
    some = col(B.id) % 3 == chance.randrange(3)
    await face.exec(session, delete(Book).where(col(B.id).not_in(staying), some))
    for fresh in books(5, seed=chance.randrange(10**6)):
        if isinstance(fresh, Book):
            fresh.id = chance.randrange(100, 10**6)
            session.add(fresh)
    await face.flush(session)


@pytest.mark.parametrize("order", ["the key alone", "three directions", "null behind", "a joined column"])
@pytest.mark.parametrize("seed", range(3))
async def test_no_row_that_stayed_is_skipped_or_repeated_while_others_come_and_go(
    stored: Face, order: str, seed: int
) -> None:
    statement, chance = ORDERS[order], random.Random(seed)
    async with stored.transaction() as session:
        start = [one.id for one in (await stored(page, session, statement, BookRead, size=1000)).items]
        expected = [number for number in start if chance.random() < 0.5]

        async def step(cursor: str | None) -> KeysetPage[BookRead]:
            await disturb(stored, session, set(expected), chance)
            found: KeysetPage[BookRead] = await stored(
                seek, session, statement, BookRead, size=4, cursor=cursor, cursors=CURSORS
            )
            return found

        forward = [await step(None)]
        while forward[-1].next is not None:
            forward.append(await step(forward[-1].next))
        backward = forward[-1:]
        while backward[0].previous is not None:
            backward.insert(0, await step(backward[0].previous))
    for pages in (forward, backward):
        assert len(ids(pages)) == len(set(ids(pages)))
        assert [number for number in ids(pages) if number in expected] == expected


async def test_a_page_whose_rows_have_gone_leads_back_to_the_row_it_stood_at(stored: Face) -> None:
    ascending, cursors = select(Book).order_by(B.id), {"cursors": CURSORS}
    async with stored.transaction() as session:
        whole = [one.id for one in await stored(fetch, session, ascending, BookRead)]
        first = await stored(seek, session, ascending, BookRead, size=3, **cursors)
        await stored.exec(session, delete(Book).where(col(B.id).not_in(whole[:3])))
        gone = await stored(seek, session, ascending, BookRead, size=3, cursor=first.next, **cursors)
        assert (gone.items, gone.next) == ([], None)
        back = await stored(seek, session, ascending, BookRead, size=2, cursor=gone.previous, **cursors)
        assert ids([back]) == whole[1:3]

        await stored.exec(session, delete(Book).where(col(B.id) == whole[0]))
        none_before = await stored(
            seek, session, ascending, BookRead, size=2, cursor=back.previous, **cursors
        )
        assert (none_before.items, none_before.previous) == ([], None)
        again = await stored(seek, session, ascending, BookRead, size=9, cursor=none_before.next, **cursors)
        assert ids([again]) == whole[1:3]

        await stored.exec(session, delete(Book))
        for cursor in (gone.previous, none_before.next, first.next):
            empty = await stored(seek, session, ascending, BookRead, cursor=cursor, **cursors)
            assert empty.items == []
        nothing = await stored(seek, session, ascending, BookRead, **cursors)
        assert (nothing.items, nothing.next, nothing.previous) == ([], None, None)


async def test_a_page_takes_what_its_plan_says_and_reads_collections_of_what_it_shows_only(
    face: Face,
) -> None:
    await face.create_all(DOMAIN)
    async with face.transaction() as session:
        session.add_all(sample())
    mixed = select(Task).order_by(col(Task.project_id).desc(), col(Task.title))
    async with face.transaction(read_only=True) as session:
        with count_statements(face.database) as statements:
            part = await face(seek, session, mixed, TaskFull, size=2, cursors=CURSORS)
        assert len(statements) == plan(Task, TaskFull).budget
        with count_statements(face.database) as statements:
            part = await face(seek, session, mixed, TaskFull, size=2, cursor=part.next, cursors=CURSORS)
    assert len(statements) == plan(Task, TaskFull).budget
    assert not any("OFFSET %" in one or "OFFSET $" in one for one in statements)
    assert type(part) is KeysetPage[TaskFull]
    assert set(part.model_dump()["items"][0]) == set(TaskFull.model_fields)


async def test_a_cursor_of_other_filters_another_order_or_another_model_is_refused(stored: Face) -> None:
    lists: list[Any] = [
        select(Book),
        select(Book).order_by(B.rank),
        select(Book).order_by(col(B.rank).desc()),
        select(Book).where(col(B.id) > 1),
        select(Book).where(col(B.id) > 2),
        select(Book).where(col(B.id).in_([1, 2, 3, 4])),
        select(Book).where(col(B.id).in_([1, 2, 3, 4, 5])),
        select(Book).join(Shelf),
        select(aliased(Book)),
        select(Shelf),
    ]
    shelves: list[Any] = [BookRead] * 9 + [ShelfRead]
    async with stored.transaction(read_only=True) as session:
        for mine, schema in zip(lists, shelves, strict=True):
            cursor = (await stored(seek, session, mine, schema, size=1, cursors=CURSORS)).next
            for other, its in zip(lists, shelves, strict=True):
                if other is mine:
                    await stored(seek, session, other, its, cursor=cursor, cursors=CURSORS)
                    continue
                with pytest.raises(InvalidValues, match="refuses cursor: belongs to another list"):
                    await stored(seek, session, other, its, cursor=cursor, cursors=CURSORS)


async def test_a_cursor_serves_the_same_list_read_into_another_schema_and_size(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        part = await stored(seek, session, select(Book), BookRead, size=2)
        titles = await stored(seek, session, select(Book), TitleRead, size=5, cursor=part.next)
    assert len(titles.items) == 5
