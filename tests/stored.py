"""Some rows to write to, and what is stored afterwards, so that two runs of one write can be compared."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel

from fieldstone import including_deleted
from fieldstone.keys import key_attributes
from tests import archive, stock
from tests.archive import Board
from tests.faces import Face
from tests.stock import Guest, Item, Lot, Stay

LATER = datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))

TABLES: tuple[type[SQLModel], ...] = (Item, Lot, Guest, Stay, Board)
MOMENTS = ("created_at", "updated_at")


def _fill(session: Session) -> None:
    session.add_all(
        [
            Lot(id=1, name="L"),
            Item(id=1, code="a", name="A", amount=1, label="l", lot_id=1),
            Item(id=2, code="b"),
            Stay(id=uuid.UUID(int=1), guest="old"),
            Board(id=1, slug="one"),
            Board(id=2, slug="gone", deleted_at=datetime(2026, 1, 1, tzinfo=UTC)),
        ]
    )
    session.flush()
    if session.get_bind().dialect.name == "postgresql":  # it does not count the keys that were given
        for table in ("item", "lot", "board"):
            session.connection().execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"))


async def filled_with_rows(face: Face) -> Face:
    """Make the tables, and the rows in them."""
    await face.create_all(stock.METADATA)
    await face.create_all(archive.METADATA)
    async with face.transaction() as session:
        await face.run(session, _fill)
    return face


def stored_rows(session: Session) -> dict[str, Any]:
    """Read all rows of all tables."""
    session.expire_all()
    found: dict[str, Any] = {}
    for model in TABLES:
        names = list(model.model_fields)
        columns = [getattr(model, name) for name in names]
        statement = including_deleted(select(*columns).order_by(*key_attributes(model)))
        rows = SQLAlchemySession.execute(session, statement)
        found[model.__name__] = [dict(zip(names, row, strict=True)) for row in rows]
    return found


def told(value: Any, before: dict[str, set[Any]]) -> Any:
    """Leave out what differs from run to run: made keys, and the moments that are new."""
    if isinstance(value, dict):
        made = {name: told(one, before) for name, one in value.items()}
        for name in MOMENTS:
            if isinstance(made.get(name), datetime) and made[name] not in before[name]:
                made[name] = "new" if made[name] != LATER else made[name]
        for name in ("id", "lot_id"):
            if isinstance(made.get(name), int) and made[name] not in before["id"]:
                made[name] = "made"
        return made
    return [told(one, before) for one in value] if isinstance(value, list | tuple) else value


def known(rows: dict[str, Any]) -> dict[str, set[Any]]:
    """Give the keys and moments that are there before, and the one key that a case gives itself."""
    every = [row for table in rows.values() for row in table]
    before = {key: {row.get(key) for row in every} for key in (*MOMENTS, "id")}
    before["id"].add(9)
    return before
