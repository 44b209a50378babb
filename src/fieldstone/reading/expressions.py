"""How a database writes the values of one column as JSON, in its own words.

An expression gives the JSON of a value that the schema's rules would leave as it is, and `UNFIT` for every
other: what is asked of a value is what `forms` ask of the same column. What cannot be said so is refused,
with the reason. SQLite's expressions are arguments of its JSON functions; PostgreSQL's are text, put together
by `||`, since its own functions write spaces between the parts of an object.

Both escape text as Pydantic does; a test compares all code points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    TEXT,
    VARCHAR,
    BigInteger,
    Boolean,
    Date,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    Unicode,
    UnicodeText,
    Uuid,
)
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from fieldstone.models.columns import ComparableUuid, EnumByValue
from fieldstone.reading.forms import Rule

# NUL as JSON has it: PostgreSQL stores none, and text that holds one breaks the rules of most schemas.
UNFIT = "\\u0000"


class Unsayable(Exception):
    """The database has no words for a value's JSON; the text says what kind of value it is."""


def expression(rule: Rule, dialect: str, x: str) -> str:
    """Write the JSON of the column that SQL calls `x`. Raises Unsayable."""
    words = _WORDS[dialect]
    kind = words.kinds.get(rule.kind)
    if kind is None or not _holds(rule):
        raise Unsayable(f"of kind {rule.kind} in a column of {type(rule.column_type).__name__}")
    checks = [words.known, kind.fits, *_limits(rule, words)]
    absent = f"WHEN {x} IS NULL THEN {words.null} " if rule.nullable else ""
    fits = " AND ".join(check.format(x=x) for check in checks if check)
    return f"CASE {absent}WHEN {fits} THEN {kind.written.format(x=x)} ELSE {words.unfit} END"


