"""SQLModel's own tests pass on Fieldstone, except where deviations.py says why not.

Each run is a pytest of its own in a process of its own: it replaces what `sqlmodel` exports, and
upstream clears the one registry of models before every test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

import fieldstone
from conformance import upstream
from fieldstone import Database

SECONDS = 240


@pytest.fixture
def tests_of_sqlmodel(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """Bring SQLModel's tests, or skip: but never on CI, where nobody would notice."""
    try:
        return upstream.unpack(tmp_path, cache=pytestconfig.cache.mkdir("sqlmodel"))
    except upstream.NotAvailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"SQLModel's tests could not be brought here, so none of them ran. {error}")


def test_sqlmodels_tests_pass_on_sqlite(tests_of_sqlmodel: Path) -> None:
    run("sqlite", tests_of_sqlmodel, url="sqlite://")


def test_sqlmodels_tests_pass_on_postgresql(tests_of_sqlmodel: Path, empty_postgresql: str) -> None:
    run("postgresql", tests_of_sqlmodel, url=empty_postgresql)


def test_sqlmodels_tests_pass_with_model_on_sqlite(tests_of_sqlmodel: Path) -> None:
    run("model-sqlite", tests_of_sqlmodel, url="sqlite://")


def test_sqlmodels_tests_pass_with_model_on_postgresql(
    tests_of_sqlmodel: Path, empty_postgresql: str
) -> None:
    run("model-postgresql", tests_of_sqlmodel, url=empty_postgresql)


@pytest.fixture
def empty_postgresql(postgres_url: str) -> Iterator[str]:
    """Give a database of its own to a run that drops whatever it finds."""
    name = f"conformance_{uuid.uuid4().hex}"
    with Database(postgres_url) as server, server.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def run(name: str, tests: Path, *, url: str) -> None:
    """Run them with the substitution in place; fail with what deviates undeclared."""
    report = tests / "report.json"
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "-W", "ignore"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", *options],
        cwd=tests,
        env=environment(name, tests, url=url, report=report),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert report.exists(), f"The run did not come to its end.\n{done.stdout}\n{done.stderr}"
    outcome = json.loads(report.read_text())
    counts = ", ".join(f"{number} {what}" for what, number in outcome["outcomes"].items())
    print(f"SQLModel {upstream.VERSION}, {name}: {counts}, {len(outcome['failures'])} undeclared.")
    failures = "\n\n".join(f"{test}\n{text}" for test, text in outcome["failures"].items())
    if failures:
        pytest.fail(
            f"Undeclared deviations. Mend them, or say why in deviations.py.\n\n{failures}", pytrace=False
        )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(name: str, tests: Path, *, url: str, report: Path) -> dict[str, str]:
    """Load the substitution, and nothing else that happens to be installed."""
    commands = tests / "commands"
    commands.mkdir()
    stand_in = commands / "coverage"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m conformance.program "$@"\n')
    stand_in.chmod(0o755)
    paths = [Path(fieldstone.__file__).parents[1], Path(__file__).parents[1], tests]
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV_"))},
        "PATH": os.pathsep.join([str(commands), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "conformance.substitution",
        "CONFORMANCE_RUN": name,
        "CONFORMANCE_REPORT": str(report),
        "DATABASE_URL": url,
    }
