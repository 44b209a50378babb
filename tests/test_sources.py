"""No file of the repository names the machine it was written on, or a registry."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

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
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in TRACKED
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if FOREIGN.search(line)
    ]
    assert not found
