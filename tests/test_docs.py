"""What README.md and docs/ show is what runs.

Each page is a program: its python blocks run in order, in one namespace, in a process and an empty
directory of its own, with warnings as errors. They are compiled at their own line numbers, so that
a traceback points into the page. A block with a file name in its fence,

    ```python title="test_tasks.py"

is written to that file instead, and test files are run by pytest when the page has ended.
Of shell blocks it is checked that what they call exists.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECONDS = 120

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<info>.*)$")
TITLE = re.compile(r'^title="(?P<name>[\w./-]+)"$')

RUNNER = """
import sys
page, source = sys.argv[1:]
code = compile(open(source, encoding="utf-8").read(), page, "exec")
exec(code, globals())
if hasattr(globals().get("app"), "openapi"):
    app.openapi()
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: the language, the words after it, its lines, and where the first stands (from 1)."""

    language: str
    rest: str
    line: int
    lines: tuple[str, ...]

    @property
    def title(self) -> str | None:
        found = TITLE.match(self.rest)
        return found["name"] if found else None


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, without their indentation."""
    opened: re.Match[str] | None = None
    start, lines = 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened, start, lines = fence, number + 1, []
        elif opened and fence and fence["ticks"] == opened["ticks"] and not fence["info"].strip():
            language, _, rest = opened["info"].strip().partition(" ")
            yield Block(language, rest.strip(), start, tuple(lines))
            opened = None
        elif opened:
            lines.append(line.removeprefix(opened["indent"]))
    assert opened is None, f"{page_name(page)}:{start - 1}: this block is not closed"


def run(command: list[str | Path], directory: Path, page: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "PYTEST_"))
    }
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env=environment,
        timeout=SECONDS,
    )
    if done.returncode:
        pytest.fail(f"{page_name(page)} does not run:\n{done.stdout}{done.stderr}", pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_page_runs_as_shown(page: Path, tmp_path: Path) -> None:
    source: list[str] = []
    directory = tmp_path / "page"
    for block in blocks(page):
        if block.language not in {"python", "py", "pycon"} and not block.title:
            continue
        where = f"{page_name(page)}:{block.line - 1}"
        assert block.language == "python" or block.title, (
            f"{where}: write ```python, so that the block is run"
        )
        assert not block.rest or block.title, f"{where}: what does {block.rest!r} mean? Every block is run"
        if block.title:
            file = directory / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
        else:
            source.extend([""] * (block.line - 1 - len(source)))
            source.extend(block.lines)
    directory.mkdir(exist_ok=True)
    if source:
        program = tmp_path / "program.py"
        program.write_text("\n".join(source) + "\n", encoding="utf-8")
        run(["-W", "error", "-c", RUNNER, page, program], directory, page)
    if any(directory.rglob("test_*.py")):
        run(
            ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", "."],
            directory,
            page,
        )


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_what_shell_blocks_call_exists(page: Path) -> None:
    missing = [
        f"{page_name(page)}:{block.line + offset}: {problem}"
        for block in blocks(page)
        if block.language in {"console", "bash", "sh", "shell"}
        for offset, line in enumerate(block.lines)
        for problem in unknown_in(line)
    ]
    assert not missing, "\n".join(missing)


def unknown_in(line: str) -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for target in re.findall(r"\bmake ([a-z]+)\b", line):
        if target not in targets:
            yield f"make {target} is not in the Makefile"
    for extras in re.findall(r"fieldstone\[([\w, -]+)\]", line):
        for extra in re.split(r"\s*,\s*", extras):
            if extra not in project["optional-dependencies"]:
                yield f"there is no extra {extra!r}"
    for module in re.findall(r"python3? -m (fieldstone[\w.]*)", line):
        if importlib.util.find_spec(module) is None:
            yield f"there is no module {module}"
    for script in re.findall(r"^(?:\$ )?(fieldstone)\b(?!\[)", line):
        if script not in project.get("scripts", {}):
            yield f"{script} is not installed as a command"


def test_there_are_pages_to_run() -> None:
    assert sum(block.language == "python" for page in PAGES for block in blocks(page)) > 10


def test_a_failing_block_is_reported_at_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\na = 1\n```\ntext\n```python\nassert a == 2, 'two'\n```\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(pytest.fail.Exception, match=r"page\.md\", line 8[\s\S]*AssertionError: two"):
        test_a_page_runs_as_shown(page, tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("$ make coffee", "make coffee is not in the Makefile"),
        ("pip install 'fieldstone[postgres,tea]'", "there is no extra 'tea'"),
        ("python -m fieldstone.nowhere", "there is no module fieldstone.nowhere"),
        ("make test && pip install 'fieldstone[all]'", None),
    ],
)
def test_an_unknown_command_is_found(line: str, problem: str | None) -> None:
    assert list(unknown_in(line)) == ([problem] if problem else [])
