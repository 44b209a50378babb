"""What a driver says about a failure, in one form for five drivers.

psycopg and asyncpg both know the SQLSTATE, the constraint, table and column, but in different
places; sqlite3 has a code, a name and a sentence. Everything that classifies errors reads this
form alone.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass


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

    @property
    def unresolved(self) -> bool:
        """Say whether the host has no address; waiting gives it none."""
        return self.lost and ("resolve host" in self.message or "Name or service not known" in self.message)

    @property
    def untrusted(self) -> bool:
        """Say whether the server's certificate was refused."""
        return self.lost and "certificate" in self.message


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
    told = error if (diag := getattr(error, "diag", None)) is None else diag  # psycopg's, or asyncpg itself
    sqlstate = getattr(error, "sqlstate", None)
    message = getattr(told, "message_primary", None) or getattr(told, "message", None) or str(error)
    if sqlstate is None and (answer := _ANSWER_AT_LOGIN.search(message)):
        sqlstate, message = _login_sqlstate(answer[1]), answer[1]
    return Failure(
        message.splitlines()[0] if message else type(error).__name__,
        sqlstate=sqlstate,
        lost=_nobody_answered(error, sqlstate),
        constraint=getattr(told, "constraint_name", None),
        table=getattr(told, "table_name", None),
        column=getattr(told, "column_name", None),
        detail=getattr(told, "message_detail", None) or getattr(told, "detail", None),
        message=message,
    )


# libpq reports a refused login as text alone: 'connection failed: ... failed: FATAL:  reason'.
_ANSWER_AT_LOGIN = re.compile(r": [^\s:]+:  (.*)")

_LOGIN_SQLSTATES = {
    "password authentication failed": "28P01",
    "no pg_hba.conf entry": "28000",
    "does not exist": "3D000",
    "starting up": "57P03",
    "not yet accepting": "57P03",
    "in recovery mode": "57P03",
    "shutting down": "57P03",
    "too many": "53300",
    "remaining connection slots": "53300",
}


def _login_sqlstate(reason: str) -> str:
    # 28000 (invalid authorization) is what is left: the server answered, and waiting will not help.
    return next((state for words, state in _LOGIN_SQLSTATES.items() if words in reason), "28000")


def _nobody_answered(error: BaseException, sqlstate: str | None) -> bool:
    if sqlstate is not None:
        return sqlstate.startswith("08") or sqlstate in ("57P01", "57P02", "57P03")
    classes = {base.__name__ for base in type(error).__mro__}
    if "OperationalError" in classes:  # psycopg: libpq's own words
        return True
    # asyncpg: its misuse is an InterfaceError as well, and so is a value that it cannot encode.
    return "InterfaceError" in classes and not isinstance(error, ValueError) and "clos" in str(error)


def _network_reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
