"""Making the edits of findings, without touching anything else of a file.

Fixes that would overlap wait for the next round; what they leave is found again then. A round whose
result does not parse is not written.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from fieldstone.check.findings import Edit, Finding, Fix
from fieldstone.check.parsing import Unparsable, parse


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file after its fixes: the new text, and how many fixes were made."""

    text: str
    made: int


def fixed(text: str, findings: Iterable[Finding], unsafe: bool = False) -> Fixed:
    """Make the fixes of one file's findings, as many as do not overlap."""
    fixes = [found.fix for found in findings if found.fix and (found.fix.safe or unsafe)]
    chosen = apart(fixes)
    edits = sorted({edit for fix in chosen for edit in fix.edits}, reverse=True)
    starts = offsets(text)
    changed = text
    for edit in edits:
        start = starts[edit.span.line - 1] + edit.span.column - 1
        end = starts[edit.span.end_line - 1] + edit.span.end_column - 1
        changed = changed[:start] + edit.text + changed[end:]
    try:
        parse(changed)
    except Unparsable:
        return Fixed(text, 0)
    return Fixed(changed, len(chosen))


def apart(fixes: Iterable[Fix]) -> list[Fix]:
    """Choose fixes whose edits do not touch each other; of equal ones, one."""
    chosen: list[Fix] = []
    taken: set[Edit] = set()
    for fix in sorted(set(fixes)):
        if not any(overlap(mine, other) for mine in fix.edits for other in taken if mine != other):
            chosen.append(fix)
            taken |= set(fix.edits)
    return chosen


def overlap(one: Edit, other: Edit) -> bool:
    """Whether two edits touch the same text."""
    first, second = sorted((one.span, other.span))
    return (second.line, second.column) < (first.end_line, first.end_column)


def offsets(text: str) -> list[int]:
    """Where each line begins."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def difference(path: str, before: str, after: str) -> str:
    """Show what fixes change, as a patch."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
        )
    )
