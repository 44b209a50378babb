"""Rows without instances: values held to the model's rules, ready for a statement over many of them.

Writing many rows through instances costs an object, its state and an identity for each. A row here
is a dictionary of column values that has passed the same validators, got the same defaults and
obeys the same `StoredAs`. Only a model with rules over several fields still makes an instance,
because those rules are written against one; it never meets the session.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import ClauseElement, Integer
from sqlmodel import SQLModel

from fieldstone.cache import cached
from fieldstone.errors import InvalidValues, OutOfScope, Problem
from fieldstone.keys import mapper_of
from fieldstone.models.validation import checked, refuse, twins_of
from fieldstone.schemas import stored_values
from fieldstone.schemas.values import stored_name

Data = BaseModel | Mapping[str, Any]

# Rows that are validated and sent together; more saves no time, and memory grows with it.
BATCH = 1_000

# Someone who sends a wrong file needs the first of its faults, not a message of all of them.
MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Row:
    """What is inserted, by attribute, and which of it was sent rather than filled by a default."""

    index: int
    values: dict[str, Any]
    sent: frozenset[str]

    @property
    def shape(self) -> tuple[str, ...]:
        """The names that the statement for this row must name."""
        return tuple(self.values)


def new_row(model: type[SQLModel], data: Data, fills: Mapping[str, Any], index: int = 0) -> Row:
    """Validate one row for insertion; `fills` are values that each row gets. Raises InvalidValues."""
    _refuse_strange(model, data)
    values = filled_in(model, stored_values(data, model), fills)
    _refuse_relationships(model, values)
    return Row(index, _insertable(model, _validated(model, values)), _sent(data) | fills.keys())


def filled_in(
    model: type[SQLModel], values: dict[str, Any], fills: Mapping[str, Any], path: tuple[str | int, ...] = ()
) -> dict[str, Any]:
    """Add values that each row gets. Raises OutOfScope where another one was sent."""
    for name, value in fills.items():
        if values.get(name, value) != value:
            raise OutOfScope(model.__name__, fields=[".".join(map(str, (*path, name)))])
    return {**values, **fills}


def batches(model: type[SQLModel], rows: Iterable[Data], fills: Mapping[str, Any]) -> Iterator[list[Row]]:
    """Validate rows a batch at a time; the path of each problem begins with the row's index."""
    numbered = enumerate(rows)
    while batch := list(islice(numbered, BATCH)):
        yield checked_batch(model, batch, fills)


def checked_batch(
    model: type[SQLModel], batch: list[tuple[int, Data]], fills: Mapping[str, Any]
) -> list[Row]:
    """Validate rows one by one, each with its index. Raises InvalidValues."""
    made: list[Row] = []
    problems: list[Problem] = []
    for index, data in batch:
        try:
            made.append(new_row(model, data, fills, index))
        except InvalidValues as error:
            problems += [Problem((index, *one.path), one.rule, one.message) for one in error.problems]
        except ValidationError as error:  # a rule of another model, nested in a field
            problems += [Problem((index, *one["loc"]), one["type"], one["msg"]) for one in error.errors()]
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise InvalidValues(model.__name__, problems)
    return made


def by_shape(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Gather rows that one statement can insert: those that name the same columns."""
    shapes: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        shapes.setdefault(row.shape, []).append(row)
    yield from shapes.values()


def changes(model: type[SQLModel], data: Data) -> dict[str, Any]:
    """Validate the sent values of an update, field by field; SQL expressions pass. Raises InvalidValues."""
    values = stored_values(data, model, sent_only=True)
    _refuse_relationships(model, values)
    plain = [(name, value) for name, value in values.items() if not isinstance(value, ClauseElement)]
    values |= checked(model, {}, plain)
    columns = mapper_of(model).columns
    nulls = [name for name, value in values.items() if value is None and not columns[name].nullable]
    if nulls:
        problems = [Problem((name,), "not_null", "must not be null") for name in nulls]
        raise InvalidValues(model.__name__, problems)
    return values


def stamps(model: type[SQLModel], written: Container[str]) -> dict[str, Any]:
    """Give what every update sets beside what was asked for: `onupdate` columns, and the next version."""
    mapper = mapper_of(model)
    found: dict[str, Any] = {}
    for name, column in mapper.columns.items():
        default: Any = column.onupdate
        if default is not None and name not in written and not default.is_sequence:
            found[name] = default.arg(None) if default.is_callable else default.arg
    counter = mapper.version_id_col
    if counter is not None and mapper.version_id_generator is not False:
        name = mapper.get_property_by_column(counter).key
        found[name] = _next_version(mapper, counter)
    return found


def _next_version(mapper: Any, counter: Any) -> Any:
    # the generator starts from a stored version, which only the database knows here
    return counter + 1 if isinstance(counter.type, Integer) else mapper.version_id_generator(None)


def has_wide_rules(model: type[SQLModel]) -> bool:
    """Tell whether a rule of the model needs more than one field of a row at once."""
    return twins_of(model).whole is not None or bool(model.__pydantic_post_init__)


def _validated(model: type[SQLModel], values: Mapping[str, Any]) -> dict[str, Any]:
    given = {**_identity(model), **values}
    try:
        if has_wide_rules(model):
            instance = model.model_validate(given)
            return {name: vars(instance)[name] for name in model.model_fields if name in vars(instance)}
        found: dict[str, Any] = twins_of(model).construction.validate_python(given)[0]
    except ValidationError as error:
        raise refuse(model, error) from error
    # a foreign key may be missing where a relationship fills it, and here none does
    missing = [name for name in twins_of(model).deferred if name not in values]
    if missing:
        problems = [Problem((name,), "missing", "Field required") for name in sorted(missing)]
        raise InvalidValues(model.__name__, problems)
    return found


@cached
def _identity(model: Any) -> dict[str, Any]:
    """Give the column by which the model's rows are told from those of its relatives."""
    mapper = mapper_of(model)
    if mapper.polymorphic_on is None or mapper.polymorphic_identity is None:
        return {}
    if mapper.polymorphic_on not in mapper.columns.values():
        return {}
    return {mapper.get_property_by_column(mapper.polymorphic_on).key: mapper.polymorphic_identity}


def _insertable(model: type[SQLModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the nulls that the database replaces by a value of its own."""
    filled = filled_by_database(model)
    return {name: value for name, value in values.items() if value is not None or filled.get(name) is False}


@cached
def filled_by_database(model: Any) -> dict[str, bool]:
    """Tell of each column whether the database puts a value of its own in place of null."""
    return {
        name: bool(column.primary_key or column.server_default is not None or column.computed is not None)
        for name, column in mapper_of(model).columns.items()
    }


def _sent(data: Data) -> frozenset[str]:
    if isinstance(data, Mapping):
        return frozenset(data)
    fields = type(data).model_fields
    return frozenset(stored_name(name, fields[name]) for name in data.model_fields_set if name in fields)


def _refuse_strange(model: type[SQLModel], data: object) -> None:
    """Refuse what a type checker would, since rows are often read from files."""
    if not isinstance(data, BaseModel | Mapping):
        message = f"Input should be a schema or a mapping (got {type(data).__name__})"
        raise InvalidValues(model.__name__, [Problem((), "model_type", message)])


def _refuse_relationships(model: type[SQLModel], values: Iterable[str]) -> None:
    relationships = mapper_of(model).relationships
    problems = [
        Problem((name,), "relationship", "is a relationship, and many rows are written by columns alone")
        for name in values
        if name in relationships
    ]
    if problems:
        raise InvalidValues(model.__name__, problems)
