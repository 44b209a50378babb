"""What identifies a row: the model, its key columns, one key value coerced to their types, or many of them.

A key from outside is read as Pydantic reads the key's field, so `"018f…"` and `UUID("018f…")`
name the same row on every database, and `"abc"` for an integer key is refused before any SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper, QueryableAttribute
from sqlmodel import SQLModel

from fieldstone.cache import cached
from fieldstone.errors import InvalidValues, ModelError, PlanError, Problem

ItemT = TypeVar("ItemT")

# PostgreSQL's protocol counts parameters in 16 bits, SQLite's default limit is 32,766.
PARAMETERS = 30_000


def mapper_of(model: type[Any]) -> Mapper[Any]:
    """Return the mapper of a table model."""
    try:
        mapper = sa_inspect(model)
    except NoInspectionAvailable:
        mapper = None
    if not isinstance(mapper, Mapper):
        name = getattr(model, "__name__", repr(model))
        raise ModelError(f"{name} is not a table model. Declare it as: class {name}(..., table=True)")
    return mapper


def selected(statement: Any, by: str, *, alone: bool = False) -> Any:
    """Find the model, or the alias of one, whose rows a select gives; `by` is what was given the select.

    `alone` asks for whole rows, and nothing beside them. Raises PlanError.
    """
    described: Any = statement.column_descriptions if isinstance(statement, Select) else [{}]
    entity = described[0].get("entity")
    if entity is not None and (not alone or (len(described) == 1 and described[0]["expr"] is entity)):
        return entity
    name = "Model" if entity is None else sa_inspect(entity).mapper.class_.__name__
    raise PlanError(
        f"{by} takes an ordinary select({name}), and nothing beside it. "
        "For columns and groups there is aggregate(...)."
    )


def selected_model(statement: Any, by: str, *, alone: bool = False) -> type[Any]:
    """Find the model whose rows a select gives, whether or not it stands there under an alias."""
    model: type[Any] = sa_inspect(selected(statement, by, alone=alone)).mapper.class_
    return model


@cached
def key_names(model: Any) -> tuple[str, ...]:
    """Name the attributes that hold the primary key, in the order of its columns."""
    mapper = mapper_of(model)
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)


@cached
def version_name(model: Any) -> str | None:
    """Name the attribute that counts the versions of a row; None where the model keeps none."""
    mapper = mapper_of(model)
    if mapper.version_id_col is None:
        return None
    return str(mapper.get_property_by_column(mapper.version_id_col).key)


def key_attributes(entity: Any) -> tuple[QueryableAttribute[Any], ...]:
    """Return the key's attributes of a model or of an alias of one."""
    return tuple(getattr(entity, name) for name in key_names(sa_inspect(entity).mapper.class_))


def key_values(model: type[SQLModel], key: Any) -> tuple[Any, ...]:
    """Read a key as the values of the key columns.

    A composite key is a tuple in the order of its columns, or a mapping by attribute name.
    """
    names = key_names(model)
    parts = _parts(model, names, key)
    values, problems = [], []
    for name, part in zip(names, parts, strict=True):
        try:
            values.append(_key_reader(model, name).validate_python(part))
        except ValidationError as error:
            problems += [Problem((name,), one["type"], one["msg"]) for one in error.errors()]
    if problems:
        raise InvalidValues(f"The key of {model.__name__}", problems)
    return tuple(values)


def key_type(model: type[SQLModel], name: str) -> Any:
    """Return the type of one key attribute with its constraints: what a path parameter for it must be."""
    fields = model.model_fields
    if name not in fields:
        return mapper_of(model).columns[name].type.python_type
    annotation = _without_none(fields[name].annotation)
    metadata = tuple(fields[name].metadata)
    return Annotated[(annotation, *metadata)] if metadata else annotation


def among(columns: Sequence[Any], keys: Any) -> ColumnElement[bool]:
    """Build the condition that columns are one of the keys, given as tuples or as a query."""
    if len(columns) > 1:
        return tuple_(*columns).in_(keys)
    found: ColumnElement[bool] = columns[0].in_([key[0] for key in keys] if isinstance(keys, list) else keys)
    return found


def among_each(columns: Sequence[Any], keys: Iterable[tuple[Any, ...]]) -> Iterator[ColumnElement[bool]]:
    """Build conditions that columns are one of the keys, each for as many as a statement can take."""
    for part in batched(list(keys), len(columns)):
        yield among(columns, part)


def batched(items: list[ItemT], width: int) -> Iterator[list[ItemT]]:
    """Cut items of so many parameters each into parts that a statement can take."""
    step = PARAMETERS // width
    for start in range(0, len(items), step):
        yield items[start : start + step]


def _parts(model: type[SQLModel], names: tuple[str, ...], key: Any) -> tuple[Any, ...]:
    if isinstance(key, Mapping):
        parts = tuple(key.get(name) for name in names)
    elif isinstance(key, tuple | list):
        parts = tuple(key)
    else:
        parts = (key,)
    if len(parts) == len(names):
        return parts
    raise InvalidValues(
        f"The key of {model.__name__}",
        [Problem((), "key_length", f"{len(parts)} part(s) given, it has {len(names)}: {', '.join(names)}")],
    )


@cached
def _key_reader(model: type[SQLModel], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(key_type(model, name))


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    members = tuple(member for member in get_args(annotation) if member is not NoneType)
    return Union[members]  # noqa: UP007 - the members are only known at run time
