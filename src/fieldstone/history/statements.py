"""What a statement over many rows writes, as entries: `update`, `delete`, `insert` and upserts.

A statement tells neither which rows it changes nor what they held. So the rows are read and locked
before, and read again after; on PostgreSQL the statement is held to the locked ones, since a row
that another transaction commits in between would be changed without a trace. Inserted rows are
returned by the database. What cannot be told exactly is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Column, Table, bindparam, event, func, literal_column, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.sql.dml import Delete, Insert, Update

from fieldstone.errors import ModelError, TransactionConflict
from fieldstone.history.audits import Audit, audit_of, audited_model, is_audited
from fieldstone.history.journal import Journal, changed, created
from fieldstone.history.stored import Found, Key, Row, gather, is_reaching, settle
from fieldstone.keys import among_each, mapper_of
from fieldstone.listeners import idle_at_reads
from fieldstone.visibility import sight_in
from fieldstone.writing.uniques import UniqueKey, unique_key

_PATIENCE = 10
_CREATED: Any = literal_column("xmax = 0")
_UPSERTS = (postgresql.dml.OnConflictDoUpdate, sqlite.dml.OnConflictDoUpdate)
_LEAVING = (postgresql.dml.OnConflictDoNothing, sqlite.dml.OnConflictDoNothing)


@event.listens_for(Session, "do_orm_execute")
@idle_at_reads()
def _record(state: ORMExecuteState) -> Any:
    statement: Any = state.statement
    if not isinstance(statement, Insert | Update | Delete) or not isinstance(statement.table, Table):
        return None
    table = _table(state)
    if isinstance(statement, Insert):
        return _insert(state, _audit(state)) if is_audited(table) else None
    if is_audited(table) or (isinstance(statement, Delete) and is_reaching(table)):
        return _change(state)
    return None


def _audit(state: ORMExecuteState) -> Audit:
    mapper = state.bind_mapper
    return audit_of(audited_model(_table(state)) if mapper is None else mapper.class_)


def _table(state: ORMExecuteState) -> Table:
    """Give the table itself; the statement of a model holds an annotated copy."""
    statement: Any = state.statement
    table: Any = statement.table if state.bind_mapper is None else state.bind_mapper.local_table
    return cast(Table, table)


def _refuse(state: ORMExecuteState, cause: str) -> ModelError:
    return ModelError(
        f"The history of {_table(state).name!r} cannot follow this statement: {cause}. "
        "Change the rows one by one, through instances."
    )


# Rows that are there


def _change(state: ORMExecuteState) -> Any:
    statement: Any = state.statement
    _refuse_unclear(state)
    journal, found = Journal(), Found()
    rows = _matched(state)
    if is_audited(_table(state)):
        found[_table(state)] = rows
    if isinstance(statement, Delete):
        gather(state.session, _table(state), rows.values(), found)
    result = state.invoke_statement(statement=_held(state, rows))
    kept = result.freeze() if statement._returning else None
    settle(state.session, found, journal)
    if isinstance(statement, Update) and any(entry[1] == "deleted" for entry in journal.entries.values()):
        raise _refuse(state, "it changes keys")
    journal.write(state.session)
    return result if kept is None else kept()


def _refuse_unclear(state: ORMExecuteState) -> None:
    statement: Any = state.statement
    mapper = state.bind_mapper
    if mapper is not None and any(len(one.tables) > 1 for one in mapper.self_and_descendants):
        raise _refuse(state, "its rows lie in several tables")
    if isinstance(state.parameters, list) and (statement.whereclause is not None or mapper is None):
        raise _refuse(state, "it has a condition and several sets of parameters")
    if statement._independent_ctes:
        raise _refuse(state, "it carries another statement with it")


def _matched(state: ORMExecuteState) -> dict[Key, Row]:
    """Read and lock the rows that the statement is about."""
    statement: Any = state.statement
    if isinstance(state.parameters, list):
        return _by_keys(state, state.parameters)
    criteria = () if statement.whereclause is None else (statement.whereclause,)
    parameters: Any = state.parameters
    return _read(state, criteria, parameters)


def _by_keys(state: ORMExecuteState, rows: Sequence[Mapping[str, Any]]) -> dict[Key, Row]:
    audit, found = _audit(state), dict[Key, Row]()
    keys = [tuple(row.get(name) for name in audit.keys) for row in rows]
    for condition in among_each([getattr(audit.model, name) for name in audit.keys], keys):
        found |= _read(state, (condition,))
    return found


def _read(
    state: ORMExecuteState, criteria: Iterable[Any], parameters: Mapping[str, Any] | None = None
) -> dict[Key, Row]:
    """Read rows in full; with a model, only those of its table that it stands for."""
    table: Any = _table(state)
    columns = list(table.columns)
    asked: Any = select(*columns).where(*criteria).with_for_update(of=table)
    if state.bind_mapper is not None:
        asked = asked.select_from(state.bind_mapper.class_)
        asked = asked.options(*getattr(state.statement, "_with_options", ()))
    sight = sight_in(state.execution_options)
    result = state.session.execute(asked, dict(parameters or {}), execution_options=sight)
    rows = [dict(zip(columns, row, strict=True)) for row in result]
    return {tuple(row[column] for column in table.primary_key.columns): row for row in rows}


def _held(state: ORMExecuteState, rows: Mapping[Key, Row]) -> Any:
    """Hold the statement to the locked rows, with one parameter for each part of the key."""
    statement: Any = state.statement
    if state.session.get_bind(**state.bind_arguments).dialect.name != "postgresql" or state.is_executemany:
        return statement
    columns = list(_table(state).primary_key.columns)
    arrays = [
        bindparam(None, [key[place] for key in rows], type_=ARRAY(column.type), unique=True)
        for place, column in enumerate(columns)
    ]
    keys = func.unnest(*arrays).table_valued(*[f"k{place}" for place in range(len(arrays))]).render_derived()
    own = tuple_(*columns) if len(columns) > 1 else columns[0]
    return statement.where(own.in_(select(*keys.c)))


# Rows that come


def _insert(state: ORMExecuteState, audit: Audit) -> Any:
    statement: Any = state.statement
    clause = statement._post_values_clause
    if len(mapper_of(audit.model).tables) > 1:
        raise _refuse(state, "its rows lie in several tables")
    if clause is not None and not isinstance(clause, _UPSERTS + _LEAVING):
        raise _refuse(state, "it says something after VALUES that is not known here")
    if isinstance(clause, _UPSERTS):
        return _upsert(state, audit, clause)
    journal = Journal()
    result, rows = _returned(state, audit)
    for row in rows:
        _note_created(journal, audit, row)
    journal.write(state.session)
    return result


def _note_created(journal: Journal, audit: Audit, row: Mapping[str, Any]) -> None:
    journal.note(audit, "created", [row[name] for name in audit.keys], created(audit, row))


def _returned(state: ORMExecuteState, audit: Audit, *further: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Run the insert, and give its result as it was asked for beside the rows in full."""
    statement: Any = state.statement
    names = list(dict.fromkeys([*audit.keys, *audit.columns]))
    mapper = mapper_of(audit.model)
    own = [
        getattr(audit.model, name) if state.bind_mapper is not None else mapper.columns[name]
        for name in names
    ]
    result = state.invoke_statement(statement=statement.returning(*own, *further))
    frozen = result.freeze()
    added = len(own) + len(further)
    given = [tuple(row) for row in frozen()]
    values = [dict(zip([*names, *map(str, further)], row[-added:], strict=True)) for row in given]
    if not statement._returning:
        return result, values
    asked = len(given[0]) - added if given else len(statement._returning)
    return frozen().columns(*range(asked)), values


