"""Model: SQLModel, hardened.

Type checkers treat `Model` exactly like SQLModel, and plain SQLModel tables keep working beside
it, in the same metadata. What differs happens at run time:

- a table model validates what it is given, when it is made, when it is changed and before it is
  written; loading rows validates nothing;
- Literal, Enum, JSON and every bound of a field reach the database, under stable names;
- unknown keys, integers that the column cannot hold, NUL in text and infinite floats are refused;
- relationships derive what SQLAlchemy would have to be told (see relationships.py).
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core import PydanticUndefined as Undefined
from sqlalchemy import ClauseElement
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.ext.associationproxy import AssociationProxy
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import MapperProperty
from sqlalchemy.orm.attributes import set_attribute
from sqlmodel import Field, Relationship, SQLModel
from sqlmodel._compat import finish_init

from fieldstone.errors import NotLoaded
from fieldstone.models.constraints import NAMING_CONVENTION, adopt_naming
from fieldstone.models.fields import now, uuid7
from fieldstone.models.flush import remember
from fieldstone.models.mapping import ModelMeta, choose_columns, restore_inherited
from fieldstone.models.partials import omit_unsent, refuse_unsent, tolerate_unsent
from fieldstone.models.validation import checked, harden, is_table, refuse, twins_of, validate_whole

M = TypeVar("M", bound="Model")

__all__ = [
    "NAMING_CONVENTION",
    "Field",
    "Model",
    "Relationship",
    "SoftDeleted",
    "Timestamps",
    "UUIDKey",
    "Versioned",
]

adopt_naming(SQLModel.metadata)


class Model(SQLModel, metaclass=ModelMeta):
    """Be the base of tables (`table=True`) and schemas alike."""

    model_config = cast(
        Any,
        ConfigDict(
            extra="forbid",
            allow_inf_nan=False,
            hide_input_in_errors=True,
            # what SQLAlchemy maps without an annotation
            ignored_types=(hybrid_property, hybrid_method, AssociationProxy, MapperProperty),
        ),
    )

    __is_partial__: ClassVar[bool] = False

    def __init__(self, /, **data: Any) -> None:
        if finish_init.get() and is_table(type(self)):
            _fill(self, data, _take_relationships(type(self), data))
        else:
            try:
                super().__init__(**data)
            except RecursionError:  # SQLModel validates each level from Python, so a deep body ends here
                raise PydanticCustomError("too_deep", "Input is nested too deeply") from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        restore_inherited(cls)
        for field in getattr(cls, "__pydantic_fields__", {}).values():
            harden(field)
        if cls.__init__.__module__ == __name__ and not cls.__dict__.get("__is_declared_table__"):
            # Pydantic makes the object by itself, instead of calling back what would only call Pydantic again
            cls.__pydantic_custom_init__ = False
        if not cls.__is_partial__:
            return handler(source)
        tolerate_unsent(cls)
        schema = handler(source)
        omit_unsent(cls, schema, handler)
        return schema

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__dict__.get("__is_declared_table__"):
            choose_columns(cls)

    @classmethod
    def model_validate(  # type: ignore[override]  # the signature is SQLModel's
        cls,
        obj: Any,
        *,
        strict: bool | None = None,
        from_attributes: bool | None = None,
        context: builtins.dict[str, Any] | None = None,
        update: builtins.dict[str, Any] | None = None,
    ) -> Self:
        """Make an instance from a mapping or an object; a table refuses with InvalidValues."""
        if not is_table(cls):
            return super().model_validate(
                obj, strict=strict, from_attributes=from_attributes, context=context, update=update
            )
        source = {**obj, **(update or {})} if isinstance(obj, Mapping) else _read(cls, obj, update or {})
        with_init = _blank(cls)
        _fill(with_init, source, _take_relationships(cls, source), strict=strict, context=context)
        return with_init

    def sqlmodel_update(
        self, obj: builtins.dict[str, Any] | BaseModel, *, update: builtins.dict[str, Any] | None = None
    ) -> Self:
        """Change several fields at once: all of them, or none if one is refused."""
        if not is_table(type(self)):
            return super().sqlmodel_update(obj, update=update)
        if isinstance(obj, BaseModel):
            found = {name: getattr(obj, name, Undefined) for name in type(obj).model_fields}
        else:
            found = dict(obj)
        found |= update or {}
        wanted = {
            name: value
            for name, value in found.items()
            if value is not Undefined and name in type(self).model_fields
        }
        plain = [(name, value) for name, value in wanted.items() if not isinstance(value, ClauseElement)]
        for name, value in {**wanted, **checked(type(self), self.__dict__, plain)}.items():
            self._keep(name, value)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if is_table(type(self)) and name in type(self).model_fields:
            if not isinstance(value, ClauseElement):
                value = checked(type(self), self.__dict__, [(name, value)])[name]
            self._keep(name, value)
        else:
            super().__setattr__(name, value)

    if not TYPE_CHECKING:  # a type checker should still see which fields there are

        def __getattr__(self, name: str) -> Any:
            if type(self).__is_partial__ and name in type(self).model_fields:
                raise refuse_unsent(self, name)
            return super().__getattr__(name)

    def _keep(self, name: str, value: Any) -> None:
        """Take over a value that was validated."""
        set_attribute(self, name, value)
        self.__pydantic_fields_set__.add(name)
        remember(self, name, value)

    def model_dump(self, **options: Any) -> builtins.dict[str, Any]:
        """Dump as Pydantic does; a table instance with unloaded columns raises NotLoaded."""
        _refuse_unloaded(self, options)
        return super().model_dump(**options)

    def model_dump_json(self, **options: Any) -> str:
        """Dump as Pydantic does; a table instance with unloaded columns raises NotLoaded."""
        _refuse_unloaded(self, options)
        return super().model_dump_json(**options)

    def __repr_args__(self) -> Any:
        if not is_table(type(self)):
            return super().__repr_args__()
        return [
            (name, self.__dict__.get(name, _NOT_LOADED))
            for name, field in type(self).model_fields.items()
            if field.repr
        ]


# Making instances


def _blank(model: type[M]) -> M:
    """Make an instance with SQLAlchemy's state and nothing in it."""
    token = finish_init.set(False)
    try:
        return model()
    finally:
        finish_init.reset(token)


