"""Cases of rules, as their files in `cases/` hold them: headings, and the files of a small project.

Lines on which a rule must speak end in `# <- FS204`; on all others it must be silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CASES = Path(__file__).parent / "cases"
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w+) (fixed )?(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXPECTED = re.compile(r"#\s*<-\s*(FS\d+)")


@dataclass
class Case:
    """One small project, and the lines on which the rule must speak."""

    code: str
    name: str
    files: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> set[tuple[str, int]]:
        """Where the rule must speak."""
        return {
            (path, number)
            for path, text in self.files.items()
            for number, line in enumerate(text.splitlines(), 1)
            if self.code in EXPECTED.findall(line)
        }

    def write(self, root: Path) -> None:
        """Write the project below a folder."""
        for path, text in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")


def cases() -> Iterator[Case]:
    """Read all cases."""
    for path in sorted(CASES.glob("FS*.md")):
        _, *parts = HEADING.split(path.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            case = Case(path.stem, name.strip())
            for _, fixed, place, content in BLOCK.findall(text):
                (case.fixed if fixed else case.files)[place] = content
            yield case
