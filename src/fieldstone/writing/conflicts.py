"""What an upsert asks of the database: INSERT ... ON CONFLICT, as a statement that can be printed.

PostgreSQL and SQLite share the form. What is written where a row is stored already, which stored
rows count as different, and which input cannot be upserted at all, is decided here; nothing runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, false, literal_column, or_
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

from fieldstone.errors import Conflict, InvalidValues, ModelError, Problem
from fieldstone.keys import key_names, mapper_of, version_name
from fieldstone.models import Timestamps
from fieldstone.visibility import is_hiding
from fieldstone.writing.rows import Row, stamps
from fieldstone.writing.uniques import On, UniqueKey, unique_key

_POSTGRESQL: Any = postgresql.dialect  # its constructor has no types
_POSTGRESQL = _POSTGRESQL()

CREATED: Any = literal_column("xmax = 0")
"""What PostgreSQL says of a row that an upsert gives back: whether it is new."""


def target_of(
    model: type[SQLModel],
    on: On,
    update: Sequence[str] | None,
    dialect: str,
    within: ColumnElement[bool] | None = None,
) -> Target:
    """Check what an upsert is to decide by and to change. Raises ModelError, listing what there is."""
    mapper = mapper_of(model)
    if len(mapper.tables) > 1:
        raise ModelError(
            f"{model.__name__} cannot be upserted: its rows lie in {len(mapper.tables)} tables, and ON "
            "CONFLICT writes one. Read the row with for_update, then create(...) or patch(...) it."
        )
    names = None if update is None else (update,) if isinstance(update, str) else tuple(update)
    unknown = [name for name in names or () if name not in mapper.columns]
    if unknown:
        raise ModelError(
            f"An upsert cannot update {', '.join(map(repr, unknown))}: {model.__name__} has no such column. "
            f"Its columns are: {', '.join(mapper.columns.keys())}."
        )
    return Target(model, unique_key(model, on, dialect), names, dialect, within)


@dataclass(frozen=True)
class Target:
    """The unique key that decides, and what of a stored row is changed."""

    model: type[SQLModel]
    key: UniqueKey
    update: tuple[str, ...] | None
    dialect: str
    within: ColumnElement[bool] | None = None

    def changed(self, row: Row) -> tuple[str, ...]:
        """Name the columns that this row changes where one is stored."""
        if self.update is not None:
            return self.update
        return tuple([name for name in row.values if name in row.sent and name not in self._kept])

    @cached_property
    def _kept(self) -> set[str]:
        """Name the columns that a stored row keeps unless they are asked for."""
        kept = {*self.key.fields, *key_names(self.model)}
        counter = version_name(self.model)
        if counter is not None:
            kept.add(counter)
        if issubclass(self.model, Timestamps):
            kept.add("created_at")
        return kept

    def inserting(self) -> Any:
        """Build the insert that leaves a stored row alone."""
        return self._insert().on_conflict_do_nothing(
            index_elements=self.key.elements, index_where=self.key.where
        )

    def updating(self, names: Sequence[str], stamped: Mapping[str, Any] | None = None) -> Any:
        """Build the insert that changes a stored row where it differs, and locks it in any case.

        `stamped` is what it sets beside the named columns: by default, as of now.
        """
        insert = self._insert()
        columns = [mapper_of(self.model).columns[name] for name in names]
        values = {column.key: insert.excluded[column.key] for column in columns}
        differs = [self.differs(column, insert.excluded[column.key]) for column in columns]
        if names:
            stamped = stamps(self.model, names) if stamped is None else stamped
            values |= {mapper_of(self.model).columns[name].key: value for name, value in stamped.items()}
        else:  # SET must name something, and WHERE false keeps it from being set
            first = mapper_of(self.model).primary_key[0]
            values = {str(first.key): first}
        return insert.on_conflict_do_update(
            index_elements=self.key.elements,
            index_where=self.key.where,
            set_=values,
            where=and_(or_(*differs), *self.in_sight()) if differs else false(),
        )

    def groups(self, batch: list[Row]) -> list[list[Row]]:
        """Gather rows that one statement can write, in an order that keeps workers from a deadlock."""
        found: dict[tuple[Any, ...], list[Row]] = {}
        for row in sorted(batch, key=lambda row: repr(self.values(row))):
            found.setdefault((row.shape, self.changed(row)), []).append(row)
        return list(found.values())

    def values(self, row: Row) -> tuple[Any, ...]:
        return tuple(row.values.get(name) for name in self.key.fields)

    def refuse_null(self, row: Row, *path: int) -> None:
        """Refuse a key with a null in it: it equals no other, so each call would insert once more."""
        missing = [name for name in self.key.fields if row.values.get(name) is None]
        if missing:
            message = "must not be null: an upsert finds the stored row by it"
            raise InvalidValues(
                self.model.__name__, [Problem((*path, name), "not_null", message) for name in missing]
            )

    def refuse_repeated(self, batch: list[Row], seen: dict[tuple[Any, ...], int]) -> None:
        for row in batch:
            self.refuse_null(row, row.index)
            first = seen.setdefault(self.values(row), row.index)
            if first != row.index:
                message = f"repeats row {first}: only one of them could be kept. Send each key once"
                raise InvalidValues(
                    self.model.__name__,
                    [Problem((row.index, name), "repeated", message) for name in self.key.fields],
                )

    def taken(self) -> Conflict:
        """Say that a row has the key which the session does not see."""
        return Conflict(self.model.__name__, kind="unique", fields=self.key.fields, constraint=self.key.name)

    def in_sight(self) -> list[Any]:
        """Keep to rows that the session sees, where the key does not do so by itself."""
        hides = is_hiding(self.model) and self.key.where is None
        there = [cast(Any, self.model).deleted_at.is_(None)] if hides else []
        return there if self.within is None else [*there, self.within]

    def differs(self, column: Any, wanted: Any) -> Any:
        """Ask whether a column has another value than it is to have."""
        if self.dialect == "postgresql" and _has_no_equality(column):
            column, wanted = sql_cast(column, postgresql.JSONB), sql_cast(wanted, postgresql.JSONB)
        return column.is_distinct_from(wanted)

    def _insert(self) -> Any:
        dialect: Any = postgresql if self.dialect == "postgresql" else sqlite
        return dialect.insert(self.model)


def _has_no_equality(column: Any) -> bool:
    kind = column.type.dialect_impl(_POSTGRESQL)
    kind = getattr(kind, "impl", kind)
    return isinstance(kind, postgresql.JSON) and not isinstance(kind, postgresql.JSONB)
