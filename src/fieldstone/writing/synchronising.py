"""Make the instances of a session agree with what a statement has changed behind their back.

SQLAlchemy's own ways (`synchronize_session`) evaluate the condition in Python, or fetch the matched
keys, and expire what they cannot compute: the next look at such an attribute loads it, which an
asynchronous session refuses. Neither notices what the database did by itself: `ondelete`, triggers,
defaults. So the instances that the session holds are read again, by key, one statement for each
model; a session that holds none pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table, select
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, SQLModel

from fieldstone.keys import among_each, key_attributes, mapper_of
from fieldstone.reading.assembly import Key

_GOES_WITH_IT = "CASCADE"
_LETS_GO = ("SET NULL", "SET DEFAULT")


def after_update(session: Session, model: type[SQLModel], keys: Sequence[Key] | None = None) -> None:
    """Read again what the session holds of a model: all of it, or the rows with these keys."""
    _synchronise(session, set(mapper_of(model).tables), keys)


def after_delete(session: Session, model: type[SQLModel]) -> None:
    """Let go of what was deleted, and read again what its `ondelete` may have changed."""
    _synchronise(session, _reached(set(mapper_of(model).tables)))


def _reached(tables: set[Any]) -> set[Any]:
    """Add the tables whose rows go or change with a row that is deleted."""
    reached, waiting = set(tables), list(tables)
    while waiting:
        table = waiting.pop()
        for key in _keys_to(table):
            action = (key.ondelete or "").upper()
            if action == _GOES_WITH_IT and key.table not in reached:
                waiting.append(key.table)
            if action == _GOES_WITH_IT or action in _LETS_GO:
                reached.add(key.table)
    return reached


def _keys_to(table: Table) -> Iterator[ForeignKeyConstraint]:
    for other in table.metadata.tables.values():
        yield from (key for key in other.foreign_key_constraints if key.referred_table is table)


def _synchronise(session: Session, tables: set[Any], keys: Sequence[Key] | None = None) -> None:
    held: dict[Mapper[Any], dict[Key, Any]] = {}
    for instance in session.identity_map.values():
        state = sa_inspect(instance)
        if tables.intersection(state.mapper.tables) and (keys is None or state.identity in keys):
            held.setdefault(state.mapper, {})[state.identity or ()] = instance
    gone = [one for mapper, instances in held.items() for one in _reread(session, mapper, instances)]
    if gone:
        let_go(session, gone)


def _reread(session: Session, mapper: Mapper[Any], held: dict[Key, Any]) -> list[Any]:
    """Take over the stored values of these instances; give those that have no row any more."""
    keys = key_attributes(mapper.class_)
    names = [one.key for one in mapper.column_attrs]
    columns = [getattr(mapper.class_, name) for name in names]
    missing = dict(held)
    for condition in among_each(keys, held):
        for row in SQLAlchemySession.execute(session, select(*keys, *columns).where(condition)):
            instance = missing.pop(tuple(row[: len(keys)]), None)
            if instance is not None:
                _take_over(session, instance, dict(zip(names, row[len(keys) :], strict=True)))
    return list(missing.values())


def _take_over(session: Session, instance: Any, stored: dict[str, Any]) -> None:
    changed = [name for name in stored if name in vars(instance) and vars(instance)[name] != stored[name]]
    if not changed:
        return
    # expiring first lets go of what else is remembered of a value: how a document looked, for one
    session.expire(instance, [*changed, *_led_by(instance, changed)])
    for name in changed:
        set_committed_value(instance, name, stored[name])


def _led_by(instance: Any, changed: list[str]) -> list[str]:
    """Name the loaded relationships that a changed foreign key now leads elsewhere."""
    mapper = sa_inspect(instance).mapper
    columns = {mapper.columns[name] for name in changed if name in mapper.columns}
    return [
        one.key
        for one in mapper.relationships
        if one.key in vars(instance) and columns.intersection(one.local_columns)
    ]


def let_go(session: Session, gone: list[Any]) -> None:
    """Take deleted instances out of the session, and out of the collections that were loaded with them."""
    lost = {id(one) for one in gone}
    for one in gone:
        session.expunge(one)
    for instance in session.identity_map.values():
        stale = [
            relationship.key
            for relationship in sa_inspect(instance).mapper.relationships
            if any(id(one) in lost for one in _members(vars(instance).get(relationship.key)))
        ]
        if stale:
            session.expire(instance, stale)


def _members(value: Any) -> list[Any]:
    if isinstance(value, list | set | tuple):
        return list(value)
    return [] if value is None else [value]
