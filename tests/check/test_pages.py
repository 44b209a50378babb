"""The pages about the rules are what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstone.check.pages import MARK, pages

DOCS = Path(__file__).resolve().parents[2] / "docs"
OVERVIEW = (DOCS / "check.md").read_text(encoding="utf-8")
PAGES = pages(OVERVIEW)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_rule_says(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8") if (DOCS / name).exists() else ""
    assert written == PAGES[name], "run `python -m fieldstone.check.pages docs`"


def test_every_page_has_its_rule() -> None:
    assert MARK in OVERVIEW
    assert {f"rules/{path.name}" for path in (DOCS / "rules").glob("*.md")} == set(PAGES) - {"check.md"}
