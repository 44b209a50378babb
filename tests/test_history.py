"""What instances write is recorded: who, what, from what to what; if and only if it is stored."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete as sql_delete
from sqlmodel import Session, select

from fieldstone import ConfigurationError, InvalidValues, ModelError, create, delete, patch
from fieldstone.history import acting, history_of, timeline
from fieldstone.models.fields import now
from fieldstone.testing import count_statements
from tests.chronicled import (
    METADATA,
    Board,
    Dog,
    Everything,
    Part,
    Plain,
    Signed,
    Step,
    Ticket,
    all_told,
    entries,
    told,
)
from tests.faces import Face


@pytest.fixture
async def kept(face: Face) -> Face:
    await face.create_all(METADATA)
    return face


async def seed(face: Face) -> None:
    """A board with a ticket of two parts, and forget how they came."""
    async with face.transaction() as session:
        session.add(Board(id=1))
        session.add(Ticket(id=1, title="One", slug="one", board_id=1))
        session.add_all([Part(ticket_id=1, name=name) for name in ("a", "b")])
    await forget(face)


async def forget(face: Face) -> None:
    async with face.transaction() as session:
        await face.exec(session, sql_delete(history_of(Ticket)))


NEW = {"id": (None, 1), "title": (None, "One"), "slug": (None, "one"), "hits": (None, 0)}


async def test_an_entry_says_who_did_what_and_from_what_to_what(kept: Face) -> None:
    with acting("@ada"):
        async with kept.transaction() as session:
            await kept(create, session, Ticket, {"id": 1, "title": "One", "slug": "one"})
    with acting("@claude-code", kind="agent"):
        async with kept.transaction() as session:
            await kept(patch, session, Ticket, 1, {"title": "Two", "hits": 3})
    async with kept.transaction() as session:
        await kept(delete, session, Ticket, 1)
        page = await kept(timeline, session, Ticket, 1)
    last, second, first = page.items
    assert told(first)[:3] == ("created", "Ticket", "1")
    created = dict(told(first)[3])
    assert created.pop("created_at")[0] is None
    assert created == {**NEW, "note": "masked", "token": "masked"}
    assert told(second) == ("changed", "Ticket", "1", {"title": ("One", "Two"), "hits": (0, 3)})
    assert told(last)[0] == "deleted"
    assert told(last)[3]["title"] == ("Two", None)
    assert [(one.actor, one.actor_kind) for one in (first, second, last)] == [
        ("@ada", "human"),
        ("@claude-code", "agent"),
        (None, None),
    ]
    assert first.at <= second.at <= last.at <= now()


async def test_a_masked_field_is_recorded_as_changed_without_its_values(kept: Face) -> None:
    await seed(kept)
    async with kept.transaction() as session:
        await kept(patch, session, Ticket, 1, {"token": "t1", "note": "hush"})
    assert await all_told(kept) == [("changed", "Ticket", "1", {"token": "masked", "note": "masked"})]
    async with kept.transaction() as session:
        rows = await kept.run(session, lambda s: s.exec(select(history_of(Ticket))).all())
    assert [row.changes for row in rows] == [{"token": {"masked": True}, "note": {"masked": True}}]


async def test_a_flush_costs_one_statement_more_however_many_rows(kept: Face) -> None:
    async with kept.transaction() as session:
        session.add_all([Ticket(id=n, title="x", slug=str(n)) for n in range(1, 30)])
        session.add_all([Plain(id=n) for n in range(1, 30)])
        with count_statements(kept.database) as statements:
            await kept.flush(session)
    assert [text.split()[2] for text in statements].count("history") == 1
    assert len([text for text in statements if "history" not in text]) == 2
    async with kept.transaction() as session:
        await kept(patch, session, Ticket, 1, {"title": "x"})
        with count_statements(kept.database) as statements:
            await kept(patch, session, Ticket, 1, {"title": "y"})
        assert [text.split()[0] for text in statements] == ["SELECT", "UPDATE", "INSERT"]
        with count_statements(kept.database) as statements:
            await kept(timeline, session, Ticket, 1)
        assert len(statements) == 1
    assert len(await all_told(kept)) == 29 * 2 + 1


async def test_what_changes_nothing_leaves_no_entry(kept: Face) -> None:
    await seed(kept)
    async with kept.transaction() as session:
        await kept(patch, session, Ticket, 1, {"title": "One"})
        ticket = await kept.run(session, lambda s: s.get_one(Ticket, 1))
        ticket.title = "Two"
        ticket.title = "One"
        await kept.flush(session)
        ticket.updated_at = now()
        await kept.flush(session)
    assert await all_told(kept) == []


async def test_an_entry_is_gone_with_what_it_tells_about(kept: Face) -> None:
    await seed(kept)

    def work(session: Session) -> None:
        patch(session, Ticket, 1, {"title": "kept"})
        savepoint = session.begin_nested()
        patch(session, Ticket, 1, {"title": "lost"})
        savepoint.rollback()

    async with kept.transaction() as session:
        await kept.run(session, work)
    with pytest.raises(ZeroDivisionError):
        async with kept.transaction() as session:
            await kept(patch, session, Ticket, 1, {"title": "lost too"})
            raise ZeroDivisionError
    assert await all_told(kept) == [("changed", "Ticket", "1", {"title": ("One", "kept")})]


async def test_old_values_are_read_where_they_were_never_loaded(kept: Face) -> None:
    await seed(kept)

    def work(session: Session) -> None:
        ticket = session.get_one(Ticket, 1)
        session.expire(ticket, ["title"])
        ticket.title = "Two"
        ticket.hits = Ticket.hits + 5  # an SQL expression
        session.flush()
        session.refresh(ticket)
        session.expire(ticket)
        session.delete(ticket)

    async with kept.transaction() as session:
        await kept.run(session, work)
    changed, *gone = await all_told(kept)
    assert changed == ("changed", "Ticket", "1", {"title": ("One", "Two"), "hits": (0, 5)})
    assert gone[0][3]["hits"] == (5, None)


async def test_what_the_database_deletes_and_unlinks_by_itself_is_recorded(kept: Face) -> None:
    await seed(kept)
    async with kept.transaction() as session:
        session.add(Ticket(id=2, title="Two", slug="two", parent_id=1))
    await forget(kept)
    async with kept.transaction() as session:
        with count_statements(kept.database) as statements:
            await kept(delete, session, Board, 1)
    gone = [(action, model, key) for action, model, key, _ in await all_told(kept)]
    assert sorted(gone) == [
        ("changed", "Ticket", "2"),
        ("deleted", "Part", '[1,"a"]'),
        ("deleted", "Part", '[1,"b"]'),
        ("deleted", "Ticket", "1"),
    ]
    changes = {key: changes for _, _, key, changes in await all_told(kept)}
    assert changes["2"] == {"parent_id": (1, None)}
    assert changes["1"]["title"] == ("One", None)
    assert len([text for text in statements if text.startswith("INSERT")]) == 1


async def test_a_row_that_takes_the_key_of_a_deleted_one_is_a_change(kept: Face) -> None:
    await seed(kept)

    def work(session: Session) -> None:
        session.delete(session.get_one(Part, (1, "a")))
        session.add(Part(ticket_id=1, name="a", size=9))

    async with kept.transaction() as session:
        await kept.run(session, work)
    assert await all_told(kept) == [("changed", "Part", '[1,"a"]', {"size": (1, 9)})]


async def test_values_are_kept_as_json(kept: Face) -> None:
    number, seen = uuid.UUID(int=1), datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    async with kept.transaction() as session:
        await kept(create, session, Everything, {"id": number, "seen": seen, "steps": [Step(text="a")]})
    async with kept.transaction() as session:
        row = await kept.run(session, lambda s: s.get_one(Everything, number))
        row.steps[0].done = True
        row.price = Decimal("2.25")
    created, changed = await all_told(kept)
    assert created[2] == str(number)
    assert created[3] == {
        "id": (None, str(number)),
        "seen": (None, "2026-01-31T09:30:00Z"),
        "other": (None, str(uuid.UUID(int=7))),
        "colour": (None, "red"),
        "blob": (None, "_w=="),
        "price": (None, "1.50"),
        "steps": (None, [{"text": "a", "done": False}]),
    }
    assert changed[3]["steps"] == ([{"text": "a", "done": False}], [{"text": "a", "done": True}])
    assert Decimal(changed[3]["price"][0]) == Decimal("1.5")


async def test_an_inherited_row_and_a_plain_one_have_a_history_too(kept: Face) -> None:
    async with kept.transaction() as session:
        session.add(Dog(id=1, name="Rex", trick="sit"))
        session.add(Plain(id=1, name="old"))
        await kept.flush(session)
        (await kept.run(session, lambda s: s.get_one(Plain, 1))).name = "new"
        await kept.flush(session)
        dogs = await kept(timeline, session, Dog, 1)
    assert told(dogs.items[0])[1:] == (
        "Animal",
        "1",
        {"id": (None, 1), "kind": (None, "dog"), "name": (None, "Rex"), "trick": (None, "sit")},
    )
    assert (await all_told(kept))[-1] == ("changed", "Plain", "1", {"name": ("old", "new")})


async def test_a_timeline_is_paged_and_survives_its_row(kept: Face) -> None:
    await seed(kept)
    async with kept.transaction() as session:
        for hits in range(1, 5):
            await kept(patch, session, Ticket, 1, {"hits": hits})
        await kept(delete, session, Ticket, 1)
        page = await kept(timeline, session, Ticket, "1", size=2, offset=1)
        assert [told(one)[3]["hits"] for one in page.items] == [(3, 4), (2, 3)]
        assert page.has_more
        assert not (await kept(timeline, session, Ticket, 2)).items
        with pytest.raises(InvalidValues):
            await kept(timeline, session, Ticket, "one")
        with pytest.raises(ModelError, match=r"Board has no history. Derive it from Audited"):
            await kept(timeline, session, Board, 1)


async def test_a_model_may_demand_an_actor(kept: Face) -> None:
    with pytest.raises(ConfigurationError, match="Signed is not created by nobody"):
        async with kept.transaction() as session:
            await kept(create, session, Signed, {"id": 1})
    with acting("@ada"):
        async with kept.transaction() as session:
            await kept(create, session, Signed, {"id": 1})
    assert [one[0] for one in await all_told(kept)] == ["created"]


@pytest.mark.parametrize("wrong", ["", "a" * 201, "a\x00b", "\ud800", 7])
def test_an_actor_is_short_clean_text(wrong: Any) -> None:
    with pytest.raises(InvalidValues, match="An actor refuses id"), acting(wrong):
        raise AssertionError


async def test_the_innermost_actor_counts_and_none_is_nobody(kept: Face) -> None:
    with acting("@ada"):
        async with kept.transaction() as session:
            with acting("@grace"):
                await kept(create, session, Plain, {"id": 1})
            with acting(None):
                await kept(create, session, Plain, {"id": 2})
            await kept(create, session, Plain, {"id": 3})
            found = await kept.run(session, entries)
    assert [one.actor for one in found] == ["@grace", None, "@ada"]
