"""An INSERT, UPDATE or DELETE as its driver takes it: SQL text, and where each argument comes from.

Compiled once for each shape (which columns are written, which come back), as `reading.preparation` does with
what is read. Pure: nothing runs here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, Dialect, bindparam, delete, insert, or_, select, update
from sqlmodel.sql.sqltypes import UTCDateTime

from fieldstone.keeping import Kept
from fieldstone.keys import key_attributes, key_names, mapper_of, version_name

Processor = Callable[[Any], Any] | None
Values = Mapping[str, Any]

# What the parameters of an UPDATE are called behind the name of their column; `violations.evidence` reads it.
NEW, KEY, VERSION = "_0", "_00", "_000"


class Unwritable(Exception):
    """A statement that needs SQLAlchemy's own execution, for a default that only it can give."""


class Command:
    """One statement, compiled for a dialect."""

    def __init__(self, statement: Any, dialect: Dialect, returned: Sequence[Any], **options: Any) -> None:
        compiled: Any = statement.compile(dialect=dialect, **options)
        if compiled.insert_prefetch or compiled.update_prefetch or compiled.post_compile_params:
            raise Unwritable
        self.compiled = compiled
        self.sql: str = compiled.string
        self._dialect = dialect
        self._returned = [one.type for one in returned]
        self._processors: list[Processor] | None = None
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self._constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        self.names = list(compiled.positiontup if compiled.positional else binds)
        self._converting: list[tuple[int, Callable[[Any], Any]]] = [
            (place, processor)
            for place, name in enumerate(self.names)
            if (processor := processor_of(binds[name].type, dialect)) is not None
        ]
        self._escaped = compiled.escaped_bind_names
        self._take = itemgetter(*self.names) if len(self.names) > 1 else None

    def arguments(self, values: Values) -> Any:
        """Give the arguments of one execution."""
        found = self._row(values)
        if self.compiled.positional:
            return tuple(found)
        names = [self._escaped.get(name, name) for name in self.names]
        return dict(zip(names, found, strict=True))

    def parameters(self, values: Values) -> dict[str, Any]:
        """Give the values of one execution by the names that SQLAlchemy has for them."""
        return {name: values[name] for name in self.names if name in values}

    def _row(self, values: Values) -> list[Any]:
        if self._constants:
            values = {**self._constants, **values}
        found = [values[self.names[0]]] if self._take is None else list(self._take(values))
        for place, processor in self._converting:
            found[place] = processor(found[place])
        return found

    def rows(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Give the arguments of many executions as tuples. The rows themselves are changed."""
        for place, processor in self._converting:
            name = self.names[place]
            for row in rows:
                row[name] = processor(row[name])
        if self._take is None:
            return [(row[self.names[0]],) for row in rows]
        return list(map(self._take, rows))

    @property
    def is_new(self) -> bool:
        """Tell whether the description of its rows is still needed."""
        return self._processors is None

    def processors(self, description: Sequence[Any] | None) -> Sequence[Processor]:
        """Give what turns a driver's values into Python's, by column."""
        if self._processors is None:
            self._processors = [
                kind.dialect_impl(self._dialect).result_processor(self._dialect, column[1])
                for kind, column in zip(self._returned, description or (), strict=True)
            ]
        return self._processors


def processor_of(kind: Any, dialect: Dialect) -> Processor:
    """Give what turns Python's values of a type into the driver's."""
    if type(kind) is Boolean:  # validated, and every driver has bools
        return None
    if type(kind) is UTCDateTime:
        return _utc_text if dialect.name == "sqlite" else None  # PostgreSQL's drivers send the offset
    found: Processor = kind.dialect_impl(dialect).bind_processor(dialect)
    return found


def _utc_text(value: datetime | None) -> str | None:
    """Write a moment as SQLAlchemy's type does for SQLite."""
    if value is None:
        return None
    text = value.isoformat(" ", "microseconds")
    if not text.endswith("+00:00"):
        text = value.astimezone(UTC).isoformat(" ", "microseconds")
    return text[:26]


def inserting(
    model: type[Any], names: Iterable[str], dialect: Dialect, returned: Sequence[Any], *, many: bool = False
) -> Command:
    """Write the INSERT of these attributes; its values are given by the keys of their columns."""
    mapper = mapper_of(model)
    table: Any = mapper.local_table
    statement: Any = insert(table)
    if returned:
        statement = statement.returning(*[_column(one) for one in returned])
    keys = [mapper.columns[name].key for name in names]
    return Command(statement.inline(), dialect, returned, column_keys=keys, for_executemany=many)


def updating(
    model: type[Any],
    stamps: Mapping[str, Any],
    names: Sequence[str],
    dialect: Dialect,
    returned: Sequence[Any],
    versioned: bool,
    options: Sequence[Any],
) -> Command:
    """Write the UPDATE of one row, which leaves a row alone that has the values already.

    A parameter is called as its attribute is, and then NEW, KEY or VERSION for what it is. `stamps` are set
    beside what was asked for: expressions as they stand, and what is None as a value of its own.
    """
    new = new_values(model, (*names, *stamps))
    new |= {name: expression for name, expression in stamps.items() if expression is not None}
    differs = [getattr(model, name).is_distinct_from(new[name]) for name in names]
    statement: Any = update(model).where(*_matches(model, versioned=versioned), or_(*differs))
    statement = statement.values({getattr(model, name): value for name, value in new.items()})
    return Command(statement.returning(*returned).options(*options), dialect, returned)


def standing(
    model: type[Any],
    names: Sequence[str],
    dialect: Dialect,
    returned: Sequence[Any],
    versioned: bool,
    options: Sequence[Any],
) -> Command:
    """Write the SELECT of one row that has the values already, with the parameters of `updating`."""
    new = new_values(model, names)
    same = [getattr(model, name).is_not_distinct_from(new[name]) for name in names]
    statement: Any = select(*returned).where(*_matches(model, versioned=versioned), *same)
    return Command(statement.options(*options), dialect, returned)


def new_values(model: type[Any], names: Iterable[str]) -> dict[str, Any]:
    """Give the parameters for what columns are set to, by attribute."""
    columns = mapper_of(model).columns
    return {name: bindparam(f"{name}{NEW}", type_=columns[name].type) for name in names}


def deleting(model: type[Any], dialect: Dialect, *, versioned: bool, options: Sequence[Any]) -> Command:
    """Write the DELETE of one row, which gives back its key."""
    keys = key_attributes(model)
    statement: Any = delete(model).where(*_matches(model, versioned=versioned)).returning(*keys)
    return Command(statement.options(*options), dialect, keys)


def _matches(model: type[Any], *, versioned: bool) -> list[Any]:
    """Write the conditions that find one row, in one version of it."""
    columns = mapper_of(model).columns
    matches = [
        attribute == bindparam(f"{name}{KEY}", type_=columns[name].type)
        for attribute, name in zip(key_attributes(model), key_names(model), strict=True)
    ]
    if versioned:
        counter = str(version_name(model))
        matches.append(
            getattr(model, counter) == bindparam(f"{counter}{VERSION}", type_=columns[counter].type)
        )
    return matches


def _column(attribute: Any) -> Any:
    return attribute.expression if hasattr(attribute, "expression") else attribute


def kept(owner: Any, key: Any, make: Callable[[], Command]) -> Command | None:
    """Compile a command once for each key; None where that cannot be done. `owner` is a pool, say."""

    def made() -> Command | None:
        try:
            return make()
        except Unwritable:
            return None

    return _kept.get(owner, key, made)


_kept: Kept[Command | None] = Kept()
