"""What a failed statement can still tell, gathered while it is at hand.

A database refuses a number as "out of range" without saying which one, and SQLite says "FOREIGN
KEY constraint failed" without saying which key. When the error is handled the statement and its
parameters are still there, and on SQLite the transaction is alive: so the culprit is looked for
then, and what was found travels with the exception. No value does.

The search is bounded: single-row statements only, and one indexed look-up for each foreign key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, ForeignKeyConstraint, Integer, String, Table, event, literal_column, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, StatementError

from fieldstone.violations.failures import Failure, failure_of

_ATTRIBUTE = "fieldstone_evidence"

# The option under which an execution of SQL text carries what it was compiled from: the statement, and what
# gives the parameters of each row by name.
COMPILED = "fieldstone_compiled"

# SQLITE_CONSTRAINT_FOREIGNKEY
_FOREIGN_KEY = 787

_NOT_DELETED_WITH_IT = (None, "NO ACTION", "RESTRICT")


@dataclass(frozen=True)
class Evidence:
    """What is known of a failed statement: its table, the columns at fault and why, the key at fault.

    `referenced` says that rows elsewhere point to the row, through `foreign_key`; else the row
    points through it to one that is missing. None: not known.
    """

    table: Table | None = None
    columns: tuple[str, ...] = ()
    rule: str | None = None
    deleting: bool = False
    foreign_key: ForeignKeyConstraint | None = None
    referenced: bool | None = None


def evidence_of(error: BaseException) -> Evidence:
    """Give what was gathered about an error; nothing where its engine does not gather."""
    found = getattr(error, _ATTRIBUTE, None)
    return found if isinstance(found, Evidence) else Evidence()


def gather(engine: Engine) -> None:
    """Gather evidence for every statement that fails on the engine."""

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> Exception | None:
        if context.execution_context is None or context.is_disconnect:
            return None
        original = context.original_exception
        wrapped = context.sqlalchemy_exception
        error = _wrapped(context, original) if wrapped is None else wrapped
        if error is not None:
            setattr(error, _ATTRIBUTE, _gathered(context, failure_of(original)))
        return error if wrapped is None else None


def _wrapped(context: ExceptionContext, original: BaseException) -> StatementError | None:
    """Wrap what SQLAlchemy lets through as if the program were at fault.

    sqlite3 and psycopg refuse some values with Python's own errors.
    """
    if isinstance(original, (OverflowError, UnicodeEncodeError)):
        return DataError(context.statement, None, original, hide_parameters=True)
    return None


def _gathered(context: ExceptionContext, failure: Failure | None) -> Evidence:
    compiled, rows = _statement(context.execution_context)
    named = getattr(getattr(compiled, "statement", None), "table", None)
    # a statement over a model names the table by an annotated copy, which no mapper knows
    table = named.metadata.tables.get(named.key, named) if isinstance(named, Table) else None
    if failure is not None and failure.sqlite_code == _FOREIGN_KEY:
        return _broken_key(context, compiled, table, rows)
    found = [pair for row in rows for pair in _unfit(compiled, row, context.dialect.name)]
    unfit = {_column(table, name): rule for name, rule in found}
    rule = next(iter(unfit.values()), None)
    columns = tuple(sorted(name for name in unfit if unfit[name] == rule))
    return Evidence(table, columns, rule, deleting=bool(getattr(compiled, "isdelete", False)))


def _statement(execution: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Give the compiled statement with its parameters by name, also where it ran as the driver takes it."""
    carried = execution.execution_options.get(COMPILED)
    if carried is None:
        return execution.compiled, getattr(execution, "compiled_parameters", None) or []
    compiled, parameters = carried
    return compiled, parameters()