# Rows that may be there


def _upsert(state: ORMExecuteState, audit: Audit, clause: Any) -> Any:
    sent = _sent(state)
    is_postgresql = isinstance(clause, postgresql.dml.OnConflictDoUpdate)
    if not is_postgresql:
        result, unseen = _try_upsert(state, audit, clause, sent, ())
        return result
    for _ in range(_PATIENCE):
        with state.session.connection(state.bind_arguments).begin_nested() as savepoint:
            result, unseen = _try_upsert(state, audit, clause, sent, (_CREATED,))
            if not unseen:
                return result
            savepoint.rollback()
    raise TransactionConflict(
        f"The upsert into {audit.name} met rows that others were just adding, {_PATIENCE} times. "
        "Run the unit again."
    )


def _try_upsert(
    state: ORMExecuteState, audit: Audit, clause: Any, sent: Sequence[Mapping[str, Any]], flags: Sequence[Any]
) -> tuple[Any, bool]:
    """Write; say whether a row was changed that had not been there to be read and locked."""
    journal, before = Journal(), _colliding(state, audit, clause, sent)
    result, rows = _returned(state, audit, *flags)
    for row in rows:
        key = tuple(row[name] for name in audit.keys)
        old = before.get(key)
        if old is not None:
            journal.note(audit, "changed", key, changed(audit, old, row))
        elif flags and not row[str(_CREATED)]:
            return result, True
        else:
            _note_created(journal, audit, row)
    journal.write(state.session)
    return result, False


