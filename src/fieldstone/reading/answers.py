"""The verbs that answer with JSON: what `fetch`, `get`, `page` and `seek` give, as the bytes of a response.

The bytes are those that FastAPI sends for a route whose `response_model` is the schema, a list or a page of
it. Where it is known that rows can be written as they are, no object is made on the way; `plan(...).why`
tells. Elsewhere, and where a stored value breaks the schema's rules, the objects are made and dumped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Select
from sqlmodel import Session, SQLModel

from fieldstone.cache import cached
from fieldstone.errors import NotFound
from fieldstone.paging.cursors import Cursors
from fieldstone.paging.pages import KeysetPage, Page
from fieldstone.reading.fetching import continue_at, find, find_versioned, select_all, turn
from fieldstone.reading.rendering import dumps
from fieldstone.reading.ways import Found
from fieldstone.verbs import verb

Statement = Select[*tuple[Any, ...]]
Make = Callable[[list[Any]], Any]
Finish = Callable[[Any], BaseModel]


@verb
def json(session: Session, statement: Statement, schema: type[BaseModel]) -> bytes:
    """Read every row that the statement selects, as a JSON array: what `fetch` gives."""
    found = select_all(session, statement, schema, as_json=True)
    return _bytes(found, lambda items: items, list[schema])  # type: ignore[valid-type]  # known at run time


@verb
def json_get(session: Session, model: type[SQLModel], key: Any, schema: type[BaseModel]) -> bytes:
    """Read the row with this primary key, as a JSON object: what `get` gives. Raises NotFound."""

    def only(items: list[Any]) -> Any:
        if not items:
            raise NotFound(model.__name__, key=key)
        return items[0]

    return _bytes(find(session, model, key, schema, as_json=True), only, schema)


@verb
def json_get_versioned(
    session: Session, model: type[SQLModel], key: Any, schema: type[BaseModel]
) -> tuple[bytes, Any]:
    """Read the row with this primary key and its version, as `get_versioned` does. Raises NotFound."""
    found, version = find_versioned(session, model, key, schema, as_json=True)
    return _bytes(found, lambda items: items[0], schema), version


@verb
def json_page(
    session: Session,
    statement: Statement,
    schema: type[BaseModel],
    *,
    size: int = 20,
    offset: int = 0,
    total: bool | int = False,
    finish: Finish | None = None,
) -> bytes:
    """Read one page by number, as a JSON object: what `page` gives, with the same arguments and errors.

    `finish` makes of the page what is sent instead: a class of pages with further fields behind its own.
    """
    found, make = turn(session, statement, schema, size=size, offset=offset, total=total, as_json=True)
    return _bytes(found, _finished(make, finish), Page[schema])  # type: ignore[valid-type]  # known at run time


@verb
def json_seek(
    session: Session,
    statement: Statement,
    schema: type[BaseModel],
    *,
    cursor: str | None = None,
    size: int = 20,
    cursors: Cursors | None = None,
    finish: Finish | None = None,
) -> bytes:
    """Read the page that a cursor leads to, as a JSON object: what `seek` gives, with the same errors.

    `finish` is that of `json_page`.
    """
    found, make = continue_at(
        session, statement, schema, cursor=cursor, size=size, cursors=cursors, as_json=True
    )
    return _bytes(found, _finished(make, finish), KeysetPage[schema])  # type: ignore[valid-type]  # known at run time


def _finished(make: Make, finish: Finish | None) -> Make:
    return make if finish is None else lambda items: finish(make(items))


def _bytes(found: Found, make: Make, response: Any) -> bytes:
    """Write what `make` makes of the items. It may run a statement, so it is called once."""
    documents = found.documents()
    if documents is not None:
        return _completed(make(documents))
    items = found.written()
    if items is None:
        made = make(found.objects())
        kind = type(made) if isinstance(made, Page | KeysetPage) else response
        return _adapter(kind).dump_json(made, by_alias=True)
    made = make(items)
    return dumps(_members(made) if isinstance(made, Page | KeysetPage) else made)


def _members(page: Page[Any] | KeysetPage[Any]) -> dict[str, Any]:
    """Give the members of a page, whose items are rows already; what else it holds is small."""
    return {
        name: value.model_dump() if isinstance(value, BaseModel) else value
        for name, value in page.__dict__.items()
    }


def _completed(made: Any) -> bytes:
    """Put documents into what is made of them: one, a list, or a page."""
    if isinstance(made, str):
        return made.encode()
    if isinstance(made, list):
        return b"".join([b"[", b",".join(map(str.encode, made)), b"]"])
    around = dumps(_members(made) | {"items": []})
    before, after = around.split(b'"items":[]', 1)  # no text in it can hold this: its quotes are escaped
    return b"".join([before, b'"items":', _completed(made.items), after])


@cached
def _adapter(response: Any) -> TypeAdapter[Any]:
    return TypeAdapter(response)
