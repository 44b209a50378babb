"""One database URL, read once, and what each driver must be given for it.

A URL comes from a person or a provider's dashboard and names one database; which driver speaks
to it depends on the face (sync or async), so the URL's own driver is a wish at most. It is parsed
into parts and never edited as text: text edits are how passwords end up in host names and how
`sslmode` quietly disappears. No text made here shows the password.

Source: the URI form of libpq (PostgreSQL documentation, section "Connection Strings").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote, unquote

from sqlalchemy import URL

from fieldstone.database import libpq
from fieldstone.errors import UrlError

Dialect = Literal["sqlite", "postgresql"]

EXAMPLES = (
    "sqlite:///app.db for a file beside the program, or postgresql://user:password@"
    "ep-example.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require for Neon"
)

_SCHEMES: Mapping[str, tuple[Dialect, str | None]] = {
    "sqlite": ("sqlite", None),
    "sqlite+pysqlite": ("sqlite", None),
    "sqlite+aiosqlite": ("sqlite", None),
    "postgres": ("postgresql", None),
    "postgresql": ("postgresql", None),
    "postgresql+asyncpg": ("postgresql", None),
    "postgresql+psycopg": ("postgresql", "psycopg"),
    "postgresql+psycopg_async": ("postgresql", "psycopg"),
    # psycopg 3 is the successor and reads the same libpq parameters; the old driver is not needed.
    "postgresql+psycopg2": ("postgresql", None),
}

_SQLITE_PARAMETERS = frozenset(
    {"uri", "mode", "cache", "immutable", "nolock", "vfs", "timeout", "check_same_thread"}
)


@dataclass(frozen=True)
class EngineArguments:
    """What `create_engine` needs for one face: a SQLAlchemy URL and the driver's own arguments."""

    url: URL
    connect_args: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, repr=False)
class DatabaseUrl:
    """A database URL in parts; `str()` and `repr()` hide the password.

    `driver` is `psycopg` where the URL asks for psycopg on both faces, else None: psycopg for
    sync, asyncpg for async. `parameters` are libpq's (PostgreSQL) or SQLite's URI parameters.
    """

    dialect: Dialect
    database: str = ""
    username: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    driver: Literal["psycopg"] | None = None
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def in_memory(self) -> bool:
        """Say whether this is a SQLite database that lives in this process only."""
        return self.dialect == "sqlite" and (
            self.database in ("", ":memory:")
            or (self.database.startswith("file:") and self.parameters.get("mode") == "memory")
            or self.database.startswith("file::memory:")
        )

    @property
    def read_only(self) -> bool:
        """Say whether the URL itself opens SQLite's file for reading only."""
        return self.parameters.get("mode") == "ro" or self.parameters.get("immutable") == "1"

    @property
    def pooled(self) -> bool:
        """Say whether a transaction pooler (PgBouncer) stands between us and the server.

        Then a prepared statement may meet a server connection that never saw it, so none is kept.
        """
        return self.dialect == "postgresql" and (
            _first_label(self.host).endswith("-pooler") or self.parameters.get("pgbouncer") == "true"
        )

    def direct(self) -> DatabaseUrl:
        """Give the URL that bypasses the pooler, for work that needs one session, such as migrations."""
        if not self.pooled:
            return self
        label = _first_label(self.host)
        if self.host is None or not label.endswith("-pooler"):
            raise UrlError(
                f"{self} goes through a pooler, and its direct host cannot be told from it: only a "
                "'-pooler' host names both. Give the server's own host instead."
            )
        parameters = {name: value for name, value in self.parameters.items() if name != "pgbouncer"}
        host = label.removesuffix("-pooler") + self.host[len(label) :]
        return replace(self, host=host, parameters=MappingProxyType(parameters))

    def arguments(self, *, asynchronous: bool, memory_name: str = "memory") -> EngineArguments:
        """Give what `create_engine` or `create_async_engine` needs.

        `memory_name` names a SQLite memory database, so that several connections share it.
        """
        if self.dialect == "sqlite":
            return self._sqlite_arguments("aiosqlite" if asynchronous else "pysqlite", memory_name)
        driver = "asyncpg" if asynchronous and self.driver is None else "psycopg"
        translate = libpq.for_asyncpg if driver == "asyncpg" else libpq.for_psycopg
        url = URL.create(
            f"postgresql+{driver}", self.username, self.password, self.host, self.port, self.database or None
        )
        return EngineArguments(url, translate(self.parameters, host=self.host, pooled=self.pooled))

    def _sqlite_arguments(self, driver: str, memory_name: str) -> EngineArguments:
        query = {name: value for name, value in self.parameters.items() if name != "timeout"}
        database = self.database
        if self.in_memory:
            # The memdb VFS gives each connection its own transaction on one shared database, with
            # a file's locking. Shared cache would fail at once on any lock, ignoring the time-out.
            database, query = f"file:/{memory_name}", {"vfs": "memdb", "uri": "true"}
        # isolation_level None stops the driver from opening transactions; sqlite.py opens them.
        return EngineArguments(
            URL.create(f"sqlite+{driver}", database=database, query=query),
            {"isolation_level": None, "check_same_thread": False},
        )

    def __repr__(self) -> str:
        return f"DatabaseUrl({str(self)!r})"

    def __str__(self) -> str:
        if self.dialect == "sqlite":
            where = f"sqlite:///{self.database}" if self.database else "sqlite://"
        else:
            secret = ":***" if self.password is not None else ""
            user = f"{quote(self.username or '', safe='')}{secret}@" if self.username or secret else ""
            host = f"[{self.host}]" if ":" in (self.host or "") else quote(self.host or "", safe="")
            port = f":{self.port}" if self.port else ""
            where = f"postgresql://{user}{host}{port}/{quote(self.database, safe='')}"
        shown = "&".join(
            f"{name}={'***' if name in libpq.SECRETS else quote(value, safe='')}"
            for name, value in self.parameters.items()
        )
        return f"{where}?{shown}" if shown else where


