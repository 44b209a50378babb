"""Which rows the statements of a session see: none that are deleted softly, unless a statement asks for them.

An event adds the condition to each ORM statement as a loader option, which SQLAlchemy carries into
every place where a model stands: joins, EXISTS, subqueries, aliases, updates and deletes. What names
bare tables (a link table, the keys of a tree) is not reached; who writes such a statement looks
through a model.

The event is heard only once there is a model to hide rows of, so that others pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import CompoundSelect, Delete, Executable, Select, Update, event, true
from sqlalchemy.orm import Mapper, ORMExecuteState, Session
from sqlalchemy.orm.util import LoaderCriteriaOption
from sqlmodel import SQLModel

from fieldstone.listeners import adding_at_reads
from fieldstone.models import SoftDeleted

StatementT = TypeVar("StatementT", bound=Executable)

_INCLUDING_DELETED = "fieldstone_including_deleted"  # an execution option

Sight = Mapping[str, bool]

NORMAL: Sight = {}
INCLUDING_DELETED: Sight = {_INCLUDING_DELETED: True}
"""The execution options of a statement that sees deleted rows."""

_UNSCOPED = "fieldstone_unscoped"
UNSCOPED: Sight = {_UNSCOPED: True}
"""The execution options of a statement that no scope limits: it does what a foreign key would do."""

SHOWN = "shown_"
"""How the name of an alias begins whose rows are seen in any case."""


def including_deleted(statement: StatementT) -> StatementT:
    """Let a statement see rows that are deleted softly, in everything that it reads or writes."""
    return statement.execution_options(**INCLUDING_DELETED)


def sees_deleted(statement: Any) -> bool:
    """Tell whether a statement asked for deleted rows."""
    return is_seeing_deleted(statement.get_execution_options())


def is_seeing_deleted(options: Mapping[str, Any]) -> bool:
    """Tell by the execution options of a statement whether it sees deleted rows."""
    return bool(options.get(_INCLUDING_DELETED))


def is_unscoped(options: Mapping[str, Any]) -> bool:
    """Tell by the execution options of a statement whether scopes leave it alone."""
    return bool(options.get(_UNSCOPED))


def sight_of(statement: Any) -> Sight:
    """Give of a statement's execution options those that another statement needs to see the same rows."""
    return sight_in(statement.get_execution_options())


def sight_in(options: Mapping[str, Any]) -> Sight:
    """Give of execution options those that say which rows are seen."""
    return (
        {name: True for name in (_INCLUDING_DELETED, _UNSCOPED) if options.get(name)} if options else NORMAL
    )


def is_hiding(model: type[Any]) -> bool:
    """Tell whether a model may have deleted rows."""
    return issubclass(model, SoftDeleted)


def is_hidden(instance: SQLModel) -> bool:
    """Tell whether an instance that a session may hold from before is deleted."""
    return isinstance(instance, SoftDeleted) and instance.deleted_at is not None


class _NotDeleted(LoaderCriteriaOption):
    """One option for all such models: what differs between them is found when a statement is compiled."""

    _traverse_internals = LoaderCriteriaOption._traverse_internals
    spares_shown_aliases = True  # said for those who look at the options of a statement

    def __init__(self) -> None:
        super().__init__(SoftDeleted, true(), include_aliases=True)

    def _resolve_where_criteria(self, ext_info: Any) -> Any:
        if ext_info.is_aliased_class and (ext_info.name or "").startswith(SHOWN):
            return true()
        return ext_info.entity.deleted_at.is_(None)


_NOT_DELETED = _NotDeleted()
_LIMITED = (Select, CompoundSelect, Update, Delete)
_made: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


@adding_at_reads(_NOT_DELETED)
def _hide(state: ORMExecuteState) -> None:
    statement: Any = state.statement
    if is_seeing_deleted(state.execution_options) or not isinstance(statement, _LIMITED):
        return
    if _NOT_DELETED not in statement._with_options:  # what an instance loads has the options of its statement
        state.statement = _hiding(statement)


def _hiding(statement: Any) -> Any:
    """Give a statement with the option; the same one again where a statement is kept, with its cache key."""
    found = _made.get(statement)
    if found is None:
        found = _made[statement] = statement.options(_NOT_DELETED)
    return found


def _enlist(mapper: Mapper[Any], model: type[Any]) -> None:
    if not event.contains(Session, "do_orm_execute", _hide):
        event.listen(Session, "do_orm_execute", _hide)


event.listen(SoftDeleted, "after_mapper_constructed", _enlist, propagate=True)
