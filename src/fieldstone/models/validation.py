"""Validation of tables, apart from their instances.

Pydantic validates a model by filling an instance; a mapped instance must be filled through
SQLAlchemy instead. So each model has twins: validators made from its own core schema that
work on plain dicts. Construction, assignment, flush and bulk writes all use them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WrapValidator,
)
from pydantic.fields import FieldInfo as PydanticField
from pydantic_core import CoreConfig, SchemaValidator
from pydantic_core import PydanticUndefined as Undefined
from sqlmodel.sql.sqltypes import UTCDateTime

from fieldstone.errors import InvalidValues, Problem
from fieldstone.models.columns import bounds_of, declared, field_type, integer_range
from fieldstone.models.fields import as_if_utc, clean_text, in_utc
from fieldstone.models.inputs import reading_of

# Hardening: what no client may send, on every model


def harden(field: PydanticField) -> None:
    """Hold a field to what its column can store and its type can mean; safe to repeat."""
    annotation, metadata, _ = field_type(field)
    reading = reading_of(annotation)
    if reading is not None and not any(isinstance(item, _READS) for item in metadata):
        field.metadata = [*field.metadata, reading]
    limits = integer_range(field)
    if limits is not None:
        bounds = bounds_of(field)
        first: list[Any] = []
        if bounds.ge is None and bounds.gt is None:
            first.append(Ge(limits[0]))
        if bounds.le is None and bounds.lt is None:
            first.append(Le(limits[1]))
        # first, so that they meet the integer itself and not what a validator of the user made of it
        field.metadata = [*first, *field.metadata]
    elif annotation is str and _CLEAN not in metadata:
        field.metadata = [*field.metadata, *_lost_pattern(field), _CLEAN]
    elif annotation is datetime and stores_utc(field) and not any(_says_timezone(item) for item in metadata):
        field.metadata = [*field.metadata, _IN_UTC]
    if annotation is datetime:
        field.validate_default = True  # `datetime.now` as a default is naive, and would fail at the flush
        field._attributes_set["validate_default"] = True


_CLEAN = AfterValidator(clean_text)
# A field that says itself how its input is read keeps its word.
_READS = (BeforeValidator, WrapValidator, PlainValidator)
_IN_UTC = AfterValidator(in_utc)


def _lost_pattern(field: PydanticField) -> list[Any]:
    """Find the pattern of SQLModel's `Field(regex=...)`, which Pydantic takes for an unknown word."""
    pattern = field._attributes_set.get("regex")
    return [] if pattern is None else [StringConstraints(pattern=pattern)]


def stores_utc(field: PydanticField) -> bool:
    """Tell whether the field's column brings every moment to UTC by itself."""
    column = declared(field)
    if column.sa_column is not Undefined:
        return isinstance(getattr(column.sa_column, "type", None), UTCDateTime)
    return (
        column.sa_type is Undefined
        or isinstance(column.sa_type, UTCDateTime)
        or column.sa_type is UTCDateTime
    )


def _says_timezone(item: Any) -> bool:
    name = getattr(item, "__name__", type(item).__name__)
    return name in ("NaiveDatetime", "AwareDatetime") or getattr(item, "func", None) in (in_utc, as_if_utc)


def is_table(model: type[Any]) -> bool:
    """Say whether a class itself is mapped; FastAPI's clones of a table are not."""
    return "__mapper__" in model.__dict__


# Twins


@dataclass(frozen=True)
class Twins:
    """The validators of one model over plain dicts."""

    construction: SchemaValidator
    """Validates everything, with the model's before-validators; gives (values, extra, sent)."""
    fields: SchemaValidator
    """Validates fields alone; `validate_assignment({}, name, value)` does a single one."""
    whole: SchemaValidator | None
    """Runs the model's after-validators on an instance."""
    deferred: frozenset[str]
    """The required foreign keys that a relationship may fill."""


_twins: WeakKeyDictionary[type[BaseModel], Twins] = WeakKeyDictionary()


def twins_of(model: type[BaseModel]) -> Twins:
    """Make the validators of a model, once."""
    found = _twins.get(model)
    if found is None:
        found = _twins[model] = _make_twins(model)
    return found


def field_validator_of(model: type[BaseModel]) -> SchemaValidator:
    """Give the validator of a model's fields over plain dicts: no instance, no model-wide rules.

    `validate_python(mapping)` and `validate_json(text)` return `(values, extra, sent)`. A
    foreign key that the model requires may be absent, since a relationship may fill it.
    """
    return twins_of(model).fields


