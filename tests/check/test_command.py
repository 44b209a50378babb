"""The command: what it prints, what it changes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from fieldstone.check import command, explaining
from fieldstone.errors import ConfigurationError

MODELS = """\
from datetime import UTC, datetime

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    made: datetime = Field(default=datetime.now(UTC))  # when it was made
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "sample"\n')
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command.app, list(arguments), catch_exceptions=False)


def test_a_finding_is_shown_with_its_source_and_its_remedy(project: Path) -> None:
    result = run()
    assert result.exit_code == 1
    assert "models.py:8:36: FS013 `datetime.now(UTC)` runs once, at import" in result.stdout
    assert "8 |     made: datetime = Field(default=datetime.now(UTC))  # when it was made" in result.stdout
    assert "  |                                    ^^^^^^^^^^^^^^^^^\n" in result.stdout
    assert "= Write `default_factory=lambda: datetime.now(UTC)`. [*]" in result.stdout
    assert "1 can be repaired with --fix." in result.stdout


def test_nothing_found_ends_with_zero(project: Path) -> None:
    (project / "models.py").write_text("x = 1\n")
    result = run(".")
    assert (result.exit_code, result.stdout) == (0, "Nothing found in 1 file, 2 lines.\n")


def test_a_file_that_cannot_be_parsed_is_reported(project: Path) -> None:
    (project / "models.py").write_text("def f(:\n")
    result = run("--output-format", "concise")
    assert result.exit_code == 1
    assert "models.py:1:1: FS000 The file cannot be parsed, so nothing in it was checked: " in result.stdout


@pytest.mark.parametrize(
    ("comment", "silent"),
    [
        ("# noqa: FS013 kept on purpose", True),
        ("# noqa: E501, FS013", True),
        ("# noqa", True),
        ("# noqa: FS204", False),
        ("# noqa: E501", False),
        ("# not noqa-like", False),
    ],
)
def test_a_comment_silences_the_codes_that_it_names(project: Path, comment: str, silent: bool) -> None:
    (project / "models.py").write_text(MODELS.replace("# when it was made", comment))
    assert run().exit_code == (0 if silent else 1)


@pytest.mark.parametrize(
    ("table", "silent"),
    [
        ("", False),
        ('select = ["FS2"]', True),
        ('select = ["FS0"]', False),
        ('ignore = ["FS013"]', True),
        ('exclude = ["mod*.py"]', True),
        ('per-file-ignores = { "models.py" = ["FS0"] }', True),
        ('per-file-ignores = { "tests/**" = ["FS0"] }', False),
    ],
)
def test_pyproject_says_which_rules_run_where(project: Path, table: str, silent: bool) -> None:
    (project / "pyproject.toml").write_text(f"[tool.fieldstone.check]\n{table}\n")
    assert run().exit_code == (0 if silent else 1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("selects = []", "[tool.fieldstone.check] has no 'selects'. Its keys are: select, ignore,"),
        ('select = "FS0"', "'select' in [tool.fieldstone.check] is no list of texts."),
        ("=", "pyproject.toml cannot be read: "),
    ],
)
def test_a_configuration_without_meaning_is_refused(project: Path, table: str, said: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.fieldstone.check]\n{table}\n")
    with pytest.raises(ConfigurationError) as refused:
        run()
    assert said in str(refused.value)


