"""Reads that do not fit into memory: schema objects one after the other, a batch of rows at a time.

The rows come through a server-side cursor; each batch takes one statement for each collection of the
schema and becomes objects as `fetch` makes them. A generator cannot be a verb, since its body would
leave the bridge between two items, so `stream` is the package's one hand-written pair. Both walk the
same generator of batches, the asynchronous one by entering the bridge anew for each.

A cursor that outlives its transaction would keep SQLite's snapshot on a connection that is back in the
pool, so it is closed with the transaction at the latest, also where nobody closed the stream.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary, WeakSet

from pydantic import BaseModel
from sqlalchemy import Connection, Result, event
from sqlalchemy.ext.asyncio import AsyncSession as SQLAlchemyAsyncSession
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.errors import TransactionError
from fieldstone.keys import selected_model
from fieldstone.reading.assembly import Statement, root_statement
from fieldstone.reading.plans import ReadPlan, plan
from fieldstone.reading.unreadable import readable, report
from fieldstone.reading.ways import assemble
from fieldstone.visibility import sight_of

SchemaT = TypeVar("SchemaT", bound=BaseModel)

AnyResult = Result[*tuple[Any, ...]]

BATCH = 500

_open: WeakKeyDictionary[Connection, WeakSet[AnyResult]] = WeakKeyDictionary()


@overload
def stream(
    session: Session, statement: Statement, schema: type[SchemaT], *, batch: int = BATCH
) -> Generator[SchemaT, None, None]: ...
@overload
def stream(
    session: AsyncSession, statement: Statement, schema: type[SchemaT], *, batch: int = BATCH
) -> AsyncGenerator[SchemaT, None]: ...
def stream(session: Any, statement: Any, schema: type[Any], *, batch: int = BATCH) -> Any:
    """Read every row that the statement selects, `batch` rows at a time, for `for` or `async for`.

    It takes one statement, and one more for each batch and collection; memory does not grow with the
    number of rows. Read it inside the session's transaction; close it, with `contextlib.closing` or
    `aclosing`, where you stop early. Raises what `plan` raises, at once.
    """
    if batch < 1:
        raise ValueError(f"A batch of {batch} rows never ends. Ask for 1 or more.")
    made = plan(selected_model(statement, "A stream", alone=True), schema)
    read, layout = root_statement(made, statement)
    if isinstance(session, SQLAlchemyAsyncSession):
        return _streamed_async(session, _batches(session.sync_session, read, made, layout, batch))
    if isinstance(session, SQLAlchemySession):
        return _streamed(_batches(session, read, made, layout, batch))
    raise TypeError(
        f"stream needs a Session or an AsyncSession first, not {type(session).__name__}. "
        "Take one from db.transaction() or db.async_transaction()."
    )


def _streamed(batches: Generator[list[Any], None, None]) -> Generator[Any, None, None]:
    try:
        for objects in batches:
            yield from objects
    finally:
        batches.close()


async def _streamed_async(
    session: SQLAlchemyAsyncSession, batches: Generator[list[Any], None, None]
) -> AsyncGenerator[Any, None]:
    try:
        while objects := await session.run_sync(lambda _: next(batches, None)):
            for one in objects:
                yield one
    finally:
        await session.run_sync(lambda _: batches.close())


def _batches(
    session: Any, statement: Statement, made: ReadPlan, layout: Any, size: int
) -> Generator[list[Any], None, None]:
    sight = sight_of(statement)
    options = {"yield_per": size, **sight}
    result = SQLAlchemySession.execute(session, readable(session, statement), execution_options=options)
    with _open_within(session.connection(), result):
        while rows := _next_rows(result, size):
            yield assemble(session, made, layout, report(statement, rows), sight)


def _next_rows(result: AnyResult, size: int) -> Any:
    if result.closed:
        raise TransactionError(
            "This stream was not read to its end before its transaction ended. Read it inside the block that "
            "opens the transaction."
        )
    return result.fetchmany(size)


@contextmanager
def _open_within(connection: Connection, result: AnyResult) -> Generator[None, None, None]:
    """Close the cursor at the end of the block, or of the transaction if that comes first."""
    _open.setdefault(connection, WeakSet()).add(result)
    for ending in ("commit", "rollback"):  # what already listens is not added again
        event.listen(connection, ending, _close_all)
    try:
        yield
    finally:
        _close(connection, result)


def _close_all(connection: Connection) -> None:
    for result in list(_open.pop(connection, ())):
        _close(connection, result)


def _close(connection: Connection, result: AnyResult) -> None:
    if not connection.invalidated:  # a cancelled statement takes the connection along, and its cursors
        result.close()
