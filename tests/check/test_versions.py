"""Versions are read from whatever form a project declares them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstone.check.versions import versions_of


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["fastapi>=0.100", "sqlalchemy[asyncio]==2.0.36"]\n'),
        ("pyproject.toml", '[project]\ndependencies = [\n    "sqlalchemy==2.0.36",\n]\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nsqlalchemy = "^2.0.36"\n'),
        ("pyproject.toml", "[project.optional-dependencies]\ndb = [\"asyncpg\", 'sqlalchemy~=2.0.36']\n"),
        ("requirements.txt", "sqlalchemy[asyncio]==2.0.36\n"),
        ("uv.lock", '[[package]]\nname = "sqlalchemy"\nversion = "2.0.36"\n'),
    ],
)
def test_a_version_is_known(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    versions = versions_of(tmp_path)
    assert versions.known["sqlalchemy"] == (2, 0, 36)
    assert versions.at_least("sqlalchemy", 2, 1) is False


def test_a_library_may_be_named_without_a_version(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["sqlmodel", "asyncpg"]\n')
    versions = versions_of(tmp_path)
    assert versions.uses("asyncpg")
    assert versions.at_least("sqlmodel", 0, 0, 45) is None
