"""The verb that reads one object's history."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, SQLModel, col, select

from fieldstone.errors import NotFound
from fieldstone.history.audits import history_of
from fieldstone.history.entries import HistoryRead, key_text
from fieldstone.keys import key_attributes, key_values, mapper_of
from fieldstone.paging.pages import Page
from fieldstone.reading import exists, page
from fieldstone.scopes import scope_of
from fieldstone.verbs import verb
from fieldstone.visibility import including_deleted


@verb(reads=True)
def timeline(
    session: Session, model: type[SQLModel], key: Any, *, size: int = 20, offset: int = 0
) -> Page[HistoryRead]:
    """Read what happened to the row with this key, the newest first; also of a row that is gone.

    In a session with a scope for the model, a row must still be there to be within: else NotFound.
    Raises ModelError for a model without a history, and InvalidValues for a key that none can be.
    """
    if scope_of(session, model) is not None and not _is_within(session, model, key):
        raise NotFound(model.__name__, key=key)
    entry, name = history_of(model), mapper_of(model).base_mapper.class_.__name__
    text = key_text(key_values(model, key))
    statement = (
        select(entry)
        .where(col(entry.model) == name, col(entry.key) == text)
        .order_by(col(entry.at).desc(), col(entry.id).desc())
    )
    return page(session, statement, HistoryRead, size=size, offset=offset)


def _is_within(session: Session, model: type[SQLModel], key: Any) -> bool:
    matches = zip(key_attributes(model), key_values(model, key), strict=True)
    row = select(model).where(*[attribute == value for attribute, value in matches])
    return exists(session, including_deleted(row))
