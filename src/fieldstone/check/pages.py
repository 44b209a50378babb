"""The pages about the rules, written from the rules themselves.

    python -m fieldstone.check.pages docs

writes one page for each rule to docs/rules/, and the table of all to the end of docs/check.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from fieldstone.check.explaining import page
from fieldstone.check.registry import Tier
from fieldstone.check.rules import rules

MARK = "<!-- The table and the pages are written by `python -m fieldstone.check.pages docs`. -->\n"


def pages(overview: str) -> Mapping[str, str]:
    """All pages by their place below docs/, given the overview as it is."""
    written = {f"rules/{rule.code}.md": page(rule) + "\n" for rule in rules().values()}
    before, mark, _ = overview.partition(MARK)
    return {"check.md": before + mark + table(), **written}


def table() -> str:
    """All rules as a table."""
    rows = [
        f"| [{rule.code}](rules/{rule.code}.md) | {rule.name} | {rule.summary} | {marked(rule.tier)} |"
        for rule in rules().values()
    ]
    return "\n".join(["", "| code | name | what it finds | |", "|---|---|---|---|", *rows, ""])


def marked(tier: Tier) -> str:
    """How a tier is marked."""
    return "" if tier is Tier.DEFAULT else f"*{tier.value}*"


def write(docs: Path) -> None:
    """Write all pages below a folder."""
    (docs / "rules").mkdir(exist_ok=True)
    for name, text in pages((docs / "check.md").read_text(encoding="utf-8")).items():
        (docs / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
