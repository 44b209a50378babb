"""A database URL is read as libpq reads it, and each driver is given what it understands."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from fieldstone.database import libpq
from fieldstone.database.urls import DatabaseUrl, parse
from fieldstone.errors import UrlError

NEON = "postgresql://app:p%40ss@ep-cool-1.eu-central-1.aws.neon.tech/main?sslmode=require&channel_binding=require"
NEON_POOLER = NEON.replace("ep-cool-1.", "ep-cool-1-pooler.")


def for_asyncpg(text: str) -> dict[str, Any]:
    return dict(parse(text).arguments(asynchronous=True).connect_args)


def for_psycopg(text: str) -> dict[str, Any]:
    return dict(parse(text).arguments(asynchronous=False).connect_args)


@pytest.mark.parametrize(
    ("text", "sync", "asynchronous"),
    [
        ("sqlite://", "sqlite+pysqlite", "sqlite+aiosqlite"),
        ("sqlite:///x.db", "sqlite+pysqlite", "sqlite+aiosqlite"),
        ("sqlite+pysqlite:///x.db", "sqlite+pysqlite", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:///x.db", "sqlite+pysqlite", "sqlite+aiosqlite"),
        ("postgres://h/d", "postgresql+psycopg", "postgresql+asyncpg"),
        ("postgresql://h/d", "postgresql+psycopg", "postgresql+asyncpg"),
        ("postgresql+asyncpg://h/d", "postgresql+psycopg", "postgresql+asyncpg"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg", "postgresql+asyncpg"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg", "postgresql+psycopg"),
        (NEON, "postgresql+psycopg", "postgresql+asyncpg"),
    ],
)
def test_one_url_gives_the_driver_of_each_face(text: str, sync: str, asynchronous: str) -> None:
    url = parse(text)
    assert url.arguments(asynchronous=False).url.drivername == sync
    assert url.arguments(asynchronous=True).url.drivername == asynchronous


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("postgres://u:p@h:5433/d", DatabaseUrl("postgresql", "d", "u", "p", "h", 5433)),
        ("postgresql://u:p%40%2F%3A%25@h/d", DatabaseUrl("postgresql", "d", "u", "p@/:%", "h")),
        ("postgresql://u:a@b@h/d", DatabaseUrl("postgresql", "d", "u", "a@b", "h")),
        ("postgresql://u:a:b@h/d", DatabaseUrl("postgresql", "d", "u", "a:b", "h")),
        ("postgresql://u:%C3%A9@h/d", DatabaseUrl("postgresql", "d", "u", "é", "h")),
        ("postgresql://u@[::1]:5433/d", DatabaseUrl("postgresql", "d", "u", None, "::1", 5433)),
        ("postgresql://u@[2001:db8::1]/d", DatabaseUrl("postgresql", "d", "u", None, "2001:db8::1")),
        ("postgresql:///d?host=/tmp&port=5433", DatabaseUrl("postgresql", "d", host="/tmp", port=5433)),
        ("postgresql://%2Ftmp/d", DatabaseUrl("postgresql", "d", host="/tmp")),
        ("postgresql://h/d?user=u&password=p", DatabaseUrl("postgresql", "d", "u", "p", "h")),
        ("postgresql://h/my%20db", DatabaseUrl("postgresql", "my db", host="h")),
        ("  postgresql://h/d\n", DatabaseUrl("postgresql", "d", host="h")),
        ("sqlite:////var/x.db", DatabaseUrl("sqlite", "/var/x.db")),
        ("sqlite:///:memory:", DatabaseUrl("sqlite", ":memory:")),
    ],
)
def test_url_is_read_in_parts(text: str, parts: DatabaseUrl) -> None:
    assert parse(text) == parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no '://'"),
        ("tasks.db", "no '://'"),
        ("mysql://u:secret@h/d", "begins with 'mysql'"),
        ("postgresql+pg8000://u:secret@h/d", r"begins with 'postgresql\+pg8000'"),
        ("postgresql://u:secret@h:port/d", "port is not a number"),
        ("postgresql://u:secret@h:99999/d", "port is not a number"),
        ("postgresql://u:12/secret@h/d", "bare '/'"),
        ("postgresql://u:sec/ret@h/d", "bare '/'"),
        ("postgresql://u:sec?ret@h/d", "port is not a number"),
        ("postgresql://u:secret%@h/d", "bare '%'"),
        ("postgresql://u:secret%FF@h/d", "not UTF-8"),
        ("postgresql://u:secret@h1,h2/d", "several hosts"),
        ("postgresql://u:secret@[::1/d", "broken IPv6"),
        ("postgresql://u:secret@h/d?sslmode", "without '='"),
        ("postgresql://u:secret@h/d?sslmode=require&sslmode=disable", "'sslmode' twice"),
        ("postgresql://u:secret@h/d?sslmode=verify", "sslmode to 'verify'. Write one of: allow"),
        ("postgresql://u:secret@h/d?connect_timeout=soon", "no whole number"),
        ("postgresql://u:secret@h/d?schema=x", "'schema', which is no libpq connection parameter"),
        ("postgresql://u:secret@h/d?replication=database", "'replication'"),
        ("sqlite://x.db", "three slashes"),
        ("sqlite:///x.db?mode=ro", "uri=true"),
        ("sqlite:///x.db?foo=1", "'foo', which is unknown"),
        ("sqlite:///x.db?timeout=soon", "no number of seconds"),
    ],
)
def test_wrong_url_is_refused_without_showing_its_password(text: str, words: str) -> None:
    with pytest.raises(UrlError, match=words) as refusal:
        parse(text)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("text", [NEON, "postgresql://app@h/d?sslpassword=p%40ss&password=p%40ss"])
def test_no_text_of_a_url_shows_a_secret(text: str) -> None:
    url = parse(text)
    arguments = url.arguments(asynchronous=False)
    for shown in (str(url), repr(url), repr(arguments), str(arguments.url)):
        assert "p@ss" not in shown
        assert "p%40ss" not in shown
    assert parse(str(parse(NEON))).host == parse(NEON).host


def test_neon_under_asyncpg_verifies_the_certificate_and_the_host() -> None:
    context = for_asyncpg(NEON)["ssl"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 0


def test_neon_under_psycopg_is_left_to_libpq() -> None:
    assert for_psycopg(NEON) == {
        "connect_timeout": "10",
        "sslmode": "require",
        "channel_binding": "require",
    }


@pytest.mark.parametrize("text", [NEON_POOLER, "postgresql://h/d?pgbouncer=true"])
def test_pooler_means_no_prepared_statement_is_kept(text: str) -> None:
    arguments = for_asyncpg(text)
    assert arguments["statement_cache_size"] == 0
    assert arguments["prepared_statement_cache_size"] == 0
    assert for_psycopg(text)["prepare_threshold"] is None


def test_direct_host_keeps_prepared_statements() -> None:
    assert "statement_cache_size" not in for_asyncpg(NEON)
    assert "prepare_threshold" not in for_psycopg(NEON)


def test_direct_url_bypasses_the_pooler() -> None:
    assert parse(NEON_POOLER).direct() == parse(NEON)
    assert parse(NEON).direct() == parse(NEON)
    assert not parse(NEON_POOLER + "&pgbouncer=true").direct().pooled


def test_direct_url_of_an_unnamed_pooler_is_not_guessed() -> None:
    with pytest.raises(UrlError, match="direct host cannot be told"):
        parse("postgresql://u:secret@h/d?pgbouncer=true").direct()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"timeout": 10.0}),
        ("connect_timeout=3", {"timeout": 3.0}),
        ("connect_timeout=0", {"timeout": None}),
        ("application_name=tasks", {"timeout": 10.0, "server_settings": {"application_name": "tasks"}}),
        (
            "options=-c%20search_path%3Dapp",
            {"timeout": 10.0, "server_settings": {"options": "-c search_path=app"}},
        ),
        (
            "options=endpoint%3Dep-1",
            {"timeout": 10.0, "server_settings": {"options": "endpoint=ep-1"}},
        ),
        ("fallback_application_name=f", {"timeout": 10.0, "server_settings": {"application_name": "f"}}),
        (
            "target_session_attrs=read-write",
            {"timeout": 10.0, "target_session_attrs": "read-write"},
        ),
        ("sslmode=prefer", {"timeout": 10.0, "ssl": "prefer"}),
        ("ssl=false", {"timeout": 10.0, "ssl": "disable"}),
        ("keepalives=1&keepalives_idle=30&tcp_user_timeout=5000", {"timeout": 10.0}),
    ],
)
def test_libpq_parameters_reach_asyncpg_in_its_own_words(query: str, expected: dict[str, Any]) -> None:
    assert for_asyncpg(f"postgresql://h/d?{query}") == expected


def test_direct_tls_negotiation_reaches_asyncpg() -> None:
    assert for_asyncpg("postgresql://h/d?sslnegotiation=direct&sslmode=require")["direct_tls"] is True


def test_every_known_parameter_is_one_that_libpq_knows() -> None:
    known_to_libpq = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    ours = {"pgbouncer"}
    newer_or_older = {"sslcompression", "gsslib"}  # by the build and version of libpq
    assert libpq.KNOWN - ours - newer_or_older <= known_to_libpq


@pytest.mark.parametrize(
    "query",
    [
        "require_auth=scram-sha-256",
        "hostaddr=127.0.0.1",
        "gssencmode=require",
        "ssl_max_protocol_version=TLSv1.2",
    ],
)
def test_what_asyncpg_cannot_keep_is_refused_naming_the_way_out(query: str) -> None:
    with pytest.raises(UrlError, match=r"postgresql\+psycopg://"):
        for_asyncpg(f"postgresql://h/d?{query}")
    asynchronous = parse(f"postgresql+psycopg://h/d?{query}").arguments(asynchronous=True)
    assert query.partition("=")[0] in asynchronous.connect_args


@pytest.mark.parametrize(
    ("query", "verifies", "checks_host"),
    [
        ("sslmode=require", ssl.CERT_NONE, False),
        ("sslmode=require&sslrootcert={ca}", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-ca&sslrootcert={ca}", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-full&sslrootcert={ca}", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-full&sslrootcert=system", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-full", ssl.CERT_REQUIRED, True),
        ("channel_binding=require", ssl.CERT_REQUIRED, True),
        ("ssl=require", ssl.CERT_NONE, False),
    ],
)
def test_tls_under_asyncpg_means_what_libpq_says(
    query: str, verifies: ssl.VerifyMode, checks_host: bool, authority: Path, home: Path
) -> None:
    context = for_asyncpg(f"postgresql://h/d?{query.format(ca=authority)}")["ssl"]
    assert (context.verify_mode, context.check_hostname) == (verifies, checks_host)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_personal_root_certificate_makes_require_verify(authority: Path, home: Path) -> None:
    (home / ".postgresql").mkdir()
    (home / ".postgresql" / "root.crt").write_bytes(authority.read_bytes())
    assert for_asyncpg("postgresql://h/d?sslmode=require")["ssl"].verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sslmode=verify-ca", "without a root certificate"),
        ("sslmode=require&sslrootcert=system", "trust every host"),
        ("sslmode=verify-full&sslrootcert=/nowhere/ca.crt", "is no file"),
        ("sslmode=disable&channel_binding=require", "nothing to bind to"),
        ("sslmode=prefer&sslnegotiation=direct", "sslmode=require"),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_tls_that_cannot_hold_its_promise_is_refused(
    query: str, words: str, asynchronous: bool, home: Path
) -> None:
    with pytest.raises(UrlError, match=words):
        parse(f"postgresql://h/d?{query}").arguments(asynchronous=asynchronous)


def test_verify_full_under_psycopg_finds_roots_without_a_file_of_its_own(home: Path) -> None:
    root = for_psycopg("postgresql://h/d?sslmode=verify-full")["sslrootcert"]
    assert root == "system" or Path(root).is_file()


async def test_drivers_accept_all_that_they_are_given(postgres_url: str) -> None:
    query = (
        "connect_timeout=5&application_name=url_test&options=-c%20statement_timeout%3D4321&keepalives=1"
        "&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000"
        "&target_session_attrs=read-write&client_encoding=utf8&gssencmode=disable&sslmode=prefer"
        "&channel_binding=prefer&load_balance_hosts=disable&sslsni=1&pgbouncer=true"
    )
    separator = "&" if "?" in postgres_url else "?"
    url = parse(f"{postgres_url}{separator}{query}")
    parts: dict[str, Any] = {
        "user": url.username,
        "password": url.password,
        "host": url.host,
        "port": url.port,
    }
    question = "SELECT current_setting('application_name') || ' ' || current_setting('statement_timeout')"

    with psycopg.connect(
        dbname=url.database, **parts, **url.arguments(asynchronous=False).connect_args
    ) as sync:
        answer = sync.execute(question).fetchone()
        assert answer == ("url_test 4321ms",)

    arguments = dict(url.arguments(asynchronous=True).connect_args)
    for ours in ("prepared_statement_cache_size", "prepared_statement_name_func"):
        del arguments[ours]  # these two are read by SQLAlchemy's dialect
    connection = await asyncpg.connect(database=url.database, **parts, **arguments)
    try:
        assert await connection.fetchval(question) == "url_test 4321ms"
    finally:
        await connection.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a user without certificates of their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def authority() -> Path:
    return Path(__file__).parent / "certificates" / "ca.crt"
