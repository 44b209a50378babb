"""Schemas in which every field may be left out, as a PATCH body needs them.

Left out is not null: a field that was not sent is absent from the object, so dumping it gives
what was sent, and reading it raises NotSent instead of inventing a value. Constraints and
validators stay as they are; null is accepted only where the field's own type allows it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticOmit, PydanticUndefined, core_schema

from fieldstone.errors import NotSent, SchemaError

T = TypeVar("T")

_NOT_SENT = object()


def _not_sent() -> Any:
    return _NOT_SENT


def partial(schema: type[T]) -> type[T]:
    """Make every field of a schema optional to send, and change nothing else about it.

    Decorate a class that derives from the model's base: `@partial class TaskUpdate(TaskBase): ...`
    Type checkers still see the constructor of the base; build one with `model_validate({...})`.
    """
    target: Any = schema
    if not hasattr(target, "__is_partial__"):
        raise SchemaError(
            f"{target.__name__} cannot be partial: it is no Model. Derive it from fieldstone.Model."
        )
    if target.model_config.get("table"):
        raise SchemaError(
            f"{target.__name__} cannot be partial: it is a table. Decorate a schema beside it: "
            f"@partial class {target.__name__}Update({target.__name__}Base): ..."
        )
    target.__is_partial__ = True
    for field in target.__pydantic_fields__.values():
        field.default, field.default_factory, field.validate_default = PydanticUndefined, _not_sent, True
        field._attributes_set.pop("default", None)
        field._attributes_set |= {"default_factory": _not_sent, "validate_default": True}
    target.model_rebuild(force=True)
    return schema


def omit_unsent(model: Any, schema: CoreSchema, handler: GetCoreSchemaHandler) -> None:
    """Have the core schema leave out what was not sent; safe to repeat."""
    try:
        node: Any = handler.resolve_ref_schema(schema)
    except LookupError:  # the model contains itself; the outer call does the work
        return
    while node["type"] != "model-fields":
        node = node["schema"]
    for name in node["fields"]:
        default = node["fields"][name]["schema"]
        if default.get("default_factory") is _not_sent and default["schema"].get("function") != _OMIT:
            default["schema"] = core_schema.no_info_before_validator_function(_omit, default["schema"])


def _omit(value: Any) -> Any:
    if value is _NOT_SENT:
        raise PydanticOmit
    return value


_OMIT = core_schema.no_info_before_validator_function(_omit, core_schema.any_schema())["function"]


def tolerate_unsent(model: Any) -> None:
    """Skip a rule over several fields when one of them was not sent; the table checks it on the result."""
    validators = model.__pydantic_decorators__.model_validators
    for name, decorator in validators.items():
        if decorator.info.mode == "after" and not hasattr(decorator.func, "__skips_unsent__"):
            validators[name] = replace(decorator, func=_skipping(decorator.func))


def _skipping(rule: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(rule)
    def skip(instance: Any, *arguments: Any) -> Any:
        try:
            return rule(instance, *arguments)
        except NotSent:
            return instance

    skip.__skips_unsent__ = True  # type: ignore[attr-defined]  # marks what is wrapped already
    return skip


def refuse_unsent(instance: Any, name: str) -> NotSent:
    """Say that a field was not sent, and how to ask for it."""
    return NotSent(
        f"{type(instance).__name__}.{name} was not sent. Test it with "
        f'"{name}" in data.model_fields_set, or read it with getattr(data, "{name}", default).'
    )
