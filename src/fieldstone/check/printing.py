"""Findings for people: with the source around them, or one a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from fieldstone.check.findings import Finding
from fieldstone.check.sources import Sources

AROUND = 1


def full(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """Show each finding with its source, what happens, and what to write."""
    for finding in findings:
        span = finding.span
        yield f"{finding.path}:{span.line}:{span.column}: {finding.code} {finding.message}"
        yield from excerpt(finding, sources)
        yield f"    = {finding.remedy}{' [*]' if finding.fix else ''}"
        yield ""


def excerpt(finding: Finding, sources: Sources) -> Iterator[str]:
    """Show the lines around a finding, with a mark below it."""
    span, lines = finding.span, sources.lines(finding.path)
    first, last = max(1, span.line - AROUND), min(len(lines), span.line + AROUND)
    width = len(str(last))
    for number in range(first, last + 1):
        yield f"{number:>{width}} | {lines[number - 1]}".rstrip()
        if number == span.line:
            end = span.end_column if span.end_line == span.line else len(lines[number - 1]) + 1
            before = "".join("\t" if c == "\t" else " " for c in lines[number - 1][: span.column - 1])
            yield f"{'':>{width}} | {before}{'^' * max(1, end - span.column)}"


def concise(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """Show each finding on one line."""
    for finding in findings:
        mark = "[*] " if finding.fix else ""
        place = f"{finding.path}:{finding.span.line}:{finding.span.column}"
        yield f"{place}: {finding.code} {mark}{finding.message} {finding.remedy}"


def statistics(findings: Iterable[Finding], names: dict[str, str]) -> Iterator[str]:
    """Count the findings of each rule, the most frequent first."""
    counted = Counter(finding.code for finding in findings)
    for code, number in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        yield f"{number:>6}  {code}  {names.get(code, 'unreadable')}"


def closing(findings: list[Finding], files: int, lines: int) -> Iterator[str]:
    """Say how much was looked at, how much was found, and how much of it can be repaired."""
    looked = f"{files:,} {'file' if files == 1 else 'files'}, {lines:,} lines"
    if not findings:
        yield f"Nothing found in {looked}."
        return
    yield f"Found {len(findings)} in {looked}."
    safe = sum(1 for finding in findings if finding.fix and finding.fix.safe)
    unsafe = sum(1 for finding in findings if finding.fix and not finding.fix.safe)
    if safe or unsafe:
        hidden = f" ({unsafe} more with --unsafe-fixes)" if unsafe else ""
        yield f"[*] {safe} can be repaired with --fix{hidden}."
