"""Which writes may go straight to the database, as one statement and without an instance, and why not others.

An instance lets every rule, event and listener see a write before and after. Where there is none of them, a
row is its values, and the statement that stores them can give back what was stored. That is decided by
default against: what is not known to make no difference sends the write through an instance.

What a model says is looked at once; who listens may change, and is asked for each write.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from fieldstone.cache import cached
from fieldstone.keys import key_names, mapper_of, version_name
from fieldstone.listeners import AUDITED, concerned_by_write
from fieldstone.models import Model
from fieldstone.models.batches import Batches, batches_of
from fieldstone.models.columns import ComparableUuid, EnumByValue, JsonOf
from fieldstone.scopes import is_scoped
from fieldstone.writing.rows import filled_by_database


@dataclass(frozen=True, eq=False)
class Straight:
    """How the rows of a model are written without an instance.

    `filled` tells of each column whether the database replaces null, `defaults` names those whose null a
    default replaces, `stamps` gives what an update sets by itself, and `comparable` names the columns whose
    values the database compares as Python does.
    """

    model: type[SQLModel]
    table: Table
    batches: Batches
    keys: tuple[str, ...]
    version: str | None
    filled: Mapping[str, bool]
    defaults: frozenset[str]
    stamps: Mapping[str, Callable[[], Any]]
    comparable: frozenset[str]
    is_copied: bool
    """Whether all columns are of types that COPY takes as an INSERT does."""

    def inserted(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """Give of a validated row what its INSERT names; None where a default would replace a null of it."""
        if any(values[name] is None for name in self.defaults):
            return None
        if self.version is not None:
            values[self.version] = 1
        return {name: value for name, value in values.items() if value is not None or not self.filled[name]}

    def is_changeable(self, names: Collection[str]) -> bool:
        """Tell whether an UPDATE may set these columns, and see by itself whether it changes any."""
        kept = (*self.keys, self.version)
        return bool(names) and self.comparable.issuperset(names) and not any(one in names for one in kept)

    def stamped(self, names: Collection[str]) -> dict[str, Any]:
        """Give what an update sets beside the columns of these names, the version aside."""
        return {name: value() for name, value in self.stamps.items() if name not in names}


def straight(model: type[SQLModel]) -> Straight | None:
    """Tell how rows are written straight, or None where the model itself forbids it."""
    found = _decided(model)
    return found if isinstance(found, Straight) else None


def why_not(model: type[SQLModel], session: Session | None = None) -> str | None:
    """Say what keeps the rows of a model from being written straight; None where nothing does."""
    heard = concerned_by_write(_ANY_SESSION if session is None else session, model)
    if heard is not None:
        return f"somebody listens to {heard}"
    return why_not_many(model, session)


def why_not_many(model: type[SQLModel], session: Session | None) -> str | None:
    """Say the same of many rows, of which no listener to instances ever heard."""
    found = _decided(model)
    if isinstance(found, str):
        return found
    if AUDITED in found.table.info:
        return "it has a history"
    return "its session has a scope" if session is not None and is_scoped(session) else None


_ANY_SESSION = Session()

_METHODS = ("__setattr__", "model_validate", "sqlmodel_update", "_keep")


@cached
def _decided(model: type[SQLModel]) -> Straight | str:
    mapper = mapper_of(model)
    if not issubclass(model, Model):
        return "it is a plain SQLModel, which validates nothing by itself"
    if (
        mapper.polymorphic_on is not None
        or len(mapper.tables) > 1
        or not isinstance(mapper.local_table, Table)
    ):
        return "its rows are told apart by kind, or lie in several tables"
    changed = [*_own_methods(model), *mapper.validators]
    if changed:
        return f"it has its own {', '.join(changed)}"
    batches = batches_of(model)
    if batches is None:
        return "it has a rule over more than one field"
    columns = {name: mapper.columns[name] for name in mapper.columns.keys()}  # noqa: SIM118  # no mapping
    if set(columns) != set(batches.names) or any(name != one.key for name, one in columns.items()):
        return "its columns are not its fields"
    if mapper.version_id_col is not None and not _is_counted(mapper):
        return "its versions are not counted"
    stamps = {name: _stamp(one.onupdate) for name, one in columns.items() if one.onupdate is not None}
    known = {name: stamp for name, stamp in stamps.items() if stamp is not None}
    if len(known) < len(stamps):
        return "an onupdate of its columns is more than a value"
    return Straight(
        model,
        mapper.local_table,
        batches,
        key_names(model),
        version_name(model),
        filled_by_database(model),
        frozenset(name for name, one in columns.items() if one.default is not None),
        known,
        frozenset(name for name, one in columns.items() if _is_comparable(one.type)),
        all(_is_comparable(one.type) or type(one.type) in _COPIED for one in columns.values()),
    )


def _own_methods(model: Any) -> Iterator[str]:
    """Name the methods by which the user's own code makes or changes instances."""
    if model.__mapper__.class_manager.original_init is not Model.__init__:
        yield "__init__"
    for name in _METHODS:
        owner = next(one for one in model.__mro__ if name in vars(one))
        if owner is not Model:
            yield name


def _stamp(default: Any) -> Callable[[], Any] | None:
    """Give what makes the value of an `onupdate`; None where it looks at the statement that it is for."""
    if default.is_scalar:
        return lambda: default.arg
    plain = getattr(default.arg, "__wrapped__", None) if default.is_callable else None
    return plain if plain is not None and _takes_nothing(plain) else None


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _is_counted(mapper: Any) -> bool:
    generator = mapper.version_id_generator
    return isinstance(mapper.version_id_col.type, Integer) and generator is not False and generator(None) == 1


_COMPARABLE = (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    Uuid,
)
_COPIED = (JSON, JsonOf, LargeBinary, Interval, Time)
_DECORATED = (AutoString, ComparableUuid, EnumByValue, UTCDateTime)


def _is_comparable(kind: Any) -> bool:
    """Tell whether values that are equal to Python are so to the database; it may know more of them."""
    known = _DECORATED if isinstance(kind, TypeDecorator) else _COMPARABLE
    return type(kind) in known
