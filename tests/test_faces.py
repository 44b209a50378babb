"""What the fixtures promise to every other test."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import Database
from fieldstone.testing import count_statements
from fieldstone.verbs import verb
from tests.conftest import FreshUrl
from tests.faces import DIALECTS, Dialect, Face

METADATA = MetaData()


class Local(SQLModel, registry=registry(metadata=METADATA)):
    """Keep these tables apart from those of other test modules."""


class Pebble(Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


@verb
def names(session: Session, *, prefix: str = "") -> list[str]:
    return [prefix + name for name in session.exec(select(Pebble.name).order_by(Pebble.name)).all()]


async def test_a_face_gives_its_own_kind_of_session(face: Face) -> None:
    async with face.transaction() as session:
        assert isinstance(session, AsyncSession if face.is_async else Session)
        assert session.get_bind().dialect.name == face.dialect


@pytest.mark.parametrize("_again", [1, 2])
async def test_a_face_is_empty_however_often_it_is_given(face: Face, _again: int) -> None:
    async with face.transaction() as session:
        tables = await face.run(session, lambda s: inspect(s.connection()).get_table_names())
    assert tables == []
    await face.create_all(METADATA)
    async with face.transaction() as session:
        session.add(Pebble(name="granite"))


async def test_verbs_flush_and_commit_work_on_each_face(face: Face) -> None:
    await face.create_all([Pebble])
    async with face.transaction() as session:
        session.add(Pebble(name="slate"))
        await face.flush(session)
        assert await face(names, session, prefix="> ") == ["> slate"]
        await face.rollback(session)
        session.add(Pebble(name="basalt"))
        await face.commit(session)
    async with face.transaction() as session:
        assert (await face.exec(session, select(Pebble.name))).all() == ["basalt"]


async def test_statements_of_either_engine_are_counted_and_transactions_are_not(face: Face) -> None:
    await face.create_all(METADATA)
    with count_statements(face.database) as statements:
        async with face.transaction() as session:
            session.add(Pebble(name="marble"))
            await face.flush(session)
            await face(names, session)
    assert [statement.split()[0] for statement in statements] == ["INSERT", "SELECT"]
    async with face.transaction() as session:
        await face(names, session)
    assert len(statements) == 2


def test_counting_opens_no_face_of_a_database_and_counts_no_other_database(fresh_url: FreshUrl) -> None:
    with (
        Database(fresh_url("sqlite")) as one,
        Database(fresh_url("sqlite")) as other,
        count_statements(one) as statements,
        count_statements(other.engine) as others,
    ):
        one.create_all(METADATA)
        with other.transaction(read_only=True) as session:
            session.connection().scalar(text("SELECT 1"))
    assert others == ["SELECT 1"]
    assert any("CREATE TABLE pebble" in statement for statement in statements)
    assert "SELECT 1" not in statements


def test_a_database_is_given_to_sync_tests_too(database: Database) -> None:
    with database.transaction() as session:
        assert session.connection().scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_fresh_databases_of_one_test_are_apart(fresh_url: FreshUrl, dialect: Dialect) -> None:
    with Database(fresh_url(dialect)) as one, Database(fresh_url(dialect)) as other:
        one.create_all(METADATA)
        assert inspect(one.engine).get_table_names() == ["pebble"]
        assert inspect(other.engine).get_table_names() == []


PAGE = """
import asyncio

async def test_waits():
    await asyncio.sleep(0)

def test_warns():
    import warnings
    warnings.warn("a warning is an error")
"""


def test_a_coroutine_runs_and_a_warning_fails(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    page = tmp_path / "test_page.py"
    page.write_text(PAGE)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    )
    options = [f"--config-file={pytestconfig.inipath}", f"--rootdir={tmp_path}", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, page],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "a warning is an error" in done.stdout


async def test_the_loop_is_that_of_asyncio() -> None:
    assert asyncio.get_running_loop().is_running()
