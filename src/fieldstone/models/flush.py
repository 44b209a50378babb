"""The last gate before the database: what is written was validated, and what changed is written.

Assignment validates, but a value can take another way into an instance: `session.merge`,
`set_attribute`, an edit inside a JSON document. So each flush looks once more at what it is
about to write. It knows by identity the values that validation has accepted, and skips them.

JSON documents are compared with how they looked when they were first read from the instance,
rather than wrapped in observing containers, because a change may sit at any depth in the user's
own Pydantic models. SQLAlchemy skips a flush when no instance is marked as modified, so an
instance whose document was read stays marked; the comparison decides whether anything is
written. Merely loaded rows cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ClauseElement, event
from sqlalchemy.orm import InstanceState, InstrumentedAttribute, Session
from sqlalchemy.orm.attributes import flag_dirty, flag_modified, instance_state

from fieldstone.listeners import idle_at_plain_writes
from fieldstone.models.columns import JsonOf
from fieldstone.models.validation import checked, twins_of, validate_whole

_ACCEPTED = "fieldstone accepted"  # keys of InstanceState.info
_STORED = "fieldstone stored"
_READ = "fieldstone read"  # key of Session.info and of a flush's attributes

_json_fields: dict[type[Any], dict[str, JsonOf]] = {}


def remember(instance: Any, name: str, value: Any) -> None:
    """Note a value that validation has accepted."""
    instance_state(instance).info.setdefault(_ACCEPTED, {})[name] = value


def watch(model: Any) -> None:
    """Let each flush look at the instances of a mapped class."""
    columns = model.__mapper__.columns.items()
    fields = {name: column.type for name, column in columns if isinstance(column.type, JsonOf)}
    _json_fields[model] = fields
    for name in fields:
        # SQLAlchemy has no event for reading an attribute; its descriptor is the one place to notice it
        getattr(model, name).__class__ = _NoticedOnReading
    if fields:
        event.listen(model, "refresh", lambda state, _, names: _forget(state, names), raw=True)
        event.listen(model, "expire", _forget, raw=True)


@event.listens_for(Session, "before_flush")
@idle_at_plain_writes
def _before_flush(session: Session, context: Any, instances: Any) -> None:
    with session.no_autoflush:
        for instance in session.deleted:
            if type(instance) in _json_fields:
                _leave_links_to_the_database(instance)
        for instance in (*session.new, *session.dirty):
            if type(instance) in _json_fields:
                _validate(instance_state(instance), instance)
                if _json_fields[type(instance)]:
                    context.attributes.setdefault(_READ, []).append(instance)


def _validate(state: InstanceState[Any], instance: Any) -> None:
    for name in _changed_documents(state, instance):
        flag_modified(instance, name)
    model, names = type(instance), list(_to_validate(state, instance))
    values = checked(model, instance.__dict__, [(name, instance.__dict__[name]) for name in names])
    for name, value in values.items():
        if type(value) is not type(instance.__dict__[name]):  # coerced, not merely normalised again
            instance._keep(name, value)
    if names or state.key is None or state.committed_state:
        validate_whole(instance)


def _to_validate(state: InstanceState[Any], instance: Any) -> Iterator[str]:
    model, accepted = type(instance), state.info.get(_ACCEPTED, {})
    changed = instance.__dict__ if state.key is None else state.committed_state
    for name, field in model.model_fields.items():
        if name not in changed or name not in instance.__dict__:
            continue
        value = instance.__dict__[name]
        is_known = name in accepted and accepted[name] is value and name not in _json_fields[model]
        is_left_out = value is None and (field.default is None or name in twins_of(model).deferred)
        if not (is_known or is_left_out or isinstance(value, ClauseElement)):
            yield name


def _leave_links_to_the_database(instance: Any) -> None:
    """Forget loaded many-to-many collections, so that `ondelete` decides whether or not they are loaded."""
    state = instance_state(instance)
    names = [
        prop.key
        for prop in state.mapper.relationships
        if prop.secondary is not None and prop.passive_deletes == "all" and prop.key in instance.__dict__
    ]
    if names and state.session is not None:
        state.session.expire(instance, names)


# JSON documents


class _NoticedOnReading(InstrumentedAttribute[Any]):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Keep how a document looked when it was first read, and have the next flush look at it."""

    __slots__ = ()
    inherit_cache = True

    def __get__(self, instance: Any, owner: Any) -> Any:
        value = super().__get__(instance, owner)
        if instance is not None and value is not None:
            state = instance_state(instance)
            if state.key is not None and self.key not in state.info.get(_STORED, {}):
                _note(instance, self.key)
                flag_dirty(instance)
        return value


def _note(instance: Any, name: str) -> None:
    document = _document(_json_fields[type(instance)][name], instance.__dict__[name])
    instance_state(instance).info.setdefault(_STORED, {})[name] = document


def _document(json_type: JsonOf, value: Any) -> bytes | None:
    try:
        return json_type.document.adapter.dump_json(value, warnings=False)
    except (TypeError, ValueError):  # it has become something that validation will refuse
        return None


def _changed_documents(state: InstanceState[Any], instance: Any) -> Iterator[str]:
    stored = state.info.get(_STORED, {})
    for name, json_type in _json_fields[type(instance)].items():
        if state.key is not None and name in stored and name in instance.__dict__:
            document = _document(json_type, instance.__dict__[name])
            if document is None or document != stored[name]:
                yield name


def _forget(state: InstanceState[Any], names: Any) -> None:
    stored = state.info.get(_STORED, {})
    for name in list(stored) if names is None else names:
        stored.pop(name, None)


@event.listens_for(Session, "after_flush_postexec")
@idle_at_plain_writes
def _after_flush(session: Session, context: Any) -> None:
    read = [each for each in context.attributes.get(_READ, ()) if each in session]
    for instance in read:
        for name in _json_fields[type(instance)]:
            if instance.__dict__.get(name) is not None:
                _note(instance, name)
    # a commit flushes until nothing is marked, so it marks again only when it is done
    if _READ in session.info:
        session.info[_READ].extend(read)
    else:
        _mark(read)


def _mark(instances: list[Any]) -> None:
    for instance in instances:
        if instance_state(instance).info.get(_STORED):
            flag_dirty(instance)


@event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    session.info[_READ] = []


@event.listens_for(Session, "after_commit")
def _after_commit(session: Session) -> None:
    _mark([each for each in session.info.pop(_READ, ()) if each in session])


@event.listens_for(Session, "after_soft_rollback")
def _after_rollback(session: Session, previous: Any) -> None:
    session.info.pop(_READ, None)
