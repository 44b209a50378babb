"""From a class statement to a mapped class.

SQLModel's metaclass does most of it. This one chooses columns before SQLModel makes them, sets
up relationships itself, maps subclasses of tables (inheritance), and adds CHECK constraints.
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from copy import copy
from typing import Any, dataclass_transform

from pydantic.fields import FieldInfo as PydanticField
from pydantic_core import PydanticUndefined as Undefined
from sqlalchemy import Column, PrimaryKeyConstraint
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.orm.decl_api import DeclarativeMeta
from sqlmodel import Field
from sqlmodel._compat import ModelMetaclass, get_annotations, get_sa_type_from_field
from sqlmodel.main import FieldInfo, FieldInfoMetadata, RelationshipInfo, SQLModelMetaclass

from fieldstone.errors import ModelError
from fieldstone.models.annotations import written_type
from fieldstone.models.columns import column_type, declared, field_type
from fieldstone.models.constraints import adopt_naming, checks, release_keys
from fieldstone.models.flush import watch
from fieldstone.models.relationships import property_of
from fieldstone.models.validation import is_table


@dataclass_transform(kw_only_default=True, field_specifiers=(Field, FieldInfo))
class ModelMeta(SQLModelMetaclass):
    """Make Model classes."""

    def __new__(
        cls, name: str, bases: tuple[type[Any], ...], namespace: dict[str, Any], **kwargs: Any
    ) -> Any:
        annotations = dict(get_annotations(namespace))
        # kept apart, since Pydantic would take inherited annotations of relationships for fields
        namespace["__relationship_types__"] = {
            key: written_type(name, key, annotations.pop(key, None))
            for key, value in namespace.items()
            if isinstance(value, RelationshipInfo) and value.sa_relationship is None
        }
        namespace["__annotations__"] = annotations
        namespace["__is_declared_table__"] = _says_table(namespace, kwargs)
        if not namespace["__is_declared_table__"] and any(map(is_table, bases)):
            # a subclass that does not ask for a table is a schema; FastAPI makes such clones
            namespace["model_config"] = {**namespace.get("model_config", {}), "table": False}
        if "registry" in kwargs:
            adopt_naming(kwargs["registry"].metadata)
        with warnings.catch_warnings():
            # a column of a mapped parent looks like a foreign attribute to Pydantic
            warnings.filterwarnings("ignore", r"Field name .* shadows an attribute in parent", UserWarning)
            model = super().__new__(cls, name, bases, namespace, **kwargs)
        inherited: dict[str, RelationshipInfo] = {}
        for base in reversed(model.__mro__[1:]):
            inherited.update(base.__dict__.get("__sqlmodel_relationships__", {}))
        own = model.__sqlmodel_relationships__
        type.__setattr__(model, "__sqlmodel_relationships__", {**inherited, **own})
        return model

    def __init__(
        cls, name: str, bases: tuple[type[Any], ...], namespace: dict[str, Any], **kwargs: Any
    ) -> None:
        if not cls.__dict__["__is_declared_table__"]:
            ModelMetaclass.__init__(cls, name, bases, namespace, **kwargs)
            return
        parent = _mapped_parent(cls)
        if parent is not None:
            _inherit_columns(cls, parent)
        elif not _has_key(cls):
            raise ModelError(
                f"{name} has no primary key. Write id: int | None = Field(default=None, primary_key=True), "
                "or derive it from UUIDKey."
            )
        _set_version_column(cls, parent)
        known = parent.__sqlmodel_relationships__ if parent is not None else {}
        for key, info in cls.__sqlmodel_relationships__.items():
            if known.get(key) is not info:
                setattr(cls, key, property_of(cls, key, info))
        try:
            DeclarativeMeta.__init__(cls, name, bases, namespace, **kwargs)
        except ArgumentError as error:
            if "primary key" not in str(error):
                raise
            raise ModelError(
                f"{name} is a table without a key: no field has primary_key=True. Write "
                "id: int | None = Field(default=None, primary_key=True), or derive the class from UUIDKey."
            ) from error
        _add_checks(cls, parent)
        _release_keys(cls, parent)
        watch(cls)


def _says_table(namespace: dict[str, Any], kwargs: dict[str, Any]) -> bool:
    return bool(kwargs.get("table", (namespace.get("model_config") or {}).get("table", False)))


def _has_key(model: type[Any]) -> bool:
    """Tell whether a field or `__table_args__` gives a key; a mapper may also be given one."""
    written = "__table__" in model.__dict__ or "__mapper_args__" in model.__dict__
    columns = [value for value in model.__dict__.values() if isinstance(value, Column)]
    arguments = getattr(model, "__table_args__", ())
    in_arguments = any(isinstance(each, PrimaryKeyConstraint) for each in arguments)
    return written or in_arguments or any(column.primary_key for column in columns)


def _mapped_parent(model: type[Any]) -> Any:
    return next((base for base in model.__mro__[1:] if is_table(base)), None)


# Columns


def choose_columns(model: Any) -> None:
    """Tell SQLModel the type of each column that it would get wrong, before it makes the columns."""
    for name, field in model.model_fields.items():
        column = declared(field)
        if column.sa_type is Undefined and column.sa_column is Undefined:
            chosen = column_type(field)
            if chosen is Undefined:
                _refuse_untyped(model, name, field)
            column = dataclasses.replace(column, sa_type=chosen)
        if column.sa_column is Undefined and column.nullable is Undefined and column.primary_key is not True:
            column = dataclasses.replace(column, nullable=field_type(field)[2])
        _declare(field, column)


def _declare(field: PydanticField, column: FieldInfoMetadata) -> None:
    """Put one merged word about the column where SQLModel looks first."""
    field.metadata = [column, *(item for item in field.metadata if not isinstance(item, FieldInfoMetadata))]


_COLUMN_TYPES = (
    "str, int, float, bool, Decimal, bytes, date, datetime, time, timedelta, UUID, Enum and Literal"
)


def _refuse_untyped(model: type[Any], name: str, field: PydanticField) -> None:
    try:
        found = get_sa_type_from_field(field)
        if isinstance(found, type) and not issubclass(found, (list, dict, set, tuple, frozenset)):
            return
    except ValueError:
        pass
    raise ModelError(
        f"{model.__name__}.{name} is {field.annotation!r}, which has no column type. "
        f"Columns hold {_COLUMN_TYPES}; for anything else write "
        f"{name}: Json[...], or give Field(sa_type=...)."
    )


def restore_inherited(model: Any) -> None:
    """Give a subclass of a table its parent's fields: Pydantic takes mapped attributes for defaults."""
    fields = getattr(model, "__pydantic_fields__", {})
    for name, field in fields.items():
        if not isinstance(field.default, QueryableAttribute):
            continue
        if name in inspect.get_annotations(model):
            field.default = Undefined
            field._attributes_set.pop("default", None)
        else:
            fields[name] = copy(next(base.model_fields[name] for base in model.__mro__[1:] if is_table(base)))


