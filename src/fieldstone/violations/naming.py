"""From a table, column or constraint of the database to the model and field that people know.

Read from the metadata and the mappers at hand, when an error needs words; nothing is cached, since
errors are rare and tables may still be added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, MetaData, Table, UniqueConstraint
from sqlalchemy import inspect as inspected
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.schema import ColumnCollectionConstraint
from sqlmodel import SQLModel


def subject(table: Table | None, *, default: str | None = None) -> str:
    """Name the model of a table; the table itself where it has none."""
    if table is None:
        return default or "The row"
    mapper = _mapper(table)
    return mapper.class_.__name__ if mapper is not None else table.name


def fields(table: Table | None, columns: Iterable[str]) -> list[str]:
    """Name the model's attributes for columns, in the same order."""
    mapper = None if table is None else _mapper(table)
    return [_attribute(mapper, table, name) for name in columns]


def find_table(metadata: MetaData, name: str) -> Table | None:
    """Find a table by its bare name; None where two schemas hold one."""
    found = [table for table in metadata.tables.values() if table.name == name]
    return found[0] if len(found) == 1 else metadata.tables.get(name)


def constraint_columns(table: Table | None, name: str | None) -> list[str]:
    """Give the columns of a named constraint or unique index."""
    if table is None or name is None:
        return []
    return next((_column_names(one) for one in _named(table) if _same(one.name, name)), [])


def unique_name(table: Table | None, columns: Iterable[str]) -> str | None:
    """Give the name of the unique constraint or index over these columns, where SQLite names only columns."""
    wanted = set(columns)
    if table is None or not wanted:
        return None
    for one in _named(table):
        unique = one.unique if isinstance(one, Index) else not isinstance(one, ForeignKeyConstraint)
        if unique and set(_column_names(one)) == wanted and one.name is not None:
            return str(one.name)
    return None


def foreign_key(table: Table | None, name: str | None) -> ForeignKeyConstraint | None:
    """Find a foreign key of a table by name."""
    if table is None or name is None:
        return None
    return next((key for key in table.foreign_key_constraints if _same(key.name, name)), None)


def find_check(metadata: MetaData, table: Table | None, name: str | None) -> CheckConstraint | None:
    """Find a CHECK by name, or by its own text where it has no name."""
    tables = metadata.tables.values() if table is None else (table,)
    for one in tables:
        for constraint in one.constraints:
            if isinstance(constraint, CheckConstraint) and (
                _same(constraint.name, name or "") or str(constraint.sqltext) == name
            ):
                return constraint
    return None


def check_columns(check: CheckConstraint) -> list[str]:
    """Give the columns that a CHECK reads, also where it was written as text."""
    if len(check.columns):
        return [column.name for column in check.columns]
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'", "", str(check.sqltext))))
    return [column.name for column in check.table.columns if column.name in words]


def sqlite_columns(
    metadata: MetaData, told: str, statement_table: Table | None
) -> tuple[Table | None, list[str]]:
    """Read 'task.title, task.owner' or "index 'ix_name'", as SQLite names what failed."""
    if index := re.fullmatch(r"index '(.+)'", told):
        return statement_table, constraint_columns(statement_table, index[1])
    pairs = [item.rpartition(".") for item in told.split(", ") if "." in item]
    if not pairs:
        return statement_table, []
    table = find_table(metadata, pairs[0][0])
    return statement_table if table is None else table, [column for _, _, column in pairs]


def _mapper(table: Table) -> Mapper[object] | None:
    """Find the mapper of a table: of several models in one table, the one the others inherit from."""
    for model in _models(SQLModel):
        mapper: Mapper[object] | None = inspected(model, raiseerr=False)
        if mapper is not None and mapper.local_table is table:
            return mapper
    return None


def _models(parent: type[SQLModel]) -> Iterator[type[SQLModel]]:
    """Walk the models, parents first."""
    for model in parent.__subclasses__():
        yield model
        yield from _models(model)


def _attribute(mapper: Mapper[object] | None, table: Table | None, name: str) -> str:
    column = table.c.get(name) if table is not None else None
    if mapper is None or column is None or column not in mapper.columns.values():
        return name
    return mapper.get_property_by_column(column).key


def _named(
    table: Table,
) -> Iterator[UniqueConstraint | ForeignKeyConstraint | Index | ColumnCollectionConstraint]:
    for constraint in table.constraints:
        if isinstance(constraint, ColumnCollectionConstraint):
            yield constraint
    yield from table.indexes


def _column_names(constraint: ColumnCollectionConstraint | Index) -> list[str]:
    return [column.name for column in constraint.columns]


def _same(name: object, told: str) -> bool:
    # PostgreSQL cuts identifiers at 63 bytes.
    return name is not None and str(name).encode()[:63] == told.encode()[:63]
