"""What a schema has against what its table has.

Schemas stay explicit classes, so that type checkers see their fields. What explicit classes
lose, these comparisons find when a resource or plan is made: a Read that names what the table
lacks, a Create or Update that allows what the table refuses. `server_made` names the fields
that no client may set.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo as PydanticField
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty
from sqlmodel import SQLModel

from fieldstone.errors import SchemaError
from fieldstone.models import SoftDeleted, Timestamps, Versioned
from fieldstone.models.columns import field_type, integer_range, plain_type
from fieldstone.models.validation import is_table
from fieldstone.schemas.loosening import loosened
from fieldstone.schemas.tables import no_counterpart, table_mapper
from fieldstone.schemas.values import stored_as, stored_name

# Comparing


def check_read(schema: type[BaseModel], model: type[SQLModel]) -> None:
    """Refuse a Read schema that names what the model lacks, or has in another form."""
    _check_read(schema, model, set())


def _check_read(schema: type[BaseModel], model: type[SQLModel], seen: set[tuple[type, type]]) -> None:
    if (schema, model) in seen:
        return
    seen.add((schema, model))
    mapper = table_mapper(model)
    for name, field in _fields(schema).items():
        if name in mapper.relationships:
            relationship = mapper.relationships[name]
            element = related_schema(schema, name, field, relationship)
            if not relationship.uselist and _may_be_missing(relationship) and not field_type(field)[2]:
                raise SchemaError(
                    f"{schema.__name__}.{name} cannot be empty, but {model.__name__}.{name} can: not every "
                    f"{model.__name__} has one. Write {name}: {element.__name__} | None."
                )
            _check_read(element, relationship.mapper.class_, seen)
        elif name in mapper.columns:
            _check_read_column(schema, model, name, field)
        elif name not in mapper.all_orm_descriptors:
            raise no_counterpart(schema, model, name)


def _check_read_column(
    schema: type[BaseModel], model: type[SQLModel], name: str, field: PydanticField
) -> None:
    column = table_mapper(model).columns[name]
    if column.nullable and not field_type(field)[2]:
        raise SchemaError(
            f"{schema.__name__}.{name} cannot be None, but {model.__name__}.{name} can: one such row would "
            f"break every list. Write {name}: ... | None."
        )
    own, stored = (
        integer_range(field),
        integer_range(model.model_fields[name]) if name in model.model_fields else None,
    )
    if own and stored and own[1] < stored[1]:
        raise SchemaError(
            f"{schema.__name__}.{name} is narrower than {model.__name__}.{name}, whose column "
            f"holds larger numbers. Take {name} from the model's base, "
            "or give it the same Field(sa_type=...)."
        )


def check_create(schema: type[BaseModel], model: type[SQLModel], *, complete: bool = True) -> None:
    """Refuse a Create schema that allows what the table refuses, or lacks what it needs.

    One that is not `complete` is completed by values that are known later only.
    """
    _check_create(schema, model, frozenset() if complete else frozenset(_needed(model)), set())


def _check_create(
    schema: type[BaseModel], model: type[SQLModel], filled: frozenset[str], seen: set[object]
) -> None:
    if (schema, model, filled) in seen:
        return
    seen.add((schema, model, filled))
    mapper = table_mapper(model)
    named = [mapper.relationships[name] for name in _fields(schema) if name in mapper.relationships]
    here = frozenset(name for relationship in named for name in _keys_here(relationship))
    filled |= here
    for name, field in _fields(schema).items():
        if name in mapper.relationships:
            relationship = mapper.relationships[name]
            element = related_schema(schema, name, field, relationship)
            if not _is_reference(element, relationship):
                _check_create(element, relationship.mapper.class_, _keys_there(relationship), seen)
        elif not (name in here and field_type(field)[2]):  # the related object may be sent instead
            _check_written(schema, model, name, field)
    brought = {stored_name(name, field) for name, field in _fields(schema).items()}
    for name in sorted(_needed(model) - filled - brought):
        raise SchemaError(
            f"{schema.__name__} lacks {name}, which {model.__name__}.{name} requires and nothing fills. "
            f"Add {name} to {schema.__name__}, or give {model.__name__}.{name} a default."
        )


def _is_reference(schema: type[BaseModel], relationship: RelationshipProperty[Any]) -> bool:
    """Whether a nested schema names a stored row: by its key, and nothing else."""
    if relationship.secondary is None and relationship.direction is not RelationshipDirection.MANYTOONE:
        return False
    mapper = relationship.mapper
    keys = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
    return _fields(schema).keys() == keys


def check_update(schema: type[BaseModel], model: type[SQLModel]) -> None:
    """Refuse an Update schema that allows what the table refuses."""
    for name, field in _fields(schema).items():
        if name in table_mapper(model).relationships:
            raise SchemaError(
                f"{schema.__name__}.{name} is the relationship {model.__name__}.{name}: an update "
                f"changes columns. Take it out of {schema.__name__} and change the related rows themselves."
            )
        _check_written(schema, model, name, field)


def _check_written(schema: type[BaseModel], model: type[SQLModel], name: str, field: PydanticField) -> None:
    mapper, stored = table_mapper(model), stored_as(field)
    if stored is not None:
        if stored.column not in mapper.columns:
            raise SchemaError(
                f"{schema.__name__}.{name} is stored as {stored.column!r}, which is no column of "
                f"{model.__name__}. Its columns are: {', '.join(mapper.columns.keys())}."
            )
        return
    if name not in mapper.columns:
        raise no_counterpart(schema, model, name)
    if name in server_made(model):
        raise SchemaError(
            f"{schema.__name__}.{name} would let a client set {model.__name__}.{name}, which the server "
            f"makes. Take {name} out of {schema.__name__}."
        )
    found = loosened(field, model.model_fields.get(name), mapper.columns[name])
    if found is not None:
        raise SchemaError(
            f"{schema.__name__}.{name} allows what {model.__name__}.{name} refuses: {found}. "
            f"Take {name} from the model's base, or repeat its constraints."
        )


def server_made(model: type[SQLModel]) -> frozenset[str]:
    """Name the fields that the server fills: generated keys, Timestamps, version, server defaults."""
    mapper = table_mapper(model)
    names = {
        name
        for name, column in mapper.columns.items()
        if column.server_default is not None
        or column.onupdate is not None
        or column.server_onupdate is not None
        or column.computed is not None
        or (column.primary_key and _is_generated(model, name, column))
    }
    for mixin in (SoftDeleted, Timestamps, Versioned):
        if issubclass(model, mixin):
            names |= mixin.model_fields.keys()
    return frozenset(names)


def _is_generated(model: type[SQLModel], name: str, column: Any) -> bool:
    field = model.model_fields.get(name)
    if column.default is not None:
        return True
    is_required = field is not None and field.is_required()
    return column.table.autoincrement_column is column and not is_required


def _needed(model: type[SQLModel]) -> frozenset[str]:
    mapper, made = table_mapper(model), server_made(model)
    discriminator = mapper.polymorphic_on
    return frozenset(
        name
        for name, column in mapper.columns.items()
        if not column.nullable
        and column.default is None
        and name not in made
        and column is not discriminator
        and (name not in model.model_fields or model.model_fields[name].is_required())
    )


# Related schemas


def related_schema(
    schema: type[BaseModel], name: str, field: PydanticField, relationship: RelationshipProperty[Any]
) -> type[BaseModel]:
    """Give the schema that a field has for a relationship, or refuse the form it is in."""
    inner, _, _ = field_type(field)
    arguments = getattr(inner, "__args__", ())
    many = getattr(inner, "__origin__", None) in (list, tuple, set, frozenset) or _is_sequence(inner)
    element = plain_type(arguments[0])[0] if many and arguments else inner
    target = relationship.mapper.class_
    here = f"{relationship.parent.class_.__name__}.{name}"
    if many is not bool(relationship.uselist):
        form = (
            f"a list: write {name}: list[...]"
            if relationship.uselist
            else f"one object: write {name}: ... | None"
        )
        raise SchemaError(f"{schema.__name__}.{name} does not have the form of {here}, which is {form}.")
    if not (isinstance(element, type) and issubclass(element, BaseModel)) or is_table(element):
        what = "a table" if isinstance(element, type) and is_table(element) else repr(element)
        raise SchemaError(
            f"{schema.__name__}.{name} holds {what}, but {here} leads to {target.__name__}, which is shown "
            f"through a schema. Write one for {target.__name__} and use it as the type of {name}."
        )
    return element


def _is_sequence(annotation: Any) -> bool:
    from collections.abc import Sequence

    origin = getattr(annotation, "__origin__", None)
    return isinstance(origin, type) and issubclass(origin, Sequence) and origin is not str


def _may_be_missing(relationship: RelationshipProperty[Any]) -> bool:
    if relationship.direction is not RelationshipDirection.MANYTOONE:
        return True
    return any(column.nullable for column in relationship.local_columns)


def _keys_here(relationship: RelationshipProperty[Any]) -> frozenset[str]:
    """Name the columns on this side that the relationship fills."""
    if relationship.direction is not RelationshipDirection.MANYTOONE:
        return frozenset()
    mapper = relationship.parent
    return frozenset(mapper.get_property_by_column(column).key for column in relationship.local_columns)


def _keys_there(relationship: RelationshipProperty[Any]) -> frozenset[str]:
    if relationship.direction is not RelationshipDirection.ONETOMANY:
        return frozenset()
    mapper = relationship.mapper
    return frozenset(mapper.get_property_by_column(column).key for column in relationship.remote_side)


# Looking things up


def _fields(schema: type[BaseModel]) -> dict[str, PydanticField]:
    if is_table(schema):
        raise SchemaError(
            f"{schema.__name__} is a table and would show or accept every column. "
            f"Write a schema beside it that names what may pass."
        )
    if not schema.__pydantic_complete__:
        schema.model_rebuild()
    return schema.model_fields
