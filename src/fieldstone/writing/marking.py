"""Soft deletion: a row is marked with the moment, and so is what hangs on it; nothing leaves the table.

What points to a marked row follows its foreign key as far as a mark can: RESTRICT and no action
refuse it while a visible row points there; CASCADE marks the rows of models that are SoftDeleted too, with
the same moment, which is how restoring finds exactly these. Everything else stays as it is and is back
with the row: a reference that would become null reads as nothing meanwhile, and a link or an
association whose own table is not SoftDeleted keeps its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table, literal, select, update
from sqlalchemy.orm import Mapper
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel

from fieldstone.cache import cached
from fieldstone.errors import Conflict
from fieldstone.keys import among_each, mapper_of
from fieldstone.models.fields import now
from fieldstone.visibility import INCLUDING_DELETED, UNSCOPED, is_hiding
from fieldstone.writing.rows import stamps
from fieldstone.writing.synchronising import after_update, let_go

Key = tuple[Any, ...]
Values = dict[str, Any]

_LETS_GO = ("CASCADE", "SET NULL", "SET DEFAULT")


@dataclass(frozen=True, eq=False)
class Hold:
    """A foreign key that points to a model: from which attributes of whom, to which attributes."""

    constraint: ForeignKeyConstraint
    holder: type[SQLModel] | None
    here: tuple[Any, ...]
    names: tuple[str, ...]

    @property
    def spreads(self) -> bool:
        """Whether what points there is marked as well."""
        cascades = (self.constraint.ondelete or "").upper() == "CASCADE"
        return cascades and self.holder is not None and is_hiding(self.holder)

    @property
    def restricts(self) -> bool:
        """Whether what points there must go first."""
        return (self.constraint.ondelete or "").upper() not in _LETS_GO

    def of(self, rows: list[Values]) -> Iterator[Any]:
        """Build conditions that find what points to these rows, each for as many as a statement can take."""
        return among_each(self.here, dict.fromkeys(tuple(row[name] for name in self.names) for row in rows))


@cached
def holds_on(model: type[Any]) -> tuple[Hold, ...]:
    """Find the foreign keys by which a deletion spreads, or is refused."""
    mapper = mapper_of(model).base_mapper
    own = {table for one in mapper.self_and_descendants for table in one.tables}
    found = [
        _hold(mapper, key)
        for other in model.metadata.tables.values()
        for key in sorted(other.foreign_key_constraints, key=lambda one: tuple(one.column_keys))
        if key.referred_table in own and not _is_inheritance(mapper, key)
    ]
    return tuple(hold for hold in found if hold.spreads or hold.restricts)


def needed(model: type[Any]) -> list[Any]:
    """Give the attributes of a row that say what points to it."""
    return [
        getattr(model, name) for name in dict.fromkeys(name for one in holds_on(model) for name in one.names)
    ]


def rows_as(attributes: list[Any], found: Any) -> list[Values]:
    """Name the values of rows, given in the order of the attributes."""
    return [{one.key: value for one, value in zip(attributes, row, strict=False)} for row in found]


def mark(session: Session, model: type[SQLModel], instances: Sequence[SQLModel]) -> None:
    """Mark rows that the session holds, and what hangs on them."""
    moment = now()
    with all_or_nothing(session, model):
        for instance in instances:
            setattr(instance, _field(model), moment)
        session.flush()
        reached = spread(session, model, [_row(one) for one in instances], moment)
    let_go(session, list(instances))
    synchronise(session, reached)


def unmark(session: Session, instance: SQLModel) -> None:
    """Take the mark off a row, and off what got the same one with it."""
    model = type(instance)
    moment = getattr(instance, _field(model))
    if moment is None:
        return
    with all_or_nothing(session, model):
        setattr(instance, _field(model), None)
        session.flush()
        reached = _recover(session, model, [_row(instance)], moment)
    synchronise(session, reached)


def _row(instance: SQLModel) -> Values:
    return {one.key: getattr(instance, one.key) for one in needed(type(instance))}


def _field(model: type[Any]) -> str:
    name: str = model.__deletion_field__
    return name


@contextmanager
def all_or_nothing(session: Session, model: type[SQLModel]) -> Iterator[None]:
    """Take back what was marked, if it spreads to others and one of them refuses."""
    if not holds_on(model):
        yield
        return
    with session.begin_nested():
        yield


def spread(
    session: Session, model: type[SQLModel], rows: list[Values], moment: datetime
) -> set[type[SQLModel]]:
    """Mark what hangs on marked rows, and say whose rows these are.

    Raises Conflict if something visible still points to one of them all.
    """
    marked = [(model, rows)]
    for target, found in marked:  # it grows while it is walked
        for hold in holds_on(target):
            if hold.spreads and found and hold.holder is not None:
                below = [row for one in hold.of(found) for row in _set(session, hold.holder, moment, one)]
                marked.append((hold.holder, below))
    for target, found in marked:
        _refuse_held(session, target, found)
    return {target for target, _ in marked}


def synchronise(session: Session, models: set[type[SQLModel]]) -> None:
    """Let the session see what became of the rows of these models."""
    for model in models:
        after_update(session, model)


def _recover(
    session: Session, model: type[SQLModel], rows: list[Values], moment: datetime
) -> set[type[SQLModel]]:
    """Unmark what was marked together with these rows."""
    waiting = [(model, rows)]
    for target, found in waiting:
        for hold in holds_on(target):
            if hold.spreads and found and hold.holder is not None:
                same = getattr(hold.holder, _field(hold.holder)) == moment
                below = [row for one in hold.of(found) for row in _set(session, hold.holder, None, one, same)]
                waiting.append((hold.holder, below))
    return {target for target, _ in waiting}


def marks(model: type[SQLModel], moment: datetime | None) -> Values:
    """Give what a statement sets in the rows that it marks."""
    values: Values = {_field(model): moment}
    return {**values, **stamps(model, values)}


def is_kept_by(model: type[Any]) -> bool:
    """Tell whether the mark stands in the one table of a model; in an inheritance, it may be a parent's."""
    mapper = mapper_of(model)
    return mapper.columns[_field(model)].table is mapper.local_table


