"""Validators that build schema objects by their own rules, without the cost of SQLModel's `__init__`.

Pydantic calls a class's `__init__` for every object where it finds one, and SQLModel defines one
that validates a second time. A twin is the same core schema with that detour taken out wherever the
`__init__` is SQLModel's or Fieldstone's own; a class that brings its own keeps it. What only a client
could get wrong, a bool for a number, is not asked of what the database gives.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import SchemaValidator
from sqlmodel import SQLModel

from fieldstone.cache import cached
from fieldstone.models.inputs import is_reading


@cached
def twin(schema: type[BaseModel]) -> SchemaValidator:
    """Return a validator for the schema that creates its objects directly."""
    return SchemaValidator(core_schema_of(schema), _use_prebuilt=False)


def core_schema_of(schema: type[BaseModel]) -> Any:
    """Give what Pydantic says of a schema, without the detours that reading does not take."""
    schema.model_rebuild()
    return _direct(schema.__pydantic_core_schema__)


def _direct(node: Any) -> Any:
    if isinstance(node, dict):
        if node.get("type") == "function-before" and is_reading(node["function"]["function"]):
            inner = _direct(node["schema"])
            return inner | {"serialization": node["serialization"]} if "serialization" in node else inner
        copy = {key: _direct(value) for key, value in node.items()}
        if copy.get("custom_init") and is_plain(copy["cls"]):
            copy["custom_init"] = False
        return copy
    if isinstance(node, list):
        return [_direct(value) for value in node]
    if type(node) is tuple:
        return tuple(_direct(value) for value in node)
    return node


def is_plain(schema: type[Any]) -> bool:
    """Tell whether the constructor in force comes from the library rather than from the user."""
    owner = next(one for one in schema.__mro__ if "__init__" in vars(one))
    return owner is SQLModel or owner.__module__.partition(".")[0] in ("fieldstone", "pydantic")
