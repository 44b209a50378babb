"""What holds for every file of the project: short, well named, and at home on any machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 400
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "service", "misc"}


def file_name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


SOURCES = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]


@pytest.mark.parametrize("file", SOURCES, ids=file_name)
def test_a_file_is_short_well_named_and_says_what_it_is_for(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST, f"{file_name(file)} passes {LONGEST} lines: split it"
    assert not BANNED_NAMES & set(file.relative_to(ROOT).with_suffix("").parts)
    assert not text.strip() or ast.get_docstring(ast.parse(text)), (
        "open with a docstring: what for, and why so"
    )


# Spelled apart, so that this file passes its own test.
FOREIGN = re.compile(
    "|".join(
        [
            r"(?<![\w.~$}>/])/(?:wo" + r"rk|ro" + r"ot|Us" + r"ers|ho" + r"me)/[\w.]",
            r"py" + r"pi\.org",
            r"pythonho" + r"sted\.org",
            r"npm" + r"js\.(?:org|com)",
            r"--(?:extra-)?index" + r"-url",
        ]
    )
)
TRACKED = [
    file
    for pattern in ("*", "src/**/*", "tests/**/*", "docs/**/*", "requirements/*", "tools/*", ".ci/*")
    for file in sorted(ROOT.glob(pattern))
    if file.is_file()
    and not {"__pycache__", ".hypothesis"} & set(file.parts)
    and file.suffix not in {".db", ".png", ".ico", ".woff2"}
]


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{file_name(file)}:{number}: {line.strip()[:100]}"
        for file in TRACKED
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if FOREIGN.search(line)
    ]
    assert not found
