"""Type checkers understand code that uses Fieldstone, and catch its mistakes.

The files in tests/typing/ are checked by mypy --strict and by pyright, and never run. A line with
a mistake says which rule of each must catch it:

    fetch(session, statement, TaskRead)  # error: mypy[unused-coroutine] pyright[reportUnusedCoroutine]

Both must report exactly what is marked, no more and no less.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "tests" / "typing").glob("*.py"))
SECONDS = 280

Finding = tuple[str, int, str]


def marked(checker: str) -> set[Finding]:
    """Return what the files say that a checker must find: file, line and rule."""
    return {
        (file.name, number, rule)
        for file in FILES
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if "# error:" in line
        for rules in re.findall(rf"\b{checker}\[([\w, -]+)\]", line.split("# error:")[1])
        for rule in re.split(r"\s*,\s*", rules)
    }


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=SECONDS,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def compare(checker: str, found: dict[Finding, str]) -> None:
    expected = marked(checker)
    surprises = [
        f"{file}:{line}: {found[file, line, rule]} [{rule}]" for file, line, rule in found.keys() - expected
    ]
    missed = [
        f"{file}:{line}: nothing was found by {checker}[{rule}]"
        for file, line, rule in expected - found.keys()
    ]
    assert not surprises + missed, "\n".join(["", *sorted(surprises + missed)])


def test_mypy_finds_what_is_marked_and_nothing_else() -> None:
    said = run("mypy", "--strict", "--output=json", *map(str, FILES))
    reports: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    compare(
        "mypy",
        {
            (Path(report["file"]).name, report["line"], report["code"]): report["message"]
            for report in reports
            if report["severity"] == "error"
        },
    )


def test_pyright_finds_what_is_marked_and_nothing_else() -> None:
    said = run("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(FILES[0].parent))
    reports: list[dict[str, Any]] = json.loads(said)["generalDiagnostics"]
    compare(
        "pyright",
        {
            (
                Path(report["file"]).name,
                report["range"]["start"]["line"] + 1,
                report.get("rule", "syntax"),
            ): report["message"]
            for report in reports
            if report["severity"] == "error"
        },
    )


def test_there_are_mistakes_to_find() -> None:
    assert marked("mypy")
    assert marked("pyright")
