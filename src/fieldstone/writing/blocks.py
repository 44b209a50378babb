"""Rows of one batch as the driver takes them: validated together, and sent as they are.

A block is what can be sent so. What cannot, `blocks_of` and `Blocks.block` tell by None: the rows then go
through the model's ordinary validators and SQLAlchemy's INSERT, which say what is wrong with which row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import Connection
from sqlalchemy import inspect as sa_inspect
from sqlmodel import Session, SQLModel

from fieldstone.cache import cached
from fieldstone.copying import COPY, Copy, can_copy, copy_into
from fieldstone.errors import InvalidValues, PlanError
from fieldstone.keys import mapper_of
from fieldstone.listeners import added_at_reads
from fieldstone.models.batches import held_to
from fieldstone.models.validation import problems_in
from fieldstone.schemas.values import plain_values
from fieldstone.violations.evidence import COMPILED
from fieldstone.writing.commands import Command, inserting, kept
from fieldstone.writing.cycles import has_trees, moves
from fieldstone.writing.rows import MOST_PROBLEMS, Data
from fieldstone.writing.straight import Straight, straight, why_not_many

Values = dict[str, Any]

# Below this an INSERT takes PostgreSQL no longer than a COPY, which needs two round trips.
FEW = 20


@dataclass(frozen=True)
class Block:
    """Rows in the order of the columns that a statement names."""

    connection: Connection
    command: Command
    rows: Sequence[Sequence[Any]]
    copy: Copy | None

    def __len__(self) -> int:
        return len(self.rows)

    def send(self) -> None:
        """Send them over the connection that they were made for."""
        options: dict[str, Any] = {COMPILED: (self.command.compiled, self._by_name)}
        sql: str = self.command.sql
        if self.copy is not None:
            options[COPY], sql = self.copy, self.copy.sql
        self.connection.exec_driver_sql(sql, self.rows, options)

    def _by_name(self) -> list[dict[str, Any]]:
        return [dict(zip(self.command.names, row, strict=True)) for row in self.rows]


class Blocks:
    """Makes blocks of the rows of one model, for one session."""

    def __init__(self, form: Straight, connection: Connection) -> None:
        self.form = form
        self._connection = connection
        self._has_trees = has_trees(form.model)

    def block(self, batch: Sequence[Data]) -> Block | None:
        """Validate rows and make a block of them; None where that is left to the ordinary validators."""
        if not all(isinstance(one, BaseModel | Mapping) for one in batch):
            return None
        rows = self.form.batches.rows([plain_values(one, self.form.model) for one in batch])
        return None if rows is None else self.of(rows)

    def of(self, rows: list[Values]) -> Block | None:
        """Make a block of rows that are valid."""
        form = self.form
        if self._connection.dialect.name == "postgresql" and len(rows) < FEW:
            return None
        if not rows or (self._has_trees and any(moves(form.model, row) for row in rows)):
            return None
        if form.version is not None:
            for row in rows:
                row[form.version] = 1
        names = self._named(rows)
        command = None if names is None else self._command(names)
        if names is None or command is None:
            return None
        copies = self._connection.dialect.name == "postgresql"
        target = copy_into(self._table, command.names, self._connection.dialect) if copies else None
        return Block(self._connection, command, command.rows(rows), target)

    @property
    def _table(self) -> Any:
        return mapper_of(self.form.model).local_table

    def _named(self, rows: list[Values]) -> tuple[str, ...] | None:
        """Name the columns to write, but those that the database fills; None if it does so in some rows."""
        left_out = set[str]()
        for name in (name for name in self.form.batches.names if self.form.filled[name]):
            empty = sum(row[name] is None for row in rows)
            if empty == len(rows):
                left_out.add(name)
            elif empty:
                return None
        return tuple(name for name in self.form.batches.names if name not in left_out)

    def _command(self, names: tuple[str, ...]) -> Command | None:
        connection = self._connection
        return kept(
            connection.engine.pool,
            (connection.dialect, self.form.model, names),
            lambda: inserting(self.form.model, names, connection.dialect, (), many=True),
        )


def blocks_of(session: Session, model: type[SQLModel]) -> Blocks | None:
    """Say how to send rows of a model in this session; None where they need SQLAlchemy's own execution."""
    form = straight(model)
    if form is None or why_not_many(model, session) or session.execution_options:
        return None
    if added_at_reads(session) is None:  # somebody unknown listens to statements
        return None
    connection = session.connection(bind_arguments={"mapper": sa_inspect(model)})
    events, options = connection.dispatch, connection.get_execution_options()
    if events.before_execute or events.after_execute or options.get("schema_translate_map"):
        return None
    if connection.dialect.name == "postgresql" and not (can_copy(connection.dialect) and form.is_copied):
        return None
    return Blocks(form, connection) if connection.dialect.name in ("postgresql", "sqlite") else None


# JSON


def rows_in(
    model: type[SQLModel],
    content: bytes | Iterable[Data],
    schema: type[BaseModel] | None,
    blocks: Blocks | None,
) -> Block | Iterable[Data]:
    """Read a JSON array of rows: a block at best, else objects of the schema. Raises InvalidValues."""
    if schema is None or not isinstance(content, bytes):
        raise PlanError(
            f"create_many takes the rows of {model.__name__} as bytes and a schema that each is held to, "
            "or as objects and mappings without one. Write create_many(session, "
            f"{model.__name__}, content, schema={model.__name__}Create)."
        )
    batches = None if blocks is None else held_to(model, schema)
    rows = None if batches is None else batches.rows_in(content)
    block = None if rows is None or blocks is None else blocks.of(rows)
    return _objects(model, schema, content) if block is None else block


def _objects(model: type[SQLModel], schema: type[BaseModel], content: bytes) -> list[Data]:
    try:
        found: list[Data] = _reader(schema).validate_json(content)
        return found
    except ValidationError as error:
        raise InvalidValues(model.__name__, problems_in(error)[:MOST_PROBLEMS]) from None


@cached
def _reader(schema: Any) -> TypeAdapter[Any]:
    lists: Any = list
    return TypeAdapter(lists[schema])