@dataclass(frozen=True)
class Anatomy:
    """A model's own core schema, taken apart: its fields, and the validators around them from outside in."""

    fields: Any
    around: list[Any]
    definitions: list[Any]
    config: CoreConfig

    def validator(self, schema: Any) -> SchemaValidator:
        """Make a validator of a schema that is made of parts of this one."""
        if self.definitions:
            schema = {"type": "definitions", "schema": schema, "definitions": self.definitions}
        return SchemaValidator(schema, self.config)


def anatomy_of(model: type[BaseModel]) -> Anatomy:
    """Take a model's core schema apart."""
    if not model.__pydantic_complete__:
        model.model_rebuild()
    schema: Any = model.__pydantic_core_schema__
    definitions = schema["definitions"] if schema["type"] == "definitions" else []
    by_ref = {each["ref"]: each for each in definitions}
    node = schema["schema"] if definitions or schema["type"] == "definitions" else schema
    around: list[Any] = []
    while node["type"] != "model":
        if node["type"] == "definition-ref":
            node = by_ref[node["schema_ref"]]
        else:
            around.append(node)
            node = node["schema"]
    config = cast(CoreConfig, {**node.get("config", {}), "validate_by_name": True, "validate_by_alias": True})
    return Anatomy(node["schema"], around, definitions, config)


def _make_twins(model: type[BaseModel]) -> Twins:
    anatomy = anatomy_of(model)
    deferred = _deferrable(model)
    return Twins(
        construction=anatomy.validator(_with_fields(anatomy.fields, deferred, keep_before=True)),
        fields=anatomy.validator(_with_fields(anatomy.fields, deferred, keep_before=False)),
        whole=anatomy.validator(_around({"type": "any"}, anatomy.around)) if anatomy.around else None,
        deferred=deferred,
    )


def _with_fields(node: Any, deferred: frozenset[str], *, keep_before: bool) -> Any:
    if node["type"] != "model-fields":
        inner = _with_fields(node["schema"], deferred, keep_before=keep_before)
        return {**node, "schema": inner} if keep_before else inner
    fields = {
        name: {**field, "schema": {"type": "default", "schema": field["schema"], "default": None}}
        if name in deferred
        else field
        for name, field in node["fields"].items()
    }
    return {**{key: value for key, value in node.items() if key != "ref"}, "fields": fields}


def _around(inner: Any, nodes: list[Any]) -> Any:
    for node in reversed(nodes):
        inner = {**{key: value for key, value in node.items() if key != "ref"}, "schema": inner}
    return inner


def _deferrable(model: type[BaseModel]) -> frozenset[str]:
    if not model.model_config.get("table"):
        return frozenset()
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if field.is_required() and declared(field).foreign_key is not Undefined
    )


# Errors


def problems_in(error: ValidationError, *, model: type[BaseModel] | None = None) -> list[Problem]:
    """Say what Pydantic found, with each value's type and never the value."""
    return [_problem(cast(Mapping[str, Any], each), model) for each in error.errors(include_url=False)]


_WITHOUT_INPUT = ("missing", "extra_forbidden")


def _problem(found: Mapping[str, Any], model: type[BaseModel] | None) -> Problem:
    rule, path, message = found["type"], found["loc"], found["msg"]
    if rule == "extra_forbidden" and model is not None and len(path) == 1:
        message = f"is not a field of {model.__name__}. Its fields are: {', '.join(model.model_fields)}"
    elif rule == "missing":
        message = "Field required"
    elif rule == "uuid_parsing":  # Pydantic quotes the character that it tripped over
        message = "Input should be a valid UUID"
    if rule not in _WITHOUT_INPUT:
        message = f"{message} (got {type(found['input']).__name__})"
    return Problem(path=tuple(path), rule=rule, message=message)


def refuse(model: type[BaseModel], error: ValidationError) -> InvalidValues:
    """Turn Pydantic's error into the one that tables raise."""
    return InvalidValues(model.__name__, problems_in(error, model=model))


def checked(
    model: type[BaseModel], current: Mapping[str, Any], values: Iterable[tuple[str, Any]]
) -> dict[str, Any]:
    """Validate single fields, all or nothing, beside the current values of the others."""
    validator = field_validator_of(model)
    accepted: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in values:
        try:
            # over a plain dict this gives (values, extra, sent)
            validated: Any = validator.validate_assignment({**current, **accepted}, name, value)
            accepted[name] = validated[0][name]
        except ValidationError as error:
            problems += problems_in(error, model=model)
    if problems:
        raise InvalidValues(model.__name__, problems)
    return accepted


def validate_whole(instance: Any) -> None:
    """Run the rules over several fields (`@model_validator(mode="after")`) on an instance."""
    whole = twins_of(type(instance)).whole
    if whole is not None:
        try:
            whole.validate_python(instance)
        except ValidationError as error:
            raise refuse(type(instance), error) from error
