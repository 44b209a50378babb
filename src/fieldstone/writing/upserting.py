"""Insert, or change what is there: one atomic statement, however many do it at once.

A row is found by a unique key that the caller names, and the database decides: INSERT ... ON
CONFLICT DO UPDATE. A stored row that already has the wanted values is locked but not written, so
that `updated_at` and `version` tell of changes only.

Whether a row was created, PostgreSQL tells by itself: a new row's `xmax` is 0, and one that
ON CONFLICT has locked carries the locker. SQLite has nothing like it, so there the row is inserted
with DO NOTHING first: that takes the write lock, so nobody comes between it and the update.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel

from fieldstone.errors import InvalidValues, ModelError, Problem
from fieldstone.keys import among, batched, key_attributes, key_names
from fieldstone.reading.fetching import get
from fieldstone.scopes import fills_of, scope_of
from fieldstone.verbs import AnyAsync, AnySync, verb
from fieldstone.violations import explained
from fieldstone.violations.failures import failure_of
from fieldstone.writing.conflicts import CREATED, Target, target_of
from fieldstone.writing.cycles import moves, refuse_moved
from fieldstone.writing.returned import is_flat, returned
from fieldstone.writing.rows import Data, Row, batches, new_row
from fieldstone.writing.synchronising import after_update
from fieldstone.writing.uniques import On

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=SQLModel)
SchemaT = TypeVar("SchemaT", bound=BaseModel)


# SQLSTATE cardinality_violation: "cannot affect row a second time"
_TWICE = "21000"


@dataclass(frozen=True)
class Upserted(Generic[T]):
    """The stored row, and whether this call created it."""

    row: T
    created: bool


@dataclass(frozen=True)
class UpsertCounts:
    """How many rows were created, changed, or left alone because they had the values already."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: UpsertCounts) -> UpsertCounts:
        return UpsertCounts(
            self.created + other.created, self.updated + other.updated, self.unchanged + other.unchanged
        )


class Upsert(Protocol):
    """Give the instance, or with `into` an object of that schema; awaited with an AsyncSession."""

    @overload
    def __call__(
        self,
        session: AnySync,
        /,
        model: type[ModelT],
        data: Data,
        *,
        on: On,
        update: Sequence[str] | None = None,
    ) -> Upserted[ModelT]: ...
    @overload
    def __call__(
        self,
        session: AnySync,
        /,
        model: type[SQLModel],
        data: Data,
        *,
        on: On,
        into: type[SchemaT],
        update: Sequence[str] | None = None,
    ) -> Upserted[SchemaT]: ...
    @overload
    def __call__(
        self,
        session: AnyAsync,
        /,
        model: type[ModelT],
        data: Data,
        *,
        on: On,
        update: Sequence[str] | None = None,
    ) -> Coroutine[Any, Any, Upserted[ModelT]]: ...
    @overload
    def __call__(
        self,
        session: AnyAsync,
        /,
        model: type[SQLModel],
        data: Data,
        *,
        on: On,
        into: type[SchemaT],
        update: Sequence[str] | None = None,
    ) -> Coroutine[Any, Any, Upserted[SchemaT]]: ...


@verb
def _upsert(
    session: Session,
    model: type[SQLModel],
    data: Data,
    *,
    on: On,
    into: type[BaseModel] | None = None,
    update: Sequence[str] | None = None,
) -> Upserted[Any]:
    """Insert a row, or change the one that has the same unique key.

    `on` names the key by its fields, or by the name of the constraint or index. `update` names what
    is changed in a stored row: by default all that was sent but the keys and `created_at`; `()`
    leaves it as it is. Raises ModelError for a key that is none, InvalidValues and Conflict.
    """
    target = _target(session, model, on, update)
    answer = _answer(session, model, into)
    row = new_row(model, data, fills_of(session, model))
    target.refuse_null(row)
    with explained(metadata=model.metadata):
        session.flush()
        found, created = _stored(session, target, row, answer.wanted)
    key = _key(model, found)
    if moves(model, row.values):
        refuse_moved(session, model, [key])
    if into is not None and not created:
        after_update(session, model, [key])
    return Upserted(answer.made_of(found), created)


upsert = cast(Upsert, _upsert)


@verb
def upsert_many(
    session: Session,
    model: type[SQLModel],
    rows: Iterable[Data],
    *,
    on: On,
    update: Sequence[str] | None = None,
) -> UpsertCounts:
    """Upsert many rows, in batches, all or none. `on` and `update` are as with `upsert`.

    Two rows of the input with the same key are refused, since only one of them could be kept. The
    path of a problem begins with the row's index.
    """
    target = _target(session, model, on, update)
    if not target.key.fields:
        raise ModelError(
            f"upsert_many cannot use {target.key.name} of {model.__name__}: it is over an expression, so "
            "rows that repeat each other cannot be told beforehand. Call upsert(...) for each row."
        )
    seen: dict[tuple[Any, ...], int] = {}
    counts = UpsertCounts()
    with explained(metadata=model.metadata):
        session.flush()
    with session.connection().begin_nested():
        for batch in batches(model, rows, fills_of(session, model)):
            target.refuse_repeated(batch, seen)
            for group in target.groups(batch):
                counts += _upsert_group(session, target, group)
    after_update(session, model)
    return counts


