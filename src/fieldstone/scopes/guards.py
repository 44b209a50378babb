"""What keeps a session's writes within its scopes, like WITH CHECK of row-level security.

A flush is looked at before (what it changes or deletes must be within) and after (so must what it has
written); a statement over many rows is looked at before it runs: its new values are put into the
condition. A foreign key to a row outside a scope is refused as one to a row that does not exist.

What cannot be told before it runs (INSERT ... SELECT, an UPDATE for each set of parameters) is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    event,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.ext.asyncio import AsyncSession as SQLAlchemyAsyncSession
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.sql.visitors import replacement_traverse
from sqlmodel import Session, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.errors import Conflict, ModelError, OutOfScope
from fieldstone.keys import among, key_attributes, key_names, mapper_of
from fieldstone.models.validation import checked
from fieldstone.scopes.limits import Scope, attribute_of, keep, limit, scope, scope_of, scopes_of
from fieldstone.visibility import INCLUDING_DELETED, is_unscoped

Key = tuple[Any, ...]
# Type checkers take `Task.owner_id == 7` for a bool.
Rows = ColumnElement[bool] | bool | Mapping[str, Any]

# Distinct rows that are put into one condition; SQLite bounds the depth of an expression.
_AT_ONCE = 100


def within(session: Session | AsyncSession, model: type[SQLModel], rows: Rows) -> None:
    """Limit what a session may touch of a model, from here on; a second scope narrows the first.

    `rows` is a condition, or values by field: those are also what a new row gets that does not name
    them. A row outside is not found; a write that would put one there, or point to one there, is
    refused with OutOfScope, or as if the row did not exist. Instances of the model that the session
    holds are let go.
    """
    inner: Any = session.sync_session if isinstance(session, SQLAlchemyAsyncSession) else session
    if mapper_of(model).inherits is not None:
        parent = mapper_of(model).base_mapper.class_.__name__
        raise ModelError(f"{model.__name__} is also read as a {parent}. Scope {parent} instead.")
    _refuse_link_table(model)
    _listen(inner)
    known = scopes_of(inner).get(model)
    made = _read(model, rows)
    if known is not None:
        values = {**known.values, **made.values}
        contradicted = any(values[name] != value for name, value in known.values.items())
        condition = and_(known.condition, made.condition, false() if contradicted else true())
        made = scope(model, condition, values, known.conditional or made.conditional or contradicted)
    keep(inner, made)
    for instance in [one for one in inner.identity_map.values() if isinstance(one, model)]:
        if not inner.is_modified(instance) and instance not in inner.deleted:
            inner.expunge(instance)


def _read(model: type[SQLModel], rows: Rows) -> Scope:
    if not isinstance(rows, Mapping):
        condition: Any = rows
        return scope(model, and_(true(), condition), {}, True)
    unknown = [name for name in rows if name not in mapper_of(model).columns]
    if unknown:
        raise ModelError(
            f"A scope cannot name {', '.join(map(repr, unknown))}: {model.__name__} has no such column. "
            f"Its columns are: {', '.join(mapper_of(model).columns.keys())}."
        )
    values = (
        {**rows, **checked(model, {}, list(rows.items()))} if hasattr(model, "__is_partial__") else dict(rows)
    )
    equal = [getattr(model, name) == value for name, value in values.items()]
    return scope(model, and_(true(), *equal), values, False)


def _refuse_link_table(model: type[SQLModel]) -> None:
    table = mapper_of(model).local_table
    for mapper in mapper_of(model).registry.mappers:
        for relationship in mapper.relationships:
            if relationship.secondary is table:
                raise ModelError(
                    f"{model.__name__} cannot be scoped: {mapper.class_.__name__}.{relationship.key} reads "
                    "its table without the model. Scope the models at its ends."
                )


def _listen(session: SQLAlchemySession) -> None:
    for name, function in _LISTENERS:
        if not event.contains(session, name, function):
            event.listen(session, name, function)


# What a flush writes


def _before_flush(session: SQLAlchemySession, context: Any, instances: Any) -> None:
    with session.no_autoflush:
        for instance in session.new:
            _fill(session, instance)
        for model, found in _by_model(session, (*session.dirty, *session.deleted)).items():
            _require_within(session, model, [_identity(one) for one in found])


def _after_flush(session: SQLAlchemySession, context: Any) -> None:
    written = [*session.new, *(one for one in session.dirty if session.is_modified(one))]
    for model, found in _by_model(session, written).items():
        keys = [tuple(getattr(one, name) for name in key_names(model)) for one in found]
        _require_within(session, model, keys)
    for instance in written:
        changed = {
            name: vars(instance).get(name)
            for name in mapper_of(type(instance)).columns.keys()  # noqa: SIM118  # no mapping
            if instance in session.new or sa_inspect(instance).attrs[name].history.has_changes()
        }
        _require_targets(session, type(instance), [changed])


def _by_model(session: SQLAlchemySession, instances: Iterable[Any]) -> dict[type[SQLModel], list[Any]]:
    found: dict[type[SQLModel], list[Any]] = {}
    for instance in instances:
        if scope_of(session, type(instance)) is not None:
            found.setdefault(mapper_of(type(instance)).base_mapper.class_, []).append(instance)
    return found


def _identity(instance: Any) -> Key:
    identity: Key = sa_inspect(instance).identity or ()
    return identity


def _fill(session: SQLAlchemySession, instance: Any) -> None:
    """Give a new row what each row of its scope has; a verb does so before it validates."""
    found = scope_of(session, type(instance))
    for name, value in ({} if found is None else found.values).items():
        if vars(instance).get(name) is None:
            setattr(instance, name, value)


def _require_within(session: SQLAlchemySession, model: type[SQLModel], keys: list[Key]) -> None:
    """Look for these rows among those within. One statement tells, whatever the condition is."""
    attributes = key_attributes(model)
    for start in range(0, len(keys), 5_000):
        part = list(dict.fromkeys(keys[start : start + 5_000]))
        probe = select(func.count()).select_from(model).where(among(attributes, part))
        seen = session.execute(probe, execution_options=INCLUDING_DELETED).scalar_one()
        if seen < len(part):
            raise _outside(session, model)


def _outside(session: SQLAlchemySession, model: type[Any]) -> OutOfScope:
    found = scope_of(session, model)
    return OutOfScope(model.__name__, fields=sorted(found.names()) if found is not None else ())


# What a statement writes


def _guard(state: ORMExecuteState) -> None:
    statement: Any = state.statement
    if not isinstance(statement, Insert | Update) or is_unscoped(state.execution_options):
        return
    model = _model_of(state)
    if model is None or not _concerned(state.session, model):
        return
    if isinstance(statement, Insert):
        _guard_insert(state, model)
    else:
        _guard_update(state, model)


def _model_of(state: ORMExecuteState) -> type[Any] | None:
    """Find the model of a statement, also of one that names its bare table."""
    if state.bind_mapper is not None:
        found: type[Any] = state.bind_mapper.class_
        return found
    table: Any = state.statement.table  # type: ignore[attr-defined]  # it is an Insert or Update
    for one in scopes_of(state.session).values():
        for mapper in mapper_of(one.model).registry.mappers:
            if mapper.local_table is table:
                model: type[Any] = mapper.class_
                return model
    return None


def _concerned(session: SQLAlchemySession, model: type[Any]) -> bool:
    return scope_of(session, model) is not None or any(_targets(session, model))


def _guard_insert(state: ORMExecuteState, model: type[Any]) -> None:
    statement: Any = state.statement
    if statement.select is not None:
        raise _refuse(model, "an INSERT ... SELECT tells its rows to nobody before it runs")
    rows = [_by_attribute(model, row) for row in _rows(state)]
    _require_values(state.session, model, rows)
    _require_targets(state.session, model, rows)


def _rows(state: ORMExecuteState) -> list[Mapping[Any, Any]]:
    statement: Any = state.statement
    if statement._multi_values:
        return [dict(row) for part in statement._multi_values for row in part]
    written = dict(statement._values or {})
    parameters: Any = state.parameters or {}
    sent = parameters if isinstance(parameters, list | tuple) else [parameters]
    return [{**written, **row} for row in sent]


def _by_attribute(model: type[Any], row: Mapping[Any, Any]) -> dict[str, Any]:
    """Name values as the model does, whether they came by attribute, by column or by its name."""
    columns = mapper_of(model).columns
    found: dict[str, Any] = {}
    for name, value in row.items():
        attribute = name if isinstance(name, str) else attribute_of(model, getattr(name, "expression", name))
        if attribute is not None and attribute not in columns:
            attribute = next((one for one in columns.keys() if columns[one].key == attribute), attribute)  # noqa: SIM118
        found[str(attribute)] = value.value if hasattr(value, "effective_value") else value
    return found


def _require_values(session: SQLAlchemySession, model: type[Any], rows: list[dict[str, Any]]) -> None:
    """Refuse new rows that would stand outside: by their values, or by the condition with these in it."""
    found = scope_of(session, model)
    if found is None:
        return
    for row in rows:
        if any(row.get(name) != value for name, value in found.values.items()):
            raise _outside(session, model)
    if not found.conditional:
        return
    names = sorted(found.names())
    distinct = {repr([row.get(name) for name in names]): row for row in rows}
    conditions = [_with(found, {name: row.get(name) for name in names}) for row in distinct.values()]
    for start in range(0, len(conditions), _AT_ONCE):
        probe = select(literal(1)).where(or_(*map(_fails, conditions[start : start + _AT_ONCE])))
        if session.execute(probe).first() is not None:
            raise _outside(session, model)


def _guard_update(state: ORMExecuteState, model: type[Any]) -> None:
    """Refuse an update by which a row would leave its scope, or point to a row outside another."""
    statement: Any = state.statement
    if isinstance(state.parameters, list):
        raise _refuse(model, "an UPDATE for each set of parameters has no condition to narrow")
    parameters: Any = state.parameters or {}
    values = _by_attribute(model, {**dict(statement._values or {}), **parameters})
    found = scope_of(state.session, model)
    if (
        found is not None
        and found.names() & values.keys()
        and _any(state, model, _fails(_with(found, values)))
    ):
        raise _outside(state.session, model)
    for target, names, there in _targets(state.session, model):
        if set(names) & values.keys():
            here = [_expression(model, name, values.get(name, getattr(model, name))) for name in names]
            lost = and_(*[one.is_not(None) for one in here], tuple_(*here).not_in(select(*there)))
            if _any(state, model, lost):
                raise _missing(model, names, target)


def _any(state: ORMExecuteState, model: type[Any], condition: Any) -> bool:
    """Look among the rows that the statement is about."""
    statement: Any = state.statement
    criteria = () if statement.whereclause is None else (statement.whereclause,)
    probe = select(literal(1)).select_from(model).where(*criteria, condition).limit(1)
    probe = probe.options(*statement._with_options).execution_options(**state.execution_options)
    return state.session.execute(probe).first() is not None


def _with(found: Scope, values: Mapping[str, Any]) -> ColumnElement[bool]:
    """Put new values into a condition."""

    def new(element: Any, **_: Any) -> Any:
        name = attribute_of(found.model, element)
        return _expression(found.model, name, values[name]) if name is not None and name in values else None

    condition: Any = found.condition
    put: ColumnElement[bool] = replacement_traverse(condition, {}, new)
    return put


def _expression(model: type[Any], name: str, value: Any) -> Any:
    if hasattr(value, "__clause_element__") or isinstance(value, ColumnElement):
        return value
    return literal(value, mapper_of(model).columns[name].type)


def _fails(condition: Any) -> Any:
    """What is not known to hold does not hold."""
    return not_(func.coalesce(condition, false()))


# Foreign keys


def _targets(
    session: SQLAlchemySession, model: type[Any]
) -> Iterator[tuple[type[SQLModel], list[str], list[Any]]]:
    """Yield the foreign keys of a model that point to scoped models: to whom, from where, to where."""
    mapper = mapper_of(model)
    scoped = {
        table: one.model for one in scopes_of(session).values() for table in mapper_of(one.model).tables
    }
    for table in mapper.tables:
        for key in table.foreign_key_constraints if isinstance(table, Table) else ():
            target = scoped.get(key.referred_table)
            if target is None or (target is mapper.base_mapper.class_ and mapper.inherits is not None):
                continue
            names = [mapper.get_property_by_column(element.parent).key for element in key.elements]
            there = mapper_of(target)
            columns = [there.get_property_by_column(element.column).key for element in key.elements]
            yield target, names, [getattr(target, name) for name in columns]


def _require_targets(session: SQLAlchemySession, model: type[Any], rows: list[dict[str, Any]]) -> None:
    """Refuse foreign keys to rows that the session does not see, unless they are just being inserted."""
    for target, names, there in _targets(session, model):
        wanted = {tuple(row.get(name) for name in names) for row in rows if set(names) & row.keys()}
        if target is model:
            wanted -= {tuple(row.get(one.key) for one in there) for row in rows}
        keys = [key for key in wanted if None not in key]
        for start in range(0, len(keys), 5_000):
            part = keys[start : start + 5_000]
            seen = session.execute(select(func.count()).select_from(target).where(among(there, part)))
            if seen.scalar_one() < len(part):
                raise _missing(model, names, target)


def _missing(model: type[Any], names: list[str], target: type[Any]) -> Conflict:
    return Conflict(model.__name__, kind="foreign_key", fields=names, other=target.__name__)


def _refuse(model: type[Any], cause: str) -> ModelError:
    return ModelError(
        f"A scope cannot hold this statement over {model.__name__}: {cause}. "
        "Use create_many, patch_where or upsert_many."
    )


_LISTENERS: tuple[tuple[str, Any], ...] = (
    ("do_orm_execute", _guard),
    ("do_orm_execute", limit),
    ("before_flush", _before_flush),
    ("after_flush", _after_flush),
)
