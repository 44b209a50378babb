"""The verbs that read: an ordinary select and a schema in, plain schema objects out.

Nothing that comes back is attached to the session, lazy or expired. No ORM instance is made on the
way: the plan's columns are selected, rows become values, and the schema's own rules make the objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, func, literal_column, select
from sqlmodel import Session, SQLModel

from fieldstone.errors import MultipleFound, NotFound
from fieldstone.keys import key_attributes, key_names, key_values, selected, selected_model, version_name
from fieldstone.paging.cursors import Cursors, standard
from fieldstone.paging.keyset import walk
from fieldstone.paging.pages import KeysetPage, Page, bounded, cap_of, keyset_page_of, page_of, slice_of
from fieldstone.reading.assembly import (
    Layout,
    Parents,
    Values,
    attach,
    child_statements,
    key_statement,
    root_statement,
)
from fieldstone.reading.objects import construct, object_of
from fieldstone.reading.plans import ReadPlan, plan
from fieldstone.reading.unreadable import Stored, rows_of
from fieldstone.scopes import is_scoped
from fieldstone.verbs import verb
from fieldstone.visibility import NORMAL, Sight, sight_of

SchemaT = TypeVar("SchemaT", bound=BaseModel)
ModelT = TypeVar("ModelT")

Statement = Select[*tuple[Any, ...]]


@verb
def get(session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT]) -> SchemaT:
    """Read the row with this primary key.

    A composite key is a tuple in the order of its columns. Raises NotFound.
    """
    found, _ = _get(session, model, key, schema)
    return found


@verb
def get_versioned(
    session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT]
) -> tuple[SchemaT, Any]:
    """Read the row with this primary key and, also where the schema does not show it, its version.

    The version is None where the model keeps none. Raises NotFound.
    """
    name = version_name(model)
    found, beside = _get(session, model, key, schema, () if name is None else (name,))
    return found, beside[0] if beside else None


@verb
def fetch(session: Session, statement: Statement, schema: type[SchemaT]) -> list[SchemaT]:
    """Read every row that the statement selects. For what may be large, use `page`."""
    return _read(session, statement, schema)


@verb
def first(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT | None:
    """Read the first row that the statement selects, or None. Without an order, any row may be first."""
    found = _read(session, statement.limit(1), schema)
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
    bounded(size, offset, total)
    made = plan(_model_of(statement), schema)
    read, layout = root_statement(made, slice_of(statement, size, offset))
    rows = rows_of(session, read)
    items = assemble(session, made, schema, layout, rows[:size], sight_of(read))
    cap = cap_of(total)
    counted = _count(session, statement, cap) if total else None
    return page_of(
        schema, items, size=size, offset=offset, has_more=len(rows) > size, counted=counted, cap=cap
    )


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
    bounded(size)
    made = plan(_model_of(statement), schema)
    entity = selected(statement, "A read", alone=True)
    step = walk(statement, entity, size=size, cursor=cursor, cursors=cursors or standard())
    read, layout = root_statement(made, step.statement, beside=step.columns)
    rows = rows_of(session, read)
    previous, following = step.edges(rows, layout.end)
    items = assemble(session, made, schema, layout, step.shown(rows), sight_of(read))
    return keyset_page_of(schema, items, size=size, previous=previous, following=following)


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


def _get(
    session: Session, model: type[SQLModel], key: Any, schema: type[SchemaT], beside: tuple[str, ...] = ()
) -> tuple[SchemaT, tuple[Any, ...]]:
    made = plan(model, schema)
    statement, layout, names = key_statement(made, beside)
    parameters = dict(zip(names, key_values(model, key), strict=True))
    rows = rows_of(session, statement, parameters)
    found = assemble(session, made, schema, layout, rows)
    if not found:
        raise NotFound(model.__name__, key=key)
    return found[0], tuple(rows[0][layout.end :])


def _count(session: Session, statement: Statement, cap: int | None = None) -> int:
    keys = statement.with_only_columns(
        *key_attributes(selected(statement, "A count")), maintain_column_froms=True
    ).order_by(None)
    if cap is not None:
        keys = select(keys.subquery()).limit(cap + 1)
    counted = select(func.count()).select_from(keys.subquery())
    return session.scalar(counted, execution_options=sight_of(statement)) or 0


def _at_most_one(session: Session, statement: Statement, schema: type[SchemaT]) -> SchemaT | None:
    found = _read(session, statement.limit(2), schema)
    if len(found) > 1:
        raise MultipleFound(_model_of(statement).__name__)
    return found[0] if found else None


def _model_of(statement: Statement) -> type[Any]:
    return selected_model(statement, "A read", alone=True)


def _read(session: Session, statement: Statement, schema: type[SchemaT]) -> list[SchemaT]:
    made = plan(_model_of(statement), schema)
    return _run(session, made, schema, *root_statement(made, statement))


def _run(
    session: Session,
    made: ReadPlan,
    schema: type[SchemaT],
    statement: Statement,
    layout: Layout,
    parameters: dict[str, Any] | None = None,
) -> list[SchemaT]:
    """Run the plan: the statement, then one more for each collection, then make the objects."""
    rows = rows_of(session, statement, parameters)
    return assemble(session, made, schema, layout, rows, sight_of(statement))


def assemble(
    session: Session,
    made: ReadPlan,
    schema: type[SchemaT],
    layout: Layout,
    rows: Iterable[Any],
    sight: Sight = NORMAL,
) -> list[SchemaT]:
    """Make objects of the rows, once the collections that wait for them are read, as the rows were."""
    parents: Parents = {}
    values = [layout.read(row, parents) for row in rows]
    _follow(session, parents, sight)
    if is_scoped(session):
        values = [one for one in values if _is_whole(made, one)]
    return _objects(schema, made, values)


def _is_whole(made: ReadPlan, values: Values) -> bool:
    """Tell whether all that a row needs lies within the session's scopes, after leaving out what does not."""
    for related in made.collections:
        found = values[related.name]
        kept = [one for one in (found if related.many else [found]) if one and _is_whole(related.plan, one)]
        values[related.name] = kept if related.many else next(iter(kept), None)
    for related in made.joins:
        found = values[related.name]
        if found is not None and not _is_whole(related.plan, found):
            values[related.name] = None
    return not any(related.needed and values[related.name] is None for related in made.joins)


