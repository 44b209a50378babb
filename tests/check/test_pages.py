"""The pages about the rules are what the rules say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fieldstone.check.pages import MARK, pages
from fieldstone.check.rules import rules

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


def test_the_table_of_patterns_tells_of_each_and_names_rules_that_exist() -> None:
    patterns = OVERVIEW.partition("## Pitfalls by pattern")[2].partition("## Rules")[0]
    assert set(re.findall(r"\bFS\d+\b", patterns)) <= set(rules())
    told = {int(number) for number in re.findall(r"\bP(\d+)\b", patterns)}
    assert told == set(range(1, 39))
