"""The lines of checked files, for those who show or fingerprint a finding."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fieldstone.check.findings import Finding
from fieldstone.check.parsing import Unparsable, read


class Sources:
    """Reads each file below a root once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines = cache(self._lines)

    def _lines(self, path: str) -> list[str]:
        try:
            return read(self.root / path).split("\n")
        except Unparsable:
            return []

    def line(self, path: str, number: int) -> str:
        """One line of a file; empty where there is none."""
        lines = self.lines(path)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def fingerprint(self, finding: Finding) -> str:
        """Know a finding again when lines above it come and go: by its file, its code and its own line."""
        said = f"{finding.path}\n{finding.code}\n{self.line(finding.path, finding.line).strip()}"
        return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