# How it runs


def _target(session: Session, model: type[SQLModel], on: On, update: Sequence[str] | None) -> Target:
    scope = scope_of(session, model)
    within = None if scope is None else scope.by_itself()
    return target_of(model, on, update, session.get_bind(model).dialect.name, within)


_OPTIONS = {"render_nulls": True, "populate_existing": True}


def _stored(session: Session, target: Target, row: Row, wanted: Sequence[Any]) -> tuple[Any, bool]:
    """Write one row, and give what `wanted` names of the stored one, with whether it was created."""
    names = target.changed(row)
    if target.dialect == "postgresql":
        found = _first(session, target.updating(names).returning(*wanted, CREATED), row)
        if found is not None:
            return found, bool(found[-1])
    else:
        found = _first(session, target.inserting().returning(*wanted), row)
        if found is not None:
            return found, True
        found = _first(session, target.updating(names).returning(*wanted), row) if names else None
    if found is None:  # it has the values already, and this transaction holds its lock
        statement = select(*wanted).where(target.key.matches(target.model, row.values))
        found = SQLAlchemySession.execute(session, statement, execution_options=_OPTIONS).one_or_none()
    if found is None:
        raise target.taken()
    return found, False


def _first(session: Session, statement: Any, row: Row) -> Any:
    result = SQLAlchemySession.execute(session, statement, [row.values], execution_options=_OPTIONS)
    return result.first()


@dataclass(frozen=True)
class _Answer:
    """What to ask of the stored row, and what to make of it."""

    wanted: Sequence[Any]
    made_of: Callable[[Any], Any]


def _answer(session: Session, model: type[SQLModel], schema: type[BaseModel] | None) -> _Answer:
    if schema is None:
        return _Answer((model,), lambda found: found[0])
    keys = key_attributes(model)
    if is_flat(model, schema):
        flat = returned(model, schema)
        return _Answer((*keys, *flat.columns), lambda found: flat.object(found[len(keys) :]))
    return _Answer(keys, lambda found: get(session, model, tuple(found[: len(keys)]), schema))


def _key(model: type[SQLModel], found: Any) -> tuple[Any, ...]:
    names = key_names(model)
    if isinstance(found[0], model):
        return tuple(getattr(found[0], name) for name in names)
    return tuple(found[: len(names)])


def _upsert_group(session: Session, target: Target, rows: list[Row]) -> UpsertCounts:
    names, keys = target.changed(rows[0]), key_attributes(target.model)
    if target.dialect == "postgresql" and names:
        written = _all(session, target, target.updating(names).returning(*keys, CREATED), rows)
        created = sum(row[-1] for row in written)
    else:
        written = _all(session, target, target.inserting().returning(*keys), rows)
        created = len(written)
        # the rows just created have the wanted values, so the second statement passes them over
        if names:
            written += _all(session, target, target.updating(names).returning(*keys), rows)
    if len(written) < len(rows):
        _refuse_unseen(session, target, rows)
    if any(moves(target.model, row.values) for row in rows):
        refuse_moved(session, target.model, [_key(target.model, row) for row in written])
    return UpsertCounts(created, len(written) - created, len(rows) - len(written))


def _refuse_unseen(session: Session, target: Target, rows: list[Row]) -> None:
    """Refuse rows whose key another row has that the session does not see: they were not written."""
    if not target.in_sight():
        return
    attributes = [getattr(target.model, name) for name in target.key.fields]
    keys = [target.values(row) for row in rows]
    seen = 0
    for part in batched(keys, len(attributes)):
        seen += session.scalar(select(func.count()).where(among(attributes, part))) or 0
    if seen < len(keys):
        raise target.taken()


def _all(session: Session, target: Target, statement: Any, rows: list[Row]) -> list[Any]:
    values = [row.values for row in rows]
    try:
        with explained(metadata=target.model.metadata):
            result = SQLAlchemySession.execute(session, statement, values, execution_options=_OPTIONS)
            return list(result)
    except DBAPIError as error:
        failure = failure_of(error)
        if failure is None or failure.sqlstate != _TWICE:
            raise
        message = "two rows of the input are one to the database, as with text that differs only by case"
        raise InvalidValues(
            target.model.__name__, [Problem((name,), "repeated", message) for name in target.key.fields]
        ) from error