def quoted(value: str) -> str:
    """Write text as SQL."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Kind:
    """What a database says of the values of one kind: that they fit, and how they are written."""

    fits: str
    written: str


@dataclass(frozen=True)
class Words:
    """How one database says it. `known`: that there is a value, where what follows would not find out.

    `text` is text that is compared by its bytes, in any collation.
    """

    kinds: Mapping[str, Kind]
    known: str
    null: str
    unfit: str
    length: str
    text: str
    number: str


# What SQLAlchemy stores, as far as a pattern tells. The rest is put so that few values need the calendar.
_DIGIT = "[0-9]"
_MOMENT = f"{_DIGIT * 4}-[01]{_DIGIT}-[0-3]{_DIGIT} [0-2]{_DIGIT}:[0-5]{_DIGIT}:[0-5]{_DIGIT}.{_DIGIT * 6}"
_SQLITE = Words(
    kinds={
        "str": Kind("typeof({x}) = 'text'", "{x}"),
        "int": Kind("typeof({x}) = 'integer'", "{x}"),
        "bool": Kind(
            "typeof({x}) = 'integer' AND {x} IN (0, 1)",
            "json(CASE {x} WHEN 1 THEN 'true' ELSE 'false' END)",
        ),
        # With a modifier SQLite counts days: it makes 2 March of 30 February. The column itself would be
        # compared as a number, for to SQLite DATE is one.
        "date": Kind("date({x}, '+0 days') = {x} AND substr({x}, 1, 4) > '0000'", "{x}"),
        "datetime": Kind(
            f"{{x}} GLOB '{_MOMENT}' AND substr({{x}}, 1, 4) > '0000' AND substr({{x}}, 12, 2) < '24' "
            "AND substr({x}, 6, 5) BETWEEN '01-01' AND '12-31' AND (substr({x}, 9, 2) BETWEEN '01' AND '28' "
            "OR date(substr({x}, 1, 10), '+0 days') = substr({x}, 1, 10))",
            "substr({x}, 1, 10) || 'T' || CASE substr({x}, 20) "
            "WHEN '.000000' THEN substr({x}, 12, 8) ELSE substr({x}, 12) END || 'Z'",
        ),
        "uuid": Kind(
            "typeof({x}) = 'text' AND length({x}) = 32 AND {x} NOT GLOB '*[^0-9a-f]*'",
            "substr({x}, 1, 8) || '-' || substr({x}, 9, 4) || '-' || substr({x}, 13, 4) || '-' || "
            "substr({x}, 17, 4) || '-' || substr({x}, 21)",
        ),
    },
    known="",
    null="NULL",
    unfit="char(0)",
    length="length({x})",
    text="{x} COLLATE BINARY",
    number="{x}",
)
_POSTGRESQL = Words(
    # What the column really is may have drifted from what the model says, so its type is asked as well.
    kinds={
        "str": Kind("pg_typeof({x}) IN ('text'::regtype, 'varchar'::regtype)", "to_json({x})::text"),
        "int": Kind("pg_typeof({x}) IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)", "{x}::text"),
        "bool": Kind("pg_typeof({x}) = 'bool'::regtype", "{x}::text"),
        "date": Kind(
            "pg_typeof({x}) = 'date'::regtype AND {x}::date BETWEEN '0001-01-01' AND '9999-12-31'",
            "to_json({x})::text",
        ),
        # A moment at the edge of the calendar is of no year at all in the time zone of some connection.
        "datetime": Kind(
            "pg_typeof({x}) = 'timestamptz'::regtype "
            "AND {x}::timestamptz BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            "'\"' || to_char(timezone('UTC', {x}::timestamptz), "
            "CASE WHEN date_trunc('second', {x}::timestamptz) = {x}::timestamptz "
            'THEN \'YYYY-MM-DD"T"HH24:MI:SS"Z"\' ELSE \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\' END) || \'"\'',
        ),
        "uuid": Kind("pg_typeof({x}) = 'uuid'::regtype", "'\"' || {x}::text || '\"'"),
        "decimal": Kind(
            "pg_typeof({x}) = 'numeric'::regtype AND {x}::text <> 'NaN'", "'\"' || {x}::text || '\"'"
        ),
    },
    known="{x} IS NOT NULL",
    null="'null'",
    unfit=quoted(f'"{UNFIT}"'),
    length="char_length({x}::text)",
    text='{x}::text COLLATE "C"',
    number="{x}::int8",
)
_WORDS: Mapping[str, Words] = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}

# Types that keep a value as it is, or as the words above expect it. Others may keep it in any way.
_TEXT = {String, Text, Unicode, UnicodeText, VARCHAR, TEXT, AutoString}
_COLUMNS: Mapping[str, set[type[Any]]] = {
    "str": _TEXT,
    "int": {Integer, BigInteger, SmallInteger},
    "bool": {Boolean},
    "date": {Date},
    "datetime": {UTCDateTime},
    "uuid": {ComparableUuid, Uuid},
    "decimal": {Numeric},
}


def _holds(rule: Rule) -> bool:
    column_type = rule.column_type
    if rule.raw:
        return isinstance(column_type, EnumByValue)
    keeps = getattr(column_type, "as_uuid", True) and getattr(column_type, "asdecimal", True)
    return keeps and type(column_type) in _COLUMNS[rule.kind]


_COMPARED = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_COUNTED = {"min_length": ">=", "max_length": "<="}
# Below this scale Python writes a small number as 1E-7.
_FINEST = 6


def _limits(rule: Rule, words: Words) -> list[str]:
    """Write the conditions of a rule beyond the kind of its values."""
    if rule.kind == "decimal":
        return _within(rule)
    if rule.allowed is not None:
        return [_one_of(rule.allowed, words)]
    found = []
    for name, bound in rule.bounds.items():
        if type(bound) is not int or name not in {**_COMPARED, **_COUNTED}:
            raise Unsayable(f"of kind {rule.kind} with a limit that it cannot compare: {name}={bound!r}")
        if name in _COMPARED:
            found.append(f"{words.number} {_COMPARED[name]} {bound}")
        else:
            found.append(f"{words.length} {_COUNTED[name]} {bound}")
    return found


def _one_of(allowed: tuple[Any, ...], words: Words) -> str:
    if all(isinstance(value, int) for value in allowed):
        return f"{words.number} IN ({', '.join(map(str, allowed))})"
    # the braces would be taken for the place of the column
    listed = ", ".join(quoted(value).replace("{", "{{").replace("}", "}}") for value in allowed)
    return f"{words.text} IN ({listed})"


def _within(rule: Rule) -> list[str]:
    """Hold a decimal to the scale of its column, where all that this can store keeps the rule."""
    precision, scale = rule.column_type.precision, rule.column_type.scale
    digits = rule.bounds.get("max_digits", precision)
    places = rule.bounds.get("decimal_places", scale)
    if None in (precision, scale) or not set(rule.bounds) <= {"max_digits", "decimal_places"}:
        raise Unsayable("a decimal of no declared scale, or with limits of its own")
    if scale > _FINEST or places < scale or digits < precision or digits - places < precision - scale:
        raise Unsayable("a decimal that its column stores more widely or finely")
    whole = 10 ** (precision - scale)
    return [f"scale({{x}}::numeric) = {scale} AND abs({{x}}::numeric) < {whole}"]
