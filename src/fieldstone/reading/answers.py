"""The verbs that answer with JSON: what `fetch`, `get`, `page` and `seek` give, as the bytes of a response.

The bytes are those that FastAPI sends for a route whose `response_model` is the schema, a list or a page of
it. Where it is known that rows can be written as they are, no object is made on the way; `plan(...).why`
tells. Elsewhere, and where a stored value breaks the schema's rules, the objects are made and dumped.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Select
from sqlmodel import Session, SQLModel

from fieldstone.autocommit import Direct, Steps
from fieldstone.cache import cached
from fieldstone.errors import NotFound
from fieldstone.paging.cursors import Cursors
from fieldstone.paging.pages import KeysetPage, Page
from fieldstone.reading.asking import Objects, Reading, Rows, Written, directly, within
from fieldstone.reading.fetching import Finish, by_key, continued, every, turned
from fieldstone.reading.rendering import dumps
from fieldstone.reading.ways import Found
from fieldstone.verbs import verb

Statement = Select[*tuple[Any, ...]]


@verb(reads=True)
def json(session: Session, statement: Statement, schema: type[BaseModel]) -> bytes:
    """Read every row that the statement selects, as a JSON array: what `fetch` gives."""
    return within(session, _json(statement, schema))


@json.direct
def _json_directly(direct: Direct, statement: Statement, schema: type[BaseModel]) -> Steps[bytes]:
    return directly(direct, _json(statement, schema))


def _json(statement: Statement, schema: type[BaseModel]) -> Reading[bytes]:
    found: Found = yield Rows(every(statement, schema))
    return (yield from _bytes(found, _as_they_are, list[schema]))  # type: ignore[valid-type]  # known at run time


@verb(reads=True)
def json_get(session: Session, model: type[SQLModel], key: Any, schema: type[BaseModel]) -> bytes:
    """Read the row with this primary key, as a JSON object: what `get` gives. Raises NotFound."""
    return within(session, _json_get(model, key, schema))


@json_get.direct
def _json_get_directly(
    direct: Direct, model: type[SQLModel], key: Any, schema: type[BaseModel]
) -> Steps[bytes]:
    return directly(direct, _json_get(model, key, schema))


def _json_get(model: type[SQLModel], key: Any, schema: type[BaseModel]) -> Reading[bytes]:
    def only(items: list[Any]) -> Reading[Any]:
        yield from ()
        if not items:
            raise NotFound(model.__name__, key=key)
        return items[0]

    found: Found = yield Rows(by_key(model, key, schema))
    return (yield from _bytes(found, only, schema))


@verb(reads=True)
def json_page(
    session: Session,
    statement: Statement,
    schema: type[BaseModel],
    *,
    size: int = 20,
    offset: int = 0,
    total: bool | int = False,
) -> bytes:
    """Read one page by number, as a JSON object: what `page` gives, with the same arguments and errors."""
    return within(session, _json_page(statement, schema, size, offset, total))


@json_page.direct
def _json_page_directly(
    direct: Direct,
    statement: Statement,
    schema: type[BaseModel],
    *,
    size: int = 20,
    offset: int = 0,
    total: bool | int = False,
) -> Steps[bytes]:
    return directly(direct, _json_page(statement, schema, size, offset, total))


def _json_page(
    statement: Statement, schema: type[BaseModel], size: int, offset: int, total: bool | int
) -> Reading[bytes]:
    found, finish = yield from turned(statement, schema, size=size, offset=offset, total=total)
    return (yield from _bytes(found, finish, Page[schema]))  # type: ignore[valid-type]  # known at run time


@verb(reads=True)
def json_seek(
    session: Session,
    statement: Statement,
    schema: type[BaseModel],
    *,
    cursor: str | None = None,
    size: int = 20,
    cursors: Cursors | None = None,
) -> bytes:
    """Read the page that a cursor leads to, as a JSON object: what `seek` gives, with the same errors."""
    return within(session, _json_seek(statement, schema, cursor, size, cursors))


@json_seek.direct
def _json_seek_directly(
    direct: Direct,
    statement: Statement,
    schema: type[BaseModel],
    *,
    cursor: str | None = None,
    size: int = 20,
    cursors: Cursors | None = None,
) -> Steps[bytes]:
    return directly(direct, _json_seek(statement, schema, cursor, size, cursors))


def _json_seek(
    statement: Statement, schema: type[BaseModel], cursor: str | None, size: int, cursors: Cursors | None
) -> Reading[bytes]:
    found, finish = yield from continued(statement, schema, cursor=cursor, size=size, cursors=cursors)
    return (yield from _bytes(found, finish, KeysetPage[schema]))  # type: ignore[valid-type]  # known at run time


def _bytes(found: Found, finish: Finish, response: Any) -> Reading[bytes]:
    """Write what `finish` makes of the items."""
    items = yield Written(found)
    if items is None:
        made = yield from finish((yield Objects(found)))
        return _adapter(response).dump_json(made, by_alias=True)
    made = yield from finish(items)
    return dumps(made.__dict__ if isinstance(made, BaseModel) else made)


def _as_they_are(items: list[Any]) -> Reading[Any]:
    yield from ()
    return items


@cached
def _adapter(response: Any) -> TypeAdapter[Any]:
    return TypeAdapter(response)