def test_what_is_asked_for_must_exist(project: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no 'missing'"):
        run("missing")
    with pytest.raises(ConfigurationError, match="No rule begins with 'FS9999'"):
        run("--select", "FS9999")
    with pytest.raises(ConfigurationError, match="There is no rule 'FS9999'"):
        CliRunner().invoke(explaining.app, ["FS9999"], catch_exceptions=False)


def test_a_fix_changes_its_place_alone_and_a_second_run_nothing(project: Path) -> None:
    result = run("--fix")
    assert result.exit_code == 0
    assert "Repaired 1." in result.stdout
    after = MODELS.replace("default=datetime", "default_factory=lambda: datetime")
    assert (project / "models.py").read_text() == after
    assert "Repaired" not in run("--fix").stdout
    assert (project / "models.py").read_text() == after


def test_line_ends_and_encoding_are_kept_by_a_fix(project: Path) -> None:
    text = "# coding: latin-1\n# caf\xe9\n" + MODELS
    (project / "models.py").write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    assert "Repaired 1." in run("--fix").stdout
    after = (project / "models.py").read_bytes().decode("latin-1")
    assert after.count("\r\n") == after.count("\n") == text.count("\n")
    assert "# caf\xe9" in after


def test_a_diff_shows_the_change_and_makes_none(project: Path) -> None:
    result = run("--diff")
    assert result.exit_code == 1
    assert "--- a/models.py" in result.stdout
    assert "+    made: datetime = Field(default_factory=lambda: datetime.now(UTC))" in result.stdout
    assert (project / "models.py").read_text() == MODELS


def test_unsafe_fixes_wait_until_they_are_asked_for(project: Path) -> None:
    text = "from sqlalchemy.ext.asyncio import async_sessionmaker\n\nmaker = async_sessionmaker(engine)\n"
    (project / "models.py").write_text(text)
    assert "(1 more with --unsafe-fixes)" in run("--fix").stdout
    assert (project / "models.py").read_text() == text
    assert run("--unsafe-fixes").exit_code == 0
    assert "(engine, expire_on_commit=False)" in (project / "models.py").read_text()


def test_a_baseline_hides_what_was_there_and_nothing_new(project: Path) -> None:
    assert run("--write-baseline", "known.json").exit_code == 0
    assert run("--baseline", "known.json").exit_code == 0
    again = "    again: datetime = Field(default=datetime.now(UTC))\n"
    (project / "models.py").write_text(MODELS.replace("class Task", "# moved\nclass Task") + again)
    result = run("--baseline", "known.json", "--output-format", "concise")
    assert [line.partition(" ")[0] for line in result.stdout.splitlines()][:1] == ["models.py:10:37:"]
    (project / "pyproject.toml").write_text('[tool.fieldstone.check]\nbaseline = "known.json"\n')
    assert run("--output-format", "concise").stdout.startswith("models.py:10:37:")
    with pytest.raises(ConfigurationError, match=r"The baseline 'missing\.json' is not there"):
        run("--baseline", "missing.json")


def test_statistics_count_the_findings_of_each_rule(project: Path) -> None:
    assert "1  FS013  eager-default" in run("--statistics").stdout


def printed(name: str) -> str:
    result = run("--output-format", name)
    assert result.exit_code == 1
    return result.stdout


def test_formats_for_programs_say_where_and_what(project: Path) -> None:
    (found,) = json.loads(printed("json"))
    assert (found["code"], found["start"], found["fix"]["applicability"]) == (
        "FS013",
        {"line": 8, "column": 36},
        "safe",
    )
    (log,) = json.loads(printed("sarif"))["runs"]
    assert log["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 8
    assert [rule["id"] for rule in log["tool"]["driver"]["rules"]] == ["FS013"]
    (quality,) = json.loads(printed("gitlab"))
    assert quality["location"] == {"path": "models.py", "lines": {"begin": 8, "end": 8}}
    (diagnostic,) = json.loads(printed("rdjson"))["diagnostics"]
    assert diagnostic["code"] == {"value": "FS013"}
    failure = ET.fromstring(printed("junit").encode()).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("type") == "FS013"
    assert printed("github").startswith("::error file=models.py,line=8,endLine=8,col=36,title=FS013::FS013 ")


def test_findings_go_to_a_file(project: Path) -> None:
    result = run("--output-format", "json", "--output-file", "found.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads((project / "found.json").read_text())[0]["path"] == "models.py"


def test_a_rule_is_explained(project: Path) -> None:
    result = CliRunner().invoke(explaining.app, ["fs013"])
    for part in ("# FS013 eager-default", "Bad:", "default=datetime.now(UTC)", "Good:", "When it is fine:"):
        assert part in result.stdout
    assert "FS204" in CliRunner().invoke(explaining.app, []).stdout


def test_installed_and_built_files_are_not_read(project: Path) -> None:
    for folder in (".venv", "node_modules", "build", "mine"):
        (project / folder).mkdir()
        (project / folder / "models.py").write_text(MODELS)
    (project / "mine" / "pyvenv.cfg").touch()
    assert "in 1 file" in run().stdout
