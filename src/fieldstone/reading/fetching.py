"""The verbs that read: an ordinary select and a schema in, plain schema objects out.

Nothing that comes back is attached to the session, lazy or expired. No ORM instance is made on the
way: the plan's columns are selected, rows become values, and the schema's own rules make the objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, func, literal_column, select
from sqlmodel import Session, SQLModel

from fieldstone.errors import MultipleFound, NotFound
from fieldstone.keys import key_attributes, key_values, selected, selected_model, version_name
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
from fieldstone.reading.assembly import key_statement, root_statement
from fieldstone.reading.plans import plan
from fieldstone.reading.ways import Found, Question, ask
from fieldstone.verbs import verb
from fieldstone.visibility import sight_of

SchemaT = TypeVar("SchemaT", bound=BaseModel)
ModelT = TypeVar("ModelT")

Statement = Select[*tuple[Any, ...]]


@verb
def get(session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT]) -> SchemaT:
    """Read the row with this primary key.

    A composite key is a tuple in the order of its columns. Raises NotFound.
    """
    found: list[SchemaT] = find(session, model, key, schema).objects()
    if not found:
        raise NotFound(model.__name__, key=key)
    return found[0]


@verb
def get_versioned(
    session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT]
) -> tuple[SchemaT, Any]:
    """Read the row with this primary key and, also where the schema does not show it, its version.

    The version is None where the model keeps none. Raises NotFound.
    """
    found, version = find_versioned(session, model, key, schema)
    objects: list[SchemaT] = found.objects()
    return objects[0], version


@verb
def fetch(session: Session, statement: Statement, schema: type[SchemaT]) -> list[SchemaT]:
    """Read every row that the statement selects. For what may be large, use `page`."""
    found: list[SchemaT] = select_all(session, statement, schema).objects()
    return found


@verb
def first(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT | None:
    """Read the first row that the statement selects, or None. Without an order, any row may be first."""
    found: list[SchemaT] = select_all(session, statement.limit(1), schema).objects()
    return found[0] if found else None


@verb
def one(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT:
    """Read the only row that the statement selects. Raises NotFound and MultipleFound."""
    found = _at_most_one(session, statement, schema)
    if found is None:
        raise NotFound(_model_of(statement).__name__)
    return found


@verb
def one_or_none(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT | None:
    """Read the only row that the statement selects, or None. Raises MultipleFound."""
    return _at_most_one(session, statement, schema)


@verb
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
    found, make = turn(session, statement, schema, size=size, offset=offset, total=total)
    return make(found.objects())


@verb
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
    found, make = continue_at(session, statement, schema, cursor=cursor, size=size, cursors=cursors)
    return make(found.objects())


@verb
def count(session: Session, statement: Statement) -> int:
    """Count the rows that the statement selects."""
    return _count(session, statement)


@verb
def exists(session: Session, statement: Statement) -> bool:
    """Tell whether the statement selects any row."""
    probe: Statement = statement.with_only_columns(literal_column("1"), maintain_column_froms=True).order_by(
        None
    )
    return bool(session.scalar(select(probe.exists()), execution_options=sight_of(statement)))


def _count(session: Session, statement: Statement, cap: int | None = None) -> int:
    keys = statement.with_only_columns(
        *key_attributes(selected(statement, "A count")), maintain_column_froms=True
    ).order_by(None)
    if cap is not None:
        keys = select(keys.subquery()).limit(cap + 1)
    counted = select(func.count()).select_from(keys.subquery())
    return session.scalar(counted, execution_options=sight_of(statement)) or 0


def _at_most_one(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT | None:
    found: list[SchemaT] = select_all(session, statement.limit(2), schema).objects()
    if len(found) > 1:
        raise MultipleFound(_model_of(statement).__name__)
    return found[0] if found else None


def _model_of(statement: Statement) -> type[Any]:
    return selected_model(statement, "A read", alone=True)


# What a verb reads before it says in which form


def find(
    session: Session,
    model: type[SQLModel],
    key: Any,
    schema: type[BaseModel],
    beside: tuple[str, ...] = (),
    *,
    as_json: bool = False,
) -> Found:
    """Find the row with this primary key."""
    made = plan(model, schema)
    statement, layout, names = key_statement(made, beside)
    named = dict(zip(names, key_values(model, key), strict=True))
    return ask(
        session,
        Question(made, lambda: (statement, layout), form=f"key {beside}", named=named, as_json=as_json),
    )


def find_versioned(
    session: Session, model: type[SQLModel], key: Any, schema: type[BaseModel], *, as_json: bool = False
) -> tuple[Found, Any]:
    """Find the row with this primary key, and its version, or None where the model keeps none."""
    name = version_name(model)
    found = find(session, model, key, schema, () if name is None else (name,), as_json=as_json)
    ends = found.ends()
    if ends is None:
        raise NotFound(model.__name__, key=key)
    beside, _ = ends
    return found, beside[0] if beside else None


def select_all(
    session: Session, statement: Statement, schema: type[BaseModel], *, as_json: bool = False
) -> Found:
    """Find every row that the statement selects."""
    made = plan(_model_of(statement), schema)
    return ask(
        session,
        Question(made, lambda: root_statement(made, statement), statement, "rows", as_json=as_json),
    )


def turn(
    session: Session,
    statement: Statement,
    schema: type[SchemaT],
    *,
    size: int,
    offset: int,
    total: bool | int,
    as_json: bool = False,
) -> tuple[Found, Callable[[list[SchemaT]], Page[SchemaT]]]:
    """Find the rows of a page, and give what makes the page of its items."""
    bounded(size, offset, total)
    made = plan(_model_of(statement), schema)
    named = slice_values(size, offset)
    found = ask(
        session,
        Question(
            made,
            lambda: root_statement(made, slice_of(statement, named)),
            statement,
            f"page {sorted(named)}",
            named,
            as_json,
        ),
    )
    has_more = found.count > size
    found.keep(slice(size))
    cap = cap_of(total)

    def make(items: list[SchemaT]) -> Page[SchemaT]:
        counted = _count(session, statement, cap) if total else None
        return page_of(schema, items, size=size, offset=offset, has_more=has_more, counted=counted, cap=cap)

    return found, make


def continue_at(
    session: Session,
    statement: Statement,
    schema: type[SchemaT],
    *,
    cursor: str | None,
    size: int,
    cursors: Cursors | None,
    as_json: bool = False,
) -> tuple[Found, Callable[[list[SchemaT]], KeysetPage[SchemaT]]]:
    """Find the rows that a cursor leads to, and give what makes the page of its items."""
    bounded(size)
    made = plan(_model_of(statement), schema)
    entity = selected(statement, "A read", alone=True)
    step = walk(statement, entity, size=size, cursor=cursor, cursors=cursors or standard())
    found = ask(
        session,
        Question(
            made,
            lambda: root_statement(made, step.statement, beside=step.columns),
            step.statement,
            "seek",
            as_json=as_json,
        ),
    )
    more = found.count > size
    for rows in step.shown:
        found.keep(rows)
    previous, following = step.edges(found.ends(), more=more)

    def make(items: list[SchemaT]) -> KeysetPage[SchemaT]:
        return keyset_page_of(schema, items, size=size, previous=previous, following=following)

    return found, make
