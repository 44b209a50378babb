"""How the rows of one table hang together: a foreign key that points into its own table.

Such a key makes a tree when the model has the list side of it (`subtasks`), for a row with children
that is its own ancestor is no tree. Without a list side (`next_id`, `spouse_id`) a ring may be meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Table
from sqlalchemy.orm import Mapper, RelationshipProperty

from fieldstone.cache import cached
from fieldstone.keys import mapper_of


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
