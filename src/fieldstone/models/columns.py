"""What a field declares, and the type of its column.

SQLModel knows most types. Here stands what it lacks: Literal, Enum by value, JSON with models
and UUIDs that compare with text.
"""

from __future__ import annotations

import dataclasses
import types
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import annotated_types
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo as PydanticField
from pydantic_core import PydanticUndefined as Undefined
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Integer,
    SmallInteger,
    String,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel.main import FieldInfoMetadata
from sqlmodel.sql.sqltypes import AutoString

from fieldstone.errors import ModelError
from fieldstone.models.fields import JsonValue

# What a field declares


@dataclass(frozen=True)
class Bounds:
    """The limits that a field declares, wherever in its annotation they stand."""

    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    multiple_of: Any = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


def plain_type(annotation: Any) -> tuple[Any, list[Any], bool]:
    """Take Annotated and Optional off: the type within, its metadata, and whether None is allowed."""
    metadata: list[Any] = []
    nullable = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            metadata = [*more, *metadata]
        elif get_origin(annotation) in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not types.NoneType]
            nullable = nullable or len(members) < len(get_args(annotation))
            if len(members) != 1:
                return annotation, metadata, nullable
            annotation = members[0]
        elif hasattr(annotation, "__value__"):  # a `type X = ...` alias
            annotation = annotation.__value__
        elif get_origin(annotation) is Literal and None in get_args(annotation):
            return annotation, metadata, True
        else:
            return annotation, metadata, nullable or annotation in (None, types.NoneType, Any)


def field_type(field: PydanticField) -> tuple[Any, list[Any], bool]:
    """Do the same for a field, whose own metadata comes last."""
    inner, metadata, nullable = plain_type(field.annotation)
    return inner, [*metadata, *field.metadata], nullable


def bounds_of(field: PydanticField) -> Bounds:
    """Collect the limits of a field; the last word on each counts, as with Pydantic."""
    found: dict[str, Any] = {}
    for item in _unpacked(field_type(field)[1]):
        for name in (each.name for each in dataclasses.fields(Bounds)):
            value = getattr(item, name, None)
            if value is not None:
                found[name] = value
    return Bounds(**found)


def _unpacked(metadata: list[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, PydanticField):  # Annotated[int, Field(ge=1)] inside an Optional
            yield from _unpacked(item.metadata)
        elif isinstance(item, annotated_types.GroupedMetadata):
            yield item  # StringConstraints carries the attributes itself
            yield from item
        else:
            yield item


def declared(field: PydanticField) -> FieldInfoMetadata:
    """Give what `Field(...)` said about the column, from the whole annotation."""
    merged: dict[str, Any] = {}
    for item in _unpacked(field_type(field)[1]):
        if isinstance(item, FieldInfoMetadata):
            merged |= {name: value for name, value in vars(item).items() if value is not Undefined}
    return FieldInfoMetadata(**merged)


def literal_values(annotation: Any) -> tuple[Any, ...] | None:
    """List the stored values of a Literal or Enum in order, without None; None for other types."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(member.value for member in annotation)
    if get_origin(annotation) is not Literal:
        return None
    values: list[Any] = []
    for value in get_args(annotation):
        value = value.value if isinstance(value, Enum) else value
        if value is not None and value not in values:
            values.append(value)
    return tuple(values)


# Column types


class EnumByValue(TypeDecorator[Any]):
    """Store an Enum's value as plain text or number.

    Not the database's own ENUM: a CHECK does the same and can be altered. A stored value that
    is no member any more loads as it is, so that one old row does not break a whole list.
    """

    impl = String
    cache_ok = True

    def __init__(self, enum: type[Enum]) -> None:
        self.enum = enum
        super().__init__()

    @cached_property
    def members(self) -> dict[Any, Enum]:
        return {member.value: member for member in self.enum}

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(cast(Any, _type_for(tuple(self.members))))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value.value if isinstance(value, self.enum) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return self.members.get(value, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.enum.__name__})"


class MixedLiteral(TypeDecorator[Any]):
    """Store a Literal of several Python types as text, and give the original value back."""

    impl = String
    cache_ok = True

    def __init__(self, *members: Any) -> None:
        self.members = members
        if len({str(member) for member in members}) < len(members):
            raise ModelError(
                f"Literal{list(members)!r} cannot be stored: two of its members read the same as text. "
                "Use members of one type."
            )
        super().__init__()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return {str(member): member for member in self.members}.get(value, value)


class ComparableUuid(TypeDecorator[uuid.UUID]):
    """Store a UUID natively where the database can, and compare with text on every database."""

    impl = Uuid
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> uuid.UUID | None:
        return uuid.UUID(value) if isinstance(value, str) else value

    def __repr__(self) -> str:
        return "ComparableUuid()"


class Document:
    """The Python type that a JSON column holds; equal only to itself, as statement caches need it."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.annotation)


class JsonOf(TypeDecorator[Any]):
    """Store what a Pydantic type dumps as JSON, and load it back as that type.

    A stored document that no longer fits its type loads as plain JSON, so that one old row
    does not break a whole list; writing it again is refused by the model.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, document: Document) -> None:
        self.document = document
        super().__init__(none_as_null=True)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        json = JSONB if dialect.name == "postgresql" else JSON
        return dialect.type_descriptor(json(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        return self.document.adapter.dump_python(value, mode="json", warnings=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            return self.document.adapter.validate_python(value)
        except ValidationError:
            return value

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        # Task.meta["key"] compares as JSON does, not as the whole document
        return self.impl_instance.coerce_compared_value(op, value)

    def __repr__(self) -> str:
        return "JsonOf()"


def column_type(field: PydanticField) -> Any:
    """Choose the column type where SQLModel's own choice would fail or be weaker; else Undefined."""
    annotation, metadata, _ = field_type(field)
    if any(isinstance(item, JsonValue) for item in metadata):
        return JsonOf(Document(annotation))
    values = literal_values(annotation)
    if values is not None:
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return EnumByValue(annotation)
        return _type_for(values)
    if not isinstance(annotation, type):
        return Undefined
    if issubclass(annotation, uuid.UUID):
        return ComparableUuid()
    if issubclass(annotation, str):
        return AutoString(bounds_of(field).max_length)
    return Undefined


def _type_for(values: tuple[Any, ...]) -> TypeEngine[Any]:
    kinds = {type(value) for value in values}
    if all(issubclass(kind, str) for kind in kinds):
        return AutoString()
    if kinds == {bool}:
        return Boolean()
    if all(issubclass(kind, int) and kind is not bool for kind in kinds):
        return BigInteger() if any(abs(value) >= 2**31 for value in values) else Integer()
    return MixedLiteral(*values)


_INTEGER_BITS = ((BigInteger, 64), (SmallInteger, 16), (Integer, 32))


def integer_range(field: PydanticField) -> tuple[int, int] | None:
    """Give the smallest and greatest integer that the field's column can hold."""
    annotation = field_type(field)[0]
    if annotation is not int:
        return None
    column = declared(field)
    sql_type = column.sa_column.type if isinstance(column.sa_column, Column) else column.sa_type
    sql_type = Integer() if sql_type is Undefined else sql_type
    sql_type = sql_type() if isinstance(sql_type, type) else sql_type
    for kind, bits in _INTEGER_BITS:
        if isinstance(sql_type, kind):
            return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return None