def _colliding(
    state: ORMExecuteState, audit: Audit, clause: Any, sent: Sequence[Mapping[str, Any]]
) -> dict[Key, dict[str, Any]]:
    key, columns = _key_of(state, audit, clause), mapper_of(audit.model).columns
    found: dict[Key, Row] = {}
    if key.fields and key.where is None:
        wanted = {tuple(row.get(name) for name in key.fields) for row in sent}
        for condition in among_each(list(key.elements), (one for one in wanted if None not in one)):
            found |= _read(state, (condition,))
    else:
        for start in range(0, len(sent), 100):  # SQLite bounds the depth of an expression
            part = [key.matches(audit.model, dict(row)) for row in sent[start : start + 100]]
            found |= _read(state, (or_(*part),))
    rows = ({name: row[columns[name]] for name in columns.keys()} for row in found.values())  # noqa: SIM118
    return {tuple(row[name] for name in audit.keys): row for row in rows}


def _key_of(state: ORMExecuteState, audit: Audit, clause: Any) -> UniqueKey:
    mapper = mapper_of(audit.model)
    target = getattr(clause, "constraint_target", None)
    if target is not None:
        return unique_key(audit.model, target, "postgresql")
    elements = [_bare(mapper.local_table, one) for one in clause.inferred_target_elements or ()]
    if not elements:
        raise _refuse(state, "ON CONFLICT names no key")
    plain = all(isinstance(one, Column) for one in elements)
    fields = tuple(mapper.get_property_by_column(one).key for one in elements) if plain else ()
    return UniqueKey(None, fields, tuple(elements), clause.inferred_target_whereclause)


def _bare(table: Any, element: Any) -> Any:
    """Give the table's own column for a name or an attribute; an expression as it is."""
    name = element if isinstance(element, str) else element.key if isinstance(element, Column) else None
    return element if name is None else table.columns[name]


def _sent(state: ORMExecuteState) -> list[dict[str, Any]]:
    """Give the rows to insert, by attribute, as far as the caller wrote them out."""
    statement: Any = state.statement
    if statement.select is not None or statement._multi_values or statement._values:
        raise _refuse(state, "an upsert is followed where its rows are parameters, not values or a select")
    parameters = state.parameters
    rows = list(parameters) if isinstance(parameters, list | tuple) else [parameters]
    if not all(isinstance(row, Mapping) for row in rows):
        raise _refuse(state, "it names no values")
    return [_by_attribute(state, dict(row)) for row in rows if isinstance(row, Mapping)]


def _by_attribute(state: ORMExecuteState, row: dict[str, Any]) -> dict[str, Any]:
    if state.bind_mapper is not None:
        return row
    table = _table(state)
    columns: dict[str, Any] = dict(table.columns.items())
    mapper = mapper_of(audited_model(table))
    return {mapper.get_property_by_column(columns[name]).key: value for name, value in row.items()}
