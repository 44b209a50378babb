"""Rows for tests, from models: what a test does not say is made up, valid and the same in every run.

A field with a default keeps it, and one that may be NULL stays so unless it is asked for. What is
required is made up: texts say the field's name and a number, other values come from Polyfactory,
which knows Pydantic's constraints, and a row that must be pointed to is made first. What is made up
depends on the test's id alone, so neither its order nor the process it runs in changes it.
"""

from __future__ import annotations

import os
import random
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic_core import PydanticUndefined
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy import inspect as inspected
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlmodel import Session, SQLModel

from fieldstone.errors import ConfigurationError, InvalidValues
from fieldstone.verbs import verb

ModelT = TypeVar("ModelT", bound=SQLModel)

_ATTEMPTS = 50


@verb
def make(session: Session, model: type[ModelT], /, **values: Any) -> ModelT:
    """Store a row of a model, with what it needs; give it with its key.

    A relationship takes an instance, a dictionary of values for a new one, and where it holds many a
    list of these or a number. Raises ConfigurationError where a value can only be given.
    """
    return _made(session, model, values, ())


@verb
def make_many(session: Session, model: type[ModelT], count: int, /, **values: Any) -> list[ModelT]:
    """Store several rows that have the given values in common."""
    return [_made(session, model, values, ()) for _ in range(count)]


@dataclass
class _Sequence:
    """What has been made up in one test."""

    test: str
    random: random.Random
    numbers: Counter[tuple[type, str]] = field(default_factory=Counter)
    used: dict[tuple[type, str], set[Any]] = field(default_factory=dict)


_current: _Sequence | None = None


def begin() -> None:
    """Start anew, as each test does."""
    global _current
    _current = None


def _sequence() -> _Sequence:
    global _current
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" (", 1)[0]
    if _current is None or _current.test != test:
        _current = _Sequence(test, random.Random(zlib.crc32(test.encode())))  # noqa: S311  # it has to repeat itself
    return _current


def _made(
    session: Session, model: type[ModelT], given: Mapping[str, Any], within: tuple[type, ...]
) -> ModelT:
    mapper = _mapper(model)
    values = dict(given)
    _check_names(model, mapper, values)
    children = _take_children(mapper, values)
    for relationship in _parents(mapper):
        _set_parent(session, model, relationship, values, within)
    _set_keys_without_relationship(session, mapper, values, within)
    row = _filled(model, mapper, values)
    session.add(row)
    session.flush()
    for relationship, wanted in children:
        _make_children(session, row, relationship, wanted, within)
    return row


def _mapper(model: type[SQLModel]) -> Mapper[Any]:
    mapper = inspected(model, raiseerr=False)
    if not isinstance(mapper, Mapper):
        raise ConfigurationError(
            f"{model.__name__} has no table, so no row of it can be made. Name a table model."
        )
    return mapper


def _check_names(model: type, mapper: Mapper[Any], values: Mapping[str, Any]) -> None:
    unknown = [name for name in values if name not in mapper.attrs and name not in model.model_fields]  # type: ignore[attr-defined]  # a SQLModel
    if unknown:
        raise ConfigurationError(
            f"{model.__name__} has no {unknown[0]!r}. It has: {', '.join(mapper.attrs.keys())}."
        )


def _parents(mapper: Mapper[Any]) -> Iterable[RelationshipProperty[Any]]:
    return [one for one in mapper.relationships if one.direction.name == "MANYTOONE" and not one.viewonly]


def _set_parent(
    session: Session,
    model: type,
    relationship: RelationshipProperty[Any],
    values: dict[str, Any],
    within: tuple[type, ...],
) -> None:
    """Have the row that the relationship leads to, where one is given or needed, and take over its key."""
    mapper: Mapper[Any] = inspected(model)
    names = [mapper.get_property_by_column(local).key for local, _ in relationship.local_remote_pairs or ()]
    wanted = values.pop(relationship.key, PydanticUndefined)
    if wanted is PydanticUndefined:
        if any(name in values for name in names) or not all(
            _is_required(model, mapper, name) for name in names
        ):
            return
        wanted = {}
    if wanted is None:
        values.update(dict.fromkeys(names))
        return
    parent = _row(session, relationship.mapper.class_, wanted, (*within, model))
    for name, (_, remote) in zip(names, relationship.local_remote_pairs or (), strict=True):
        values[name] = getattr(parent, relationship.mapper.get_property_by_column(remote).key)
    values[relationship.key] = parent


def _row(session: Session, model: type[Any], wanted: Any, within: tuple[type, ...]) -> Any:
    if isinstance(wanted, Mapping):
        if model in within and not wanted:
            raise ConfigurationError(
                f"{within[-1].__name__} needs a {model.__name__}, which needs a {within[-1].__name__} in "
                "turn. Make one of them yourself and give it."
            )
        return _made(session, model, wanted, within)
    session.add(wanted)
    session.flush()
    return wanted


