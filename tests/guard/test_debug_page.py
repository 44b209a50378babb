"""What docs/debug.md shows as output is what its program prints, with its lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.test_docs import ROOT, RUNNER, blocks

PAGE = ROOT / "docs" / "debug.md"


def test_every_message_on_the_page_is_printed_by_it(tmp_path: Path) -> None:
    source: list[str] = []
    for block in blocks(PAGE):
        if block.language == "python":
            source += [""] * (block.line - 1 - len(source)) + list(block.lines)
    program = tmp_path / "program.py"
    program.write_text("\n".join(source) + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER, PAGE, program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    assert not done.returncode, done.stderr
    printed = done.stdout.replace(str(PAGE), PAGE.name)
    shown = ["\n".join(block.lines) for block in blocks(PAGE) if block.language == "text"]
    assert len(shown) >= 5
    for text in shown:
        assert text in printed