def _set(session: Session, model: type[SQLModel], moment: datetime | None, *criteria: Any) -> list[Values]:
    attributes = needed(model)
    command: Any = update(model).where(*criteria).values(marks(model, moment))
    options: dict[str, Any] = {"synchronize_session": False, **UNSCOPED}
    if moment is None:
        options |= INCLUDING_DELETED
    if not attributes:
        SQLAlchemySession.execute(session, command, execution_options=options)
        return []
    found = SQLAlchemySession.execute(session, command.returning(*attributes), execution_options=options)
    return rows_as(attributes, found)


def _refuse_held(session: Session, model: type[SQLModel], rows: list[Values]) -> None:
    for hold in holds_on(model):
        if not hold.restricts or not rows:
            continue
        source: Any = hold.constraint.table if hold.holder is None else hold.holder
        for condition in hold.of(rows):
            probe = select(literal(1)).select_from(source).where(condition).limit(1)
            if SQLAlchemySession.execute(session, probe, execution_options=UNSCOPED).first() is not None:
                raise _referenced(model, hold)


def _referenced(model: type[SQLModel], hold: Hold) -> Conflict:
    other = hold.constraint.table.name if hold.holder is None else hold.holder.__name__
    name = None if hold.constraint.name is None else str(hold.constraint.name)
    return Conflict(model.__name__, kind="referenced", other=other, constraint=name)


def _hold(mapper: Mapper[Any], constraint: ForeignKeyConstraint) -> Hold:
    holder = _model_of(mapper, constraint.table)
    columns = [element.parent for element in constraint.elements]
    here = columns if holder is None else [_attribute(mapper_of(holder), column) for column in columns]
    referred = next(one for one in mapper.self_and_descendants if constraint.referred_table in one.tables)
    names = tuple(referred.get_property_by_column(element.column).key for element in constraint.elements)
    return Hold(constraint, holder, tuple(here), names)


def _attribute(mapper: Mapper[Any], column: Any) -> Any:
    return getattr(mapper.class_, mapper.get_property_by_column(column).key)


def _model_of(mapper: Mapper[Any], table: Table) -> type[SQLModel] | None:
    """Find the model of a table; of several that share it, the one that the others inherit from."""
    found = [one for one in mapper.registry.mappers if one.local_table is table]
    return next((one.class_ for one in found if one.inherits not in found), None)


def _is_inheritance(mapper: Mapper[Any], constraint: ForeignKeyConstraint) -> bool:
    """Whether the key is what makes one row of two tables."""
    return any(
        one.local_table is constraint.table
        and one.inherits is not None
        and set(constraint.columns) == set(one.local_table.primary_key)
        for one in mapper.self_and_descendants
    )
