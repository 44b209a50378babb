"""A project that is checked again while somebody works on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstone.check import watching
from fieldstone.check.running import Report, unseen
from fieldstone.check.watching import reports
from fieldstone.check.workspace import Workspace
from fieldstone.errors import ConfigurationError
from tests.check.test_cache import project
from tests.check.test_command import MODELS, run

__all__ = ["project"]


def codes(report: Report | ConfigurationError) -> list[str] | str:
    return str(report) if isinstance(report, ConfigurationError) else [one.code for one in report.findings]


@pytest.mark.timeout(120)
def test_each_change_is_followed_by_a_report(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "models.py").write_text(MODELS)
    following = reports(Workspace([tmp_path]), unseen)
    assert codes(next(following)) == ["FS013"]
    (tmp_path / "models.py").write_text(MODELS.replace("default=datetime.now(UTC)", "default=None"))
    assert codes(next(following)) == []
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / "pyproject.toml").write_text("[tool.fieldstone.check]\nslect = []\n")
    assert "has no 'slect'" in codes(next(following))
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "models.py").write_text(MODELS)
    while codes(found := next(following)) != ["FS013"]:  # the two changes may be told one by one
        assert isinstance(found, Report | ConfigurationError)


def test_a_text_that_is_not_saved_stands_for_the_file(project: Path) -> None:
    workspace = Workspace([project])
    assert workspace.check().findings == []
    before = (project / "work.py").read_text()
    unsaved = {project / "db.py": (project / "db.py").read_text().replace(", expire_on_commit=False", "")}
    found = workspace.check(unsaved).findings
    assert {(one.path, one.code) for one in found} == {("db.py", "FS101"), ("work.py", "FS204")}
    assert [one.path for one in workspace.check(unsaved, [project / "work.py"]).findings] == ["work.py"]
    assert workspace.check().findings == []
    assert (project / "work.py").read_text() == before


def test_watching_shows_reports_until_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)

    def twice(workspace: Workspace, _progress: object) -> Iterator[Report | ConfigurationError]:
        yield workspace.check()
        yield ConfigurationError("It is broken.")

    monkeypatch.setattr(watching, "reports", twice)
    result = run("--watch", "--output-format", "concise")
    assert result.exit_code == 0
    assert "models.py:8:36: FS013" in result.stdout
    assert f"It is broken.\nWatching {tmp_path}. Ctrl+C ends it." in result.stdout


@pytest.mark.parametrize("option", ["--fix", "--diff"])
def test_watching_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.chdir(project)
    with pytest.raises(ConfigurationError, match=f"--watch only shows what it finds, and {option} does more"):
        run("--watch", option)
