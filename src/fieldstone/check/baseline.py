"""A list of findings that were there before: a project adopts the check, and keeps what is new clean.

Findings are known again by their fingerprint, so that lines which move do not matter; each entry
covers as many as there were.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from fieldstone.check.findings import Finding
from fieldstone.check.sources import Sources
from fieldstone.errors import ConfigurationError


def recorded(findings: Iterable[Finding], sources: Sources) -> str:
    """Write the findings down; sorted, so that two branches merge."""
    counted = Counter((finding.path, finding.code, sources.fingerprint(finding)) for finding in findings)
    entries = [
        {"path": path, "code": code, "fingerprint": fingerprint, "count": count}
        for (path, code, fingerprint), count in sorted(counted.items())
    ]
    return json.dumps({"version": 1, "findings": entries}, indent=2) + "\n"


def unknown(findings: Iterable[Finding], baseline: Path, sources: Sources) -> list[Finding]:
    """Keep the findings that a baseline does not hold."""
    left = allowances(baseline)
    kept: list[Finding] = []
    for finding in findings:
        fingerprint = sources.fingerprint(finding)
        left[fingerprint] -= 1
        if left[fingerprint] < 0:
            kept.append(finding)
    return kept


def allowances(baseline: Path) -> Counter[str]:
    """Read how many findings of each fingerprint are known."""
    try:
        entries = json.loads(baseline.read_text(encoding="utf-8"))["findings"]
        return Counter({entry["fingerprint"]: int(entry["count"]) for entry in entries})
    except OSError as error:
        raise ConfigurationError(
            f"The baseline {str(baseline)!r} is not there: {error.strerror}. Write it with --write-baseline."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"The baseline {str(baseline)!r} is none: {error}. Write it with --write-baseline."
        ) from error
