"""The plugin in a project of its own: what it offers, how it is told what to test, and what it says.

Each project here is run by a pytest of its own, since plugins, options and models belong to a process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from fastapi import FastAPI
from fieldstone import Database, Field, Model, Resource
from fieldstone.fastapi import install, routes

class ItemBase(Model):
    name: str = Field(max_length=40, unique=True)

class Item(ItemBase, table=True):
    id: int | None = Field(default=None, primary_key=True)

class ItemRead(ItemBase):
    id: int

app = FastAPI()
install(app, Database("sqlite:////nonexistent/directory/app.db"))
app.include_router(routes(Resource(Item, read=ItemRead, create=ItemBase, name="items"), exclude={"patch"}))

def make_app(db):
    return app
"""

SETTINGS = """
[pytest]
pythonpath = .
fieldstone_app = shop_app:app
filterwarnings = error
"""

BOTH = """
import httpx2, pytest
from sqlmodel import select
from fieldstone.testing import make
from shop_app import Item

@pytest.mark.parametrize("again", [1, 2])
def test_sync(client, session, again):
    make(session, Item, name="nail")
    session.commit()
    assert client.post("/items", json={"name": "screw"}).status_code == 201
    assert [item.id for item in session.exec(select(Item))] == [1, 2]

@pytest.mark.anyio
async def test_anyio(async_client, async_session):
    await make(async_session, Item, name="nail")
    await async_session.commit()
    assert len((await async_client.get("/items")).json()["items"]) == 1

@pytest.mark.asyncio
async def test_asyncio(async_client, async_session, db):
    assert isinstance(async_client, httpx2.AsyncClient)
    await make(async_session, Item, name="nail")
    await async_session.commit()
    assert len((await async_client.get("/items")).json()["items"]) == 1
    async with db.async_transaction() as other:
        assert len((await other.exec(select(Item))).all()) == 1

@pytest.mark.real_commits
def test_real(db):
    with db.transaction() as session:
        make(session, Item)

def test_untouched():
    pass
"""

BACKEND = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def project(directory: Path, **files: str) -> Path:
    for name, text in {"shop_app": APP, "conftest": BACKEND, **files}.items():
        (directory / f"{name}.py").write_text(text)
    (directory / "pytest.ini").write_text(SETTINGS)
    return directory


BY_ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function")
PLAIN = ("-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:schemathesis")


def run(directory: Path, *options: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "-rA", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "DATABASE_"))},
            **environment,
        },
    )
    return done.stdout + done.stderr


def test_the_same_tests_run_on_both_databases_in_several_processes(tmp_path: Path, postgres_url: str) -> None:
    directory = project(tmp_path, test_shop=BOTH)
    said = run(directory, "--db=all", "-n2", *BY_ASYNCIO, FIELDSTONE_TEST_POSTGRES=postgres_url)
    assert "11 passed" in said, said
    assert re.search(r"test_sync\[sqlite-1\]|test_sync\[1-sqlite\]", said)
    assert "test_anyio[postgresql]" in said
    assert "test_asyncio[sqlite]" in said
    assert "test_untouched[" not in said


WATCHED = """
from sqlmodel import select
from fieldstone.testing import Make
from shop_app import Item

def test_watched(watch, make: Make, session) -> None:
    names = [item.name for item in make.many(Item, 3)]
    for name in names:
        session.exec(select(Item).where(Item.name == name)).one()
"""


def test_a_watched_test_fails_with_the_line(tmp_path: Path) -> None:
    said = run(project(tmp_path, test_watched=WATCHED), *PLAIN)
    assert "1 passed, 1 error" in said, said
    assert "ERROR at teardown of test_watched" in said
    assert re.search(r"query ran 3 times with other values, at test_watched\.py:\d+ in test_watched", said)


def test_a_run_on_postgresql_alone_marks_nothing(tmp_path: Path, postgres_url: str) -> None:
    said = run(
        project(tmp_path, test_shop=BOTH),
        *("--db=postgres", "-k", "real or untouched", *BY_ASYNCIO),
        FIELDSTONE_TEST_POSTGRES=postgres_url,
    )
    assert "2 passed" in said, said
    assert "test_real\n" in said


