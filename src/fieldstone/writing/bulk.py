"""Many rows at once, changed and deleted by a condition, without instances.

Each verb does all of its work or none. Values are validated as single writes are; what the database
does by itself (`ondelete`, defaults) is left to it, and the instances that the session holds are
read again afterwards.

A condition is an ordinary select. Where it only filters, its WHERE becomes the statement's own, so
that PostgreSQL tests it once more on a row that another transaction has just changed. Where it
joins, orders or limits, it finds the keys in a subquery, which locks what it finds.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any, Protocol, TypeVar, cast, overload

from pydantic import BaseModel
from sqlalchemy import Select, delete, literal, true, update
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.errors import PlanError
from fieldstone.keys import among, key_attributes, mapper_of, selected, selected_model
from fieldstone.models.fields import now
from fieldstone.verbs import verb
from fieldstone.violations import explained
from fieldstone.visibility import including_deleted, is_hiding, sees_deleted
from fieldstone.writing.cycles import moves
from fieldstone.writing.marking import (
    all_or_nothing,
    is_kept_by,
    mark,
    marks,
    needed,
    rows_as,
    spread,
    synchronise,
)
from fieldstone.writing.returned import Returned, returned
from fieldstone.writing.rows import Data, changes, has_wide_rules, stamps
from fieldstone.writing.synchronising import after_delete, after_update

SchemaT = TypeVar("SchemaT", bound=BaseModel)
Statement = Select[*tuple[Any, ...]]


class PatchWhere(Protocol):
    """Give the count, or with `into` the rows as they are now; awaited with an AsyncSession."""

    @overload
    def __call__(
        self, session: Session, /, statement: Statement, data: Data, *, everything: bool = False
    ) -> int: ...
    @overload
    def __call__(
        self,
        session: Session,
        /,
        statement: Statement,
        data: Data,
        *,
        into: type[SchemaT],
        everything: bool = False,
    ) -> list[SchemaT]: ...
    @overload
    def __call__(
        self, session: AsyncSession, /, statement: Statement, data: Data, *, everything: bool = False
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def __call__(
        self,
        session: AsyncSession,
        /,
        statement: Statement,
        data: Data,
        *,
        into: type[SchemaT],
        everything: bool = False,
    ) -> Coroutine[Any, Any, list[SchemaT]]: ...


def _patch_where(
    session: Session,
    statement: Statement,
    data: Data,
    *,
    into: type[BaseModel] | None = None,
    everything: bool = False,
) -> int | list[Any]:
    """Change the sent fields of every row that the statement selects; nothing if none was sent.

    Values obey the rules of `patch`, and may be SQL expressions: `{"hits": Task.hits + 1}`. A
    statement without a filter is refused unless `everything=True`. A model with rules over several
    fields, or in several tables, is changed row by row; so are rows that get another parent in their
    tree. Raises InvalidValues and Conflict.
    """
    model = _model_of(statement, everything, "patch_where")
    shape = None if into is None else returned(model, into)
    values = changes(model, data)
    if not values:
        return 0 if shape is None else []
    with explained(metadata=model.metadata):
        session.flush()
        if has_wide_rules(model) or moves(model, values) or len(mapper_of(model).tables) > 1:
            return _patch_each(session, model, statement, values, shape)
        written = {getattr(model, name): value for name, value in {**values, **stamps(model, values)}.items()}
        command = _seeing(statement, update(model).where(*_condition(model, statement)).values(written))
        outcome = _run(session, command, shape)
    after_update(session, model)
    return outcome


patch_where = cast(PatchWhere, verb(_patch_where))


class DeleteWhere(Protocol):
    """Give the count, or with `into` the rows as they were; awaited with an AsyncSession."""

    @overload
    def __call__(
        self, session: Session, /, statement: Statement, *, everything: bool = False, for_good: bool = False
    ) -> int: ...
    @overload
    def __call__(
        self,
        session: Session,
        /,
        statement: Statement,
        *,
        into: type[SchemaT],
        everything: bool = False,
        for_good: bool = False,
    ) -> list[SchemaT]: ...
    @overload
    def __call__(
        self,
        session: AsyncSession,
        /,
        statement: Statement,
        *,
        everything: bool = False,
        for_good: bool = False,
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def __call__(
        self,
        session: AsyncSession,
        /,
        statement: Statement,
        *,
        into: type[SchemaT],
        everything: bool = False,
        for_good: bool = False,
    ) -> Coroutine[Any, Any, list[SchemaT]]: ...


def _delete_where(
    session: Session,
    statement: Statement,
    *,
    into: type[BaseModel] | None = None,
    everything: bool = False,
    for_good: bool = False,
) -> int | list[Any]:
    """Delete every row that the statement selects. What points to it follows its `ondelete`.

    A statement without a filter is refused unless `everything=True`. Rows of a SoftDeleted model are
    only marked, unless `for_good=True`. Raises Conflict where other rows point to one of them and no
    `ondelete` is declared.
    """
    model = _model_of(statement, everything, "delete_where")
    shape = None if into is None else returned(model, into)
    with explained(metadata=model.metadata):
        session.flush()
        if is_hiding(model) and not for_good:
            marking = _mark_where if is_kept_by(model) else _mark_each
            return marking(session, model, statement, shape)
        if any(len(one.tables) > 1 for one in mapper_of(model).self_and_descendants):
            outcome = _delete_each(session, model, statement, shape)
        else:
            command = _seeing(statement, delete(model).where(*_condition(model, statement)))
            outcome = _run(session, command, shape)
    after_delete(session, model)
    return outcome


delete_where = cast(DeleteWhere, verb(_delete_where))


def _mark_where(
    session: Session, model: type[Any], statement: Any, shape: Returned[Any] | None
) -> int | list[Any]:
    """Mark the rows in one statement; more only where a foreign key points to them."""
    moment, attributes = now(), needed(model)
    columns = [] if shape is None else list(shape.columns)
    with all_or_nothing(session, model):
        command: Any = update(model).where(*_condition(model, statement)).values(marks(model, moment))
        if not (attributes or columns):
            found, counted = [], _run(session, command, None)
        else:
            found = list(_execute(session, command.returning(*attributes, *columns)))
            counted = len(found)
        reached = spread(session, model, rows_as(attributes, found), moment)
    synchronise(session, reached)
    return counted if shape is None else [shape.object(row[len(attributes) :]) for row in found]


def _mark_each(
    session: Session, model: type[Any], statement: Any, shape: Returned[Any] | None
) -> int | list[Any]:
    """Mark row by row what lies in a table beside the one that is asked for."""
    instances = _each(session, model, statement)
    shown = [] if shape is None else [_shown(shape, one) for one in instances]
    mark(session, model, instances)
    return len(instances) if shape is None else shown


def _run(session: Session, command: Any, shape: Returned[Any] | None) -> int | list[Any]:
    if shape is None:
        return int(_execute(session, command).rowcount)
    return [shape.object(row) for row in _execute(session, command.returning(*shape.columns))]


def _execute(session: Session, command: Any) -> Any:
    return SQLAlchemySession.execute(session, command, execution_options={"synchronize_session": False})


# What is selected


def _model_of(statement: Any, everything: bool, verb_name: str) -> type[Any]:
    """Find the model; refuse a statement that selects something else, or everything by accident."""
    model = selected_model(statement, verb_name, alone=True)
    if not everything and not _filters(statement):
        raise PlanError(
            f"{verb_name} was given no filter, which would reach every {model.__name__}. Add .where(...), "
            "or say everything=True if that is meant."
        )
    return model


def _filters(statement: Any) -> bool:
    """Tell whether a WHERE is there and is not just `true()`."""
    always = select(literal(1)).where(true()).whereclause
    return statement.whereclause is not None and not statement.whereclause.compare(always)


def _condition(model: type[SQLModel], statement: Any) -> Iterator[Any]:
    """Give the statement's own filter where it is all that the statement says; else its keys."""
    filters = () if statement.whereclause is None else (statement.whereclause,)
    entity = selected(statement, "A condition")
    plain = entity is model and select(model).where(*filters).compare(statement)
    if plain and len(statement.get_final_froms()) == 1:
        yield from filters
    else:
        yield among(key_attributes(model), _keys(statement, entity))


