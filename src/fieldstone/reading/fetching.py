"""The verbs that read: an ordinary select and a schema in, plain schema objects out.

Nothing that comes back is attached to the session, lazy or expired. No ORM instance is made on the
way: the plan's columns are selected, rows become values, and the schema's own rules make the objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select
from sqlmodel import Session, SQLModel

from fieldstone.autocommit import Direct, Steps
from fieldstone.errors import MultipleFound, NotFound
from fieldstone.keys import key_values, version_name
from fieldstone.paging.cursors import Cursors, standard
from fieldstone.paging.keyset import walk
from fieldstone.paging.pages import (
    KeysetPage,
    Page,
    bounded,
    cap_of,
    keyset_page_of,
    page_of,
    slice_of,
    slice_values,
)
from fieldstone.reading.asking import Count, Objects, Presence, Reading, Rows, directly, within
from fieldstone.reading.assembly import key_statement, root_statement
from fieldstone.reading.plans import plan
from fieldstone.reading.selecting import selected_by
from fieldstone.reading.ways import Found, Question
from fieldstone.verbs import verb

SchemaT = TypeVar("SchemaT", bound=BaseModel)
ModelT = TypeVar("ModelT")

Statement = Select[*tuple[Any, ...]]


@verb(reads=True)
def get(session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT]) -> SchemaT:
    """Read the row with this primary key.

    A composite key is a tuple in the order of its columns. Raises NotFound.
    """
    return within(session, _get(model, key, schema))


@get.direct
def _get_directly(direct: Direct, model: type[SQLModel], key: Any, schema: type[SchemaT]) -> Steps[SchemaT]:
    return directly(direct, _get(model, key, schema))


def _get(model: type[SQLModel], key: Any, schema: type[SchemaT]) -> Reading[SchemaT]:
    objects: list[SchemaT] = yield Objects((yield Rows(by_key(model, key, schema))))
    if not objects:
        raise NotFound(model.__name__, key=key)
    return objects[0]


@verb(reads=True)
def get_versioned(
    session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT]
) -> tuple[SchemaT, Any]:
    """Read the row with this primary key and, also where the schema does not show it, its version.

    The version is None where the model keeps none. Raises NotFound.
    """
    return within(session, _get_versioned(model, key, schema))


@get_versioned.direct
def _get_versioned_directly(
    direct: Direct, model: type[SQLModel], key: Any, schema: type[SchemaT]
) -> Steps[tuple[SchemaT, Any]]:
    return directly(direct, _get_versioned(model, key, schema))


def _get_versioned(model: type[SQLModel], key: Any, schema: type[SchemaT]) -> Reading[tuple[SchemaT, Any]]:
    found, version = yield from versioned(model, key, schema)
    objects: list[SchemaT] = yield Objects(found)
    if not objects:  # what it needs lies outside the session's scope
        raise NotFound(model.__name__, key=key)
    return objects[0], version


@verb(reads=True)
def fetch(session: Session, statement: Statement, schema: type[SchemaT]) -> list[SchemaT]:
    """Read every row that the statement selects. For what may be large, use `page`."""
    return within(session, _fetch(statement, schema))


@fetch.direct
def _fetch_directly(direct: Direct, statement: Statement, schema: type[SchemaT]) -> Steps[list[SchemaT]]:
    return directly(direct, _fetch(statement, schema))


def _fetch(statement: Statement, schema: type[SchemaT]) -> Reading[list[SchemaT]]:
    objects: list[SchemaT] = yield Objects((yield Rows(every(statement, schema))))
    return objects


@verb(reads=True)
def first(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT | None:
    """Read the first row that the statement selects, or None. Without an order, any row may be first."""
    return within(session, _first(statement, schema))


@first.direct
def _first_directly(direct: Direct, statement: Statement, schema: type[SchemaT]) -> Steps[SchemaT | None]:
    return directly(direct, _first(statement, schema))


def _first(statement: Statement, schema: type[SchemaT]) -> Reading[SchemaT | None]:
    found = yield from _fetch(statement.limit(1), schema)
    return found[0] if found else None


@verb(reads=True)
def one(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT:
    """Read the only row that the statement selects. Raises NotFound and MultipleFound."""
    return within(session, _one(statement, schema))


@one.direct
def _one_directly(direct: Direct, statement: Statement, schema: type[SchemaT]) -> Steps[SchemaT]:
    return directly(direct, _one(statement, schema))


def _one(statement: Statement, schema: type[SchemaT]) -> Reading[SchemaT]:
    found = yield from _one_or_none(statement, schema)
    if found is None:
        raise NotFound(selected_by(statement).model.__name__)
    return found


@verb(reads=True)
def one_or_none(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT | None:
    """Read the only row that the statement selects, or None. Raises MultipleFound."""
    return within(session, _one_or_none(statement, schema))


@one_or_none.direct
def _one_or_none_directly(
    direct: Direct, statement: Statement, schema: type[SchemaT]
) -> Steps[SchemaT | None]:
    return directly(direct, _one_or_none(statement, schema))


def _one_or_none(statement: Statement, schema: type[SchemaT]) -> Reading[SchemaT | None]:
    found = yield from _fetch(statement.limit(2), schema)
    if len(found) > 1:
        raise MultipleFound(selected_by(statement).model.__name__)
    return found[0] if found else None


@verb(reads=True)
def page(
    session: Session,
    statement: Statement,
    schema: type[SchemaT],
    *,
    size: int = 20,
    offset: int = 0,
    total: bool | int = False,
) -> Page[SchemaT]:
    """Read one page by number, in the statement's order and then by key, so that no row comes twice.

    `total=True` counts all results, which costs a statement whose time grows with their number;
    `total=1000` stops counting there, and the page's `total_capped` says that there are more. For deep
    or endless lists, and for lists that change while they are read, use `seek`.
    Raises InvalidValues for a size over 1,000 or an offset over 10,000,000.
    """
    return within(session, _page(statement, schema, size, offset, total))


@page.direct
def _page_directly(
    direct: Direct,
    statement: Statement,
    schema: type[SchemaT],
    *,
    size: int = 20,
    offset: int = 0,
    total: bool | int = False,
) -> Steps[Page[SchemaT]]:
    return directly(direct, _page(statement, schema, size, offset, total))


def _page(
    statement: Statement, schema: type[SchemaT], size: int, offset: int, total: bool | int
) -> Reading[Page[SchemaT]]:
    found, make = yield from turned(statement, schema, size=size, offset=offset, total=total)
    result: Page[SchemaT] = yield from make((yield Objects(found)))
    return result


@verb(reads=True)
def seek(
    session: Session,
    statement: Statement,
    schema: type[SchemaT],
    *,
    cursor: str | None = None,
    size: int = 20,
    cursors: Cursors | None = None,
) -> KeysetPage[SchemaT]:
    """Read the page that a cursor leads to, or the first one: keyset pagination, the seek method.

    It costs the same at any depth, and a row that stays is neither skipped nor repeated while others
    come and go. `cursor` is `next` or `previous` of a page of the same statement. `cursors` holds the secret
    they are made with; without it, that is FIELDSTONE_CURSOR_SECRET, else one that this process makes.
    Raises InvalidValues for a size over 1,000 and for a cursor that is broken or another list's, and
    PlanError for an order that has other parts than columns.
    """
    return within(session, _seek(statement, schema, cursor, size, cursors))


@seek.direct
def _seek_directly(
    direct: Direct,
    statement: Statement,
    schema: type[SchemaT],
    *,
    cursor: str | None = None,
    size: int = 20,
    cursors: Cursors | None = None,
) -> Steps[KeysetPage[SchemaT]]:
    return directly(direct, _seek(statement, schema, cursor, size, cursors))


def _seek(
    statement: Statement, schema: type[SchemaT], cursor: str | None, size: int, cursors: Cursors | None
) -> Reading[KeysetPage[SchemaT]]:
    found, make = yield from continued(statement, schema, cursor=cursor, size=size, cursors=cursors)
    result: KeysetPage[SchemaT] = yield from make((yield Objects(found)))
    return result


@verb(reads=True)
def count(session: Session, statement: Statement) -> int:
    """Count the rows that the statement selects."""
    return Count(statement).within(session)


@count.direct
def _count_directly(direct: Direct, statement: Statement) -> Steps[int]:
    return Count(statement).directly(direct)


@verb(reads=True)
def exists(session: Session, statement: Statement) -> bool:
    """Tell whether the statement selects any row."""
    return Presence(statement).within(session)


@exists.direct
def _exists_directly(direct: Direct, statement: Statement) -> Steps[bool]:
    return Presence(statement).directly(direct)


# What a verb asks before it says in which form


def by_key(
    model: type[SQLModel],
    key: Any,
    schema: type[BaseModel],
    beside: tuple[str, ...] = (),
    *,
    as_json: bool = False,
) -> Question:
    """Ask for the row with this primary key."""
    made = plan(model, schema)
    statement, layout, names = key_statement(made, beside)
    named = dict(zip(names, key_values(model, key), strict=True))
    return Question(made, lambda: (statement, layout), form=f"key {beside}", named=named, as_json=as_json)


def versioned(
    model: type[SQLModel], key: Any, schema: type[BaseModel], *, as_json: bool = False
) -> Reading[tuple[Found, Any]]:
    """Find the row with this primary key, and its version beside it. Raises NotFound."""
    name = version_name(model)
    found: Found = yield Rows(by_key(model, key, schema, () if name is None else (name,), as_json=as_json))
    ends = found.ends()
    if ends is None:
        raise NotFound(model.__name__, key=key)
    beside, _ = ends
    return found, beside[0] if beside else None


def every(statement: Statement, schema: type[BaseModel], *, as_json: bool = False) -> Question:
    """Ask for every row that the statement selects."""
    asked = selected_by(statement)
    made = plan(asked.model, schema)
    return Question(made, lambda: root_statement(made, statement), asked.given, "rows", as_json=as_json)


# Makes a page of its items, and may ask for something more.
Make = Callable[[list[Any]], Reading[Any]]


def turned(
    statement: Statement,
    schema: type[BaseModel],
    *,
    size: int,
    offset: int,
    total: bool | int,
    as_json: bool = False,
) -> Reading[tuple[Found, Make]]:
    """Find the rows of a page, and give what makes the page of its items."""
    bounded(size, offset, total)
    asked = selected_by(statement)
    made = plan(asked.model, schema)
    named = slice_values(size, offset)
    found: Found = yield Rows(
        Question(
            made,
            lambda: root_statement(made, slice_of(statement, named)),
            asked.given,
            f"page {sorted(named)}",
            named,
            as_json=as_json,
            more=bool(total),
        )
    )
    has_more = found.count > size
    found.keep(slice(size))
    cap = cap_of(total)

    def make(items: list[Any]) -> Reading[Any]:
        counted = (yield Count(statement, cap)) if total else None
        return page_of(schema, items, size=size, offset=offset, has_more=has_more, counted=counted, cap=cap)

    return found, make


def continued(
    statement: Statement,
    schema: type[BaseModel],
    *,
    cursor: str | None,
    size: int,
    cursors: Cursors | None,
    as_json: bool = False,
) -> Reading[tuple[Found, Make]]:
    """Find the rows that a cursor leads to, and give what makes the page of its items."""
    bounded(size)
    asked = selected_by(statement)
    made = plan(asked.model, schema)
    step = walk(statement, asked.entity, size=size, cursor=cursor, cursors=cursors or standard())
    found: Found = yield Rows(
        Question(
            made,
            lambda: root_statement(made, step.statement, beside=step.columns),
            asked.given,
            f"seek {step.form}",
            step.values,
            as_json=as_json,
        )
    )
    more = found.count > size
    for rows in step.shown:
        found.keep(rows)
    previous, following = step.edges(found.ends(), more=more)

    def make(items: list[Any]) -> Reading[Any]:
        yield from ()
        return keyset_page_of(schema, items, size=size, previous=previous, following=following)

    return found, make
