"""The scopes of a session, and the option by which each narrows the statements of that session.

A scope is a condition on a model. It travels as a loader option, like the one that hides deleted rows,
so it reaches joins, EXISTS, subqueries and aliases, whoever wrote the statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Delete, Select, Update, select
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.orm.util import LoaderCriteriaOption
from sqlalchemy.sql.visitors import iterate, replacement_traverse
from sqlmodel import SQLModel

from fieldstone.keys import among, key_attributes, mapper_of
from fieldstone.visibility import is_hiding, is_unscoped

_SCOPES = "fieldstone scopes"  # key of Session.info


class _Within(LoaderCriteriaOption):
    """Hold a model to a condition, also under an alias that is joined by a condition of one's own."""

    _traverse_internals = LoaderCriteriaOption._traverse_internals

    def _resolve_where_criteria(self, ext_info: Any) -> Any:
        condition = super()._resolve_where_criteria(ext_info)
        return ext_info._adapter.traverse(condition) if ext_info.is_aliased_class else condition


@dataclass(frozen=True, eq=False)
class Scope:
    """The rows of a model that a session may touch: those of the condition.

    `values` are those that each such row has; `conditional` tells whether that says less than the condition.
    """

    model: type[SQLModel]
    condition: ColumnElement[bool]
    values: Mapping[str, Any]
    conditional: bool
    option: _Within

    def names(self) -> frozenset[str]:
        """Name the attributes that decide whether a row is within."""
        found = (attribute_of(self.model, part) for part in iterate(self.condition))
        return frozenset(name for name in found if name is not None)

    def by_itself(self) -> ColumnElement[bool]:
        """Give the condition in a form that stands alone, where no SELECT surrounds it."""
        if not any(isinstance(part, Select) for part in iterate(self.condition)):
            return self.condition
        other = mapper_of(self.model).local_table.alias()

        def under_alias(element: Any, **_: Any) -> Any:
            return None if attribute_of(self.model, element) is None else other.c[element.key]

        inside: Any = replacement_traverse(self.condition, {}, under_alias)
        columns: list[Any] = [other.c[str(one.expression.key)] for one in key_attributes(self.model)]
        return among(list(key_attributes(self.model)), select(*columns).where(inside))


def scope(
    model: type[SQLModel], condition: ColumnElement[bool], values: Mapping[str, Any], conditional: bool
) -> Scope:
    """Make a scope with its option."""
    return Scope(model, condition, values, conditional, _Within(model, condition, include_aliases=True))


def scopes_of(session: Session) -> dict[type[SQLModel], Scope]:
    """Give the scopes of a session by model."""
    found: dict[type[SQLModel], Scope] = session.info.get(_SCOPES, {})
    return found


def keep(session: Session, made: Scope) -> None:
    """Note a scope."""
    session.info[_SCOPES] = {**scopes_of(session), made.model: made}


def scope_of(session: Session, model: type[Any]) -> Scope | None:
    """Give the scope of a model, which may be said of the one at the top of its inheritance."""
    scopes = scopes_of(session)
    return scopes.get(mapper_of(model).base_mapper.class_) if scopes else None


def is_scoped(session: Session) -> bool:
    """Tell whether a session has any scope."""
    return bool(scopes_of(session))


def is_limited(session: Session, model: type[Any]) -> bool:
    """Tell whether there may be rows of a model that the session does not see."""
    return is_hiding(model) or scope_of(session, model) is not None


def fills_of(session: Session, model: type[Any]) -> Mapping[str, Any]:
    """Give the values that each new row of a model gets in this session."""
    found = scope_of(session, model)
    return {} if found is None else found.values


def limit(state: ORMExecuteState) -> None:
    """Narrow a statement to the scopes of its session."""
    statement: Any = state.statement
    if not isinstance(statement, _LIMITED) or is_unscoped(state.execution_options):
        return
    options = [one.option for one in scopes_of(state.session).values()]
    new = [option for option in options if option not in statement._with_options]
    if new:
        state.statement = statement.options(*new)


_LIMITED = (Select, CompoundSelect, Update, Delete)


def attribute_of(model: type[Any], element: Any) -> str | None:
    """Name the attribute that a column of the model's own table, under no alias, holds."""
    table = getattr(element, "table", None)
    name = getattr(table, "fullname", None)
    mapper = sa_inspect(model)
    own: Any = next((one for one in mapper.tables if name is not None and one.fullname == name), None)
    column = None if own is None else own.c.get(element.key)
    return None if column is None else str(mapper.get_property_by_column(column).key)