IDLE = """
import sys

def test_nothing_is_imported_that_no_fixture_needs():
    heavy = {"sqlalchemy", "sqlmodel", "pydantic", "fastapi", "polyfactory", "httpx2"}
    assert not heavy & set(sys.modules)

import pytest

@pytest.fixture
def client():
    return "our own"

def test_a_fixture_of_the_project_takes_the_place(client):
    assert client == "our own"
"""


def test_the_plugin_costs_nothing_and_gives_way(tmp_path: Path) -> None:
    said = run(project(tmp_path, test_shop=IDLE), *PLAIN)
    assert "2 passed" in said, said


TRAPS = """
import pytest
from sqlalchemy import MetaData, create_engine
from sqlmodel.pool import StaticPool
from fieldstone.testing.naming import known_tables, load
from fieldstone.testing.templates import schema_of

class TestNoLoop:
    def test_no_loop(self, async_session): ...

class TestEngine:
    @pytest.fixture
    def db(self): return create_engine("sqlite://")
    def test_engine(self, session): ...

class TestOther:
    @pytest.fixture
    def db(self): return "sqlite://"
    def test_other(self, session): ...

class TestFactory:
    @pytest.fixture
    def fieldstone_app(self):
        from shop_app import make_app
        return make_app
    def test_factory(self, client): ...

def test_no_attribute(): load("shop_app", "fieldstone_app")
def test_no_module(): load("shop_ap:app", "fieldstone_app")
def test_no_name(): load("shop_app:ap", "fieldstone_app")

class TestMetadata:
    @pytest.fixture
    def fieldstone_metadata(self): return "models"
    def test_metadata(self, session): ...

class TestMissing:
    @pytest.fixture
    def fieldstone_metadata(self): return MetaData()
    def test_missing(self, session):
        from sqlmodel import select
        from shop_app import Item
        session.exec(select(Item)).all()
"""

NO_MODELS = """
def test_no_models(session): ...
"""

NO_APP = """
import shop_app
def test_no_app(client): ...
"""

MESSAGES = {
    "test_no_loop": r"The fixture 'async_session' needs an event loop, and no plugin runs this test in one\. "
    r"Write the test with 'async def', mark it with @pytest\.mark\.anyio",
    "test_engine": r"The fixture 'db' of this project gives an object of type Engine, for a SQLite "
    r"database in "
    r"memory of which every connection has its own: .* Return fieldstone\.Database\('sqlite://'\)",
    "test_other": r"The fixture 'db' of this project gives an object of type str; .* need a "
    r"fieldstone\.Database",
    "test_factory": r"make_app is a function, not an application\. Call it in conftest\.py",
    "test_no_attribute": r"fieldstone_app = 'shop_app' names no attribute\. Write "
    r"'package\.module:attribute'\.",
    "test_no_module": r"fieldstone_app names 'shop_ap', which cannot be imported: there is no "
    r"module 'shop_ap'\.",
    "test_no_name": r"fieldstone_app = 'shop_app:ap': the module 'shop_app' has no 'ap'\. Name what "
    r"it defines\.",
    "test_metadata": r"The fixture 'fieldstone_metadata' gives str, and must give a MetaData, such "
    r"as SQLModel\.metadata",
    "test_missing": r"The test database has no table 'item'\. It was made with: no tables\. Import "
    r"the module",
}


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = project(tmp_path_factory.mktemp("traps"), test_traps=TRAPS)
    return run(directory, *PLAIN)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_mistake_in_the_set_up_is_said_with_its_remedy(trapped: str, name: str) -> None:
    section = re.split(rf"_ (?:ERROR at setup of )?\w*\.?{name}\S* _", trapped)
    assert len(section) == 2, trapped
    said = " ".join(re.sub(r"^E  ", "", section[1].split("\n____")[0], flags=re.MULTILINE).split())
    assert re.search(MESSAGES[name], said), said


def test_models_and_application_must_be_named(tmp_path: Path) -> None:
    directory = project(tmp_path, test_models=NO_MODELS)
    (directory / "pytest.ini").write_text(SETTINGS.replace("fieldstone_app = shop_app:app\n", ""))
    said = run(directory, *PLAIN)
    assert "No model has been imported, so the test database would have no tables" in said
    assert "fieldstone_models = " in said
    (directory / "test_models.py").write_text(NO_APP)
    said = run(directory, *PLAIN)
    assert (
        'No application is named, and a client needs one. Set fieldstone_app = "package.module:app"' in said
    )
