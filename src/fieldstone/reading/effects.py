"""Whether a statement provably does nothing but read, so that it needs no transaction that holds it to that.

In a read-only transaction the database itself refuses what writes, a function that counts up a sequence for
one. Outside of one nobody does. So a statement is looked through once it is compiled, and all of it has to be
known: kinds of elements, operators, functions. What is not known is refused. (pure)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.visitors import iterate

_KINDS = frozenset(
    [
        "alias",
        "asc",
        "between",
        "binary",
        "bindparam",
        "case",
        "cast",
        "cte",
        "clauselist",
        "clauselist_operator",
        "column",
        "collation",
        "compound_select",
        "desc",
        "distinct",
        "exists",
        "expression_clauselist",
        "extract",
        "false",
        "grouping",
        "join",
        "label",
        "label_reference",
        "lateral",
        "nulls_first",
        "nulls_last",
        "null",
        "over",
        "scalar_select",
        "select",
        "select_statement_grouping",
        "subquery",
        "table",
        "textual_label_reference",
        "true",
        "tuple",
        "type_coerce",
        "typeclause",
        "unary",
        "within_group",
        "function",
    ]
)

_FUNCTIONS = frozenset(
    [
        "abs",
        "any_",
        "array_agg",
        "avg",
        "bool_and",
        "bool_or",
        "cardinality",
        "ceil",
        "char_length",
        "coalesce",
        "concat",
        "concat_ws",
        "count",
        "date",
        "date_part",
        "date_trunc",
        "extract",
        "floor",
        "greatest",
        "ifnull",
        "instr",
        "json_agg",
        "json_array_length",
        "json_build_array",
        "json_build_object",
        "json_extract",
        "json_group_array",
        "json_group_object",
        "json_object",
        "json_array",
        "jsonb_agg",
        "julianday",
        "least",
        "left",
        "length",
        "lower",
        "ltrim",
        "max",
        "min",
        "mod",
        "nullif",
        "octet_length",
        "percent_rank",
        "rank",
        "dense_rank",
        "row_number",
        "lag",
        "lead",
        "first_value",
        "last_value",
        "ntile",
        "position",
        "replace",
        "right",
        "round",
        "rtrim",
        "sign",
        "strftime",
        "string_agg",
        "strpos",
        "substr",
        "substring",
        "sum",
        "to_char",
        "to_date",
        "to_timestamp",
        "total",
        "trim",
        "typeof",
        "unicode",
        "upper",
        "group_concat",
        "datetime",
        "time",
        "unixepoch",
    ]
)

# These stand still within a transaction.
_CLOCKS = frozenset(
    ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "now"]
)


def is_timeless(compiled: Any) -> bool:
    """Tell whether a select that only reads gives the same within a transaction as after its beginning."""
    return not any(
        element.__visit_name__ in _CLOCKS or getattr(element, "name", None) in _CLOCKS
        for element in _elements(compiled)
    )


def only_reads(compiled: Any) -> bool:
    """Tell whether a compiled select is known to have no effect."""
    return all(_is_known(element) for element in _elements(compiled))


def _elements(compiled: Any) -> Iterator[Any]:
    state = compiled.compile_state
    return iterate(compiled.statement if state is None else state.statement)


def _is_known(element: Any) -> bool:
    kind, (library, *_) = element.__visit_name__, type(element).__module__.split(".")
    if library not in _LIBRARIES or _is_wrapped(getattr(element, "type", None)):
        return False  # an element of somebody else's may be compiled to anything
    if library == "fieldstone":
        return True
    if kind == "function" or kind in _FUNCTIONS or kind in _CLOCKS:
        return not element.packagenames and element.name.lower() in _FUNCTIONS | _CLOCKS
    if kind not in _KINDS or isinstance(getattr(element, "operator", None), operators.custom_op):
        return False
    if kind == "column":
        return not element.is_literal or element.name == "*" or element.name.isdigit()
    return all(_is_empty(getattr(element, name, None)) for name in _TEXTS)


_LIBRARIES = ("sqlalchemy", "sqlmodel", "fieldstone")

# What a select says in the words of the database.
_TEXTS = ("_for_update_arg", "_prefixes", "_suffixes", "_hints", "_statement_hints")


def _is_empty(part: Any) -> bool:
    return part is None or (isinstance(part, tuple | list | dict) and not part)


def _is_wrapped(kind: Any) -> bool:
    """Tell a type whose values stand in SQL of its own."""
    return bool(
        getattr(kind, "_has_bind_expression", False) or getattr(kind, "_has_column_expression", False)
    )
