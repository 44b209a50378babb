"""Findings for other programs: each format as its reader defines it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from fieldstone.check.findings import Finding, Severity
from fieldstone.check.registry import Rule
from fieldstone.check.rules import rules
from fieldstone.check.sources import Sources

GITLAB = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.NOTE: "info"}
RDJSON = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.NOTE: "INFO"}
GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def as_json(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """One list of objects."""
    yield json.dumps([item(finding, sources) for finding in findings], indent=2)


def item(finding: Finding, sources: Sources) -> dict[str, object]:
    """One finding, with its fix."""
    span = finding.span
    fix = finding.fix and {
        "applicability": "safe" if finding.fix.safe else "unsafe",
        "edits": [
            {
                **ends(edit.span.line, edit.span.column, edit.span.end_line, edit.span.end_column),
                "text": edit.text,
            }
            for edit in finding.fix.edits
        ],
    }
    return {
        "path": finding.path,
        **ends(span.line, span.column, span.end_line, span.end_column),
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "remedy": finding.remedy,
        "fingerprint": sources.fingerprint(finding),
        "fix": fix,
    }


def ends(line: int, column: int, end_line: int, end_column: int) -> dict[str, object]:
    """Where something starts and ends."""
    return {"start": {"line": line, "column": column}, "end": {"line": end_line, "column": end_column}}


def github(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """Workflow commands of GitHub Actions, which annotate the lines of a pull request."""
    for finding in findings:
        span, kind = finding.span, GITHUB[finding.severity]
        where = f"line={span.line},endLine={span.end_line},col={span.column},title={finding.code}"
        said = escaped(f"{finding.code} {finding.message} {finding.remedy}")
        yield f"::{kind} file={escaped(finding.path, whole=True)},{where}::{said}"


def escaped(text: str, whole: bool = False) -> str:
    """Write what a workflow command reads as its own as a percent sequence."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if whole else text


def gitlab(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """A Code Quality report of GitLab."""
    report = [
        {
            "description": f"{finding.code}: {finding.message} {finding.remedy}",
            "check_name": finding.code,
            "fingerprint": fingerprint,
            "severity": GITLAB[finding.severity],
            "location": {
                "path": finding.path,
                "lines": {"begin": finding.line, "end": finding.span.end_line},
            },
        }
        for finding, fingerprint in distinct(findings, sources)
    ]
    yield json.dumps(report, indent=2)


def distinct(findings: Iterable[Finding], sources: Sources) -> Iterator[tuple[Finding, str]]:
    """Give each finding a fingerprint of its own: equal lines are numbered."""
    seen: dict[str, int] = {}
    for finding in findings:
        fingerprint = sources.fingerprint(finding)
        seen[fingerprint] = seen.get(fingerprint, 0) + 1
        yield finding, fingerprint if seen[fingerprint] == 1 else f"{fingerprint}-{seen[fingerprint]}"


def sarif(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """A log of SARIF 2.1.0 (OASIS)."""
    found = list(findings)
    known = rules()
    run = {
        "tool": {"driver": {"name": "fieldstone check", "rules": described({f.code for f in found}, known)}},
        "results": [result(finding, fingerprint) for finding, fingerprint in distinct(found, sources)],
        "columnKind": "unicodeCodePoints",
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    yield json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def described(codes: set[str], known: Mapping[str, Rule]) -> list[dict[str, object]]:
    """The rules that a log refers to."""
    return [
        {
            "id": code,
            "name": known[code].name,
            "shortDescription": {"text": known[code].summary},
            "fullDescription": {"text": known[code].why},
            "defaultConfiguration": {"level": known[code].severity.value},
        }
        for code in sorted(codes & set(known))
    ]


def result(finding: Finding, fingerprint: str) -> dict[str, object]:
    """One finding as a SARIF result."""
    span = finding.span
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    return {
        "ruleId": finding.code,
        "level": finding.severity.value,
        "message": {"text": f"{finding.message} {finding.remedy}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": finding.path}, "region": region}}],
        "partialFingerprints": {"fieldstone/v1": fingerprint},
    }


def junit(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """A JUnit report: each finding a failed test case of its file's suite."""
    from xml.etree import ElementTree as ET

    top = ET.Element("testsuites", name="fieldstone check")
    suites: dict[str, ET.Element] = {}
    for finding in findings:
        suite = suites.get(finding.path)
        if suite is None:
            suite = suites[finding.path] = ET.SubElement(top, "testsuite", name=finding.path)
        case = ET.SubElement(
            suite, "testcase", name=f"{finding.code} line {finding.line}", classname=finding.path
        )
        failure = ET.SubElement(case, "failure", type=finding.code, message=finding.message)
        failure.text = f"{finding.path}:{finding.line}:{finding.span.column} {finding.remedy}"
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite)))
    yield ET.tostring(top, encoding="unicode", xml_declaration=True)


def rdjson(findings: Iterable[Finding], sources: Sources) -> Iterator[str]:
    """The Diagnostic Format of reviewdog."""
    diagnostics = [
        {
            "message": f"{finding.message} {finding.remedy}",
            "severity": RDJSON[finding.severity],
            "code": {"value": finding.code},
            "location": {"path": finding.path, "range": range_of(finding)},
        }
        for finding in findings
    ]
    yield json.dumps({"source": {"name": "fieldstone check"}, "diagnostics": diagnostics}, indent=2)


def range_of(finding: Finding) -> dict[str, object]:
    """Where a finding stands; columns of this format count bytes of UTF-8, which ASCII sources share."""
    return ends(finding.span.line, finding.span.column, finding.span.end_line, finding.span.end_column)