def _inherit_columns(model: Any, parent: Any) -> None:
    """Keep to the parent's columns, and choose between a table of its own and the parent's.

    A primary key that points to the parent, or a written __tablename__, says: joined tables.
    Otherwise the rows live in the parent's table, where a further column must allow NULL.
    """
    own = inspect.get_annotations(model)
    key_points_up = any(
        declared(model.model_fields[name]).primary_key is True
        and declared(model.model_fields[name]).foreign_key is not Undefined
        for name in own
        if name in model.model_fields
    )
    joined = key_points_up or "__tablename__" in model.__dict__
    if not joined:
        type.__setattr__(model, "__tablename__", None)
    for name in model.model_fields:
        if name in parent.model_fields and not (joined and name in own):
            type.__delattr__(model, name)
        elif not joined:
            model.__dict__[name].nullable = True


def _set_version_column(model: Any, parent: Any) -> None:
    arguments = model.__dict__.get("__mapper_args__", {})
    counter = getattr(model, "__version_field__", None)
    if parent is None and counter is not None and isinstance(arguments, dict):
        type.__setattr__(model, "__mapper_args__", {"version_id_col": model.__dict__[counter], **arguments})


def _add_checks(model: Any, parent: Any) -> None:
    for name, field in model.model_fields.items():
        column = model.__mapper__.columns.get(name)
        if column is None or (parent is not None and parent.__mapper__.columns.get(name) is column):
            continue
        for check in checks(field, column):
            column.table.append_constraint(check)


def _release_keys(model: Any, parent: Any) -> None:
    """Let the unique keys of deleted rows be used again, where their table says which these are."""
    name = getattr(model, "__deletion_field__", None)
    if name is None:
        return
    if parent is not None and name not in parent.__mapper__.columns:
        raise ModelError(
            f"{model.__name__} is SoftDeleted, but {parent.__name__}, whose rows it shares, is not. Derive "
            f"{parent.__name__} from SoftDeleted instead."
        )
    column = model.__mapper__.columns[name]
    if column.table is model.__mapper__.local_table:
        release_keys(column.table, column)
