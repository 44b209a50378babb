"""The way from a schema's values to a table's: what was sent, under the names it is stored by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo as PydanticField
from sqlalchemy.orm import Mapper
from sqlmodel import SQLModel

from fieldstone.cache import cached
from fieldstone.errors import InvalidValues, Problem
from fieldstone.models.columns import field_type
from fieldstone.models.fields import StoredAs
from fieldstone.schemas.tables import no_counterpart, table_mapper


def stored_values(
    data: BaseModel | Mapping[str, Any],
    model: type[SQLModel],
    *,
    sent_only: bool = False,
    related: Callable[[str, Any], object] | None = None,
) -> dict[str, Any]:
    """Give what is to be written, by the names of the model's columns and relationships.

    From a schema made with `@partial` these are the sent fields; from another schema all of
    its fields, or, with `sent_only`, those in `model_fields_set`. Nested schemas become
    instances of the related model, and `StoredAs` is applied. With `related` they stay as they
    are, and it is called with the name and value of each relationship.
    """
    mapper = table_mapper(model)
    if isinstance(data, Mapping):
        _refuse_unknown(data, model, mapper)
        if related is not None:
            for name in [name for name in data if name in mapper.relationships]:
                related(name, data[name])
        return dict(data)
    values: dict[str, Any] = {}
    for name, field in type(data).model_fields.items():
        if name not in data.__dict__ or (sent_only and name not in data.model_fields_set):
            continue
        value, stored = data.__dict__[name], stored_as(field)
        if stored is not None:
            values[stored.column] = None if value is None else stored.through(value)
        elif name in mapper.relationships and related is not None:
            values[name] = value
            related(name, value)
        elif name in mapper.relationships:
            values[name] = _related(value, mapper.relationships[name].mapper.class_)
        elif name in mapper.columns:
            values[name] = value
        else:
            raise no_counterpart(type(data), model, name)
    return values


def plain_values(
    data: BaseModel | Mapping[str, Any], model: type[SQLModel], *, sent_only: bool = False
) -> Mapping[str, Any]:
    """Give the same at once where names need not be looked at: they are, when the values are validated."""
    if isinstance(data, Mapping):
        return data
    if not _is_plain(type(data), model):
        return stored_values(data, model, sent_only=sent_only)
    if not sent_only:
        return data.__dict__
    sent = data.model_fields_set
    return {name: value for name, value in data.__dict__.items() if name in sent}


@cached
def _is_plain(schema: type[BaseModel], model: type[SQLModel]) -> bool:
    columns = table_mapper(model).columns
    return all(stored_as(field) is None and name in columns for name, field in schema.model_fields.items())


def _related(value: Any, target: type[SQLModel]) -> Any:
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_related(each, target) for each in value]
    if isinstance(value, (BaseModel, Mapping)) and not isinstance(value, target):
        return target.model_validate(stored_values(value, target))
    return value


def _refuse_unknown(data: Mapping[str, Any], model: type[SQLModel], mapper: Mapper[Any]) -> None:
    known = {*mapper.columns.keys(), *mapper.relationships.keys(), *model.model_fields}
    unknown = [name for name in data if name not in known]
    if unknown:
        message = f"is not a field of {model.__name__}. Its fields are: {', '.join(mapper.columns.keys())}"
        raise InvalidValues(
            model.__name__,
            [Problem(path=(name,), rule="extra_forbidden", message=message) for name in unknown],
        )


def stored_as(field: PydanticField) -> StoredAs | None:
    """Find where and how a field is stored, if not under its own name."""
    return next((item for item in field_type(field)[1] if isinstance(item, StoredAs)), None)


def stored_name(name: str, field: PydanticField) -> str:
    stored = stored_as(field)
    return name if stored is None else stored.column
