"""What can be asked of a value: the operators, and which of them fit which kind of column.

Each means the same on every database. SQLite's LIKE ignores the case of ASCII letters and
PostgreSQL's does not, so a match that minds case is a GLOB there; `ne` and `not_in` are the exact
complement of `eq` and `in`, so a row without a value is among what they find, which plain SQL
leaves out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Boolean, String, func, literal, not_, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

Kind = Literal["text", "choice", "boolean", "number", "moment", "identifier", "opaque", "relationship"]
Takes = Literal["value", "values", "text", "bool"]
Condition = ColumnElement[bool]

# The escape character of LIKE; a backslash would need escaping itself on some servers.
_ESCAPE = "/"


@dataclass(frozen=True)
class Operator:
    """Name a comparison, say what it takes, and build it as SQL."""

    name: str
    meaning: str
    build: Callable[[Any, Any], Condition]
    takes: Takes = "value"


class TextMatch(FunctionElement[bool]):
    """Compare a column with a LIKE pattern, minding case, or with the GLOB that says the same."""

    inherit_cache = True
    name = "text_match"
    type = Boolean()

    def self_group(self, against: Any = None) -> TextMatch:
        """Stand in a WHERE as it is: SQLAlchemy's `= 1`, for databases without a bool, keeps indexes out."""
        return self


@compiles(TextMatch)
def _like(element: TextMatch, compiler: Any, **options: Any) -> str:
    column, like, _ = element.clauses
    compared = f"{compiler.process(column, **options)} LIKE {compiler.process(like, **options)}"
    return f"({compared} ESCAPE '{_ESCAPE}')"


@compiles(TextMatch, "sqlite")
def _glob(element: TextMatch, compiler: Any, **options: Any) -> str:
    column, _, glob = element.clauses
    return f"({compiler.process(column, **options)} GLOB {compiler.process(glob, **options)})"


def text_match(attribute: Any, value: str, *, before: bool, after: bool) -> Condition:
    """Match a text exactly, with anything before or after it; wildcards in it stand for themselves."""

    def pattern(escaped: str, anything: str) -> Any:
        return literal(f"{anything if before else ''}{escaped}{anything if after else ''}", String())

    like = re.sub(r"[%_/]", lambda found: _ESCAPE + found[0], value)
    glob = re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", value)
    return TextMatch(attribute, pattern(like, "%"), pattern(glob, "*"))


def _begins(attribute: Any, value: str) -> Condition:
    """Compare in lower case, which an index can hold; PostgreSQL's ILIKE would read every row."""
    like = re.sub(r"[%_/]", lambda found: _ESCAPE + found[0], value)
    found: Condition = func.lower(attribute).like(func.lower(f"{like}%"), escape=_ESCAPE)
    return found


def is_null(attribute: Any, wanted: bool) -> Condition:
    """Tell whether an attribute has no value, or a relationship no row."""
    related = getattr(attribute, "property", None)
    if isinstance(related, RelationshipProperty):
        found: Condition = attribute.any() if related.uselist else attribute.has()
        return not_(found) if wanted else found
    none: Condition = attribute.is_(None) if wanted else attribute.is_not(None)
    return none


def _among(attribute: Any, values: Any) -> Condition:
    found: Condition = attribute.in_(list(values))
    return found


def _not_among(attribute: Any, values: Any) -> Condition:
    return or_(attribute.not_in(list(values)), attribute.is_(None))


OPERATORS = {
    one.name: one
    for one in (
        Operator("eq", "is", operator.eq),
        Operator("ne", "is not, or has no value", lambda a, v: a.is_distinct_from(v)),
        Operator("in", "is one of; send the parameter once for each", _among, "values"),
        Operator(
            "not_in", "is none of, or has no value; send the parameter once for each", _not_among, "values"
        ),
        Operator("lt", "is less than", operator.lt),
        Operator("le", "is at most", operator.le),
        Operator("gt", "is greater than", operator.gt),
        Operator("ge", "is at least", operator.ge),
        Operator("is_null", "has no value (true) or has one (false)", is_null, "bool"),
        Operator("contains", "contains", lambda a, v: text_match(a, v, before=True, after=True), "text"),
        Operator(
            "startswith", "begins with", lambda a, v: text_match(a, v, before=False, after=True), "text"
        ),
        Operator("endswith", "ends with", lambda a, v: text_match(a, v, before=True, after=False), "text"),
        Operator("icontains", "contains, in any case", lambda a, v: a.icontains(v, autoescape=True), "text"),
        Operator("istartswith", "begins with, in any case", _begins, "text"),
        Operator("iendswith", "ends with, in any case", lambda a, v: a.iendswith(v, autoescape=True), "text"),
    )
}

_EQUALITY = ("eq", "ne", "in", "not_in")
_ORDER = ("lt", "le", "gt", "ge")
_TEXT = ("contains", "startswith", "endswith", "icontains", "istartswith", "iendswith")

# Text has no lt and ge: which text comes first is the collation's word, and that differs.
FITTING: dict[Kind, tuple[str, ...]] = {
    "text": (*_EQUALITY, *_TEXT),
    "choice": _EQUALITY,
    "boolean": ("eq",),
    "number": (*_EQUALITY, *_ORDER),
    "moment": (*_EQUALITY, *_ORDER),
    "identifier": _EQUALITY,
    "opaque": (),
    "relationship": (),
}


def operators_for(kind: Kind, *, nullable: bool) -> tuple[Operator, ...]:
    """List the operators that fit a kind of column."""
    names = (*FITTING[kind], *(("is_null",) if nullable else ()))
    return tuple(OPERATORS[name] for name in names)
