"""One row by its key, without a session: what a call needs is looked up once, for each model and schema.

A read by key costs little in the database, so most of its time is what is done around the statement. A plan
of one statement needs none of the ways that `ways` chooses among: the text, the key's parameters and how a
row is written are the same for every call.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sqlmodel import SQLModel

from fieldstone.autocommit import Ask, Direct, Steps
from fieldstone.errors import NotFound
from fieldstone.keeping import Kept
from fieldstone.keys import key_values
from fieldstone.reading.assembly import key_statement
from fieldstone.reading.composed import Where, is_wanted
from fieldstone.reading.gathering import Gathered, call_of
from fieldstone.reading.plans import plan
from fieldstone.reading.preparation import Options, Prepared, prepared


class Keyed:
    """A read by key of one schema, ready to be asked with any key."""

    def __init__(self, model: type[SQLModel], names: tuple[str, ...], found: Prepared) -> None:
        self._model = model
        self._names = names
        self._prepared = found

    def row(self, key: Any) -> Steps[Gathered]:
        """Ask for the row. Raises NotFound, and InvalidValues for what can be no key."""
        found = self._prepared
        named = dict(zip(self._names, key_values(self._model, key), strict=True))
        sql, arguments = call_of(found, (), named)
        description, rows = yield Ask(sql, arguments, described=not found.is_described)
        if not rows:
            raise NotFound(self._model.__name__, key=key)
        return Gathered.of(found, description, rows)


_ready: Kept[Keyed | None] = Kept()


def keyed(
    direct: Direct, model: type[SQLModel], schema: type[BaseModel], beside: tuple[str, ...] = ()
) -> Keyed | None:
    """Give the read of a schema by its model's key.

    None where it takes more than one statement, and where the database is told to write the JSON.
    """
    added = direct.added
    key = direct.dialect, added, model, schema, beside
    return _ready.get(direct.owner, key, lambda: _made(direct, added, model, schema, beside))


def _made(
    direct: Direct, added: Options, model: type[SQLModel], schema: type[BaseModel], beside: tuple[str, ...]
) -> Keyed | None:
    made = plan(model, schema)
    if made.budget > 1 or is_wanted(made, Where(direct.dialect, direct.owner, direct.options, alone=True)):
        return None
    statement, layout, names = key_statement(made, beside)
    asked = made, f"key {beside}", None
    found = prepared(direct.owner, direct.dialect, asked, (), lambda: (statement, layout), added)
    return Keyed(model, names, found) if found is not None and found.only_reads else None
