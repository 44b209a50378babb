"""What a statement joins, and whether a join gives more than one row for each row of its model.

A table is `single` when the conditions of the joins (and of WHERE) equate the columns of one of its
unique keys with constants or with columns of the model and of other single tables. Then every row of the
model stands at one place only, however it was joined: by relationship, by condition, through aliases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Alias,
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    Column,
    Join,
    Table,
    UniqueConstraint,
)
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.sql import operators

from fieldstone.errors import PlanError


@dataclass
class Source:
    """A table in FROM: `optional` if an outer join may leave it out, `single` if it multiplies nothing."""

    optional: bool
    single: bool = False


@dataclass(frozen=True)
class Tie:
    """A condition that fixes `column` of `table`, given the row of `source`, or given nothing."""

    table: Any
    column: str
    source: Any | None


def sources(statement: Any, entity: Any) -> dict[Any, Source]:
    """Look at FROM and WHERE. Raises PlanError where the model's rows come more than once, or not at all."""
    found: dict[Any, Source] = {}
    ties: list[Tie] = list(_ties(statement.whereclause))
    for clause in statement.get_final_froms():
        _gather(clause, False, found, ties)
    roots = [table for table in leaves(sa_inspect(entity).selectable) if table in found]
    _settle(found, ties, roots)
    name = sa_inspect(entity).mapper.class_.__name__
    if any(found[table].optional for table in roots):
        raise PlanError(
            f"A keyset page of {name} needs {name} in every row, and an outer join may leave it out. "
            f"Start from select({name}) and join the rest to it."
        )
    several = [_named(table) for table, source in found.items() if not source.single]
    if several and not statement._distinct:
        raise PlanError(
            f"A keyset page of {name} cannot join {', '.join(several)}: one {name} may come several times. "
            f"Filter by exists, as in {name}.others.any(...), or add distinct()."
        )
    return found


def _gather(clause: Any, optional: bool, found: dict[Any, Source], ties: list[Tie]) -> None:
    if not isinstance(clause, Join):
        found[clause] = Source(optional)
        return
    _gather(clause.left, optional or clause.full, found, ties)
    _gather(clause.right, optional or clause.full or clause.isouter, found, ties)
    inner = not (clause.isouter or clause.full)
    right = set(leaves(clause.right))
    # What an outer join demands of its left side is no filter: rows that lack it stay.
    ties += [tie for tie in _ties(clause.onclause) if inner or tie.table in right]


def leaves(clause: Any) -> Iterator[Any]:
    """Yield the tables that a clause of FROM consists of."""
    if isinstance(clause, Join):
        yield from leaves(clause.left)
        yield from leaves(clause.right)
    else:
        yield clause


def _ties(condition: Any) -> Iterator[Tie]:
    """Yield what a condition fixes: the equalities that it consists of."""
    if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _ties(part)
    elif isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
        sides = (condition.left, condition.right)
        for this, that in (sides, sides[::-1]):
            if isinstance(this, Column) and isinstance(that, Column):
                yield Tie(this.table, this.key, that.table)
            elif isinstance(this, Column) and isinstance(that, BindParameter):
                yield Tie(this.table, this.key, None)


def _settle(found: dict[Any, Source], ties: list[Tie], roots: list[Any]) -> None:
    """Mark the root as single, then what it fixes, then what that fixes."""
    for table in roots:
        found[table].single = True
    progress = True
    while progress:
        progress = False
        for table, source in found.items():
            if not source.single and _is_fixed(table, found, ties):
                source.single = progress = True


def _is_fixed(table: Any, found: dict[Any, Source], ties: list[Tie]) -> bool:
    fixed = {
        tie.column
        for tie in ties
        if tie.table == table
        and (tie.source is None or (tie.source != table and tie.source in found and found[tie.source].single))
    }
    return any(unique <= fixed for unique in _unique_keys(table))


def _unique_keys(table: Any) -> Iterator[set[str]]:
    stored = table.element if isinstance(table, Alias) else table
    if not isinstance(stored, Table):
        return
    if stored.primary_key.columns:
        yield {column.key for column in stored.primary_key.columns}
    for constraint in stored.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield {column.key for column in constraint.columns}
    for index in stored.indexes:
        partial = any(
            index.dialect_options[name].get("where") is not None for name in ("postgresql", "sqlite")
        )
        if index.unique and not partial and len(index.columns) == len(index.expressions):
            yield {column.key for column in index.columns}


def _named(table: Any) -> str:
    stored = table.element if isinstance(table, Alias) else table
    return stored.name if isinstance(stored, Table) else "a subquery"
