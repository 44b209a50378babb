"""One row written through its instance: every rule, event and listener sees it before and after.

Each function flushes, so that what the database refuses is refused here, as an error that names the
field. None of them commits: the transaction that holds the session does, once, for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, SQLModel

from fieldstone.errors import Conflict, InvalidValues, ModelError, NotFound, Problem
from fieldstone.keys import key_names, key_values, mapper_of
from fieldstone.schemas import stored_values
from fieldstone.scopes import fills_of
from fieldstone.verbs import verb
from fieldstone.violations import explained
from fieldstone.visibility import INCLUDING_DELETED, is_hidden, is_hiding
from fieldstone.writing.children import faults, resolve
from fieldstone.writing.cycles import refuse_cycles
from fieldstone.writing.marking import mark, unmark
from fieldstone.writing.nesting import Nest, nest
from fieldstone.writing.versions import Version, based_on

refuse_cycles()

ModelT = TypeVar("ModelT", bound=SQLModel)
Data = BaseModel | Mapping[str, Any]


def create_instance(session: Session, model: type[ModelT], data: Data) -> ModelT:
    """Insert a row, with what is nested in it, and return its instance."""
    made = nest(data, model, partial(fills_of, session))
    instance: ModelT = made.root.instance
    if len(made.nodes) > 1 or made.references:
        _flush_whole(session, made)
        return instance
    session.add(instance)
    return _flushed(session, instance)


def patch_instance(
    session: Session, model: type[ModelT], key: Any, data: Data, *, version: Version | None = None
) -> ModelT:
    """Change the sent fields of a row, and return its instance."""
    values = stored_values(data, model, sent_only=True)
    instance = _found(session, model, key)
    _keep_key(instance, values)
    with based_on(instance, key, version):
        instance.sqlmodel_update(values)
        return _flushed(session, instance)


@verb
def delete(
    session: Session,
    model: type[ModelT],
    key: Any,
    *,
    version: Version | None = None,
    for_good: bool = False,
) -> None:
    """Delete the row with this key. What points to it follows its foreign key's `ondelete`.

    A row of a SoftDeleted model is only marked, until it is deleted `for_good`, marked or not.
    Raises NotFound, Conflict where other rows point to it and no `ondelete` is declared, and
    StaleVersion where its version is not, or not one of, the given.
    """
    marking = is_hiding(model) and not for_good
    instance = _found(session, model, key, deleted=for_good)
    with based_on(instance, key, version), explained(metadata=model.metadata):
        if marking:
            mark(session, model, [instance])
            return
        session.delete(instance)
        session.flush()
    _follow_ondelete(session, instance)


@verb
def restore(session: Session, model: type[ModelT], key: Any) -> ModelT:
    """Bring back a row that was deleted softly, with what was marked together with it.

    A row that is not deleted stays as it is. Raises NotFound, and Conflict where another row has taken a
    unique value meanwhile.
    """
    if not is_hiding(model):
        raise ModelError(
            f"{model.__name__} keeps no deleted rows, so none can be restored. "
            f"Derive it from SoftDeleted: class {model.__name__}(..., SoftDeleted, table=True)."
        )
    instance = _found(session, model, key, deleted=True)
    with explained(metadata=model.metadata):
        unmark(session, instance)
    return _flushed(session, instance)


def _found(session: Session, model: type[ModelT], key: Any, *, deleted: bool = False) -> ModelT:
    options = INCLUDING_DELETED if deleted else {}
    instance = session.get(model, key_values(model, key), execution_options=options)
    if instance is None or (is_hidden(instance) and not deleted):
        raise NotFound(model.__name__, key=key)
    return instance


def _keep_key(instance: SQLModel, values: Mapping[str, Any]) -> None:
    """Refuse to change what identifies the row: whatever points to it would point nowhere."""
    changed = [
        name
        for name in key_names(type(instance))
        if values.get(name, vars(instance)[name]) != vars(instance)[name]
    ]
    if changed:
        message = "is the key, and a key stays. Create a row under the new key, and delete this one"
        raise InvalidValues(type(instance).__name__, [Problem((name,), "key", message) for name in changed])


def _flushed(session: Session, instance: ModelT) -> ModelT:
    """Flush, then fetch what only the database knows, so that the instance can be read without I/O."""
    with explained(metadata=instance.metadata):
        session.flush()
        if sa_inspect(instance).expired_attributes:
            session.refresh(instance)
    return instance


def _flush_whole(session: Session, made: Nest) -> None:
    """Flush a row with all that is nested in it, and say of each part that is refused where it was sent."""
    root, dialect = made.root, session.get_bind(made.root.model).dialect.name
    made.problems += made.repeated(dialect)
    made.refuse()
    with explained(metadata=root.model.metadata):
        stored = resolve(session, made)
    try:
        with explained(metadata=root.model.metadata), session.begin_nested():
            session.add(root.instance)
            with session.no_autoflush:
                for reference, target in stored:
                    getattr(reference.owner.instance, reference.name).append(target)
            for node in made.nodes:
                _flushed(session, node.instance)
    except (Conflict, InvalidValues) as error:
        problems = faults(session, made, dialect)
        if problems:
            raise InvalidValues(root.model.__name__, problems) from error
        raise


def _follow_ondelete(session: Session, deleted: SQLModel) -> None:
    """Make the children that are in memory agree with what the database has just done to their rows."""
    for relationship in mapper_of(type(deleted)).relationships:
        if relationship.passive_deletes != "all" or relationship.key not in vars(deleted):
            continue
        loaded: Any = vars(deleted)[relationship.key] or []
        for child in loaded if isinstance(loaded, list) else [loaded]:
            if child in session:
                _follow_one(session, child, relationship)


def _follow_one(session: Session, child: SQLModel, relationship: RelationshipProperty[Any]) -> None:
    for column in relationship.remote_side:
        for foreign_key in column.foreign_keys:
            if foreign_key.ondelete == "CASCADE":
                session.expunge(child)
                return
            if foreign_key.ondelete == "SET NULL":
                set_committed_value(child, relationship.mapper.get_property_by_column(column).key, None)