def parse(text: str) -> DatabaseUrl:
    """Read a database URL; raise UrlError that says what is wrong with it and what to write."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        raise UrlError(f"The database URL has no '://'. Write {EXAMPLES}.")
    if scheme.lower() not in _SCHEMES:
        raise UrlError(
            f"The database URL begins with {scheme!r}, which is not served. "
            f"It may begin with: {', '.join(_SCHEMES)}."
        )
    dialect, driver = _SCHEMES[scheme.lower()]
    if dialect == "sqlite":
        return _parse_sqlite(rest)
    return replace(_parse_postgresql(rest), driver="psycopg" if driver else None)


def _parse_sqlite(rest: str) -> DatabaseUrl:
    location, _, query = rest.partition("?")
    if location and not location.startswith("/"):
        raise UrlError(
            f"The SQLite URL names the host {location.partition('/')[0]!r}, and a file has none. "
            "Write three slashes before a relative path (sqlite:///app.db), four before an absolute one."
        )
    parameters = _parameters(query)
    for name in parameters:
        if name not in _SQLITE_PARAMETERS:
            raise UrlError(
                f"The SQLite URL sets {name!r}, which is unknown. "
                f"It may set: {', '.join(sorted(_SQLITE_PARAMETERS))}."
            )
    if "timeout" in parameters and not re.fullmatch(r"\d+(\.\d+)?", parameters["timeout"]):
        raise UrlError(
            "The SQLite URL sets timeout to something that is no number of seconds. Write timeout=5."
        )
    if parameters.keys() - {"timeout", "check_same_thread"} and parameters.get("uri") != "true":
        raise UrlError(
            "The SQLite URL sets parameters that only SQLite's own URI form reads. "
            "Write sqlite:///file:app.db?mode=ro&uri=true."
        )
    # Threads share connections through the pool, never at the same time, so the check is off.
    parameters.pop("check_same_thread", None)
    return DatabaseUrl("sqlite", location[1:], parameters=MappingProxyType(parameters))


def _parse_postgresql(rest: str) -> DatabaseUrl:
    location, _, query = rest.partition("?")
    authority, _, database = location.partition("/")
    user_part, _, host_part = authority.rpartition("@")
    if "@" in database:
        raise UrlError(
            "The database URL has an '@' after its first '/', so its user or password holds a bare '/'. "
            "Percent-encode it: '/' is %2F, '@' is %40, '?' is %3F, '%' is %25."
        )
    username, colon, password = user_part.partition(":")
    host, port = _host_and_port(host_part)
    parameters = _parameters(query)
    # libpq lets the query name these too, as for a socket: postgresql:///app?host=/run/postgresql
    named_port = parameters.pop("port", None)
    url = DatabaseUrl(
        "postgresql",
        database=parameters.pop("dbname", "") or _decoded(database, "database name"),
        username=parameters.pop("user", None) or _decoded(username, "user name") or None,
        password=parameters.pop("password", "") or (_decoded(password, "password") if colon else None),
        host=parameters.pop("host", None) or host,
        port=_port(named_port) if named_port else port,
    )
    if "," in (url.host or ""):
        raise UrlError("The database URL names several hosts, and one is served. Write the one to use.")
    return replace(url, parameters=MappingProxyType(libpq.checked(parameters)))


def _host_and_port(text: str) -> tuple[str | None, int | None]:
    if "," in text:
        raise UrlError("The database URL names several hosts, and one is served. Write the one to use.")
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise UrlError("The database URL holds a broken IPv6 address. Write [::1] or [::1]:5432.")
        return host, _port(tail[1:]) if tail[1:] else None
    host, _, tail = text.partition(":")
    return _decoded(host, "host") or None, _port(tail) if tail else None


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    # The text is not shown: after a bare '/' or '@' in a password it is a piece of the password.
    raise UrlError(
        "The database URL's port is not a number from 1 to 65535. If the password holds '/', '@', '?' or "
        "'%', percent-encode it: %2F, %40, %3F, %25; an IPv6 address stands in brackets."
    )


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        name, equals, value = item.partition("=")
        if not equals:
            raise UrlError("The database URL has a parameter without '='. Write each as name=value.")
        name = _decoded(name, "parameter name")
        if name in parameters:
            raise UrlError(f"The database URL sets {name!r} twice. Keep one.")
        parameters[name] = _decoded(value, f"parameter {name!r}")
    return parameters


def _decoded(text: str, part: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise UrlError(f"The database URL's {part} holds a bare '%'. Write it as %25.")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise UrlError(
            f"The database URL's {part} is not UTF-8 once decoded. Percent-encode its UTF-8 bytes."
        ) from None


def _first_label(host: str | None) -> str:
    return (host or "").partition(".")[0]
