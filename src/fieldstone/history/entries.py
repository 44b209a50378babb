"""The table of the history, and how an entry reads.

One table for each metadata, made when the first audited model is declared on it, so that
`create_all` and migrations see it like any other. The key is text, which every kind of key can be
written as, and which one index serves.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python
from sqlalchemy import Index, MetaData
from sqlmodel import SQLModel

from fieldstone.errors import ModelError
from fieldstone.history.actors import LONGEST_ACTOR, Kind
from fieldstone.models import Field, Json, Model
from fieldstone.models.fields import now, uuid7

Action = Literal["created", "changed", "deleted", "restored"]

_TABLE = "fieldstone history"  # key of MetaData.info


class HistoryEntry(Model):
    """One change of one row: who, when, what. `history_of(Task)` is the table that holds them."""

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime = Field(default_factory=now)
    actor: str | None = Field(default=None, max_length=LONGEST_ACTOR)
    actor_kind: Kind | None = None
    action: Action
    model: str
    key: str
    changes: Json[dict[str, dict[str, Any]]]


class Change(BaseModel):
    """What one field was and became, as JSON; a masked one says only that it changed."""

    model_config = ConfigDict(frozen=True)

    old: Any = None
    new: Any = None
    masked: bool = False


class HistoryRead(BaseModel):
    """An entry as it is read: by `timeline`, or by any other read of the table."""

    id: uuid.UUID
    at: datetime
    actor: str | None
    actor_kind: Kind | None
    action: Action
    model: str
    key: str
    changes: dict[str, Change]


def key_text(key: Sequence[Any]) -> str:
    """Write a key: `5`, `@ada`, and as a JSON array where it has several parts."""
    parts = to_jsonable_python(list(key), bytes_mode="base64")
    return str(parts[0]) if len(parts) == 1 else json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def history_table(base: type[SQLModel] = SQLModel, *, name: str = "history") -> type[HistoryEntry]:
    """Give the history table of a base class's metadata, made under this name if there is none yet.

    Only a name other than `history` needs a call, before the first audited model is declared.
    """
    metadata: MetaData = base.metadata
    if _TABLE not in metadata.info:
        if name in metadata.tables:
            raise ModelError(
                f"The history cannot be kept in {name!r}: a model has that table already. Call "
                "history_table(Model, name=...) with another name before the first audited model."
            )
        metadata.info[_TABLE] = _made(base, name)
    return cast(type[HistoryEntry], metadata.info[_TABLE])


def _made(base: type[SQLModel], name: str) -> Any:
    registry = cast(Any, base)._sa_registry
    meta: Any = type(HistoryEntry)
    shared = meta("HistoryBase", (HistoryEntry,), {"__module__": __name__}, registry=registry)
    namespace = {
        "__module__": __name__,
        "__doc__": "The entries of one metadata.",
        "__tablename__": name,
        "__table_args__": (Index(None, "model", "key", "at"),),
    }
    return meta("History", (shared,), namespace, table=True)
