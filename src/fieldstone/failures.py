"""What a driver says about a failure, in one form for five drivers.

psycopg and asyncpg both know the SQLSTATE, the constraint, table and column, but in different
places; sqlite3 has a code, a name and a sentence. Everything that classifies errors reads this
form alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

# Values that a driver refuses before it sends them have no SQLSTATE of their own.
OUT_OF_RANGE = "22003"
BAD_TEXT = "22021"


@dataclass(frozen=True)
class Failure:
    """A database error, whichever driver raised it.

    `lost` says that nobody answered, so what the server did is unknown. `reason` is for people
    and holds no value and no statement.
    """

    reason: str
    sqlstate: str | None = None
    sqlite_code: int | None = None
    lost: bool = False
    constraint: str | None = None
    table: str | None = None
    column: str | None = None
    detail: str | None = None
    message: str = ""

    @property
    def locked(self) -> bool:
        """Say whether SQLite gave up waiting for a lock (SQLITE_BUSY, SQLITE_LOCKED)."""
        return self.sqlite_code is not None and self.sqlite_code & 0xFF in (
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
        )


def failure_of(error: BaseException) -> Failure | None:
    """Read the driver's own account of an error; None where no driver has spoken."""
    for link in _chain(error):
        if isinstance(link, sqlite3.Error):
            return _sqlite(link)
        if _driver(link) in ("psycopg", "asyncpg"):
            return _postgresql(link)
        if isinstance(link, OSError):
            return Failure(_network_reason(link), lost=True, message=str(link))
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Go from SQLAlchemy's wrapper down to what the driver raised."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = getattr(link, "orig", None) or link.__cause__


def _driver(error: BaseException) -> str:
    return next(
        (base.__module__.partition(".")[0] for base in type(error).__mro__ if base.__module__ != "builtins"),
        "",
    )


def _sqlite(error: sqlite3.Error) -> Failure:
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", None)
    return Failure(name or str(error), sqlite_code=code, message=str(error))


def _postgresql(error: BaseException) -> Failure:
    told = getattr(error, "diag", None) or error
    sqlstate = getattr(error, "sqlstate", None)
    message = getattr(told, "message_primary", None) or str(error)
    return Failure(
        message,
        sqlstate=sqlstate,
        lost=sqlstate is None or sqlstate.startswith("08") or sqlstate in ("57P01", "57P02", "57P03"),
        constraint=getattr(told, "constraint_name", None),
        table=getattr(told, "table_name", None),
        column=getattr(told, "column_name", None),
        detail=getattr(told, "message_detail", None) or getattr(error, "detail", None),
        message=str(error),
    )


def _network_reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
