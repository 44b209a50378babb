"""One row stored by one statement, which gives back what was stored: INSERT or UPDATE ... RETURNING.

An `Order` says what to run, and is the same wherever that is: on the connection of a session, or on a bare
one of the pool. It answers successes alone. Where anything is refused, or an UPDATE finds nothing to do, the
ordinary write says what that means: which rule was broken, that the row is not there, that its version is
another. Only a row that has the values already is found by a second order, since that is a success as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Dialect
from sqlmodel import Session, SQLModel

from fieldstone.cache import cached
from fieldstone.errors import InvalidValues
from fieldstone.keys import key_values, mapper_of
from fieldstone.reading.assembly import Layout
from fieldstone.reading.gathering import Gathered, Unreadable
from fieldstone.reading.plans import ReadPlan, plan
from fieldstone.reading.rendering import dumps, values_of, written
from fieldstone.reading.unreadable import Stored
from fieldstone.reading.ways import objects_of
from fieldstone.schemas.values import plain_values
from fieldstone.violations import explained
from fieldstone.violations.evidence import COMPILED
from fieldstone.writing.commands import KEY, NEW, VERSION, Command, inserting, kept, standing, updating
from fieldstone.writing.cycles import moves
from fieldstone.writing.straight import Straight, straight
from fieldstone.writing.versions import Version

# How a version is written that fits into its column; whatever else was sent is not the stored one.
_COUNTED = re.compile("[1-9][0-9]{0,8}")

Data = BaseModel | Mapping[str, Any]
Options = tuple[Any, ...]


class NotStraight(Exception):
    """A write that has to go through an instance."""


@dataclass(frozen=True)
class Written:
    """A row that was stored, read by a plan."""

    plan: ReadPlan
    key: tuple[Any, ...]
    version: Any
    rows: Any

    def object(self) -> Any:
        """Make the object of the schema."""
        return self.rows.objects()[0]

    def bytes(self) -> bytes:
        """Write the row as JSON."""
        shown = self.rows.written()
        if shown is None:
            return _adapter(self.plan.schema).dump_json(self.object(), by_alias=True)
        return dumps(shown[0])


@cached
def _adapter(schema: Any) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


@dataclass(frozen=True)
class Place:
    """Where a statement will run: for whom it is compiled, and the options of a read there."""

    dialect: Dialect
    owner: Any
    added: Options = ()


def _nothing() -> None:
    """Know no second statement."""


@dataclass(frozen=True)
class Order:
    """One statement and its values; `otherwise` gives the statement to try where it found nothing to do."""

    command: Command
    values: Mapping[str, Any]
    shape: Shape
    otherwise: Callable[[], Command | None] = _nothing

    def second(self) -> Order:
        """Give the order to try where this one found nothing to do. Raises NotStraight."""
        return _order(self.otherwise(), self.values, self.shape)

    @property
    def arguments(self) -> Any:
        try:
            return self.command.arguments(self.values)
        except Exception as error:  # a value that its column's type does not take
            raise NotStraight from error

    def answered(self, description: Sequence[Any] | None, rows: Sequence[Any]) -> Written:
        """Read the row that came back. Raises NotStraight where none did."""
        processors = self.command.processors(description)
        if len(rows) != 1:
            raise NotStraight
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        return self.shape.read(Gathered(self.shape.layout, 1, columns, processors))


@dataclass(frozen=True)
class _Returned:
    """The one row that a statement gave back."""

    gathered: Gathered

    def objects(self) -> list[Any]:
        gathered, made = self.gathered, self.gathered.shape.plan
        try:
            return objects_of(made, values_of(gathered))
        except Unreadable:  # a trigger's work, say; the row is stored, and is shown as it can be
            for place in range(gathered.width):
                _show(gathered, place)
            return objects_of(made, values_of(gathered))

    def written(self) -> list[Any] | None:
        return written(self.gathered)


def _show(gathered: Gathered, place: int) -> None:
    try:
        gathered.value(place, 0)
    except Unreadable:
        gathered.columns[place] = [Stored(gathered.columns[place][0])]
        gathered.processors = [None if at == place else one for at, one in enumerate(gathered.processors)]


class Shape:
    """What comes back for a schema: its columns, the key and the version."""

    def __init__(self, form: Straight, made: ReadPlan) -> None:
        self.form = form
        self.plan = made
        self.layout = Layout(made, form.model)
        names = [*made.selected, *([] if form.version is None else [form.version])]
        self.columns = tuple(getattr(form.model, name) for name in names)
        self._key = [names.index(name) for name in form.keys]
        self._version = None if form.version is None else len(names) - 1

    def read(self, gathered: Gathered) -> Written:
        key = tuple([gathered.value(place, 0) for place in self._key])
        version = None if self._version is None else gathered.value(self._version, 0)
        return Written(self.plan, key, version, _Returned(gathered))


@cached
def shape_of(model: type[SQLModel], schema: type[BaseModel]) -> Shape | None:
    """Say what a statement gives back for a schema; None for one that shows more than the row itself."""
    made, form = plan(model, schema), straight(model)
    if form is None or made.joins or made.collections or set(made.columns) - set(form.batches.names):
        return None
    return Shape(form, made)


def to_insert(place: Place, model: type[SQLModel], data: Data, schema: type[BaseModel]) -> Order:
    """Say how to insert a row. Raises NotStraight."""
    form, shape = _forms(model, schema)
    values = form.batches.row(plain_values(data, model))
    named = None if values is None else form.inserted(values)
    if named is None or moves(model, named):
        raise NotStraight
    names = tuple(named)
    command = kept(
        place.owner,
        (place.dialect, model, schema, names),
        lambda: inserting(model, names, place.dialect, shape.columns),
    )
    return _order(command, named, shape)


def to_update(
    place: Place,
    model: type[SQLModel],
    key: Any,
    data: Data,
    schema: type[BaseModel],
    version: Version | None,
) -> Order:
    """Say how to change a row. Raises NotStraight."""
    form, shape = _forms(model, schema)
    sent = plain_values(data, model, sent_only=True)
    if not form.is_changeable(sent) or moves(model, sent):
        raise NotStraight
    values = form.batches.fields(sent)
    if values is None:
        raise NotStraight
    stamped, based_on = form.stamped(values), counted(form.version, version)
    named = {f"{name}{NEW}": value for name, value in (*values.items(), *stamped.items())}
    named |= {f"{name}{KEY}": value for name, value in zip(form.keys, key_of(model, key), strict=True)}
    if based_on is not None:
        named[f"{form.version}{VERSION}"] = based_on
    names, versioned = tuple(values), based_on is not None
    stamps: dict[str, Any] = dict.fromkeys(stamped)
    if form.version is not None:
        stamps[form.version] = getattr(model, form.version) + 1
    asked = names, place.dialect, shape.columns, versioned, place.added
    kind = place.dialect, place.added, model, schema, names, versioned
    update = kept(place.owner, ("update", *kind), lambda: updating(model, stamps, *asked))
    stand = partial(kept, place.owner, ("stand", *kind), lambda: standing(model, *asked))
    return _order(update, named, shape, stand)


def _forms(model: type[SQLModel], schema: type[BaseModel]) -> tuple[Straight, Shape]:
    shape = shape_of(model, schema)
    if shape is None:
        raise NotStraight
    return shape.form, shape


def _order(
    command: Command | None,
    values: Mapping[str, Any],
    shape: Shape,
    otherwise: Callable[[], Command | None] = _nothing,
) -> Order:
    if command is None:
        raise NotStraight
    return Order(command, values, shape, otherwise)


def key_of(model: type[SQLModel], key: Any) -> tuple[Any, ...]:
    """Read a key. Raises NotStraight for one that cannot be read."""
    try:
        return key_values(model, key)
    except InvalidValues:
        raise NotStraight from None


def counted(name: str | None, version: Version | None) -> int | None:
    """Give the one version that a write is based on, as the database counts it. Raises NotStraight."""
    if version is None:
        return None
    if isinstance(version, Collection) and not isinstance(version, str):
        if len(version) != 1:
            raise NotStraight
        only: Any = next(iter(version))
        version = only
    if name is None or isinstance(version, bool) or not _COUNTED.fullmatch(str(version)):
        raise NotStraight
    return int(str(version))


# In a session


def run(session: Session, order: Order) -> Written:
    """Run an order on the session's own connection. Raises as a flush does, and NotStraight."""
    try:
        return _run(session, order)
    except NotStraight:
        second = order.second()
    return _run(session, second)


def _run(session: Session, order: Order) -> Written:
    command = order.command
    arguments = order.arguments
    carried = command.compiled, lambda: [command.parameters(order.values)]
    try:
        with explained(metadata=order.shape.plan.model.metadata):
            connection = session.connection(bind_arguments={"mapper": mapper_of(order.shape.plan.model)})
            result: Any = connection.exec_driver_sql(command.sql, arguments, {COMPILED: carried})
            description = result.cursor.description
            rows = result.cursor_strategy.fetchall(result, result.cursor)
    except Exception:
        # as a failed flush: nothing of the transaction goes on, on either database
        session._autobegin_t()._begin().rollback(_capture_exception=True)
        raise
    return order.answered(description, rows)
