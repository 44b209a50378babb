"""Many rows created at once, from a stream or from JSON, without instances.

Where the model allows it, a batch is validated in one call and sent as it is: by COPY to PostgreSQL, by the
driver's executemany to SQLite. Elsewhere, and where anything is refused, its rows go one by one through the
model's ordinary validators, and by SQLAlchemy's own INSERT. What is created, and every error, is the same.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar, cast, overload

from pydantic import BaseModel
from sqlalchemy import insert
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel

from fieldstone.keys import key_names
from fieldstone.scopes import fills_of
from fieldstone.verbs import AnyAsync, AnySync, verb
from fieldstone.violations import explained
from fieldstone.writing.blocks import Block, blocks_of, rows_in
from fieldstone.writing.cycles import moves, refuse_moved
from fieldstone.writing.returned import Returned, returned
from fieldstone.writing.rows import BATCH, Data, Row, by_shape, checked_batch

SchemaT = TypeVar("SchemaT", bound=BaseModel)


class CreateMany(Protocol):
    """Give the count, or with `into` the rows in the order of the input; awaited with an AsyncSession."""

    @overload
    def __call__(self, session: AnySync, /, model: type[SQLModel], rows: Iterable[Data]) -> int: ...
    @overload
    def __call__(
        self, session: AnySync, /, model: type[SQLModel], rows: bytes, *, schema: type[BaseModel]
    ) -> int: ...
    @overload
    def __call__(
        self, session: AnySync, /, model: type[SQLModel], rows: Iterable[Data], *, into: type[SchemaT]
    ) -> list[SchemaT]: ...
    @overload
    def __call__(
        self,
        session: AnySync,
        /,
        model: type[SQLModel],
        rows: bytes,
        *,
        into: type[SchemaT],
        schema: type[BaseModel],
    ) -> list[SchemaT]: ...
    @overload
    def __call__(
        self, session: AnyAsync, /, model: type[SQLModel], rows: Iterable[Data]
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def __call__(
        self, session: AnyAsync, /, model: type[SQLModel], rows: bytes, *, schema: type[BaseModel]
    ) -> Coroutine[Any, Any, int]: ...
    @overload
    def __call__(
        self, session: AnyAsync, /, model: type[SQLModel], rows: Iterable[Data], *, into: type[SchemaT]
    ) -> Coroutine[Any, Any, list[SchemaT]]: ...
    @overload
    def __call__(
        self,
        session: AnyAsync,
        /,
        model: type[SQLModel],
        rows: bytes,
        *,
        into: type[SchemaT],
        schema: type[BaseModel],
    ) -> Coroutine[Any, Any, list[SchemaT]]: ...


def _create_many(
    session: Session,
    model: type[SQLModel],
    rows: Iterable[Data] | bytes,
    *,
    into: type[BaseModel] | None = None,
    schema: type[BaseModel] | None = None,
) -> int | list[Any]:
    """Insert rows, from schemas or mappings, a batch at a time; all or none.

    `rows` may be a generator: memory does not grow with their number, unless `into` asks for them
    back. It may be the bytes of a JSON array, of which each row is held to `schema`, and which is read only
    once. The path of a problem begins with the row's index, as in `/3/title`.
    Raises InvalidValues and Conflict.
    """
    shape = None if into is None else returned(model, into)
    counted, made = 0, list[Any]()
    with explained(metadata=model.metadata):
        session.flush()
    with session.connection().begin_nested():
        for batch in _batches(session, model, rows, shape, schema):
            counted += len(batch)
            with explained(metadata=model.metadata):
                if isinstance(batch, Block):
                    batch.send()
                    continue
                made += _insert_batch(session, model, batch, shape)
            refuse_moved(session, model, list(_placed(model, batch)))
    return counted if shape is None else made


create_many = cast(CreateMany, verb(_create_many))


def _batches(
    session: Session,
    model: type[SQLModel],
    rows: Iterable[Data] | bytes,
    shape: Returned[Any] | None,
    schema: type[BaseModel] | None,
) -> Iterator[Block | list[Row]]:
    fills = fills_of(session, model)
    blocks = blocks_of(session, model) if shape is None else None
    if schema is not None or isinstance(rows, bytes):
        found = rows_in(model, rows, schema, blocks)
        if isinstance(found, Block):
            yield found
            return
        rows = found
    numbered = enumerate(rows)
    while batch := list(islice(numbered, BATCH)):
        block = None if blocks is None else blocks.block([data for _, data in batch])
        yield checked_batch(model, batch, fills) if block is None else block


def _insert_batch(
    session: Session, model: type[SQLModel], batch: list[Row], shape: Returned[Any] | None
) -> list[Any]:
    found: dict[int, Any] = {}
    statement: Any = insert(model)
    if shape is not None:
        statement = statement.returning(*shape.columns, sort_by_parameter_order=True)
    for group in by_shape(batch):
        values = [row.values for row in group]
        result = SQLAlchemySession.execute(
            session, statement, values, execution_options={"render_nulls": True}
        )
        if shape is not None:
            found |= {row.index: shape.object(one) for row, one in zip(group, result, strict=True)}
    return [found[row.index] for row in batch] if shape is not None else []


def _placed(model: type[SQLModel], batch: list[Row]) -> Iterator[tuple[Any, ...]]:
    """Give the keys of rows that came with key and parent: only these can be above what is above them."""
    names = key_names(model)
    for row in batch:
        if row.sent.issuperset(names) and moves(model, row.values):
            yield tuple(row.values[name] for name in names)
