"""Whether JSON can be written straight from rows, and come out as Pydantic would have written it.

A response model validates what it is given and dumps it. Both can be left out for a field whose values are
already what they would be: that is decided here once, for each field of a schema and the type of its column.
What is not known to be equal is refused, with a reason.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, cast

from pydantic import BaseModel
from pydantic_core import SchemaSerializer, SchemaValidator, core_schema
from sqlmodel.sql.sqltypes import UTCDateTime

from fieldstone.cache import cached
from fieldstone.models.columns import EnumByValue
from fieldstone.models.fields import clean_text
from fieldstone.reading.anatomy import HARMLESS, Anatomy, Inexact, Member, Node, anatomy
from fieldstone.reading.forms import (
    BOUNDS,
    Check,
    Form,
    among,
    as_stored,
    finite,
    in_utc,
    through,
    without_nul,
)


class Shape(Protocol):
    """What a plan says of itself here: the schema, and where its fields come from."""

    @property
    def model(self) -> type[Any]: ...
    @property
    def schema(self) -> type[BaseModel]: ...
    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def joins(self) -> Sequence[Any]: ...
    @property
    def collections(self) -> Sequence[Any]: ...


@dataclass(frozen=True)
class Exact:
    """How the fields of one schema are written: under which key (None: left out), and by which form.

    `required` are the relationships that may not be missing, `defaults` the JSON of what is read no deeper.
    """

    keys: Mapping[str, str | None]
    forms: Mapping[str, Form]
    required: frozenset[str]
    defaults: Mapping[str, str]


def exact(plan: Shape) -> Exact:
    """Decide how the fields of a plan's own schema are written. Raises Inexact with the reason why not."""
    decided = _decided(plan)
    if isinstance(decided, Inexact):
        raise Inexact(str(decided))
    return decided


def why(plan: Shape) -> str:
    """Say how JSON is written for a plan, and why not faster."""
    try:
        _decide_all(plan)
    except Inexact as reason:
        return f"JSON is written from schema objects: {reason}."
    return "JSON is written from rows: every column comes out as Pydantic would write it."


def _decide_all(plan: Shape) -> None:
    exact(plan)
    for related in (*plan.joins, *plan.collections):
        _decide_all(related.plan)


@cached
def _decided(plan: Shape) -> Exact | Inexact:
    try:
        return _decide(plan)
    except Inexact as reason:
        return reason


def _decide(plan: Shape) -> Exact:
    known = anatomy(plan.schema)
    types = {name: getattr(getattr(plan.model, name), "type", None) for name in plan.columns}
    found = {name: _form(known, name, kind) for name, kind in types.items()}
    related = {
        one.name: known.holds(one.name, one.plan.schema, many=one.many)
        for one in (*plan.joins, *plan.collections)
    }
    for one in plan.collections:
        if not (one.many or related[one.name].nullable):
            raise Inexact(f"{plan.schema.__name__}.{one.name} is one of many and required")
    keys = {name: member.key for name, member in known.members.items()}
    shown = [key for key in keys.values() if key is not None]
    if len(set(shown)) < len(shown):
        raise Inexact(f"{plan.schema.__name__} writes two fields under one key")
    return Exact(
        keys=keys,
        forms=found,
        required=frozenset(one.name for one in plan.joins if not related[one.name].nullable),
        defaults={
            name: _default(plan.schema, name)
            for name in plan.schema.model_fields
            if name not in found and name not in related
        },
    )


def _default(schema: type[BaseModel], name: str) -> str:
    """Write the default of a field that lies below the depth that is read."""
    field = schema.model_fields[name]
    if field.default_factory is list or (field.default_factory is None and field.default == []):
        return "[]"
    if field.default_factory is None and field.default is None:
        return "None"
    raise Inexact(f"{schema.__name__}.{name} ends in a default of its own")


# One column

_BY_PYDANTIC = {
    "str",
    "int",
    "float",
    "bool",
    "decimal",
    "date",
    "datetime",
    "time",
    "uuid",
    "enum",
    "literal",
}
_PLAIN: Mapping[str, tuple[type, set[str]]] = {
    "str": (str, {"min_length", "max_length"}),
    "int": (int, {"ge", "gt", "le", "lt"}),
    "float": (float, set()),
    "bool": (bool, set()),
    "date": (date, set()),
    "uuid": (uuid.UUID, set()),
}


def _form(within: Anatomy, name: str, column_type: Any) -> Form:
    member = within.members[name]
    kind = member.node["type"]
    if isinstance(column_type, UTCDateTime) and kind == "datetime" and _is_bare_datetime(member.node):
        return in_utc(nullable=member.nullable)
    found = _as_stored(member, column_type)
    if found is not None:
        return found
    if kind not in _BY_PYDANTIC:
        raise Inexact(f"{within.schema.__name__}.{name} is of a kind that only Pydantic writes ({kind})")
    return _through(within, member)


def _through(within: Anatomy, member: Member) -> Form:
    whole: Any = core_schema.list_schema(cast(Any, member.whole))
    if within.definitions:
        whole = core_schema.definitions_schema(whole, list(within.definitions.values()))
    twins = SchemaValidator(whole, within.config), SchemaSerializer(whole, within.config)
    return through(*twins, nullable=member.nullable)


def _is_bare_datetime(node: Node) -> bool:
    precise = node.get("microseconds_precision") in (None, "truncate")
    return precise and set(node) <= {*HARMLESS, "microseconds_precision"}


def _as_stored(member: Member, column_type: Any) -> Form | None:
    """Give the form of what is written as its column holds it; None for what is not."""
    node = member.node
    kind = node["type"]
    if kind in _PLAIN:
        python, bounds = _PLAIN[kind]
        asked = set(node) - HARMLESS
        if not asked <= bounds or any(function is not clean_text for function in member.functions):
            return None
        checks: list[Check] = [BOUNDS[name](node[name]) for name in sorted(asked)]
        checks += [without_nul] if clean_text in member.functions else []
        checks += [finite] if kind == "float" else []
        return as_stored(python, checks, nullable=member.nullable)
    if kind == "literal" and not member.functions:
        return _among(member, frozenset(node["expected"]), raw=False)
    if kind == "enum" and isinstance(column_type, EnumByValue) and node["cls"] is column_type.enum:
        return _among(member, frozenset(column_type.members), raw=True)
    return None


def _among(member: Member, allowed: frozenset[Any], *, raw: bool) -> Form | None:
    """Write values of a fixed set, all of one type: 1, True and 1.0 are equal and not the same."""
    kinds = {type(value) for value in allowed}
    if kinds not in ({str}, {int}):
        return None
    return as_stored(kinds.pop(), [among(allowed)], nullable=member.nullable, raw=raw)
