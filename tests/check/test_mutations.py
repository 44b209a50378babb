"""Whatever a file holds, the check ends, and says so where it could not read."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from fieldstone.check.configuration import NO_CONFIGURATION
from fieldstone.check.gathering import gather
from fieldstone.check.project import Project
from fieldstone.check.rules import rules
from fieldstone.check.running import check_one, prepare
from tests.check.cases import cases

SOURCES = [text for case in cases() for path, text in case.files.items() if path.endswith(".py")]
# CHECK_MUTATIONS asks for more, CHECK_SOURCES names a directory of real sources to take in their place.
MUTATIONS = int(os.environ.get("CHECK_MUTATIONS", "300"))
PARTS = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    '"',
    "'",
    '"""',
    "\\",
    "\n",
    "    ",
    "\t",
    "#",
    "f'{",
    "\x00",
    "\ud800",
]
WORDS = [
    "await ",
    "async ",
    "def ",
    "class ",
    "lambda ",
    "yield ",
    "match x:\n",
    "*",
    "**",
    "=",
    ":=",
    "é",
    "not ",
]


@pytest.mark.timeout(3600)
def test_mutated_files_neither_crash_nor_hang(tmp_path: Path) -> None:
    chance = random.Random(1)
    sources = real_sources() or SOURCES
    for number in range(MUTATIONS):
        text = mutated(chance.choice(sources), chance)
        path = tmp_path / "mutated.py"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        facts = gather(path, "mutated.py")
        prepare(Project(tmp_path, [facts]), list(rules()), NO_CONFIGURATION)
        broken = [found.message for found in check_one("mutated.py")[0] if "broke off" in found.message]
        assert not broken, f"mutation {number}: {broken}\n{text}"


def mutated(text: str, chance: random.Random) -> str:
    """Change a text in a few places: take out, put in, say twice, exchange lines."""
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.randint(0, 30))
        match chance.randrange(4):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + chance.choice(PARTS + WORDS) + text[start:]
            case 2:
                text = text[:end] + text[start:]
            case _:
                lines = text.split("\n")
                one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
                lines[one], lines[other] = lines[other], lines[one]
                text = "\n".join(lines)
    return text


def real_sources() -> list[str]:
    """Sources of a directory that CHECK_SOURCES names."""
    given = os.environ.get("CHECK_SOURCES")
    paths = sorted(Path(given).rglob("*.py")) if given else []
    return [
        path.read_text(encoding="utf-8", errors="replace") for path in paths if path.stat().st_size < 60_000
    ]
