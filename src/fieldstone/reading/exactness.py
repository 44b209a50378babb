"""Whether JSON can be written straight from rows, and come out as Pydantic would have written it.

A response model validates what it is given and dumps it. Both can be left out for a field whose values are
already what they would be: that is decided here once, for each field of a schema and the type of its column.
What is not known to be equal is refused, with a reason.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from fieldstone.reading.expressions import Unsayable, expression
from fieldstone.reading.forms import (
    BOUNDS,
    Check,
    Form,
    Rule,
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
        for one in _all_within(plan):
            exact(one)
    except Inexact as reason:
        return f"JSON is written from schema objects: {reason}."
    rows = "JSON is written from rows: every column comes out as Pydantic would write it."
    return f"{rows} {_why_by_database(plan)}"


def _why_by_database(plan: Shape) -> str:
    refused = {name: refusal(plan, dialect) for name, dialect in _DATABASES.items()}
    reasons = set(refused.values())
    if None not in reasons and len(reasons) == 1:
        return f"No database can write it: {reasons.pop()}."
    able = [name for name, reason in refused.items() if reason is None]
    if able and not any(one.collections for one in _all_within(plan)):
        told = [f"{' and '.join(able)} could write it too, and would save no statement."]
    else:
        told = [_BY_DATABASE[name] for name in able]
    return " ".join(
        told + [f"{name} cannot write it: {reason}." for name, reason in refused.items() if reason]
    )


_DATABASES = {"SQLite": "sqlite", "PostgreSQL": "postgresql"}
_BY_DATABASE = {
    "SQLite": "Within a session, SQLite writes it itself, in one statement.",
    "PostgreSQL": "PostgreSQL writes it itself, in one statement, where it is far away.",
}


def _all_within(plan: Shape) -> Iterator[Shape]:
    yield plan
    for related in (*plan.joins, *plan.collections):
        yield from _all_within(related.plan)


@cached
def refusal(plan: Shape, dialect: str) -> str | None:
    """Say why a database cannot write the JSON of a plan; None where it can."""
    try:
        for one in _all_within(plan):
            _refuse(one, dialect)
    except Inexact as reason:
        return str(reason)
    return None


# SQLite's functions take 127 arguments, and an object two for each field.
_MOST_FIELDS = 60


def _refuse(plan: Shape, dialect: str) -> None:
    """Raise Inexact where a database cannot write what is a plan's own."""
    known, schema = exact(plan), plan.schema.__name__
    for name, form in known.forms.items():
        try:
            if form.rule is None:
                raise Inexact(f"{schema}.{name} has rules that only Pydantic knows")
            expression(form.rule, dialect, "x")
        except Unsayable as reason:
            raise Inexact(f"{schema}.{name} is {reason}") from None
    left_out = [name for name, key in known.keys.items() if key is None]
    if left_out:
        raise Inexact(f"{schema}.{left_out[0]} is read and left out")
    if any("\x00" in (key or "") for key in known.keys.values()):
        raise Inexact(f"{schema} has a key with NUL in it")
    if len(known.keys) > _MOST_FIELDS:
        raise Inexact(f"{schema} has more than {_MOST_FIELDS} fields")
    for related in plan.collections:
        if not related.indexed:
            raise Inexact(f"the rows of {schema}.{related.name} are found by no index")


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
        return in_utc(nullable=member.nullable, rule=Rule(kind, column_type, member.nullable))
    found = _as_stored(member, column_type)
    if found is not None:
        return found
    if kind not in _BY_PYDANTIC:
        raise Inexact(f"{within.schema.__name__}.{name} is of a kind that only Pydantic writes ({kind})")
    return _through(within, member, column_type)


def _through(within: Anatomy, member: Member, column_type: Any) -> Form:
    whole: Any = core_schema.list_schema(cast(Any, member.whole))
    if within.definitions:
        whole = core_schema.definitions_schema(whole, list(within.definitions.values()))
    twins = SchemaValidator(whole, within.config), SchemaSerializer(whole, within.config)
    asked = {name: value for name, value in member.node.items() if name not in HARMLESS}
    rule = None if member.functions else Rule(member.node["type"], column_type, member.nullable, asked)
    return through(*twins, nullable=member.nullable, rule=rule)


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
        rule = Rule(kind, column_type, member.nullable, {name: node[name] for name in sorted(asked)})
        return as_stored(python, checks, nullable=member.nullable, rule=rule)
    if kind == "literal" and not member.functions:
        return _among(member, node["expected"], column_type, raw=False)
    if kind == "enum" and isinstance(column_type, EnumByValue) and node["cls"] is column_type.enum:
        return _among(member, column_type.members, column_type, raw=True)
    return None


def _among(member: Member, allowed: Collection[Any], column_type: Any, *, raw: bool) -> Form | None:
    """Write values of a fixed set, all of one type: 1, True and 1.0 are equal and not the same."""
    kinds = {type(value) for value in allowed}
    if kinds not in ({str}, {int}):
        return None
    kind = kinds.pop()
    rule = Rule(kind.__name__, column_type, member.nullable, allowed=tuple(allowed), raw=raw)
    return as_stored(kind, [among(frozenset(allowed))], nullable=member.nullable, raw=raw, rule=rule)
