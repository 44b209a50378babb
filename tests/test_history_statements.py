"""What statements over many rows write is recorded as exactly as what instances do, or refused."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, col
from sqlmodel import select as model_select

from fieldstone import (
    ModelError,
    create_many,
    delete_where,
    patch_where,
    upsert,
    upsert_many,
)
from fieldstone.history import acting
from fieldstone.models.fields import now
from fieldstone.testing import count_statements
from tests.chronicled import METADATA, Animal, Board, Dog, Everything, Part, Plain, Ticket, all_told, entries
from tests.faces import Face
from tests.test_history import forget

TABLE: Any = vars(Ticket)["__table__"]


@pytest.fixture
async def kept(face: Face) -> Face:
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all([Board(id=1), Board(id=2)])
        await face.flush(session)
        session.add_all(
            [Ticket(title=f"T{n}", slug=f"s{n}", hits=n, board_id=2 if n == 3 else 1) for n in (1, 2, 3)]
        )
    await forget(face)
    return face


async def run(face: Face, statement: Any, *arguments: Any, **options: Any) -> Any:
    """Execute in a transaction of its own, and give what the result holds."""
    async with face.transaction() as session:

        def work(session: Session) -> Any:
            result: Any = SQLAlchemySession.execute(session, statement, *arguments, **options)
            return result.all() if statement._returning else getattr(result, "rowcount", None)

        return await face.run(session, work)


def changes(told: list[tuple[Any, ...]]) -> dict[tuple[str, str], Any]:
    return {(action, key): fields for action, _, key, fields in told}


async def test_an_update_records_old_and_new_of_each_row_it_changed(kept: Face) -> None:
    with acting("@ada"), count_statements(kept.database) as statements:
        statement = update(Ticket).where(col(Ticket.hits) >= 2).values(hits=Ticket.hits * 10, token="t9")
        assert await run(kept, statement) == 2
    assert [text.split()[0] for text in statements] == ["SELECT", "UPDATE", "SELECT", "INSERT"]
    assert changes(await all_told(kept)) == {
        ("changed", "2"): {"hits": (2, 20), "token": "masked"},
        ("changed", "3"): {"hits": (3, 30), "token": "masked"},
    }
    async with kept.transaction() as session:
        assert {one.actor for one in await kept.run(session, entries)} == {"@ada"}


async def test_an_update_of_the_bare_table_is_recorded_too(kept: Face) -> None:
    assert await run(kept, update(TABLE).where(TABLE.c.id == 1).values(title="new")) == 1
    assert changes(await all_told(kept)) == {("changed", "1"): {"title": ("T1", "new")}}


async def test_an_update_that_changes_nothing_leaves_no_entry(kept: Face) -> None:
    assert await run(kept, update(Ticket).where(col(Ticket.id) == 1).values(title="T1")) == 1
    assert await run(kept, update(Ticket).where(col(Ticket.id) == 9).values(title="T1")) == 0
    assert await all_told(kept) == []


async def test_an_update_gives_back_what_it_was_asked_for(kept: Face) -> None:
    statement = update(Ticket).where(col(Ticket.id) < 3).values(hits=0).returning(col(Ticket.slug))
    assert sorted(await run(kept, statement)) == [("s1",), ("s2",)]
    assert len(await all_told(kept)) == 2


async def test_an_update_by_keys_is_recorded(kept: Face) -> None:
    async with kept.transaction() as session:
        session.add_all([Plain(id=1, name="x"), Plain(id=2, name="y")])
    await forget(kept)
    await run(kept, update(Plain), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    assert changes(await all_told(kept)) == {
        ("changed", "1"): {"name": ("x", "a")},
        ("changed", "2"): {"name": ("y", "b")},
    }


async def test_a_delete_records_its_rows_and_those_that_go_with_them(kept: Face) -> None:
    async with kept.transaction() as session:
        session.add_all([Part(ticket_id=1, name="a"), Part(ticket_id=3, name="c")])
    await forget(kept)
    assert await run(kept, delete(Board).where(col(Board.id) == 1)) == 1
    found = changes(await all_told(kept))
    assert set(found) == {("deleted", "1"), ("deleted", "2"), ("deleted", '[1,"a"]')}
    assert found["deleted", "2"]["title"] == ("T2", None)
    assert await run(kept, delete(Part)) == 1
    assert ("deleted", '[3,"c"]') in changes(await all_told(kept))


async def test_inserted_rows_are_recorded_with_what_the_database_gave_them(kept: Face) -> None:
    await run(kept, insert(Plain), [{"name": "a"}, {"name": "b"}])
    assert await run(kept, insert(Plain).values(name="c").returning(col(Plain.name))) == [("c",)]
    await run(kept, insert(Plain).from_select(["name"], select(literal("d"))))
    assert changes(await all_told(kept)) == {
        ("created", str(n)): {"id": (None, n), "name": (None, name)} for n, name in enumerate("abcd", start=1)
    }


async def test_the_verbs_over_many_rows_are_recorded(kept: Face) -> None:
    async with kept.transaction() as session:
        made = await kept(create_many, session, Plain, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        assert made == 2
        assert (
            await kept(patch_where, session, model_select(Plain).where(col(Plain.id) > 0), {"name": "c"}) == 2
        )
        assert await kept(delete_where, session, model_select(Plain).where(col(Plain.id) == 2)) == 1
    told = await all_told(kept)
    assert [(action, key) for action, _, key, _ in told] == [
        ("created", "1"),
        ("created", "2"),
        ("changed", "1"),
        ("changed", "2"),
        ("deleted", "2"),
    ]


async def test_an_upsert_is_recorded_as_what_it_came_to(kept: Face) -> None:
    async with kept.transaction() as session:
        one = await kept(upsert, session, Ticket, {"title": "New", "slug": "s1"}, on="slug")
        assert (one.created, one.row.id) == (False, 1)
        two = await kept(upsert, session, Ticket, {"title": "Newer", "slug": "s9"}, on="slug")
        assert two.created
        await kept(upsert, session, Ticket, {"title": "New", "slug": "s1"}, on="slug")
        rows = [{"title": "Many", "slug": slug} for slug in ("s2", "s8")]
        counts = await kept(upsert_many, session, Ticket, rows, on="slug")
        assert (counts.created, counts.updated) == (1, 1)
        await kept(upsert, session, Ticket, {"title": "No", "slug": "s3"}, on="slug", update=())
    found = [(action, fields.get("title")) for action, _, _, fields in await all_told(kept)]
    assert sorted(found) == [
        ("changed", ("T1", "New")),
        ("changed", ("T2", "Many")),
        ("created", (None, "Many")),
        ("created", (None, "Newer")),
    ]


async def test_an_upsert_by_hand_is_recorded(kept: Face) -> None:
    dialect: Any = postgresql if kept.dialect == "postgresql" else sqlite
    for elements in (["id"], [Plain.id], [vars(Plain)["__table__"].c.id]):
        for statement in (dialect.insert(Plain), dialect.insert(vars(Plain)["__table__"])):
            made = statement.on_conflict_do_update(
                index_elements=elements, set_={"name": statement.excluded.name}
            )
            await run(kept, made, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
            await run(kept, statement.on_conflict_do_nothing(), [{"id": 1, "name": "z"}])
    assert [one[0] for one in await all_told(kept)] == ["created", "created"]


async def test_upserts_at_once_lose_no_entry(kept: Face) -> None:
    async def work(name: str) -> None:
        for n in range(5):

            def unit(session: Session, n: int = n) -> None:
                upsert(session, Plain, {"id": n, "name": name}, on="id")

            if kept.is_async:

                async def async_unit(session: Any, n: int = n) -> None:
                    await upsert(session, Plain, {"id": n, "name": name}, on="id")

                await kept.database.run_async(async_unit)
            else:
                await asyncio.to_thread(kept.database.run, unit)

    await asyncio.gather(*(work(name) for name in "abcd"))
    told = [(action, key, fields["name"]) for action, model, key, fields in await all_told(kept)]
    for n in range(5):
        of_one = [(action, name) for action, key, name in told if key == str(n)]
        assert [action for action, _ in of_one] == ["created", "changed", "changed", "changed"]
        assert all(before[1][1] == after[1][0] for before, after in itertools.pairwise(of_one))


async def test_updates_at_once_lose_no_entry(kept: Face) -> None:
    async def add() -> None:
        statement = update(Ticket).where(col(Ticket.id) == 1).values(hits=Ticket.hits + 1)

        def unit(session: Session) -> None:
            SQLAlchemySession.execute(session, statement)

        if kept.is_async:
            await kept.database.run_async(lambda session: session.run_sync(unit))  # type: ignore[arg-type]  # typed for SQLAlchemy's Session
        else:
            await asyncio.to_thread(kept.database.run, unit)

    await asyncio.gather(*(add() for _ in range(6)))
    steps = [fields["hits"] for _, _, _, fields in await all_told(kept)]
    assert sorted(steps) == [(n, n + 1) for n in range(1, 7)]


async def test_every_kind_of_key_is_followed(kept: Face) -> None:
    number = uuid.UUID(int=9)
    async with kept.transaction() as session:
        session.add_all(
            [Part(ticket_id=1, name="a"), Part(ticket_id=1, name="b"), Part(ticket_id=2, name="a")]
        )
        session.add(Everything(id=number, seen=now()))
    await forget(kept)
    await run(kept, update(Part).where(col(Part.ticket_id) == 1).values(size=2))
    await run(kept, update(Everything).values(price=Decimal("9.75")))
    await run(kept, delete(Part).where(col(Part.name) == "a"))
    found = changes(await all_told(kept))
    assert set(found) == {
        ("changed", '[1,"a"]'),
        ("changed", '[1,"b"]'),
        ("changed", str(number)),
        ("deleted", '[1,"a"]'),
        ("deleted", '[2,"a"]'),
    }
    assert set(found["changed", str(number)]) == {"price"}


async def test_rows_that_share_a_table_keep_their_own_columns(kept: Face) -> None:
    async with kept.transaction() as session:
        session.add_all([Dog(id=1, name="Rex", trick="sit"), Animal(id=2, name="Tom")])
    await forget(kept)
    await run(kept, update(Dog).values(trick="roll", name="R"))
    assert changes(await all_told(kept)) == {
        ("changed", "1"): {"trick": ("sit", "roll"), "name": ("Rex", "R")}
    }


async def test_what_cannot_be_told_exactly_is_refused(kept: Face) -> None:
    dialect: Any = postgresql if kept.dialect == "postgresql" else sqlite
    into = dialect.insert(Plain).values(id=1, name="a")
    refused = {
        "it changes keys": (update(Ticket).where(col(Ticket.id) == 1).values(id=50),),
        "its rows are parameters": (into.on_conflict_do_update(index_elements=["id"], set_={"name": "b"}),),
    }
    for cause, arguments in refused.items():
        with pytest.raises(ModelError, match=cause):
            await run(kept, *arguments)
    assert await all_told(kept) == []


async def test_many_rows_are_followed_in_one_go(kept: Face) -> None:
    async with kept.transaction() as session:
        rows = ({"id": n, "name": "a"} for n in range(1, 1_201))
        assert await kept(create_many, session, Plain, rows) == 1_200
        await kept(patch_where, session, model_select(Plain).where(col(Plain.name) == "a"), {"name": "b"})
    async with kept.transaction() as session:
        assert len(await kept.run(session, entries)) == 2_400