def _set_keys_without_relationship(
    session: Session, mapper: Mapper[Any], values: dict[str, Any], within: tuple[type, ...]
) -> None:
    """Make what a required foreign key points to where no relationship does."""
    for attribute in mapper.column_attrs:
        name, keys = attribute.key, attribute.columns[0].foreign_keys
        if not keys or name in values or not _is_required(mapper.class_, mapper, name):
            continue
        target = next(iter(keys)).column
        owner = next((one for one in mapper.registry.mappers if target.table is one.local_table), None)
        if owner is not None:
            parent = _row(session, owner.class_, {}, (*within, mapper.class_))
            values[name] = getattr(parent, owner.get_property_by_column(target).key)


def _take_children(
    mapper: Mapper[Any], values: dict[str, Any]
) -> list[tuple[RelationshipProperty[Any], Any]]:
    """Take out what is to be made once the row is stored: a number, dictionaries, or both and instances."""
    return [
        (relationship, values.pop(relationship.key))
        for relationship in mapper.relationships
        if relationship.direction.name != "MANYTOONE" and relationship.key in values
    ]


def _make_children(
    session: Session, row: Any, relationship: RelationshipProperty[Any], wanted: Any, within: tuple[type, ...]
) -> None:
    model = relationship.mapper.class_
    asked: Sequence[Any] = [{}] * wanted if isinstance(wanted, int) else wanted
    if not relationship.uselist:
        asked = [wanted]
    back = next(iter(relationship._reverse_property), None)
    for one in asked:
        if isinstance(one, Mapping) and back is not None and relationship.secondary is None:
            _made(session, model, {**one, back.key: row}, (*within, type(row)))
        else:
            child = _row(session, model, one, within)
            if relationship.uselist:
                getattr(row, relationship.key).append(child)
            else:
                setattr(row, relationship.key, child)
    session.flush()
    session.refresh(row, [relationship.key])


def _is_required(model: type[Any], mapper: Mapper[Any], name: str) -> bool:
    """Tell whether a row cannot be stored without a value that somebody gives."""
    column = mapper.attrs[name].columns[0]
    info = model.model_fields.get(name)
    by_database = column.default is not None or column.server_default is not None or _is_counted(column)
    if column.nullable or by_database:
        return False
    return info is None or info.is_required() or (info.default is None and info.default_factory is None)


def _is_counted(column: Column[Any]) -> bool:
    table: object = column.table
    return isinstance(table, Table) and column is table.autoincrement_column


def _filled(model: type[ModelT], mapper: Mapper[Any], values: dict[str, Any]) -> ModelT:
    """Make up what is missing, and again where the model refuses it or the value must be its own."""
    from fieldstone.testing.inventing import Invented, invented  # where Polyfactory is needed

    sequence = _sequence()
    missing = {
        name: info
        for name, info in model.model_fields.items()
        if name not in values and name in mapper.attrs and _is_required(model, mapper, name)
    } | {
        name: info
        for name, info in model.model_fields.items()
        if name not in values and name not in mapper.attrs and info.is_required()
    }
    unique = _unique_names(mapper)
    problem: Exception | None = None
    for name in missing:
        sequence.numbers[model, name] += 1
    for attempt in range(_ATTEMPTS):
        numbers = {name: sequence.numbers[model, name] for name in missing}
        made = invented(
            model, missing, Invented(sequence.random.getrandbits(32), numbers, plain=attempt % 2 == 1)
        )
        taken = [name for name in unique & made.keys() if made[name] in sequence.used.get((model, name), ())]
        if taken:
            sequence.numbers.update((model, name) for name in taken)
            continue
        try:
            row = model(**values, **made)
        except (InvalidValues, ValueError) as error:
            problem = error
            continue
        for name in unique & made.keys():
            sequence.used.setdefault((model, name), set()).add(made[name])
        return row
    raise ConfigurationError(
        f"No valid values were found for {model.__name__} ({', '.join(missing) or 'everything was given'}): "
        f"{problem or 'there are no more that are unique'}. Give them: make(session, {model.__name__}, ...)."
    ) from problem


def _unique_names(mapper: Mapper[Any]) -> set[str]:
    """Name the fields that are unique each by itself."""
    table = mapper.local_table
    rules = [
        *getattr(table, "constraints", ()),
        *(one for one in getattr(table, "indexes", ()) if one.unique),
    ]
    alone = {
        column.key
        for rule in rules
        if isinstance(rule, UniqueConstraint | PrimaryKeyConstraint | Index) and len(rule.columns) == 1
        for column in rule.columns
    }
    return {
        attribute.key
        for attribute in mapper.column_attrs
        for column in attribute.columns[:1]
        if column.unique or column.key in alone
    }
