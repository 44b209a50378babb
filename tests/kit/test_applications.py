"""An application runs on the test's database, however it came to its sessions, and has been started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Annotated, Any

import httpx2 as httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlmodel import Session, select
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import ConfigurationError, Database
from fieldstone.fastapi import ReadSession, WriteSession, install
from fieldstone.testing import override
from fieldstone.testing.clients import async_client_of, client_of
from fieldstone.testing.sessions import session_on
from tests.kit import shop
from tests.kit.shop import Item


def read_items(session: ReadSession) -> list[str]:
    return stored(session)


def stored(session: Session) -> list[str]:
    return list(session.exec(select(Item.name).order_by(Item.name)).all())


def test_a_client_and_the_test_work_on_one_database(session: Session, client: TestClient) -> None:
    session.add(Item(name="nail"))
    session.commit()
    assert client.post("/items", json={"name": "screw"}).status_code == 201
    assert client.post("/items", json={"name": "screw"}).status_code == 409
    assert stored(session) == ["nail", "screw"]
    assert client.app_state["found_at_start"] == 0


@pytest.mark.real_commits
def test_with_real_commits_other_connections_see_them(
    db: Database, session: Session, client: TestClient
) -> None:
    assert client.post("/items", json={"name": "screw"}).status_code == 201
    with Database(db.url) as other, other.transaction(read_only=True) as elsewhere:
        assert stored(elsewhere) == stored(session) == ["screw"]


async def test_an_async_client_shares_the_loop_and_the_driver(
    async_session: AsyncSession, async_client: httpx.AsyncClient
) -> None:
    async_session.add(Item(name="nail"))
    await async_session.commit()
    assert (await async_client.post("/items", json={"name": "screw"})).status_code == 201
    assert len((await async_session.exec(select(Item))).all()) == 2
    assert (await async_session.connection()).dialect.driver in {"aiosqlite", "asyncpg"}


@pytest.mark.parametrize(
    ("app", "dependency"),
    [(shop.by_hand, shop.get_session), (shop.by_hand_async, shop.get_async_session)],
    ids=["sync", "async"],
)
@pytest.mark.parametrize("commits", ["savepoints", pytest.param("real", marks=pytest.mark.real_commits)])
def test_a_session_dependency_runs_as_it_is_written(
    db: Database, session: Session, app: FastAPI, dependency: Any, commits: str
) -> None:
    with override(app, db, dependency), TestClient(app) as client:
        assert client.post("/items", json={"name": "nail"}).json() == 1
        assert client.post("/items", json={"name": "screw"}).json() == 2
    assert stored(session) == ["nail", "screw"]  # it commits after its yield
    assert not app.dependency_overrides


async def test_a_session_dependency_runs_in_the_loop_of_the_test(db: Database) -> None:
    async with async_client_of(shop.by_hand_async, db, ["tests.kit.shop:get_async_session"]) as client:
        assert (await client.post("/items", json={"name": "nail"})).json() == 1
    async with db.async_transaction() as session:
        assert len((await session.exec(select(Item))).all()) == 1


def test_mounted_applications_are_reached_as_well(db: Database, session: Session) -> None:
    outer = FastAPI(title="outer")
    outer.mount("/shop", shop.by_hand)
    with override(outer, db, shop.get_session), TestClient(outer) as client:
        assert client.post("/shop/items", json={"name": "nail"}).json() == 1
    assert stored(session) == ["nail"]


def test_an_application_made_with_the_tests_database_needs_no_override(
    db: Database, session: Session
) -> None:
    app = FastAPI()
    install(app, db)

    @app.post("/items")
    def add(session: WriteSession) -> None:
        session.add(Item(name="nail"))

    for _ in range(2):
        with client_of(app, db) as client:
            assert client.get("/nowhere").status_code == 404
    with client_of(app, db) as client:
        client.post("/items")
    assert stored(session) == ["nail"]


def test_an_application_without_a_startup_may_be_used_unentered(db: Database) -> None:
    with override(shop.by_hand, db, shop.get_session):
        assert TestClient(shop.by_hand).post("/items", json={"name": "nail"}).json() == 1


def test_an_included_router_is_no_startup_and_hides_none(db: Database) -> None:
    for lifespan, expected in ((None, 200), (shop.installed.router.lifespan_context, None)):
        app = FastAPI(lifespan=lifespan)
        install(app, db)
        router = APIRouter()
        router.get("/items")(read_items)
        app.include_router(router)
        with override(app, db):
            client = TestClient(app)
            if expected is None:
                with pytest.raises(ConfigurationError, match="has not run"):
                    client.get("/items")
            else:
                assert client.get("/items").status_code == expected


def test_a_startup_that_has_not_run_is_an_error(db: Database) -> None:
    with (
        override(shop.installed, db),
        pytest.raises(
            ConfigurationError,
            match=r"The startup of the application 'installed' has not run: its client was not entered\. "
            r"Use the fixture 'client' or 'async_client', or write: with TestClient\(app\) as client\.",
        ),
    ):
        TestClient(shop.installed).get("/items")


async def test_an_error_at_startup_reaches_the_test(db: Database) -> None:
    @asynccontextmanager
    async def fails(app: FastAPI) -> AsyncIterator[None]:
        yield dict[str, None]()["nothing to start with"]

    app = FastAPI(lifespan=fails)
    install(app, db)
    with pytest.raises(LookupError, match="nothing to start with"):
        await async_client_of(app, db).__aenter__()


async def given_late() -> Session:
    return Session(shop.engine)


def async_from_sync() -> Iterator[AsyncSession]:
    yield AsyncSession(shop.async_engine)


def used_before() -> Iterator[Session]:
    with Database("sqlite://") as other, Session(other.engine) as session:
        session.connection().execute(text("SELECT 1"))
        yield session


def no_session() -> str:
    return "no session"


@pytest.mark.parametrize(
    ("dependency", "message"),
    [
        (
            async_from_sync,
            r"async_from_sync gives an AsyncSession but cannot await.* Write it with 'async def'\.",
        ),
        (
            used_before,
            r"used_before has used its session before giving it away, on the application's own database",
        ),
        (no_session, r"no_session gives str, which is no session\. Name the dependency that gives"),
    ],
    ids=["async from sync", "used before", "no session"],
)
def test_a_dependency_that_cannot_be_moved_is_an_error(db: Database, dependency: Any, message: str) -> None:
    app = FastAPI()

    @app.get("/")
    def use(session: Any = Depends(dependency)) -> None:
        raise AssertionError("it was moved")

    with (
        override(app, db, dependency),
        TestClient(app) as client,
        pytest.raises(ConfigurationError, match=message),
    ):
        client.get("/")


def test_plain_functions_may_give_sessions(db: Database, session: Session) -> None:
    app = FastAPI()

    @app.get("/")
    async def use(found: Annotated[Session, Depends(given_late)]) -> list[str]:
        return stored(found)

    session.add(Item(name="nail"))
    session.commit()
    with override(app, db, given_late), TestClient(app) as client:
        assert client.get("/").json() == ["nail"]


def test_an_application_whose_sessions_are_unknown_is_an_error(db: Database) -> None:
    with (
        pytest.raises(
            ConfigurationError,
            match=r"The application 'by hand' has no database to replace: install\(app, db\) was "
            r"not called on it, "
            r"and no dependency .* Name it: override\(app, db, get_session\), or fieldstone_session = ",
        ),
        override(shop.by_hand, db),
    ):
        pass


def make_app(db: Database) -> FastAPI:
    return FastAPI()


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (
            make_app,
            r"make_app is a function, not an application\. Call it in conftest\.py: .*return make_app\(db\)",
        ),
        ("app", r"The application under test is of type str, not FastAPI"),
    ],
)
def test_what_is_no_application_is_an_error(db: Database, app: Any, message: str) -> None:
    given: AbstractContextManager[FastAPI] = override(app, db)
    with pytest.raises(ConfigurationError, match=message), given:
        pass


def test_the_tests_session_given_to_an_async_endpoint_is_an_error(db: Database) -> None:
    with session_on(db) as session:
        shop.by_hand_async.dependency_overrides[shop.get_async_session] = lambda: session
        try:
            with (
                TestClient(shop.by_hand_async) as client,
                pytest.raises(
                    ConfigurationError,
                    match=r"An asynchronous endpoint uses the test's Session, which is synchronous: .*"
                    r"name the dependency instead \(fieldstone_session\), and take 'async_session'",
                ),
            ):
                client.post("/items", json={"name": "nail"})
        finally:
            shop.by_hand_async.dependency_overrides.clear()
