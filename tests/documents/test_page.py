"""docs/from-the-documents.md and the tests here speak of the same blocks."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent.parent / "docs" / "from-the-documents.md"
BLOCKS = {f"A{number}" for number in range(1, 11)} | {f"B{number}" for number in range(1, 26)}
LATER = {"A10"}
"""Commands that search source code: the analyser's work, held by tests/check/test_documents.py."""


def named_in(pattern: str) -> set[str]:
    """Collect the blocks that the names of tests cite: test_b16_b22_p22_... cites B16 and B22."""
    names = (
        name
        for file in FOLDER.glob(pattern)
        for name in re.findall(r"def test_((?:[abp]\d+_)+)", file.read_text(encoding="utf-8"))
    )
    return {part.upper() for name in names for part in name.split("_") if part} & BLOCKS


def test_what_every_block_is_for_is_tested() -> None:
    assert named_in("test_patterns*.py") | named_in("test_database*.py") == BLOCKS - LATER


def test_the_page_speaks_of_every_block() -> None:
    told = set(re.findall(r"\b[AB]\d+\b", PAGE.read_text(encoding="utf-8")))
    assert told == BLOCKS


def test_every_block_that_the_page_blames_was_seen_to_fail() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([AB]\d.*?) \| .*? \| (.*?) \| .* \|$", page, re.MULTILINE)
    blamed = {block for row, outcome in rows if "run" not in outcome for block in re.findall(r"[AB]\d+", row)}
    assert len(blamed) > 20
    assert blamed - LATER <= named_in("test_as_printed*.py")
