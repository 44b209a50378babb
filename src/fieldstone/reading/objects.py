"""One schema object from values that a database gave.

A row that breaks the schema's rules was written by another program. It is logged and given as
stored, so that it does not hide the others, and in a form that a response can carry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from fieldstone.reading.twins import twin
from fieldstone.reading.unreadable import Stored

SchemaT = TypeVar("SchemaT", bound=BaseModel)

logger = logging.getLogger("fieldstone")


def object_of(
    schema: type[SchemaT],
    values: dict[str, Any],
    *,
    subject: str,
    keys: tuple[str, ...] = (),
    as_stored: Callable[[dict[str, Any]], SchemaT] | None = None,
) -> SchemaT:
    """Make the object by the schema's own rules; objects among the values stay the objects they are.

    `keys` are the names of the values that tell which row it is. `as_stored` makes the object without
    the rules, where the values hold more than one row.
    """
    try:
        made: SchemaT = twin(schema).validate_python(values, by_name=True, by_alias=False)
        return made
    except ValidationError as error:
        if not _is_reported(values):
            key = [f"{name}={values[name]}" for name in keys if name in values]
            _warn(schema, " ".join([subject, *key]), error)
        return construct(schema, values) if as_stored is None else as_stored(values)


def construct(schema: type[SchemaT], values: dict[str, Any]) -> SchemaT:
    """Make the object without the schema's rules, of values that can be written as JSON."""
    return schema.model_construct(**{name: _portable(value) for name, value in values.items()})


def _warn(schema: type[BaseModel], subject: str, error: ValidationError) -> None:
    found = error.errors(include_input=False, include_url=False)
    # what is wrong without the values, which may be private
    wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
    logger.warning("%s does not fit %s and is given as stored: %s", subject, schema.__name__, wrong)


def _is_reported(value: Any) -> bool:
    """Tell whether the log has the row already: it holds what could not even be read."""
    if isinstance(value, dict):
        return any(_is_reported(one) for one in value.values())
    if isinstance(value, list):
        return any(_is_reported(one) for one in value)
    return isinstance(value, Stored)


def _portable(value: Any) -> Any:
    if isinstance(value, Stored):
        return str(value)
    if isinstance(value, BaseModel) or (isinstance(value, list) and any(map(_is_object, value))):
        return value
    try:
        to_json(value, fallback=lambda _: None)
        return value
    except (PydanticSerializationError, ValueError):  # bytes that are no text, JSON without end
        return value.decode(errors="backslashreplace") if isinstance(value, bytes) else None


def _is_object(value: Any) -> bool:
    return isinstance(value, BaseModel)