def _seeing(statement: Any, command: Any) -> Any:
    """Let a command reach the deleted rows that its condition asked for."""
    return including_deleted(command) if sees_deleted(statement) else command


def _keys(statement: Any, entity: Any) -> Any:
    keys = statement.with_only_columns(*key_attributes(entity), maintain_column_froms=True).correlate(None)
    groups = statement._distinct or statement._group_by_clauses  # PostgreSQL cannot lock a group
    if groups or statement._for_update_arg is not None:
        return keys
    return keys.with_for_update(of=entity)


# Row by row, where one statement cannot do it


def _each(session: Session, model: type[Any], statement: Any) -> list[Any]:
    found = _seeing(statement, select(model).where(*_condition(model, statement)).with_for_update(of=model))
    return list(SQLAlchemySession.scalars(session, found, execution_options={"populate_existing": True}))


def _patch_each(
    session: Session, model: type[Any], statement: Any, values: dict[str, Any], shape: Returned[Any] | None
) -> int | list[Any]:
    instances = _each(session, model, statement)
    for instance in instances:
        instance.sqlmodel_update(values)
    session.flush()
    for instance in instances:
        if sa_inspect(instance).expired_attributes:
            session.refresh(instance)
    return len(instances) if shape is None else [_shown(shape, one) for one in instances]


def _delete_each(
    session: Session, model: type[Any], statement: Any, shape: Returned[Any] | None
) -> int | list[Any]:
    instances = _each(session, model, statement)
    shown = [] if shape is None else [_shown(shape, one) for one in instances]
    for instance in instances:
        session.delete(instance)
    session.flush()
    return len(instances) if shape is None else shown


def _shown(shape: Returned[Any], instance: Any) -> Any:
    return shape.object([getattr(instance, name) for name in shape.names])