def _take_relationships(model: type[Any], data: dict[str, Any]) -> dict[str, Any]:
    return {name: data.pop(name) for name in model.__sqlmodel_relationships__ if name in data}


def _read(model: type[BaseModel], source: Any, update: Mapping[str, Any]) -> dict[str, Any]:
    """Read from an object's attributes what a model has a place for."""
    found = {}
    for name in (*model.model_fields, *cast(Any, model).__sqlmodel_relationships__):
        value = update[name] if name in update else getattr(source, name, Undefined)
        if value is not Undefined:
            found[name] = value
    return found | {name: value for name, value in update.items() if name not in found}


def _fill(
    instance: Any,
    data: Mapping[str, Any],
    relationships: Mapping[str, Any],
    *,
    strict: bool | None = None,
    context: Any = None,
) -> None:
    model = type(instance)
    # SQLAlchemy has set a polymorphic identity by now
    given = {name: value for name, value in instance.__dict__.items() if name in model.model_fields}
    try:
        values, _, sent = twins_of(model).construction.validate_python(
            {**given, **data}, strict=strict, context=context
        )
    except ValidationError as error:
        raise refuse(model, error) from error
    for name, value in values.items():
        set_attribute(instance, name, value)
        remember(instance, name, value)
    object.__setattr__(instance, "__pydantic_fields_set__", sent - (given.keys() - data.keys()))
    if model.__pydantic_post_init__:
        instance.model_post_init(None)
    for name, value in relationships.items():
        set_attribute(instance, name, value)
    validate_whole(instance)


# Reading what is not there


class _NotLoadedMark:
    def __repr__(self) -> str:
        return "<not loaded>"


_NOT_LOADED = _NotLoadedMark()
_EXPIRED_BY = "fieldstone_expired_by"


def _refuse_unloaded(instance: Any, options: Mapping[str, Any]) -> None:
    model = type(instance)
    if not is_table(model):
        return
    missing = [name for name in _asked_for(model, options) if name not in instance.__dict__]
    if missing:
        state = sa_inspect(instance)
        expired = state.expired_attributes.intersection(missing)
        ending = state.info.get(_EXPIRED_BY, "a commit, rollback or expire()")  # the guard knows the line
        cause = f"{ending} expired them" if expired else "they were never loaded"
        raise NotLoaded(
            f"{model.__name__} cannot be dumped without {', '.join(missing)}: {cause}. Refresh the "
            "instance with session.refresh(...), or read it through a schema with get(...) or fetch(...)."
        )


def _asked_for(model: type[BaseModel], options: Mapping[str, Any]) -> Iterator[str]:
    include, exclude = options.get("include"), options.get("exclude")
    for name, field in model.model_fields.items():
        left_out = exclude is not None and name in exclude and not isinstance(exclude, Mapping)
        left_out = left_out or (isinstance(exclude, Mapping) and exclude.get(name) in (True, ...))
        if field.exclude is not True and not left_out and (include is None or name in include):
            yield name


# Mixins


class Timestamps(Model):
    """Add created_at and updated_at, in UTC.

    updated_at is set in Python by every update, also by `update(Task)` in bulk: a server-side
    onupdate would leave the attribute expired.
    """

    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now, sa_column_kwargs={"onupdate": now})


class SoftDeleted(Model):
    """Keep deleted rows, out of sight: `delete` marks them with the moment, `restore` brings them back.

    Reads and writes pass over them, but for statements that say `including_deleted`. A unique key of
    a deleted row is free for another row.
    """

    __deletion_field__: ClassVar[str] = "deleted_at"

    deleted_at: datetime | None = None


class UUIDKey(Model):
    """Add a primary key that is unique everywhere and ordered by time (RFC 9562, version 7)."""

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)


class Versioned(Model):
    """Add a version that counts up with every update, so that a stale write is refused."""

    __version_field__: ClassVar[str] = "version"

    version: int = Field(default=1)
