"""The package and its task app have none of the pitfalls that the check finds."""

from __future__ import annotations

from pathlib import Path

from fieldstone.check.running import check

SOURCE = Path(__file__).resolve().parents[2] / "src"


def test_the_project_is_clean_under_its_own_check() -> None:
    report = check([SOURCE])
    assert [f"{one.path}:{one.line} {one.code} {one.message}" for one in report.findings] == []
    assert report.files > 100
