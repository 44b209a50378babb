"""What a flush writes, as entries: one statement more, in the same transaction.

Old values are what the instance was loaded with; where they were never loaded (an expired
attribute, a document changed in place), the row is read just before it is written. New values are
what was sent; where an SQL expression was, the row is read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, event, select
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import InstanceState, Mapper, Session

from fieldstone.errors import ModelError
from fieldstone.history.audits import Audit, audit_of, audited_model, is_audited
from fieldstone.history.journal import Journal, changed, created, deleted
from fieldstone.history.stored import Found, gather, is_reaching, read, settle
from fieldstone.keys import among, among_each, key_attributes
from fieldstone.listeners import idle_at_plain_writes
from fieldstone.visibility import including_deleted

_NOTES = "fieldstone history"  # key of Session.info


@dataclass
class _Notes:
    """What the flush under way was seen to write."""

    created: dict[InstanceState[Any], Audit] = field(default_factory=dict)
    changed: dict[InstanceState[Any], dict[str, Any]] = field(default_factory=dict)
    deleted: dict[InstanceState[Any], dict[str, Any]] = field(default_factory=dict)
    foreseen: Found = field(default_factory=dict)
    looked: set[InstanceState[Any]] = field(default_factory=set)


@event.listens_for(Session, "before_flush")
@idle_at_plain_writes
def _begin(session: Session, context: Any, instances: Any) -> None:
    session.info[_NOTES] = _Notes()
    with session.no_autoflush:
        for instance in (*session.new, *session.dirty):
            _refuse_unseen_links(sa_inspect(instance))


def _refuse_unseen_links(state: InstanceState[Any]) -> None:
    """A row that a list writes into an audited link table never becomes an instance that could be seen."""
    for relationship in state.mapper.relationships:
        if relationship.secondary is None or not is_audited(relationship.secondary):
            continue
        if relationship.key in state.committed_state and state.attrs[relationship.key].history.has_changes():
            link = audited_model(relationship.secondary).__name__
            raise ModelError(
                f"{state.mapper.class_.__name__}.{relationship.key} cannot be changed as a list: {link} has "
                f"a history, which would miss it. Create and delete rows of {link} instead."
            )


# Raw, and as if they gave something back: SQLAlchemy would wrap them otherwise, and their mark would be lost.


@event.listens_for(Mapper, "before_insert", raw=True, retval=True)
@idle_at_plain_writes
def _note_created(mapper: Mapper[Any], connection: Any, state: InstanceState[Any]) -> None:
    if is_audited(mapper.local_table):
        _notes(state).created[state] = audit_of(mapper.class_)


@event.listens_for(Mapper, "before_update", raw=True, retval=True)
@idle_at_plain_writes
def _note_changed(mapper: Mapper[Any], connection: Any, state: InstanceState[Any]) -> None:
    if is_audited(mapper.local_table):
        _notes(state).changed[state] = _before(audit_of(mapper.class_), state)


@event.listens_for(Mapper, "before_delete", raw=True, retval=True)
@idle_at_plain_writes
def _note_deleted(mapper: Mapper[Any], connection: Any, state: InstanceState[Any]) -> None:
    notes = _notes(state)
    if is_audited(mapper.local_table):
        audit = audit_of(mapper.class_)
        notes.deleted[state] = _known(audit, state) | _before(audit, state)
        unknown = [name for name in audit.columns if name not in notes.deleted[state]]
        notes.deleted[state] |= _stored(audit, state, unknown)
    if state not in notes.looked:
        _foresee(notes, state)


@event.listens_for(Session, "after_flush")
@idle_at_plain_writes
def _end(session: Session, context: Any) -> None:
    notes: _Notes = session.info.pop(_NOTES)
    if not (notes.created or notes.changed or notes.deleted or notes.foreseen):
        return
    journal = Journal()
    replaced = _replaced(session, notes)
    for state, audit in notes.created.items():
        key, values = _key(audit, state), _after(audit, state, audit.columns)
        if key in replaced:
            journal.note(audit, "changed", key, changed(audit, replaced[key], values))
        else:
            journal.note(audit, "created", key, created(audit, values))
    for state, old in notes.changed.items():
        audit = audit_of(state.mapper.class_)
        old = {**_before(audit, state), **old}
        journal.note(audit, "changed", state.identity or (), changed(audit, old, _after(audit, state, old)))
    for state, old in notes.deleted.items():
        audit = audit_of(state.mapper.class_)
        journal.note(audit, "deleted", state.identity or (), deleted(audit, old))
    settle(session, notes.foreseen, journal)
    journal.write(session)


def _notes(state: InstanceState[Any]) -> _Notes:
    session = state.session
    assert session is not None
    found: _Notes = session.info[_NOTES]
    return found


def _replaced(session: Session, notes: _Notes) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Find the deleted rows whose key a new instance took: SQLAlchemy makes one UPDATE of the two."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for instance in session.deleted if notes.created else ():
        state: InstanceState[Any] = sa_inspect(instance)
        if is_audited(state.mapper.local_table) and state not in notes.deleted:
            audit = audit_of(state.mapper.class_)
            found[state.identity or ()] = _known(audit, state) | _before(audit, state)
    return found


# Values


def _known(audit: Audit, state: InstanceState[Any]) -> dict[str, Any]:
    return {name: state.dict[name] for name in audit.columns if name in state.dict}


def _before(audit: Audit, state: InstanceState[Any]) -> dict[str, Any]:
    """Give the stored values of the attributes that were changed."""
    old: dict[str, Any] = {}
    unknown: list[str] = []
    for name in audit.columns:
        if name in state.committed_state:
            was: Any = state.attrs[name].history
            if was.has_changes() and not was.deleted:
                unknown.append(name)
            elif was.has_changes():
                old[name] = was.deleted[0]
    return old | _stored(audit, state, unknown)


def _after(audit: Audit, state: InstanceState[Any], names: Iterable[str]) -> dict[str, Any]:
    """Give the values as written; what only the database knows is read."""
    expired = [name for name in names if name in state.expired_attributes]
    values = {name: state.dict.get(name) for name in names if name not in expired}
    return values | _stored(audit, state, expired, identity=_key(audit, state))


def _key(audit: Audit, state: InstanceState[Any]) -> tuple[Any, ...]:
    return tuple(state.dict.get(name) for name in audit.keys)


def _stored(
    audit: Audit, state: InstanceState[Any], names: list[str], identity: tuple[Any, ...] | None = None
) -> dict[str, Any]:
    session = state.session
    key = state.identity if identity is None else identity
    if not names or key is None or session is None:
        return {}
    columns = [getattr(audit.model, name) for name in names]
    condition = among(key_attributes(audit.model), [tuple(key)])
    row = session.execute(including_deleted(select(*columns).where(condition))).one_or_none()
    return {} if row is None else dict(zip(names, row, strict=True))


# What a delete takes with it


def _foresee(notes: _Notes, state: InstanceState[Any]) -> None:
    """Lock the rows about to be deleted, and what goes or changes with them."""
    session, mapper = state.session, state.mapper
    assert session is not None
    alike = [
        one
        for one in map(sa_inspect, session.deleted)
        if one.mapper is mapper and one not in notes.looked and one is not state
    ]
    states = [state, *alike]
    notes.looked.update(states)
    for table in mapper.tables:
        if not isinstance(table, Table) or not is_reaching(table):
            continue
        columns = list(table.primary_key.columns)
        names = [mapper.get_property_by_column(column).key for column in columns]
        keys = [tuple(_identifying(one, name) for name in names) for one in states]
        for condition in among_each(columns, keys):
            gather(session, table, read(session, table, condition, lock=True).values(), notes.foreseen)


def _identifying(state: InstanceState[Any], name: str) -> Any:
    """Give the stored value of a key's part, whatever the instance was changed to."""
    names = [state.mapper.get_property_by_column(column).key for column in state.mapper.primary_key]
    if state.identity is not None and name in names:
        return state.identity[names.index(name)]
    return getattr(state.obj(), name)  # the key of a further table, where a class is mapped to a join
