"""Say in the model's own words what the database refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, TimeoutError

from fieldstone.errors import FieldstoneError, ReadOnlyTransaction, TransactionConflict, Unavailable
from fieldstone.failures import failure_of


def explain(error: BaseException, *, metadata: MetaData | None = None) -> FieldstoneError | None:
    """Give the Fieldstone error that says what a database error means; None where it has none."""
    if isinstance(error, TimeoutError):
        return Unavailable(
            "No connection became free in time. Raise pool_size, or keep transactions shorter."
        )
    failure = failure_of(error)
    if failure is None:
        return None
    if failure.sqlstate in ("40001", "40P01"):
        return TransactionConflict(
            "The transaction met another and was rolled back. Repeat it whole, as db.run(...) does."
        )
    if failure.sqlstate == "25006" or (failure.sqlite_code is not None and failure.sqlite_code & 0xFF == 8):
        return ReadOnlyTransaction(
            "This unit was declared read-only, and it writes. Open it without read_only=True."
        )
    if failure.locked:
        return Unavailable("The database stayed locked.")
    return None


@contextmanager
def explained(*, metadata: MetaData | None = None) -> Iterator[None]:
    """Raise database errors inside the block as the Fieldstone errors that `explain` makes of them."""
    try:
        yield
    except SQLAlchemyError as error:
        meaning = explain(error, metadata=metadata)
        if meaning is None:
            raise
        raise meaning from error