def _unfit(compiled: Any, row: Mapping[str, Any], dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters that cannot be stored in their column's type, each with the rule it breaks."""
    for name, bind in getattr(compiled, "binds", {}).items():
        rule = _broken_rule(bind.type, row.get(name), dialect)
        if rule is not None:
            yield name, rule


def _broken_rule(kind: Any, value: object, dialect: str) -> str | None:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            return "bad_text"
        if isinstance(kind, String) and kind.length is not None and len(value) > kind.length:
            return "too_long"
    if not isinstance(kind, Integer) or value is None:
        return None
    if not isinstance(value, int):
        return "bad_value"
    bits = 64 if dialect == "sqlite" else _BITS.get(kind.__visit_name__, 32)
    return None if -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) else "out_of_range"


_BITS = {"small_integer": 16, "SMALLINT": 16, "big_integer": 64, "BIGINT": 64}


def _broken_key(
    context: ExceptionContext, compiled: Any, table: Table | None, rows: list[dict[str, Any]]
) -> Evidence:
    """Ask SQLite which foreign key of a single-row statement does not hold."""
    if table is None:
        return Evidence()
    deleting = bool(getattr(compiled, "isdelete", False))
    candidates = [] if deleting else [(key, False) for key in _keys_of(table)]
    if not getattr(compiled, "isinsert", False):
        candidates += [(key, True) for key in _keys_to(table)]
    for key, referenced in candidates:
        values = _values(table, rows[0]) if len(rows) == 1 else {}
        certain = len(candidates) == 1 and not (referenced and _cascades_to(table))
        if certain or _does_not_hold(context, key, referenced, values):
            return Evidence(table, deleting=deleting, foreign_key=key, referenced=referenced)
    return Evidence(table, deleting=deleting)


def _values(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parameters by column: an INSERT names them so, a WHERE adds the table or a number."""
    values: dict[str, Any] = {}
    for name, value in row.items():
        values.setdefault(_column(table, name), value)
    return values


def _column(table: Table | None, parameter: str) -> str:
    bare = re.sub(r"_\d+$", "", parameter)
    if table is None:
        return bare
    names = (parameter, bare, parameter.removeprefix(f"{table.name}_"), bare.removeprefix(f"{table.name}_"))
    return next((name for name in names if name in table.c), bare)


def _keys_of(table: Table) -> list[ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=lambda key: tuple(key.column_keys))


def _keys_to(table: Table) -> list[ForeignKeyConstraint]:
    return [
        key
        for other in table.metadata.tables.values()
        for key in _keys_of(other)
        if key.referred_table is table and key.ondelete in _NOT_DELETED_WITH_IT
    ]


def _cascades_to(table: Table) -> bool:
    """Say whether deleting a row deletes or changes others, where some further key may break."""
    others = table.metadata.tables.values()
    keys = (key for other in others for key in other.foreign_key_constraints)
    return any(key.referred_table is table and key.ondelete not in _NOT_DELETED_WITH_IT for key in keys)


def _does_not_hold(
    context: ExceptionContext, key: ForeignKeyConstraint, referenced: bool, values: Mapping[str, Any]
) -> bool:
    """Look for the row at the key's other end: one it points to that is missing, or one that points here."""
    conditions = []
    for element in key.elements:
        here, there = (element.column, element.parent) if referenced else (element.parent, element.column)
        value = values.get(here.name)
        if value is None:
            return False  # a null points nowhere, and what was not sent cannot be looked up
        conditions.append(there == value)
    other = key.parent if referenced else key.referred_table
    found = _ask(context, select(literal_column("1")).select_from(other).where(*conditions).limit(1))
    return found if referenced else not found


def _ask(context: ExceptionContext, statement: Any) -> bool:
    """Run a look-up on the bare cursor: SQLAlchemy's connection is busy with the error itself."""
    connection = context.connection
    assert connection is not None
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    types = {name: bind.type.dialect_impl(connection.dialect) for name, bind in compiled.binds.items()}
    parameters = []
    for name in compiled.positiontup:
        processor = types[name].bind_processor(connection.dialect)
        value = compiled.params[name]
        parameters.append(processor(value) if processor else value)
    cursor = connection.connection.cursor()
    try:
        cursor.execute(str(compiled), tuple(parameters))
        return cursor.fetchone() is not None
    finally:
        cursor.close()
