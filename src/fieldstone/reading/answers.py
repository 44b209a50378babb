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

from fieldstone.autocommit import Direct, Steps
from fieldstone.cache import cached
from fieldstone.errors import NotFound
from fieldstone.keys import version_name
from fieldstone.paging.cursors import Cursors
from fieldstone.paging.pages import KeysetPage, Page
from fieldstone.reading.asking import Objects, Reading, Rows, Written, directly, within
from fieldstone.reading.fetching import Make, by_key, continued, every, turned, versioned
from fieldstone.reading.gathering import Gathered
from fieldstone.reading.keyed import keyed
from fieldstone.reading.rendering import dumps, values_of, written
from fieldstone.reading.ways import Found, objects_of
from fieldstone.verbs import verb

Statement = Select[*tuple[Any, ...]]
Finish = Callable[[Any], BaseModel]


@verb(reads=True)
def json(session: Session, statement: Statement, schema: type[BaseModel]) -> bytes:
    """Read every row that the statement selects, as a JSON array: what `fetch` gives."""
    return within(session, _json(statement, schema))


@json.direct
def _json_directly(direct: Direct, statement: Statement, schema: type[BaseModel]) -> Steps[bytes]:
    return directly(direct, _json(statement, schema))


def _json(statement: Statement, schema: type[BaseModel]) -> Reading[bytes]:
    found: Found = yield Rows(every(statement, schema, as_json=True))
    return (yield from _bytes(found, _as_they_are, list[schema]))  # type: ignore[valid-type]  # known at run time


@verb(reads=True)
def json_get(session: Session, model: type[SQLModel], key: Any, schema: type[BaseModel]) -> bytes:
    """Read the row with this primary key, as a JSON object: what `get` gives. Raises NotFound."""
    return within(session, _json_get(model, key, schema))


@json_get.direct
def _json_get_directly(
    direct: Direct, model: type[SQLModel], key: Any, schema: type[BaseModel]
) -> Steps[bytes]:
    ready = keyed(direct, model, schema)
    if ready is None:
        return (yield from directly(direct, _json_get(model, key, schema)))
    return _document((yield from ready.row(key)), schema)


def _json_get(model: type[SQLModel], key: Any, schema: type[BaseModel]) -> Reading[bytes]:
    found: Found = yield Rows(by_key(model, key, schema, as_json=True))
    if not found.count:
        raise NotFound(model.__name__, key=key)
    return (yield from _bytes(found, _only(model, key), schema))


@verb(reads=True)
def json_get_versioned(
    session: Session, model: type[SQLModel], key: Any, schema: type[BaseModel]
) -> tuple[bytes, Any]:
    """Read the row with this primary key and its version, as `get_versioned` does. Raises NotFound."""
    return within(session, _json_get_versioned(model, key, schema))


@json_get_versioned.direct
def _json_get_versioned_directly(
    direct: Direct, model: type[SQLModel], key: Any, schema: type[BaseModel]
) -> Steps[tuple[bytes, Any]]:
    name = version_name(model)
    ready = keyed(direct, model, schema, () if name is None else (name,))
    if ready is None:
        return (yield from directly(direct, _json_get_versioned(model, key, schema)))
    gathered = yield from ready.row(key)
    version = None if name is None else gathered.beside(0)[0]
    return _document(gathered, schema), version


def _json_get_versioned(
    model: type[SQLModel], key: Any, schema: type[BaseModel]
) -> Reading[tuple[bytes, Any]]:
    found, version = yield from versioned(model, key, schema, as_json=True)
    return (yield from _bytes(found, _only(model, key), schema)), version


@verb(reads=True)
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
    return within(session, _json_page(statement, schema, size, offset, total, finish))


@json_page.direct
def _json_page_directly(
    direct: Direct,
    statement: Statement,
    schema: type[BaseModel],
    *,
    size: int = 20,
    offset: int = 0,
    total: bool | int = False,
    finish: Finish | None = None,
) -> Steps[bytes]:
    return directly(direct, _json_page(statement, schema, size, offset, total, finish))


def _json_page(
    statement: Statement,
    schema: type[BaseModel],
    size: int,
    offset: int,
    total: bool | int,
    finish: Finish | None,
) -> Reading[bytes]:
    found, make = yield from turned(statement, schema, size=size, offset=offset, total=total, as_json=True)
    return (yield from _bytes(found, _finished(make, finish), Page[schema]))  # type: ignore[valid-type]  # known at run time


@verb(reads=True)
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
    return within(session, _json_seek(statement, schema, cursor, size, cursors, finish))


@json_seek.direct
def _json_seek_directly(
    direct: Direct,
    statement: Statement,
    schema: type[BaseModel],
    *,
    cursor: str | None = None,
    size: int = 20,
    cursors: Cursors | None = None,
    finish: Finish | None = None,
) -> Steps[bytes]:
    return directly(direct, _json_seek(statement, schema, cursor, size, cursors, finish))


def _json_seek(
    statement: Statement,
    schema: type[BaseModel],
    cursor: str | None,
    size: int,
    cursors: Cursors | None,
    finish: Finish | None,
) -> Reading[bytes]:
    found, make = yield from continued(
        statement, schema, cursor=cursor, size=size, cursors=cursors, as_json=True
    )
    return (yield from _bytes(found, _finished(make, finish), KeysetPage[schema]))  # type: ignore[valid-type]  # known at run time


def _finished(make: Make, finish: Finish | None) -> Make:
    if finish is None:
        return make

    def made(items: list[Any]) -> Reading[Any]:
        return finish((yield from make(items)))

    return made


def _document(gathered: Gathered, schema: type[BaseModel]) -> bytes:
    """Write the only row of a plan of one statement."""
    shown = written(gathered)
    if shown is not None:
        return dumps(shown[0])
    [made] = objects_of(gathered.shape.plan, values_of(gathered))
    return _adapter(schema).dump_json(made, by_alias=True)


def _bytes(found: Found, make: Make, response: Any) -> Reading[bytes]:
    """Write what `make` makes of the items. It may ask for something, so it is called once."""
    documents = found.documents()
    if documents is not None:
        return _completed((yield from make(documents)))
    items = yield Written(found)
    if items is None:
        made = yield from make((yield Objects(found)))
        kind = type(made) if isinstance(made, Page | KeysetPage) else response
        return _adapter(kind).dump_json(made, by_alias=True)
    made = yield from make(items)
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


def _only(model: type[SQLModel], key: Any) -> Make:
    def make(items: list[Any]) -> Reading[Any]:
        yield from ()
        if not items:  # what the row needs lies outside the session's scope
            raise NotFound(model.__name__, key=key)
        return items[0]

    return make


def _as_they_are(items: list[Any]) -> Reading[Any]:
    yield from ()
    return items


@cached
def _adapter(response: Any) -> TypeAdapter[Any]:
    return TypeAdapter(response)
