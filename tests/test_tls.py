"""TLS to a real server: what must be verified is verified, by both drivers (P19)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from fieldstone import Database
from fieldstone.database.urls import parse
from fieldstone.errors import Unavailable
from fieldstone.testing.postgres import VARIABLE, postgres_server

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = CERTIFICATES / "ca.crt"
STRANGER = CERTIFICATES / "other-ca.crt"


@pytest.fixture(scope="module")
def tls_url() -> Iterator[str]:
    """Start a server of our own that speaks TLS, and give its URL without a host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE, raising=False)
        with postgres_server() as url:
            with psycopg.connect(url, autocommit=True) as connection:
                _give_certificate(connection)
            yield url


def _give_certificate(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Let the server write the files itself: it insists on owning its key."""
    row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    for name in ("server.crt", "server.key"):
        lines = (CERTIFICATES / name).read_text().strip()
        write = f"umask 077; cat > {row[0]}/{name}"
        connection.execute(
            f"COPY (SELECT unnest(string_to_array('{lines}', E'\\n'))) TO PROGRAM '{write}'".encode()
        )
    connection.execute("ALTER SYSTEM SET ssl = on")
    connection.execute("SELECT pg_reload_conf()")
    for _ in range(100):
        if connection.execute("SELECT setting = 'on' FROM pg_settings WHERE name = 'ssl'").fetchone() == (
            True,
        ):
            return
        time.sleep(0.05)
    pytest.fail("The server did not take up the certificate.")


def at(url: str, host: str, query: str) -> str:
    parts = parse(url)
    return f"postgresql://{parts.username}:{parts.password}@{host}:{parts.port}/{parts.database}?{query}"


async def encrypted(url: str, is_async: bool) -> bool:
    """Connect and ask the server whether this connection is encrypted."""
    question = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    async with Database(url, connect_attempts=1) as database:
        if is_async:
            async with database.async_transaction() as session:
                return bool((await (await session.connection()).execute(question)).scalar_one())
        with database.transaction() as plain:
            return bool(plain.connection().execute(question).scalar_one())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("host", "query", "expected"),
    [
        ("localhost", "sslmode=disable", False),
        ("localhost", "sslmode=allow", False),
        ("localhost", "sslmode=prefer", True),
        ("localhost", "sslmode=require", True),
        ("localhost", f"sslmode=verify-ca&sslrootcert={AUTHORITY}", True),
        ("localhost", f"sslmode=verify-full&sslrootcert={AUTHORITY}", True),
        ("127.0.0.1", f"sslmode=verify-ca&sslrootcert={AUTHORITY}", True),
        ("localhost", f"sslmode=require&channel_binding=require&sslrootcert={AUTHORITY}", True),
    ],
)
async def test_right_certificate_is_accepted(
    tls_url: str, host: str, query: str, expected: bool, is_async: bool, home: Path
) -> None:
    assert await encrypted(at(tls_url, host, query), is_async) is expected


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("host", "query"),
    [
        ("localhost", f"sslmode=require&sslrootcert={STRANGER}"),
        ("localhost", f"sslmode=verify-ca&sslrootcert={STRANGER}"),
        ("localhost", f"sslmode=verify-full&sslrootcert={STRANGER}"),
        ("localhost", "sslmode=verify-full&sslrootcert=system"),
        ("localhost", "sslmode=verify-full"),
        ("127.0.0.1", f"sslmode=verify-full&sslrootcert={AUTHORITY}"),
    ],
)
async def test_wrong_certificate_or_host_is_refused(
    tls_url: str, host: str, query: str, is_async: bool, home: Path
) -> None:
    with pytest.raises(Unavailable, match="certificate"):
        await encrypted(at(tls_url, host, query), is_async)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_channel_binding_under_asyncpg_verifies_instead(tls_url: str, host: str, home: Path) -> None:
    """The host's name is not in the certificate, or its authority is not the system's."""
    root = f"&sslrootcert={AUTHORITY}" if host == "127.0.0.1" else ""
    with pytest.raises(Unavailable, match="certificate"):
        await encrypted(at(tls_url, host, f"sslmode=require&channel_binding=require{root}"), is_async=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a user without certificates of their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
