"""How the rows of one table hang together: a foreign key that points into its own table.

Such a key makes a tree when the model has the list side of it (`subtasks`), for a row with children
that is its own ancestor is no tree. Without a list side (`next_id`, `spouse_id`) a ring may be meant.

The recursive queries along a branch end also where a ring is stored: UNION drops what repeats itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    FromClause,
    Select,
    Table,
    and_,
    literal,
    select,
)
from sqlalchemy.orm import Mapper, RelationshipProperty

from fieldstone.cache import cached
from fieldstone.keys import mapper_of

Statement = Select[*tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Branch:
    """One self-reference: `up` names the attributes that hold the parent's `key`."""

    table: Table
    pairs: tuple[tuple[Column[Any], Column[Any]], ...]
    up: tuple[str, ...]
    key: tuple[str, ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]
    deferrable: bool

    def key_of(self, table: FromClause) -> list[ColumnElement[Any]]:
        """Give the columns of an alias of the table that its children point to."""
        return [table.c[column.key] for _, column in self.pairs]

    def up_of(self, table: FromClause) -> list[ColumnElement[Any]]:
        """Give the columns of an alias of the table that point to the parent."""
        return [table.c[column.key] for column, _ in self.pairs]

    @property
    def acyclic(self) -> bool:
        """Whether a row may not stand below itself; `info={"acyclic": ...}` on the column decides it."""
        said = [column.info["acyclic"] for column, _ in self.pairs if "acyclic" in column.info]
        return bool(said[0]) if said else bool(self.children)


@cached
def branches_of(model: type[Any]) -> tuple[Branch, ...]:
    """Find the self-references of a model."""
    mapper = mapper_of(model)
    mapper.registry.configure()
    tables = [table for table in mapper.tables if isinstance(table, Table)]
    keys = [key for table in tables for key in table.foreign_key_constraints if key.referred_table is table]
    return tuple(_branch(mapper, key) for key in sorted(keys, key=lambda key: tuple(key.column_keys)))


def upwards(branch: Branch, start: FromClause, *conditions: ColumnElement[bool]) -> CTE:
    """Build the ways up from rows: each key of theirs with each key above it, at `own` and `above`."""
    further, names = branch.table.alias(), ("own", "above")
    first = select(*_named("own", branch.key_of(start)), *_named("above", branch.up_of(start)))
    path = _not_null(first.where(*conditions), branch.up_of(start)).cte("upwards", recursive=True)
    own, above = (columns_of(path, name, branch) for name in names)
    step = select(*own, *branch.up_of(further)).join_from(path, further, equal(branch.key_of(further), above))
    return path.union(_not_null(step, branch.up_of(further)))


def downwards(branch: Branch, start: FromClause, levels: int | None, *conditions: ColumnElement[bool]) -> CTE:
    """Build the keys of rows and of what is below them, down to so many levels, at `own`."""
    child = branch.table.alias()
    first = select(*_named("own", branch.key_of(start))).where(*conditions)
    if levels is not None:
        first = first.add_columns(literal(0).label("level"))
    below = first.cte("downwards", recursive=True)
    meets = equal(branch.up_of(child), columns_of(below, "own", branch))
    step = select(*branch.key_of(child)).join_from(below, child, meets)
    if levels is not None:
        step = step.add_columns(below.c.level + 1).where(below.c.level < levels)
    return below.union(step)


def columns_of(query: CTE, name: str, branch: Branch) -> list[ColumnElement[Any]]:
    """Give the columns of a key in one of these queries."""
    return [query.c[f"{name}_{place}"] for place in range(len(branch.pairs))]


def equal(columns: Iterable[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Build the condition that columns have these values."""
    return and_(*[column == value for column, value in zip(columns, values, strict=True)])


def _named(name: str, columns: list[ColumnElement[Any]]) -> list[Any]:
    return [column.label(f"{name}_{place}") for place, column in enumerate(columns)]


def _not_null(statement: Statement, columns: list[ColumnElement[Any]]) -> Statement:
    return statement.where(*[column.is_not(None) for column in columns])


def _branch(mapper: Mapper[Any], constraint: ForeignKeyConstraint) -> Branch:
    pairs = tuple((element.parent, element.column) for element in constraint.elements)
    along = [one for one in mapper.relationships if _follows(one, pairs)]
    return Branch(
        table=constraint.table,
        pairs=pairs,
        up=tuple(mapper.get_property_by_column(column).key for column, _ in pairs),
        key=tuple(mapper.get_property_by_column(referred).key for _, referred in pairs),
        parents=tuple(one.key for one in along if one.direction.name == "MANYTOONE"),
        children=tuple(one.key for one in along if one.direction.name == "ONETOMANY" and one.uselist),
        deferrable=bool(constraint.deferrable),
    )


def _follows(
    relationship: RelationshipProperty[Any], pairs: tuple[tuple[Column[Any], Column[Any]], ...]
) -> bool:
    if relationship.secondary is not None or relationship.viewonly:
        return False
    joined = {frozenset(pair) for pair in relationship.local_remote_pairs or ()}
    return joined == {frozenset(pair) for pair in pairs}
