"""The process that owns a throw-away PostgreSQL server, started by postgres.py.

It is its own program, and imports the standard library alone, for two reasons: it outlives a
test run that is killed, and it starts in a few milliseconds. It holds the server in a directory
whose file `alive` is locked by the test run. The kernel drops that lock however the run ends,
also by SIGKILL, and then the server stops and the directory goes.

The data is in memory where Linux has room for it: a database is about 300 files, and the tests make and
drop databases all the time.

    python -I server.py DIRECTORY BINARIES

prints one line of JSON, {"url": ...} or {"error": ...}, and goes on in the background.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TypedDict

ROLE = "fieldstone"
START_SECONDS = 30.0
ATTEMPTS = 5
MEMORY = Path("/dev/shm")  # noqa: S108  # the cluster's directory there is this user's alone
ROOM_BYTES = 4_000_000_000

# Nothing here has to survive a crash, and many short-lived databases are made and dropped.
SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "unix_socket_directories": "",
    "wal_level": "minimal",
}


class Identity(TypedDict, total=False):
    """Who runs the server, as arguments of Popen; empty where that is the caller."""

    user: int
    group: int
    extra_groups: list[int]


class StartError(Exception):
    """Say why the server did not start."""


class PortTaken(StartError):
    """Say that another process took the port between choosing and binding it."""


def main(directory: Path, binaries: Path) -> None:
    """Start the server, report, and stay until the test run has ended."""
    if os.fork():
        os._exit(0)  # the caller waits for this half; the other belongs to nobody
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)
    home = cluster_of(directory)
    try:
        serve_the_run(directory, binaries, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def serve_the_run(directory: Path, binaries: Path, home: Path) -> None:
    try:
        server, url = start(directory, binaries, home)
    except (OSError, StartError, subprocess.SubprocessError) as error:
        report({"error": f"{binaries}: {error}"})
        return
    try:
        report({"url": url})
        wait_for_the_end_of_the_run(directory)
    finally:
        stop(server)
        shutil.rmtree(directory, ignore_errors=True)


def cluster_of(directory: Path) -> Path:
    """Say where the cluster goes: into memory where there is room, or else into the run's directory."""
    return MEMORY / directory.name if free_memory() >= ROOM_BYTES else directory / "cluster"


def free_memory() -> int:
    """Return how many bytes can still be written to files in memory."""
    try:
        files = os.statvfs(MEMORY)
        available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return 0
    return min(files.f_bavail * files.f_frsize, int(available[1]) * 1024) if available else 0


def leave(_signal: int, _frame: FrameType | None) -> None:
    """End in order when asked to terminate."""
    sys.exit(0)


def report(outcome: dict[str, str]) -> None:
    """Tell the caller, and let go of its pipes, which it reads to their end."""
    os.write(1, json.dumps(outcome).encode() + b"\n")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def wait_for_the_end_of_the_run(directory: Path) -> None:
    with (directory / "alive").open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)


def start(directory: Path, binaries: Path, home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Make a cluster in `home` and serve it on a free port of the loopback address."""
    identity = unprivileged(directory)
    binaries = readable(binaries, directory, identity)
    password = secrets.token_urlsafe(12)
    data = make_cluster(home, binaries, password, identity)
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        try:
            return serve(directory, binaries, data, port, identity), (
                f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/postgres"
            )
        except PortTaken:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def unprivileged(directory: Path) -> Identity:
    """Return who runs the server: not root, as which PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        directory.chmod(0o711)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise StartError("PostgreSQL refuses to run as root, and there is no user 'postgres' or 'nobody'.")


def readable(binaries: Path, directory: Path, identity: Identity) -> Path:
    """Return the binaries, copied next to the data if that user cannot reach them.

    A virtual environment below /root is such a place. Binaries find their libraries and
    templates by their own position, so the whole installation is copied.
    """
    try:
        run([binaries / "postgres", "--version"], identity)
    except (PermissionError, StartError):
        if not identity:
            raise
    else:
        return binaries
    copy = directory / "installation"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
    run([copy / binaries.name / "postgres", "--version"], identity)
    return copy / binaries.name


def make_cluster(home: Path, binaries: Path, password: str, identity: Identity) -> Path:
    home.mkdir(mode=0o700)
    secret = home / "password"
    secret.write_text(verifier(password))
    if "user" in identity and "group" in identity:
        for path in (home, secret):
            os.chown(path, identity["user"], identity["group"])
    data = home / "data"
    options = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync"]
    run([binaries / "initdb", "-D", data, "-U", ROLE, *options], identity)
    secret.unlink()
    return data


def verifier(password: str) -> str:
    """Return what the server keeps of a password (RFC 5802), hashed once.

    PostgreSQL hashes 4096 times, against guessing, and that is most of what a connection takes. Nobody
    guesses this password: it has 96 random bits.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, key, "sha256") for key in (b"Client Key", b"Server Key"))
    encoded = (base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client).digest(), server))
    return "SCRAM-SHA-256$1:{}${}:{}".format(*encoded)


def serve(
    directory: Path, binaries: Path, data: Path, port: int, identity: Identity
) -> subprocess.Popen[bytes]:
    """Start the server and wait until it accepts connections."""
    settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *settings],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment(),
            **identity,
        )
    try:
        wait_until_ready(server, data)
    except BaseException:
        stop(server)
        raise
    if server.poll() is None:
        return server
    said = (directory / "log").read_text(errors="replace")[-2000:]
    raise (PortTaken if "could not bind" in said else StartError)(
        f"the server did not start. It said: {said}"
    )


def wait_until_ready(server: subprocess.Popen[bytes], data: Path) -> None:
    """Wait until the server accepts connections, or has ended."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and not is_ready(data):
        if time.monotonic() > deadline:
            raise StartError(f"the server was not ready after {START_SECONDS:.0f} seconds.")
        time.sleep(0.02)


def is_ready(data: Path) -> bool:
    """Read line 8 of postmaster.pid, where the server writes its state (src/include/utils/pidfile.h)."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop at once: the data is thrown away, so there is nothing to write out."""
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(command: list[str | Path], identity: Identity) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment(),
        check=False,
        **identity,
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace")[-2000:]
        raise StartError(f"{Path(command[0]).name} ended with {done.returncode}. It said: {said}")


def environment() -> dict[str, str]:
    """Keep the caller's PGDATA, PGPORT and locale away from the server."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "TMPDIR"}}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
