"""Deleted rows that stay: out of sight for every statement, and what may be done with them (P28)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func
from sqlalchemy.orm import aliased, joinedload
from sqlmodel import col, select

from fieldstone import (
    Conflict,
    NotFound,
    aggregate,
    ancestors,
    claim,
    count,
    delete,
    delete_where,
    exists,
    fetch,
    first,
    get,
    get_for_update,
    including_deleted,
    link,
    page,
    patch,
    patch_where,
    restore,
    seek,
    stream,
    subtree,
    unlink,
)
from fieldstone.models import Model
from fieldstone.testing import count_statements
from tests.archive import (
    METADATA,
    Board,
    BoardFull,
    Card,
    CardFull,
    CardRead,
    CardTree,
    Note,
    NoteRead,
    Person,
    Tag,
    sample,
)
from tests.faces import Face


@pytest.fixture
async def archive(face: Face) -> Face:
    """The sample, with the card 2 deleted, and so the card 3 below it."""
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add_all(sample())
    async with face.transaction() as session:
        await face(delete, session, Card, 2)
    return face


async def ids(face: Face, session: Any, statement: Any) -> list[Any]:
    return sorted((await face.exec(session, statement)).all())


async def stored(face: Face, model: Any) -> dict[Any, bool]:
    """Tell of each row of a table whether it is deleted."""
    async with face.transaction() as session:
        rows = (await face.exec(session, including_deleted(select(model)))).all()
        return {row.id: row.deleted_at is not None for row in rows}


async def test_a_deleted_row_stays_with_what_hangs_on_it_and_bears_the_same_moment(archive: Face) -> None:
    async with archive.transaction() as session:
        rows = (await archive.exec(session, including_deleted(select(Card).order_by(col(Card.id))))).all()
        assert [row.deleted_at is None for row in rows] == [True, False, False, True]
        assert rows[1].deleted_at == rows[2].deleted_at
        assert [row.version for row in rows] == [1, 2, 2, 1]
        assert rows[1].updated_at > rows[1].created_at
        assert rows[2].updated_at > rows[2].created_at


class Points(Model):
    board_id: int
    points: int


async def test_every_read_passes_over_deleted_rows(archive: Face) -> None:
    other = aliased(Card)
    async with archive.transaction() as session:
        every = select(Card).order_by(col(Card.id))
        assert [one.id for one in await archive(fetch, session, every, CardRead)] == [1, 4]
        assert [one.id for one in (await archive(page, session, every, CardRead, total=True)).items] == [1, 4]
        assert (await archive(page, session, every, CardRead, total=True)).total == 2
        assert [one.id for one in (await archive(seek, session, every, CardRead, size=1)).items] == [1]
        assert await archive(count, session, every) == 2
        assert await archive(count, session, select(other)) == 2
        assert not await archive(exists, session, select(Card).where(Card.id == 2))
        assert await archive(first, session, select(Card).where(Card.id == 3), CardRead) is None
        grouped = select(Card.board_id, func.sum(Card.points).label("points")).group_by(col(Card.board_id))
        sums = await archive(aggregate, session, grouped, Points)
        assert sorted((one.board_id, one.points) for one in sums) == [(1, 1), (2, 4)]
        for call in (get, get_for_update, subtree):
            with pytest.raises(NotFound, match="No Card with key 2 was found"):
                await archive(call, session, Card, 2, *([] if call is get_for_update else [CardTree]))
        tree = await archive(subtree, session, Card, 1, CardTree)
        assert tree == CardTree(id=1, subcards=[])
        with pytest.raises(NotFound):
            await archive(ancestors, session, Card, 3, CardRead)


async def test_statements_of_ones_own_pass_over_deleted_rows(archive: Face) -> None:
    other = aliased(Card)
    async with archive.transaction() as session:
        assert await ids(archive, session, select(Card.id)) == [1, 4]
        assert await ids(archive, session, select(other.id)) == [1, 4]
        assert await ids(archive, session, select(Card.id).union(select(other.id))) == [(1,), (4,)]
        assert (await archive.exec(session, select(func.count()).select_from(Card))).one() == 2
        assert (await archive.exec(session, select(func.count(col(Card.id))))).one() == 2
        counted = select(func.count()).select_from(select(Card).subquery())
        assert (await archive.exec(session, counted)).one() == 2
        joined = select(Card.id, other.id).join(other, col(other.parent_id) == Card.id, isouter=True)
        assert await ids(archive, session, joined) == [(1, None), (4, None)]
        by_path = select(Card.id, other.id).join(Card.subcards.of_type(other), isouter=True)  # type: ignore[attr-defined]
        assert await ids(archive, session, by_path) == [(1, None), (4, None)]
        implicit = select(Board.id, Card.id).where(Card.board_id == Board.id)
        assert await ids(archive, session, implicit) == [(1, 1), (2, 4)]
        assert await archive.run(session, lambda s: s.get(Card, 2)) is None


async def test_conditions_through_relationships_pass_over_deleted_rows(archive: Face) -> None:
    async with archive.transaction() as session:
        has_left = Board.cards.any(Card.label == "left")  # type: ignore[attr-defined]
        assert await ids(archive, session, select(Board.id).where(has_left)) == []
        assert await ids(archive, session, select(Board.id).where(~has_left)) == [1, 2]
        inside = col(Board.id).in_(select(Card.board_id).where(Card.label == "leaf"))
        assert await ids(archive, session, select(Board.id).where(inside)) == []
        noted = select(Note.id).where(Note.card.has(Card.label != ""))  # type: ignore[attr-defined]
        assert await ids(archive, session, noted) == [2]
        points = select(func.count(col(Card.id))).where(Card.board_id == Board.id).scalar_subquery()
        assert await ids(archive, session, select(Board.id, points)) == [(1, 1), (2, 1)]


async def test_a_read_schema_shows_what_is_there_and_stays_whole(archive: Face) -> None:
    async with archive.transaction() as session:
        await archive(delete, session, Person, "@ada")
        await archive(delete, session, Tag, 1)
    async with archive.transaction() as session:
        with count_statements(archive.database) as statements:
            boards = await archive(fetch, session, select(Board).order_by(col(Board.id)), BoardFull)
    assert len(statements) == 4
    [root] = boards[0].cards
    assert root.model_dump() == {
        "id": 1,
        "label": "root",
        "board": {"id": 1, "slug": "work"},
        "parent": None,
        "owner": None,
        "subcards": [],
        "tags": [{"label": "blue"}],
    }


async def test_what_a_row_needs_is_shown_also_where_it_is_deleted(archive: Face) -> None:
    async with archive.transaction() as session:
        notes = await archive(fetch, session, select(Note).order_by(col(Note.id)), NoteRead)
    assert [note.card.id for note in notes] == [3, 4]
    assert notes[0].card.board.id == 1  # needed by what is needed
    assert notes[0].card.parent is None


async def test_a_stream_passes_over_deleted_rows(archive: Face) -> None:
    async with archive.transaction() as session:
        found = stream(session, select(Card).order_by(col(Card.id)), CardFull, batch=1)
        read = [one.id async for one in found] if archive.is_async else [one.id for one in found]
    assert read == [1, 4]


async def test_a_statement_may_ask_for_deleted_rows(archive: Face) -> None:
    every = including_deleted(select(Card).order_by(col(Card.id)))
    async with archive.transaction() as session:
        assert [one.id for one in await archive(fetch, session, every, CardRead)] == [1, 2, 3, 4]
        assert [one.id for one in (await archive(page, session, every, CardRead, size=3)).items] == [1, 2, 3]
        shown = await archive(seek, session, every, CardRead, size=3)
        assert [one.id for one in shown.items] == [1, 2, 3]
        shown = await archive(seek, session, every, CardRead, size=3, cursor=shown.next)
        assert [one.id for one in shown.items] == [4]
        assert await archive(count, session, every) == 4
        assert (await archive(page, session, every, CardRead, total=3)).total_capped
        assert await archive(exists, session, every.where(Card.id == 2))
        full = await archive(first, session, every.where(Card.id == 2), CardFull)
        assert [one.id for one in full.subcards] == [3]
        found = stream(session, every, CardFull, batch=2)
        read = [one async for one in found] if archive.is_async else list(found)
        assert [len(one.subcards) for one in read] == [1, 1, 0, 0]


async def test_a_row_that_the_session_holds_is_deleted_for_it_as_well(archive: Face) -> None:
    async with archive.transaction() as session:
        held = await archive.run(session, lambda s: s.get(Card, 4))
        boards = select(Board).where(Board.id == 2).options(joinedload(Board.cards))  # type: ignore[arg-type]
        board = (await archive.exec(session, boards)).unique().one()
        assert held in board.cards
        await archive(delete, session, Card, 4)
        assert held not in session
        for write in (patch, delete):
            with pytest.raises(NotFound, match="No Card with key 4 was found"):
                await archive(write, session, Card, 4, *([{"label": "x"}] if write is patch else []))
        assert await archive.run(session, lambda _: board.cards) == []


async def test_an_instance_that_was_marked_by_hand_is_not_found(archive: Face) -> None:
    async with archive.transaction() as session:
        held = await archive.run(session, lambda s: s.get_one(Card, 4))
        held.deleted_at = held.created_at
        with pytest.raises(NotFound):
            await archive(patch, session, Card, 4, {"label": "x"})


async def test_writes_over_many_rows_pass_over_deleted_ones(archive: Face) -> None:
    every = select(Card).where(Card.points > 0)
    async with archive.transaction() as session:
        assert await archive(patch_where, session, every, {"points": 9}) == 2
        assert await archive(patch_where, session, including_deleted(every), {"points": 8}) == 4
        taken = await archive(claim, session, select(Card).where(Card.label == "left"), {"points": 7})
        assert taken is None
        assert await archive(delete_where, session, every) == 2
        assert await archive(delete_where, session, every) == 0
    assert await stored(archive, Card) == {1: True, 2: True, 3: True, 4: True}


async def test_a_parent_cannot_be_linked_or_found_for_links_when_it_is_deleted(archive: Face) -> None:
    async with archive.transaction() as session:
        await archive(delete, session, Tag, 1)
        for write in (link, unlink):
            with pytest.raises(NotFound, match="No Card with key 2 was found"):
                await archive(write, session, Card, 2, "tags", [2])
        with pytest.raises(Conflict, match="CardTag refuses tag_id: it points to Tag that does not exist"):
            await archive(link, session, Card, 4, "tags", [1, 2])
        await archive(link, session, Card, 4, "tags", [2])


async def test_a_delete_is_refused_while_a_visible_row_points_there(archive: Face) -> None:
    async with archive.transaction() as session:
        with pytest.raises(
            Conflict, match="Board cannot be deleted or re-keyed: Invoice still points to it"
        ) as told:
            await archive(delete, session, Board, 2)
        assert told.value.kind == "referenced"
        with pytest.raises(Conflict, match="Invoice still points to it"):
            await archive(delete_where, session, select(Board), everything=True)
    assert await stored(archive, Board) == {1: False, 2: False}
    assert await stored(archive, Card) == {1: False, 2: True, 3: True, 4: False}


async def test_a_restored_row_comes_back_with_what_went_with_it_and_nothing_else(archive: Face) -> None:
    async with archive.transaction() as session:
        await archive(delete, session, Board, 1)
    assert await stored(archive, Card) == {1: True, 2: True, 3: True, 4: False}
    async with archive.transaction() as session:
        board = await archive(restore, session, Board, 1)
        assert (board.slug, board.deleted_at, board.version) == ("work", None, 3)
    assert await stored(archive, Card) == {1: False, 2: True, 3: True, 4: False}
    async with archive.transaction() as session:
        await archive(restore, session, Card, 2)
        left = await archive(get, session, Card, 2, CardFull)
        assert [one.id for one in left.subcards] == [3]
        assert [one.label for one in left.tags] == ["red"]
        assert (await archive(restore, session, Card, 2)).version == 3


async def test_only_what_was_there_can_be_restored(archive: Face) -> None:
    async with archive.transaction() as session:
        with pytest.raises(NotFound, match="No Card with key 99 was found"):
            await archive(restore, session, Card, 99)


async def test_a_unique_key_of_a_deleted_row_is_free(archive: Face) -> None:
    async with archive.transaction() as session:
        session.add(Card(id=12, label="left", board_id=1))
        await archive.flush(session)
    with pytest.raises(Conflict) as told:
        async with archive.transaction() as session:
            await archive(restore, session, Card, 2)
    assert (told.value.kind, told.value.fields) == ("unique", ("board_id", "label"))
    with pytest.raises(Conflict) as told:
        async with archive.transaction() as session:
            session.add(Card(id=13, label="left", board_id=1))
            await archive(patch, session, Card, 1, {"points": 3})
    assert told.value.fields == ("board_id", "label")
    assert await stored(archive, Card) == {1: False, 2: True, 3: True, 4: False, 12: False}


async def test_a_row_can_be_deleted_for_good(archive: Face) -> None:
    async with archive.transaction() as session:
        await archive(delete, session, Card, 2, for_good=True)
    assert await stored(archive, Card) == {1: False, 4: False}
    async with archive.transaction() as session:
        await archive(delete_where, session, select(Card).where(Card.id == 4))
        old = including_deleted(select(Card).where(col(Card.deleted_at).is_not(None)))
        assert await archive(delete_where, session, old, for_good=True) == 1
    assert await stored(archive, Card) == {1: False}


async def test_many_rows_are_marked_in_one_statement(archive: Face) -> None:
    async with archive.transaction() as session:
        await archive(delete_where, session, select(Card), everything=True)
        with count_statements(archive.database) as statements:
            assert await archive(delete_where, session, select(Person), everything=True) == 2
        assert len(statements) == 1
        assert statements[0].startswith("UPDATE person SET deleted_at=")


async def test_a_deletion_costs_a_statement_for_each_foreign_key_that_matters(archive: Face) -> None:
    async with archive.transaction() as session:
        with count_statements(archive.database) as statements:
            await archive(delete, session, Person, "@ada")
        assert len(statements) == 2  # read and mark
        with count_statements(archive.database) as statements:
            await archive(delete, session, Board, 1)
        told = [one for one in statements if one.startswith("UPDATE") or "invoice" in one]
        assert (
            len(told) == 4
        )  # the board, its cards, the cards below these; and who still points to the board
