"""What a check reports: findings, and the edits that would repair them.

A rule yields problems, which know where they stand in the tree; the run turns each into a finding,
which knows its file and rule and can be sorted, compared, stored and printed without either.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import StrEnum

# Reported for a file that cannot be read or parsed; no rule of the catalogue has this code.
UNREADABLE = "FS000"


class Severity(StrEnum):
    """How bad it is if the finding is right."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Repair(StrEnum):
    """Whether a rule's edits may be made without reading them."""

    NONE = "none"
    SAFE = "safe"
    UNSAFE = "unsafe"


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A stretch of source: lines from 1, columns from 1, both in characters; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, order=True, slots=True)
class Edit:
    """Replace a stretch of the source; an empty stretch inserts."""

    span: Span
    text: str


@dataclass(frozen=True, order=True, slots=True)
class Fix:
    """Edits that belong together, and whether meaning is surely kept."""

    edits: tuple[Edit, ...]
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule yields: a node, what happens at run time, what to write instead."""

    node: ast.AST
    message: str
    remedy: str
    fix: Fix | None = None


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """One problem in one file, as it is printed."""

    path: str
    span: Span
    code: str
    severity: Severity
    message: str
    remedy: str
    fix: Fix | None = None

    @property
    def line(self) -> int:
        """Name the line on which the finding begins."""
        return self.span.line
