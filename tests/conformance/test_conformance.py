"""SQLModel's own tests pass on Fieldstone, except where deviations.py says why not.

Each run is a pytest of its own in a process of its own: it replaces what `sqlmodel` exports, and
upstream clears the one registry of models before every test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fieldstone
from tests.conformance import upstream
from tests.conformance.deviations import OUT_OF_SCOPE, declared
from tests.conftest import FreshUrl

SECONDS = 240
REMEDY = "Mend what fails or say there why it does; take out what passes."


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


def test_sqlmodels_tests_pass_on_postgresql(tests_of_sqlmodel: Path, fresh_url: FreshUrl) -> None:
    run("postgresql", tests_of_sqlmodel, url=f"{fresh_url('postgresql')}?application_name=conformance")


def test_sqlmodels_tests_pass_with_model_on_sqlite(tests_of_sqlmodel: Path) -> None:
    run("model-sqlite", tests_of_sqlmodel, url="sqlite://")


def test_sqlmodels_tests_pass_with_model_on_postgresql(tests_of_sqlmodel: Path, fresh_url: FreshUrl) -> None:
    run("model-postgresql", tests_of_sqlmodel, url=f"{fresh_url('postgresql')}?application_name=conformance")


def test_a_run_refuses_what_goes_past_the_substitution(tmp_path: Path) -> None:
    """Else upstream's tests could pass on upstream's own engines, and nobody would know."""
    write(
        tmp_path, "import sqlalchemy\ndef test_past():\n    sqlalchemy.create_engine('sqlite://').connect()"
    )
    with pytest.raises(pytest.fail.Exception, match=r"test_past\n(.|\n)*that is not Fieldstone's"):
        run("undeclared", tmp_path, url="sqlite://")


def test_a_run_refuses_a_declared_deviation_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "def test_other(): pass")
    with pytest.raises(AssertionError, match="Declared deviations that are not tests: tests/"):
        run("sqlite", tmp_path, url="sqlite://")


def write(tests: Path, text: str) -> None:
    """Put a single test where upstream's would be."""
    (tests / "tests").mkdir()
    (tests / "tests" / "test_ours.py").write_text(text)


def test_an_archive_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / upstream.ARCHIVE).write_bytes(b"something else")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "cache").mkdir()
    with pytest.raises(AssertionError, match="DO NOT MATCH THE HASHES"):
        upstream.unpack(tmp_path, cache=tmp_path / "cache")


def test_without_an_index_the_archive_is_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(upstream.NotAvailable, match=upstream.ARCHIVE):
        upstream.unpack(tmp_path, cache=tmp_path)


def run(name: str, tests: Path, *, url: str) -> None:
    """Run them with the substitution in place; fail with what deviates undeclared."""
    report = tests / "report.json"
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "-W", "ignore"]
    options += [f"--ignore={path}" for path in OUT_OF_SCOPE]
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
        pytest.fail(f"deviations.py does not hold. {REMEDY}\n\n{failures}", pytrace=False)
    assert done.returncode == 0, done.stdout + done.stderr


def environment(name: str, tests: Path, *, url: str, report: Path) -> dict[str, str]:
    """Load the substitution, and nothing else that happens to be installed."""
    here = Path(__file__).parent
    commands = tests / "commands"
    commands.mkdir()
    stand_in = commands / "coverage"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m program "$@"\n')
    stand_in.chmod(0o755)
    paths = [Path(fieldstone.__file__).parents[1], here, tests]
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV_"))},
        "PATH": os.pathsep.join([str(commands), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "substitution",
        "CONFORMANCE_WITH_MODEL": str(int(name.startswith("model"))),
        "CONFORMANCE_DECLARED": json.dumps(declared(name)),
        "CONFORMANCE_REPORT": str(report),
        "DATABASE_URL": url,
    }
