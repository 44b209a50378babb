"""How fast `fieldstone check` is: a directory of sources, cold, again, and after changes of one file.

    python -m benchmarks.checking DIRECTORY [FILE]

DIRECTORY is copied first, since the run leaves a cache in it and changes one of its files: FILE, by its path
from there, or the first in which something is found. Each run is the whole command in a process of its own.
What the parser alone takes is measured as well: times differ between machines, the ratio to it hardly does.
Memory is that of all processes together (on Linux, where what they share is counted once).
"""

from __future__ import annotations

import ast
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

COMMAND = [
    sys.executable,
    "-c",
    "from fieldstone.cli import main; main()",
    "check",
    "--output-format",
    "concise",
]
CLOSING = re.compile(r"in [\d,]+ files?, ([\d,]+) lines")
FOUND = re.compile(r"^(.+?\.py):\d+:", re.MULTILINE)
# A comment concerns no other file, a statement those that looked at this one.
COMMENT = "\n# changed\n"
STATEMENT = "\nif __debug__:\n    pass\n"


def main() -> None:
    """Measure the parser, and the runs."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "sources"
        shutil.copytree(sys.argv[1], root, symlinks=True, ignore_dangling_symlinks=True)
        shutil.rmtree(root / ".fieldstone_cache", ignore_errors=True)
        parsed(root)
        found = FOUND.findall(checked("cold", root))
        named = sys.argv[2:] or found or [str(next(root.rglob("*.py")))]
        for _ in range(3):
            checked("nothing changed", root)
        for name, text in (("a comment changed", COMMENT), ("a statement added", STATEMENT)):
            for _ in range(3):
                with (root / named[0]).open("a", encoding="utf-8") as file:
                    file.write(text)
                checked(name, root)


def parsed(root: Path) -> None:
    """Run the interpreter's parser over every file, in one process."""
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(root.rglob("*.py"))]
    gc.disable()
    started, used, lines = time.perf_counter(), processors(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in texts:
            try:
                ast.parse(text)
                lines += text.count("\n")
            except (SyntaxError, ValueError):
                continue
    tell("the parser alone", time.perf_counter() - started, processors() - used, lines)
    gc.enable()


def checked(name: str, root: Path) -> str:
    """Run a check, print what it took, and give what it said."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    started, used = time.perf_counter(), processors()
    with subprocess.Popen(
        COMMAND, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        watcher = Watcher(running.pid)
        watcher.start()
        said, _ = running.communicate()
    seconds, work = time.perf_counter() - started, processors() - used
    told = CLOSING.search(said)
    if told is None:
        raise SystemExit(f"The check ended with {running.returncode}: {said[-500:]}")
    tell(name, seconds, work, int(told[1].replace(",", "")), watcher.most())
    return said


def tell(name: str, seconds: float, work: float, lines: int, memory: int = 0) -> None:
    """Print the time on the clock and on all processors, what that is for the lines, and memory in KiB."""
    print(
        f"{name:18} {seconds:7.2f} s {work:7.2f} CPU s  {lines:>9,} lines"
        f"  {lines / seconds:>9,.0f} lines/s  {lines / work:>9,.0f} lines/CPU s"
        + (f"  {memory / 1024:,.0f} MiB" if memory else ""),
        flush=True,
    )


def processors() -> float:
    """The seconds that this process and those that it started have run."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class Watcher(threading.Thread):
    """Looks twice a second at the memory that a process and those that it started have together."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.over = threading.Event()
        self.seen = [0]

    def run(self) -> None:
        """Look until it is over."""
        while not self.over.wait(0.5):
            self.seen.append(sum(memory_of(one) for one in [self.process, *started_by(self.process)]))

    def most(self) -> int:
        """End, and give the most that was seen, in KiB; 0 for what was over at once."""
        self.over.set()
        self.join()
        return max(self.seen)


def started_by(process: int) -> list[int]:
    """The processes that one has started."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in children.split()]


def memory_of(process: int) -> int:
    """The memory of a process in KiB, of what it shares its part; 0 where the system does not tell."""
    try:
        told = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
