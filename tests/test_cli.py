"""The command lists its words without importing their rooms, and ends on errors with their text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fieldstone import cli
from fieldstone.cli import Room, app

ROOM = """
import typer
from fieldstone.errors import ConfigurationError

app = typer.Typer()

@app.command()
def good() -> None:
    typer.echo("done")

@app.command()
def bad() -> None:
    raise ConfigurationError("It is wrong: nothing is set. Set something.")
"""


@pytest.fixture(autouse=True)
def rooms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "room_of_the_test.py").write_text(ROOM)
    (tmp_path / "room_without_library.py").write_text("import library_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "room_of_the_test", raising=False)
    found = {
        "say": Room("room_of_the_test", "cli", "Say something."),
        "lack": Room("room_without_library", "migrations", "Lack something."),
    }
    monkeypatch.setattr(cli, "ROOMS", found)


def run(*words: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(app, [*words])
    return outcome.exit_code, outcome.output


def test_help_lists_every_word_and_imports_no_room() -> None:
    code, said = run("--help")
    assert (code, "Say something." in said, "Lack something." in said) == (0, True, True)
    assert "room_of_the_test" not in sys.modules


def test_a_word_runs_its_room() -> None:
    assert run("say", "good") == (0, "done\n")


def test_a_check_starts_without_what_takes_long_to_import(tmp_path: Path) -> None:
    code = "import sys\nfrom fieldstone.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    (tmp_path / "pyproject.toml").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--exit-zero", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"pydantic", "sqlalchemy", "fastapi", "rich"} & set(done.stdout.split())


def test_an_error_of_fieldstones_ends_with_its_text() -> None:
    assert run("say", "bad") == (2, "It is wrong: nothing is set. Set something.\n")


def test_a_missing_extra_is_named() -> None:
    code, said = run("lack")
    assert code == 2
    assert "needs 'library_that_is_not_there', which is not installed." in said
    assert "pip install 'fieldstone[migrations]'" in said


def test_an_unknown_word_is_refused() -> None:
    code, said = run("sya")
    assert code == 2
    assert "Did you mean 'say'?" in said


def test_the_version_is_told() -> None:
    code, said = run("--version")
    assert (code, said.split()[0]) == (0, "fieldstone")
