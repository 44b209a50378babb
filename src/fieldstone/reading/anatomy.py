"""What a Read schema is made of, read off Pydantic's own description of it.

Only a schema that is its fields and nothing more has an anatomy: no validator, serializer, hook, computed
field or setting that could change a value. The description is read key by key, and one that is not known
here is enough to refuse: what a later Pydantic adds is slow before it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from fieldstone.models.fields import as_if_utc, clean_text, in_utc
from fieldstone.reading.twins import core_schema_of, is_plain

Node = Mapping[str, Any]


class Inexact(Exception):
    """Rows cannot give what Pydantic would have given; the text says why."""


@dataclass(frozen=True)
class Member:
    """One field of a schema: its key in JSON (None: left out), and what Pydantic says of its values.

    `whole` is all of that, `node` what is left without defaults, null and the functions of this package.
    """

    key: str | None
    whole: Node
    node: Node
    nullable: bool
    functions: tuple[Any, ...]


@dataclass(frozen=True)
class Anatomy:
    """What a schema is made of, where nothing in it runs code of its own."""

    schema: type[BaseModel]
    members: Mapping[str, Member]
    config: Any
    definitions: Mapping[str, Any]

    def holds(self, name: str, schema: type[BaseModel], *, many: bool) -> Member:
        """Return the field that holds another schema, or a list of it. Raises Inexact."""
        member = self.members[name]
        node = member.node
        if many and node["type"] == "list" and set(node) <= {*HARMLESS, "items_schema"}:
            node, many = _resolved(node["items_schema"], self.definitions), False
        if many or member.functions or node["type"] != "model" or node["cls"] is not schema:
            raise Inexact(f"{self.schema.__name__}.{name} is more than {schema.__name__}, or a list of it")
        if member.key is None:
            raise Inexact(f"{self.schema.__name__}.{name} is read and left out")
        return member


# Keys that change neither what is accepted nor what is written, by what they may stand in.
HARMLESS = {"type", "metadata", "ref"}
_MODEL = HARMLESS | {"cls", "schema", "config", "custom_init", "root_model", "generic_origin", "frozen"}
_FIELDS = HARMLESS | {"fields", "model_name", "computed_fields"}
_FIELD = HARMLESS | {"schema", "serialization_alias", "validation_alias", "serialization_exclude", "frozen"}
_DEFAULTS = {"default", "default_factory", "default_factory_takes_data", "validate_default", "copy_default"}
_WRAPPERS: Mapping[str, set[str]] = {
    "nullable": HARMLESS | {"schema"},
    "function-after": HARMLESS | {"schema", "function"},
    "default": HARMLESS | {"schema"} | _DEFAULTS,
}
_CONFIG = {
    "title",
    "extra_fields_behavior",
    "allow_inf_nan",
    "hide_input_in_errors",
    "from_attributes",
    "loc_by_alias",
    "populate_by_name",
    "serialize_by_alias",
    "validate_by_alias",
    "validate_by_name",
}
# Functions of this package that return what they accept, where it is what the column holds.
_FUNCTIONS = (clean_text, in_utc, as_if_utc)


def anatomy(schema: type[BaseModel]) -> Anatomy:
    """Take a schema apart. Raises Inexact where it has rules or ways of writing beyond its fields."""
    node: Any = core_schema_of(schema)
    definitions: dict[str, Any] = {}
    while node["type"] == "definitions":
        definitions |= {one["ref"]: one for one in node["definitions"]}
        node = node["schema"]
    node = _resolved(node, definitions)
    for reason in _behaviour(schema, node):
        raise Inexact(f"{schema.__name__} {reason}")
    members = {
        name: _member(f"{schema.__name__}.{name}", name, field, definitions)
        for name, field in node["schema"]["fields"].items()
    }
    return Anatomy(schema, members, node.get("config", {}), definitions)


def _behaviour(schema: type[BaseModel], node: Node) -> Iterator[str]:
    """Yield what a schema does besides having fields."""
    if node["type"] != "model" or not set(node) <= _MODEL:
        yield "has a validator, a serializer or a hook of its own"
    elif node.get("custom_init") and not is_plain(schema):
        yield "has a constructor of its own"
    else:
        config, fields = node.get("config", {}), node["schema"]
        if set(config) - _CONFIG or config.get("extra_fields_behavior") == "allow":
            yield f"is configured: {', '.join(sorted(set(config) - _CONFIG)) or 'extra'}"
        if fields["type"] != "model-fields" or not set(fields) <= _FIELDS:
            yield "is no plain set of fields"
        elif fields.get("computed_fields"):
            yield "has computed fields"


def _member(title: str, name: str, field: Node, definitions: Mapping[str, Any]) -> Member:
    if field["type"] != "model-field" or not set(field) <= _FIELD:
        raise Inexact(f"{title} is written on a condition")
    node, nullable, functions = _resolved(field["schema"], definitions), False, []
    while node["type"] in _WRAPPERS and set(node) <= _WRAPPERS[node["type"]]:
        if node["type"] == "function-after":
            if node["function"]["type"] != "no-info" or node["function"]["function"] not in _FUNCTIONS:
                break
            functions.append(node["function"]["function"])
        nullable = nullable or node["type"] == "nullable"
        node = _resolved(node["schema"], definitions)
    if node["type"].startswith("function") or "serialization" in node:
        raise Inexact(f"{title} has a validator or a serializer of its own")
    key = None if field.get("serialization_exclude") else field.get("serialization_alias", name)
    return Member(key, field["schema"], node, nullable, tuple(functions))


def _resolved(node: Node, definitions: Mapping[str, Any]) -> Node:
    while node["type"] == "definition-ref" and set(node) <= {*HARMLESS, "schema_ref"}:
        node = definitions[node["schema_ref"]]
    return node
