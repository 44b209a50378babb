"""The verbs that lock rows: for a queue that many workers empty, and for read, modify, write.

A claimed row is locked and changed in the worker's own transaction. On PostgreSQL the others pass over
locked rows (SKIP LOCKED) instead of waiting for them; on SQLite a writing unit holds the lock of the
whole file from its first statement. Either way no row goes to two workers, and what a worker claimed
is back in the queue if its transaction does not commit.

Source: PostgreSQL documentation, "Explicit Locking" and "SELECT, The Locking Clause".
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast, overload

from pydantic import BaseModel
from sqlalchemy import inspect as sa_inspect
from sqlalchemy import tuple_
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from fieldstone.errors import InvalidValues, NotFound, PlanError, Problem
from fieldstone.keys import key_attributes, key_names, key_values, selected, selected_model
from fieldstone.reading.assembly import root_statement
from fieldstone.reading.plans import plan
from fieldstone.reading.ways import assemble
from fieldstone.schemas import stored_values
from fieldstone.verbs import verb
from fieldstone.violations import explained

ModelT = TypeVar("ModelT", bound=SQLModel)
SchemaT = TypeVar("SchemaT", bound=BaseModel)
Data = BaseModel | Mapping[str, Any]

MOST_AT_ONCE = 1_000


@verb
def get_for_update(session: Session, model: type[ModelT], key: Any) -> ModelT:
    """Lock the row with this key until the transaction ends, and return its instance as stored now.

    Others that would lock or change it wait; what the session held of it is read again. Raises NotFound.
    """
    with _locking(session, model):
        instance = session.get(
            model, key_values(model, key), with_for_update={"of": model}, populate_existing=True
        )
    if instance is None:
        raise NotFound(model.__name__, key=key)
    return instance


class Claim(Protocol):
    """Give the instance, or with `into` an object of that schema; awaited with an AsyncSession."""

    @overload
    def __call__(
        self, session: Session, statement: SelectOfScalar[ModelT], data: Data, /
    ) -> ModelT | None: ...
    @overload
    def __call__(
        self, session: Session, statement: SelectOfScalar[Any], data: Data, /, *, into: type[SchemaT]
    ) -> SchemaT | None: ...
    @overload
    def __call__(
        self, session: AsyncSession, statement: SelectOfScalar[ModelT], data: Data, /
    ) -> Coroutine[Any, Any, ModelT | None]: ...
    @overload
    def __call__(
        self, session: AsyncSession, statement: SelectOfScalar[Any], data: Data, /, *, into: type[SchemaT]
    ) -> Coroutine[Any, Any, SchemaT | None]: ...


def _claim(session: Session, statement: Any, data: Data, *, into: type[Any] | None = None) -> Any:
    """Lock the first row of the select that no other worker holds, and change its sent fields.

    None where nothing is left. Let `data` set what takes the row out of the select; with `{}` it is
    only locked, until the transaction ends. Raises InvalidValues and Conflict, as `patch` does.
    """
    claimed = _claim_many(session, statement, data, limit=1, into=into)
    return claimed[0] if claimed else None


claim = cast(Claim, verb(_claim))


class ClaimMany(Protocol):
    """Give the instances, or with `into` objects of that schema; awaited with an AsyncSession."""

    @overload
    def __call__(
        self, session: Session, statement: SelectOfScalar[ModelT], data: Data, /, *, limit: int
    ) -> list[ModelT]: ...
    @overload
    def __call__(
        self,
        session: Session,
        statement: SelectOfScalar[Any],
        data: Data,
        /,
        *,
        limit: int,
        into: type[SchemaT],
    ) -> list[SchemaT]: ...
    @overload
    def __call__(
        self, session: AsyncSession, statement: SelectOfScalar[ModelT], data: Data, /, *, limit: int
    ) -> Coroutine[Any, Any, list[ModelT]]: ...
    @overload
    def __call__(
        self,
        session: AsyncSession,
        statement: SelectOfScalar[Any],
        data: Data,
        /,
        *,
        limit: int,
        into: type[SchemaT],
    ) -> Coroutine[Any, Any, list[SchemaT]]: ...


def _claim_many(
    session: Session, statement: Any, data: Data, *, limit: int, into: type[Any] | None = None
) -> list[Any]:
    """Claim up to `limit` rows at once, in the order of the select, as `claim` does one."""
    model = _claimable(statement, limit)
    values = stored_values(data, model, sent_only=True)
    made = None if into is None else plan(model, into)
    with _locking(session, model):
        claimed = _locked(session, statement, limit)
        for instance in claimed:
            instance.sqlmodel_update(values)
        session.flush()
        for instance in claimed:
            if sa_inspect(instance).expired_attributes:
                session.refresh(instance)
    return claimed if made is None or not claimed else _shown(session, made, claimed)


claim_many = cast(ClaimMany, verb(_claim_many))


@contextmanager
def _locking(session: Session, model: type[SQLModel]) -> Iterator[None]:
    """Write what is pending first: reading a row afresh would otherwise undo its changes."""
    with explained(metadata=model.metadata):
        session.flush()
        yield


def _claimable(statement: Any, limit: int) -> type[Any]:
    """Find the model of a select whose rows can be locked one by one."""
    if not 1 <= limit <= MOST_AT_ONCE:
        problem = Problem(("limit",), "out_of_range", f"must be from 1 to {MOST_AT_ONCE}")
        raise InvalidValues("A claim", [problem])
    model = selected_model(statement, "A claim", alone=True)
    slices = (statement._limit_clause, statement._offset_clause)
    if statement._distinct or statement._group_by_clauses or any(one is not None for one in slices):
        raise PlanError(
            f"A claim locks rows of {model.__name__}, and this select gives groups or a slice of them. Leave "
            "out distinct, group_by, limit and offset; claim_many(..., limit=10) takes several rows."
        )
    return model


def _locked(session: Session, statement: Any, limit: int) -> list[Any]:
    """Lock the first rows that nobody holds; rows that point to them may come and go meanwhile."""
    entity = selected(statement, "A claim")
    taken = statement.limit(limit).with_for_update(skip_locked=True, key_share=True, of=entity)
    found = SQLAlchemySession.scalars(session, taken, execution_options={"populate_existing": True})
    return list(found.unique())


def _shown(session: Session, made: Any, claimed: list[Any]) -> list[Any]:
    """Read the claimed rows by the plan of a schema, in the order in which they were claimed."""
    names, keys = key_names(made.model), key_attributes(made.model)
    places = {tuple(getattr(one, name) for name in names): place for place, one in enumerate(claimed)}
    wanted = select(made.model).where(tuple_(*keys).in_(places))
    statement, layout = root_statement(made, wanted, beside=keys)
    rows = SQLAlchemySession.execute(session, statement)  # exec() gives one column only
    ordered = sorted(rows, key=lambda row: places[tuple(row[layout.end :])])
    return assemble(session, made, layout, ordered)
