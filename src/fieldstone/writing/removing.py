"""One row deleted by one statement, without a session: the direct body of `delete`.

A session reads the row first, for the rules that need it. Where nobody listens, no history is kept of what
changes, and the database alone follows the foreign keys, the statement says all there is to say. It tells
successes alone: a row that is not there, is in another version or may not go is left to the ordinary body,
which says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ForeignKey, Table
from sqlalchemy.orm import RelationshipProperty
from sqlmodel import Session, SQLModel

from fieldstone.autocommit import Ask, Direct, GiveWay, Steps
from fieldstone.cache import cached
from fieldstone.keys import key_names, mapper_of, version_name
from fieldstone.listeners import AUDITED, concerned_by_delete
from fieldstone.visibility import is_hiding
from fieldstone.writing.commands import KEY, VERSION, deleting, kept
from fieldstone.writing.single import delete
from fieldstone.writing.storing import NotStraight, counted, key_of
from fieldstone.writing.versions import Version

__all__ = ["delete", "why_not"]


@delete.direct
def _delete_at_once(
    direct: Direct,
    model: type[SQLModel],
    key: Any,
    *,
    version: Version | None = None,
    for_good: bool = False,
) -> Steps[None]:
    if why_not(model) is not None:
        raise GiveWay
    try:
        found, based_on = key_of(model, key), counted(version_name(model), version)
    except NotStraight:
        raise GiveWay from None
    values = {f"{name}{KEY}": part for name, part in zip(key_names(model), found, strict=True)}
    versioned, added = based_on is not None, direct.added
    if versioned:
        values[f"{version_name(model)}{VERSION}"] = based_on
    command = kept(
        direct.owner,
        ("delete", direct.dialect, added, model, versioned),
        lambda: deleting(model, direct.dialect, versioned=versioned, options=added),
    )
    if command is None:
        raise GiveWay
    _, rows = yield Ask(command.sql, command.arguments(values))
    if not rows:  # nothing was deleted
        raise GiveWay


def why_not(model: type[SQLModel]) -> str | None:
    """Say what keeps the rows of a model from being deleted by a statement; None where nothing does."""
    forbidden = _forbidden(model)
    if forbidden is not None:
        return forbidden
    heard = concerned_by_delete(_ANY_SESSION, model)
    if heard is not None:
        return f"somebody listens to {heard}"
    table: Any = mapper_of(model).local_table
    if any(AUDITED in one.info for one in _touched(table, len(table.metadata.tables))):
        return "there is a history of what its deletion changes"
    return None


_ANY_SESSION = Session()


@cached
def _forbidden(model: type[SQLModel]) -> str | None:
    mapper = mapper_of(model)
    table = mapper.local_table
    if mapper.polymorphic_on is not None or len(mapper.tables) > 1 or not isinstance(table, Table):
        return "its rows are told apart by kind, or lie in several tables"
    if is_hiding(model):
        return "its rows are marked, and not deleted"
    followed = [one.key for one in mapper.relationships if not _is_left_to_database(one)]
    return f"a session has to follow {', '.join(followed)}" if followed else None


def _is_left_to_database(relationship: RelationshipProperty[Any]) -> bool:
    if relationship.viewonly:
        return True
    if relationship.cascade.delete:
        return False
    if relationship.secondary is not None:
        keys = [key for key in relationship.secondary.foreign_keys if _target(key) == _table_of(relationship)]
        return all(key.ondelete == "CASCADE" for key in keys)
    return relationship.direction.name == "MANYTOONE" or relationship.passive_deletes == "all"


@cached
def _touched(table: Table, _tables: int) -> tuple[Table, ...]:
    """Give a table and those whose rows the database changes with its own; found anew with new tables."""
    found = [table]
    for one in found:
        found += [other for other in _pointing_at(one) if other not in found]
    return tuple(found)


def _pointing_at(table: Table) -> Iterator[Table]:
    for other in table.metadata.tables.values():
        if any(key.ondelete and _target(key) == table.fullname for key in other.foreign_keys):
            yield other


def _table_of(relationship: RelationshipProperty[Any]) -> str:
    table: Any = relationship.parent.local_table
    return str(table.fullname)


def _target(key: ForeignKey) -> str:
    return key.target_fullname.rpartition(".")[0]
