"""What the database document's blocks on installing and connecting are for, done with Fieldstone.

Blocks B1, B3, B4 and B12, in the document's order; the numbers are those of
docs/from-the-documents.md, and P1 to P38 are the project's own list of patterns.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from fieldstone import (
    Conflict,
    Database,
    UrlError,
    count,
    one,
)
from tests.documents.rows import store
from tests.documents.tasks import (
    METADATA,
    Task,
    TaskRead,
)
from tests.faces import Face

# B1 What to install


def test_b1_p18_each_database_is_an_extra_of_the_package() -> None:
    offered = importlib.metadata.metadata("fieldstone").get_all("Provides-Extra")
    assert {"sqlite", "postgres", "fastapi", "testing", "all"} <= set(offered or ())


# B3, B4 Connecting, sync and async


def test_b3_b4_p18_without_a_url_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UrlError, match=r"DATABASE_URL is not set\. Set it to"):
        Database()


async def test_b3_b4_p18_one_url_from_the_environment_serves_both_faces(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    async with Database() as db:
        db.create_all(METADATA)
        with db.transaction() as session:
            session.add(Task(title="made by one face"))
        async with db.async_transaction(read_only=True) as session:
            task = await one(session, select(Task), TaskRead)
    assert task.title == "made by one face"


async def test_b3_p20_a_reference_to_nothing_is_refused_on_either_database(empty: Face) -> None:
    with pytest.raises(Conflict, match="project_id"):
        await store(empty, Task(title="t", project_id=999))
    async with empty.transaction(read_only=True) as session:
        assert await empty(count, session, select(Task)) == 0


async def test_b3_p20_no_acknowledged_increment_is_lost(empty: Face) -> None:
    """On SQLite a writing unit holds the lock from its start; on PostgreSQL the row is locked."""
    await store(empty, Task(title="counter"))
    db = empty.database

    def increment(session: Session) -> None:
        task = session.exec(select(Task).with_for_update()).one()
        task.progress_percent += 1

    def work() -> None:
        for _ in range(10):
            db.run(increment)

    with ThreadPoolExecutor(4) as pool:
        await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(pool, work) for _ in range(4)))
    async with empty.transaction(read_only=True) as session:
        assert (await empty(one, session, select(Task), TaskRead)).progress_percent == 40


async def test_b3_b5_p23_workers_that_start_at_once_all_start(database_url: str) -> None:
    workers = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(worker.create_all_async(METADATA) for worker in workers))
    for worker in workers:
        async with worker.async_transaction(read_only=True) as session:
            assert await count(session, select(Task)) == 0
        await worker.aclose()


async def test_b4_p22_an_object_is_readable_right_after_its_commit(empty: Face) -> None:
    async with empty.transaction() as session:
        task = Task(title="t")
        session.add(task)
        await empty.commit(session)
        assert (task.title, task.status) == ("t", "pending")


# B12 Neon

NEON = "postgresql://owner:p%40ss@ep-cool-1{pooler}.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
async def test_b12_p18_p19_neons_own_url_serves_both_faces(scheme: str) -> None:
    async with Database(NEON.format(pooler="").replace("postgresql", scheme, 1)) as db:
        assert db.engine.url.get_driver_name() == "psycopg"
        assert db.async_engine.url.get_driver_name() in ("asyncpg", "psycopg")
        assert db.engine.url.password == db.async_engine.url.password == "p@ss"
        assert "p@ss" not in f"{db!r} {db.url}"
        assert "p%40ss" not in f"{db!r} {db.url}"


def test_b12_p19_channel_binding_becomes_a_tls_context_that_verifies() -> None:
    url = Database(NEON.format(pooler="")).url
    context = url.arguments(asynchronous=True).connect_args["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_b12_p19_a_pooled_host_gets_no_prepared_statements() -> None:
    url = Database(NEON.format(pooler="-pooler")).url
    assert url.pooled
    assert url.arguments(asynchronous=True).connect_args["statement_cache_size"] == 0
    assert url.arguments(asynchronous=False).connect_args["prepare_threshold"] is None
    assert "-pooler" not in str(url.direct())


async def test_b12_p18_libpq_parameters_reach_the_server_on_both_faces(postgres_url: str) -> None:
    joined = "&" if "?" in postgres_url else "?"
    url = (
        f"{postgres_url}{joined}connect_timeout=5&application_name=tasks&options=-c%20statement_timeout%3D5s"
    )
    async with Database(url) as db:
        for face in (Face(db, is_async=False), Face(db, is_async=True)):
            async with face.transaction(read_only=True) as session:
                for setting, value in (("application_name", "tasks"), ("statement_timeout", "5s")):
                    found = await face.exec(session, text(f"SELECT current_setting('{setting}')"))
                    assert found.scalar_one() == value
