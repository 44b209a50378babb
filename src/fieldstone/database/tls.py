"""TLS as libpq does it, for the driver that is not libpq.

The six modes of `sslmode` keep their libpq meaning under asyncpg; nothing is verified less than
its writer asked for. Two things differ on purpose, both towards more safety:

- `channel_binding=require` binds the login to the server's certificate, which asyncpg cannot do.
  What it protects from, a middleman, verification protects from as well: so under asyncpg it
  means a verified certificate and host name, with the system's roots.
- `sslmode=verify-full` without `sslrootcert` uses `~/.postgresql/root.crt` if it exists, as libpq
  does, else the system's roots, where libpq would give up.

Source: PostgreSQL documentation, "SSL Support" (libpq), table 32.1.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from fieldstone.errors import UrlError

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

PARAMETERS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "ssl_min_protocol_version"}
)

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")

_VERSIONS: Mapping[str, ssl.TLSVersion] = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def check(parameters: Mapping[str, str]) -> None:
    """Refuse combinations that cannot verify what they promise, and files that are not there."""
    mode = parameters.get("sslmode", "prefer")
    root = parameters.get("sslrootcert")
    if root == "system" and mode != "verify-full":
        # libpq refuses it too: any public certificate would pass for any host.
        raise UrlError(
            f"The database URL sets sslrootcert=system with sslmode={mode}, which would trust every host "
            "that holds a public certificate. Write sslmode=verify-full."
        )
    if mode == "disable" and parameters.get("channel_binding") == "require":
        raise UrlError(
            "The database URL sets channel_binding=require with sslmode=disable, and there is nothing to "
            "bind to without TLS. Write sslmode=require."
        )
    if parameters.get("sslnegotiation") == "direct" and mode in ("disable", "allow", "prefer"):
        raise UrlError(
            f"The database URL sets sslnegotiation=direct with sslmode={mode}, which may go on without TLS. "
            "Write sslmode=require or stronger."
        )
    for name in _FILES:
        path = parameters.get(name)
        if path and path != "system" and not Path(path).is_file():
            raise UrlError(f"The database URL sets {name} to {path!r}, which is no file. Give its full path.")
    if mode == "verify-ca" and not root and not _personal_root().is_file():
        raise UrlError(
            "The database URL sets sslmode=verify-ca without a root certificate. "
            "Add sslrootcert=/path/to/ca.crt, or write sslmode=verify-full, which uses the system's roots."
        )


def for_asyncpg(parameters: Mapping[str, str]) -> ssl.SSLContext | str | None:
    """Give asyncpg's `ssl` argument; None leaves its default, which is libpq's: prefer."""
    check(parameters)
    mode = parameters.get("sslmode")
    bound = parameters.get("channel_binding") == "require"
    if not bound and mode in (None, "disable", "allow", "prefer"):
        # Only as a word does asyncpg know that it may go on without TLS.
        return _refuse_files_without_context(parameters, mode)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _verify(context, parameters, mode or "prefer", bound)
    _limit(context, parameters)
    if "sslcert" in parameters:
        # libpq's default for the key's own password is none; None here would ask at the terminal.
        context.load_cert_chain(
            parameters["sslcert"], parameters.get("sslkey"), password=parameters.get("sslpassword", "")
        )
    return context


def roots_for_libpq(parameters: Mapping[str, str]) -> str:
    """Give `sslrootcert` for verify-full.

    libpq's word `system` means the OpenSSL that it was built with, and psycopg's wheels bring one
    whose directory exists on no machine. So the roots that Python trusts are named as a file.
    """
    root = parameters.get("sslrootcert", "")
    if root and root != "system":
        return root
    if not root and _personal_root().is_file():
        return str(_personal_root())
    return ssl.get_default_verify_paths().cafile or "system"


def _verify(context: ssl.SSLContext, parameters: Mapping[str, str], mode: str, bound: bool) -> None:
    root = parameters.get("sslrootcert", "")
    if not root and _personal_root().is_file():
        root = str(_personal_root())
    context.check_hostname = bound or mode == "verify-full"
    if not bound and mode == "require" and not root:
        # What libpq's `require` says: encrypt, and trust whoever answers.
        context.verify_mode = ssl.CERT_NONE
        return
    context.verify_mode = ssl.CERT_REQUIRED
    if root and root != "system":
        context.load_verify_locations(cafile=root)
    else:
        context.load_default_certs()


def _limit(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    lowest = parameters.get("ssl_min_protocol_version", "TLSv1.2")
    if lowest not in _VERSIONS:
        raise UrlError(
            f"The database URL sets ssl_min_protocol_version to {lowest!r}. Write TLSv1.2 or TLSv1.3."
        )
    context.minimum_version = _VERSIONS[lowest]
    if "sslcrl" in parameters:
        context.load_verify_locations(cafile=parameters["sslcrl"])
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _refuse_files_without_context(parameters: Mapping[str, str], mode: str | None) -> str | None:
    for name in ("sslcert", "sslkey", "sslrootcert", "sslcrl"):
        if name in parameters and mode != "disable":
            raise UrlError(
                f"The database URL sets {name}, but sslmode={mode or 'prefer'} goes on without TLS when the "
                "server has none. Write sslmode=require or stronger."
            )
    return mode


def _personal_root() -> Path:
    return Path("~/.postgresql/root.crt").expanduser()
