"""A set-up that is missing or wrong says what to set, and shows no secret (P18, P19)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fieldstone import Database
from fieldstone.errors import (
    ConfigurationError,
    MissingExtra,
    UrlError,
)


@pytest.mark.parametrize("module", ["asyncpg", "psycopg", "aiosqlite"])
def test_missing_driver_names_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = "sqlite" if module == "aiosqlite" else "postgres"
    database = Database("sqlite://" if extra == "sqlite" else "postgresql://h/d")
    with pytest.raises(MissingExtra, match=rf"'{module}', which is not installed.*fieldstone\[{extra}\]"):
        _ = database.engine if module == "psycopg" else database.async_engine
    database.close()


def test_unset_url_says_what_to_set(clean_environment: None) -> None:
    with pytest.raises(UrlError, match=r"DATABASE_URL is not set. Set it to sqlite:///app.db .* for Neon"):
        Database()


def test_environment_names_the_database_and_its_pool(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("FIELDSTONE_POOL_SIZE", "3")
    assert Database().url.database == "x.db"
    assert Database().settings.pool_size == 3
    assert Database(pool_size=4).settings.pool_size == 4


def test_wrong_setting_is_named_without_its_value(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDSTONE_POOL_SIZE", "many")
    with pytest.raises(
        ConfigurationError, match=r"pool_size \(FIELDSTONE_POOL_SIZE\): Input should be"
    ) as refusal:
        Database("sqlite://")
    assert "many" not in str(refusal.value)


async def test_close_does_not_leave_the_async_face_open_in_silence() -> None:
    database = Database("sqlite://")
    async with database.async_transaction() as session:
        await session.connection()
    with pytest.raises(ConfigurationError, match=r"await db\.aclose\(\)"):
        database.close()
    await database.aclose()


def test_representation_hides_the_password() -> None:
    assert repr(Database("postgresql://u:secret@h/d")) == "Database('postgresql://u:***@h/d')"


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no settings, neither in the environment nor in a `.env` file beside the program."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name == "DATABASE_URL" or name.startswith("FIELDSTONE_"):
            monkeypatch.delenv(name)
