"""What each libpq connection parameter means to each driver.

psycopg hands parameters to libpq itself, so it takes all of them. asyncpg speaks the protocol on
its own and takes a few under other names; each of the rest is translated, dropped because it
changes nothing there, or refused because dropping it would weaken what its writer asked for.

Source: PostgreSQL documentation, "Parameter Key Words" (libpq, version 18).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldstone.database import tls
from fieldstone.errors import UrlError

SECRETS = frozenset({"sslpassword", "password", "oauth_client_secret"})

# Ours, not libpq's: what poolers' own documents tell people to append.
_POOLER = frozenset({"pgbouncer"})

_CHOICES: Mapping[str, frozenset[str]] = {
    "sslmode": frozenset(tls.MODES),
    "channel_binding": frozenset({"disable", "prefer", "require"}),
    "target_session_attrs": frozenset(
        {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}
    ),
    "sslnegotiation": frozenset({"postgres", "direct"}),
    "gssencmode": frozenset({"disable", "prefer", "require"}),
    "pgbouncer": frozenset({"true", "false"}),
}

_WHOLE_NUMBERS = frozenset(
    {
        "connect_timeout",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    }
)

# Tuning of sockets and of choices that asyncpg does not have: nothing is lost without them.
DROPPED_FOR_ASYNCPG = frozenset(
    {
        "client_encoding",  # asyncpg always speaks UTF-8
        "fallback_application_name",
        "gssencmode",  # "disable" and "prefer"; asyncpg never encrypts through GSS
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",  # one host is served
        "sslcertmode",
        "sslcompression",  # removed from TLS itself
        "sslsni",
        "tcp_user_timeout",
    }
)

_UNDERSTOOD_BY_ASYNCPG = frozenset(
    {
        *tls.PARAMETERS,
        "application_name",
        "channel_binding",
        "connect_timeout",
        "krbsrvname",
        "options",
        "passfile",
        "sslnegotiation",
        "target_session_attrs",
    }
)

_REFUSED_BY_ASYNCPG = frozenset(
    {"gsslib", "hostaddr", "require_auth", "requirepeer", "ssl_max_protocol_version", "sslcrldir"}
)

KNOWN = DROPPED_FOR_ASYNCPG | _UNDERSTOOD_BY_ASYNCPG | _REFUSED_BY_ASYNCPG | _POOLER

# A sleeping Neon compute wakes in well under this; libpq alone would wait for minutes.
DEFAULT_CONNECT_TIMEOUT = 10


def checked(parameters: Mapping[str, str]) -> dict[str, str]:
    """Give the parameters under libpq's names; raise UrlError for an unknown one or a bad value."""
    result = dict(parameters)
    _adopt_other_spellings(result)
    for name, value in result.items():
        if name not in KNOWN:
            raise UrlError(
                f"The database URL sets {name!r}, which is no libpq connection parameter. "
                f"Remove it, or pass a server setting as options=-c%20{name}%3D...; "
                f"known are: {', '.join(sorted(KNOWN))}."
            )
        if name in _CHOICES and value not in _CHOICES[name]:
            raise UrlError(
                f"The database URL sets {name} to {value!r}. "
                f"Write one of: {', '.join(sorted(_CHOICES[name]))}."
            )
        if name in _WHOLE_NUMBERS and not (value.isascii() and value.isdigit()):
            raise UrlError(f"The database URL sets {name} to {value!r}, which is no whole number.")
    return result


def _adopt_other_spellings(parameters: dict[str, str]) -> None:
    """Read asyncpg's `ssl=require` and SQLAlchemy's cache switch as what they mean in libpq's words."""
    if "ssl" in parameters:
        value = parameters.pop("ssl")
        mode = {"true": "require", "false": "disable"}.get(value.lower(), value)
        if parameters.setdefault("sslmode", mode) != mode:
            raise UrlError("The database URL sets both ssl and sslmode, and they disagree. Keep sslmode.")
    for name in ("prepared_statement_cache_size", "statement_cache_size"):
        if parameters.get(name) == "0":
            del parameters[name]
            parameters["pgbouncer"] = "true"


def for_psycopg(parameters: Mapping[str, str], *, host: str | None, pooled: bool) -> dict[str, Any]:
    """Give psycopg's connect arguments: libpq's own, with a time-out and with roots for verify-full."""
    tls.check(parameters)
    arguments: dict[str, Any] = {"connect_timeout": str(DEFAULT_CONNECT_TIMEOUT)}
    arguments |= {name: value for name, value in parameters.items() if name not in _POOLER}
    if parameters.get("sslmode") == "verify-full":
        arguments["sslrootcert"] = tls.roots_for_libpq(parameters)
    if pooled:
        arguments["prepare_threshold"] = None
    return arguments


def for_asyncpg(parameters: Mapping[str, str], *, host: str | None, pooled: bool) -> dict[str, Any]:
    """Give asyncpg's connect arguments; raise UrlError where it cannot keep what a parameter promises."""
    _refuse_what_asyncpg_cannot_keep(parameters)
    arguments: dict[str, Any] = {"timeout": _seconds(parameters)}
    settings = {name: parameters[name] for name in ("application_name", "options") if name in parameters}
    if "fallback_application_name" in parameters:
        settings.setdefault("application_name", parameters["fallback_application_name"])
    if settings:
        arguments["server_settings"] = settings
    for name in ("krbsrvname", "passfile", "target_session_attrs"):
        if name in parameters:
            arguments[name] = parameters[name]
    if parameters.get("sslnegotiation") == "direct":
        arguments["direct_tls"] = True
    # Over a Unix socket libpq ignores sslmode, and TLS is never spoken there.
    if not (host or "").startswith("/") and (encryption := tls.for_asyncpg(parameters)) is not None:
        arguments["ssl"] = encryption
    if pooled:
        arguments |= _without_prepared_statements()
    return arguments


def _without_prepared_statements() -> dict[str, Any]:
    return {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        # SQLAlchemy prepares each statement in its own right; a numbered name would collide with
        # another client's on the same server connection, a random one would stay there for ever.
        "prepared_statement_name_func": _unnamed,
    }


def _unnamed() -> str:
    return ""


def _seconds(parameters: Mapping[str, str]) -> float | None:
    seconds = int(parameters.get("connect_timeout", DEFAULT_CONNECT_TIMEOUT))
    return float(seconds) or None  # libpq: zero waits for ever


def _refuse_what_asyncpg_cannot_keep(parameters: Mapping[str, str]) -> None:
    for name in sorted(_REFUSED_BY_ASYNCPG & parameters.keys()):
        raise UrlError(
            f"The database URL sets {name!r}, which asyncpg cannot honour. Remove it, or write "
            "postgresql+psycopg://, which uses psycopg for async too."
        )
    if parameters.get("gssencmode") == "require":
        raise UrlError(
            "The database URL sets gssencmode=require, and asyncpg has no GSS encryption. Write "
            "postgresql+psycopg://, or use sslmode."
        )
