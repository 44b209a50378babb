"""Through PgBouncer in transaction mode, each transaction may meet another server connection (P19)."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from fieldstone import Database
from fieldstone.database.urls import parse
from tests.faces import Face

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None, reason="PgBouncer is not installed: apt-get install pgbouncer"
)


@pytest.fixture
def pooled_url(fresh_url: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """Start a PgBouncer that hands two server connections around, without help for prepared statements."""
    server = parse(fresh_url("postgresql"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (tmp_path / "users.txt").write_text(f'"{server.username}" "{server.password}"\n')
    (tmp_path / "bouncer.ini").write_text(
        f"[databases]\n* = host={server.host} port={server.port} "
        f"user={server.username} password={server.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {tmp_path}/users.txt\npool_mode = transaction\n"
        "default_pool_size = 2\nserver_round_robin = 1\n"
    )
    if os.geteuid() == 0:  # PgBouncer refuses to run as root
        for path in (tmp_path, *tmp_path.parents):
            if path.stat().st_uid == 0 and path != Path("/") and path != Path("/tmp"):
                path.chmod(0o755)
        account = ["-u", "nobody"]
    else:
        account = []
    log = (tmp_path / "log.txt").open("wb")
    process = subprocess.Popen(
        [str(PGBOUNCER), *account, str(tmp_path / "bouncer.ini")], stdout=log, stderr=log
    )
    try:
        wait_for(port, process, tmp_path / "log.txt")
        yield f"postgresql://{server.username}:{server.password}@127.0.0.1:{port}/{server.database}"
    finally:
        process.terminate()
        process.wait()
        log.close()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
        if process.poll() is not None:
            break
    pytest.fail(f"PgBouncer did not start: {log.read_text()}")


def next_number(session: Session, number: int) -> object:
    question = text("SELECT CAST(:number AS int) + 1")
    return session.connection().execute(question, {"number": number}).scalar_one()


async def ask_often(url: str, is_async: bool) -> None:
    """Run the same statements in many transactions on several connections."""
    async with Database(url) as database:
        face = Face(database, is_async)

        async def work(start: int) -> None:
            for number in range(start, start + 20):
                async with face.transaction() as session:
                    assert await face.run(session, next_number, number) == number + 1

        if is_async:
            await asyncio.gather(*(work(start) for start in range(0, 400, 100)))
        else:
            await asyncio.gather(
                *(asyncio.to_thread(asyncio.run, work(start)) for start in range(0, 400, 100))
            )


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_statements_survive_a_transaction_pooler(pooled_url: str, is_async: bool) -> None:
    await ask_often(f"{pooled_url}?pgbouncer=true", is_async)


async def test_without_being_told_of_the_pooler_statements_get_lost(pooled_url: str) -> None:
    """Show that the test above can fail: keep one server busy, so that the other must answer."""
    backend = text("SELECT pg_backend_pid()")
    async with Database(pooled_url, pool_size=3) as database:
        engine = database.async_engine
        async with engine.connect() as asking, engine.connect() as first, engine.connect() as second:
            async with asking.begin():
                home = await asking.scalar(backend)
            clients = {await client.scalar(backend): client for client in (first, second)}
            assert len(clients) == 2
            for server, client in clients.items():
                if server != home:
                    await client.rollback()
            with pytest.raises(DBAPIError, match="prepared statement"):
                await asking.scalar(backend)
