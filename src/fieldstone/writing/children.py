"""What nested values mean in the database: the rows they name, and which of them it refused, and why.

A database that refuses one of many rows tells a constraint at best. So nested rows are written behind a
savepoint; when they are refused it takes them back, the transaction lives on, and each foreign key and
unique key that was sent is looked up. That costs statements only when something is wrong, and what
cannot be told by looking is left as the database said it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table, select
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel

from fieldstone.errors import Problem
from fieldstone.keys import among, key_attributes, key_names, mapper_of
from fieldstone.writing.nesting import MOST_PROBLEMS, Key, Nest, Node, Reference
from fieldstone.writing.uniques import unique_keys

# Far below what drivers allow for one statement, for keys of several columns.
_AT_ONCE = 5_000


def resolve(session: Session, nest: Nest) -> list[tuple[Reference, Any]]:
    """Find the stored rows that are named by key: one statement for each of their models.

    Raises InvalidValues with the path of each that does not exist.
    """
    targets: dict[type[SQLModel], list[Key]] = {}
    for one in nest.references:
        targets.setdefault(one.target, []).append(one.key)
    found = {target: _instances(session, target, keys) for target, keys in targets.items()}
    nest.problems += [
        _missing((*one.path, key_names(one.target)[0]), one.target.__name__)
        for one in nest.references
        if one.key not in found[one.target]
    ]
    nest.refuse()
    return [(one, found[one.target][one.key]) for one in nest.references]


def faults(session: Session, nest: Nest, dialect: str) -> list[Problem]:
    """Look for what the database refused in nested rows; nothing where the cause is the root's alone."""
    problems = [*_without_target(session, nest), *_taken(session, nest, dialect)]
    return problems[:MOST_PROBLEMS] if any(len(one.path) > 1 for one in problems) else []


def _without_target(session: Session, nest: Nest) -> Iterator[Problem]:
    """Yield the foreign keys that point nowhere."""
    asked: dict[ForeignKeyConstraint, list[tuple[Node, str, Key]]] = {}
    for node in nest.nodes:
        for key, names in _foreign_keys(node.model):
            values = node.known(names)
            if values is not None:
                asked.setdefault(key, []).append((node, names[0], values))
    for key, found in asked.items():
        stored = _stored(session, _referred(found[0][0].model, key), [one for _, _, one in found])
        other = _name(found[0][0].model, key.referred_table)
        for node, name, values in found:
            if values not in stored:
                yield _missing(node.where(name), other)


def _taken(session: Session, nest: Nest, dialect: str) -> Iterator[Problem]:
    """Yield the unique values that another row has."""
    asked: dict[tuple[type[SQLModel], tuple[str, ...]], list[tuple[Node, Key]]] = {}
    for node in nest.nodes:
        for key in unique_keys(node.model, dialect):
            values = node.known(key.fields) if key.fields and key.full else None
            if values is not None:
                asked.setdefault((node.model, key.fields), []).append((node, values))
    for (model, names), found in asked.items():
        columns = [getattr(model, name) for name in names]
        stored = _stored(session, columns, [values for _, values in found])
        for node, values in found:
            if values in stored:
                yield Problem(node.where(names[0]), "unique", "is taken by another row. Choose another")


def _missing(path: tuple[str | int, ...], other: str) -> Problem:
    message = f"points to {other} that does not exist. Create that first, or send another key"
    return Problem(path, "foreign_key", message)


def _name(model: type[SQLModel], table: Table) -> str:
    found = [one.class_.__name__ for one in mapper_of(model).registry.mappers if one.local_table is table]
    return found[0] if found else table.name


def _referred(model: type[SQLModel], key: ForeignKeyConstraint) -> list[Any]:
    """Give what a foreign key points to, through its model: what the session does not see is missing."""
    columns = [element.column for element in key.elements]
    for one in mapper_of(model).registry.mappers:
        if one.local_table is key.referred_table:
            return [getattr(one.class_, one.get_property_by_column(column).key) for column in columns]
    return columns


def _foreign_keys(model: type[SQLModel]) -> Iterator[tuple[ForeignKeyConstraint, tuple[str, ...]]]:
    mapper = mapper_of(model)
    for table in mapper.tables:
        for key in table.foreign_key_constraints if isinstance(table, Table) else ():
            yield key, tuple(mapper.get_property_by_column(element.parent).key for element in key.elements)


def _stored(session: Session, columns: list[Any], keys: list[Key]) -> set[Key]:
    """Tell which of the keys are there."""
    wanted = list(dict.fromkeys(keys))
    found: set[Key] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        statement = select(*columns).where(among(columns, wanted[start : start + _AT_ONCE]))
        found |= {tuple(row) for row in SQLAlchemySession.execute(session, statement)}
    return found


def _instances(session: Session, model: type[SQLModel], keys: list[Key]) -> dict[Key, Any]:
    names, wanted = key_names(model), list(dict.fromkeys(keys))
    found: dict[Key, Any] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        attributes = list(key_attributes(model))
        statement = select(model).where(among(attributes, wanted[start : start + _AT_ONCE]))
        for instance in SQLAlchemySession.scalars(session, statement):
            found[tuple(getattr(instance, name) for name in names)] = instance
    return found