def _follow(session: Session, parents: Parents, sight: Sight) -> None:
    while parents:
        deeper: Parents = {}
        for related, waiting in parents.items():
            for statement, layout in child_statements(related, filter(_can_be_sought, waiting.parents)):
                for row in rows_of(session, statement.execution_options(**sight) if sight else statement):
                    key = tuple(row[: layout.start])
                    attach(related, waiting, key, layout.read(row, deeper))
        parents = deeper


def _can_be_sought(key: tuple[Any, ...]) -> bool:
    """Tell a key from what its column cannot read: that cannot be sent back either."""
    return not any(isinstance(value, Stored) for value in key)


def _objects(schema: type[SchemaT], made: ReadPlan, rows: Iterable[Values]) -> list[SchemaT]:
    subject, keys, as_stored = made.model.__name__, key_names(made.model), partial(_as_stored, schema, made)
    return [object_of(schema, values, subject=subject, keys=keys, as_stored=as_stored) for values in rows]


def _as_stored(schema: type[Any], made: ReadPlan, values: Values) -> Any:
    """Make the object and what is nested in it without their rules."""
    nested = dict(values)
    for related in (*made.joins, *made.collections):
        stored = values[related.name]
        if related.many:
            nested[related.name] = [_as_stored(related.plan.schema, related.plan, one) for one in stored]
        elif stored is not None:
            nested[related.name] = _as_stored(related.plan.schema, related.plan, stored)
    return construct(schema, nested)
