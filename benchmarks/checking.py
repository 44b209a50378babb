"""How fast `fieldstone check` is: a directory of sources, cold, again, and after a change of one file.

    python -m benchmarks.checking DIRECTORY

DIRECTORY is copied first, since the run leaves a cache in it and changes one of its files. What the
parser alone takes is measured as well: times differ between machines, the ratio to it hardly does.
"""

from __future__ import annotations

import ast
import gc
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldstone.check.running import Options, Report, check

# A new statement, which changes what the file means to others, and no name that they could see.
CHANGE = "\nif __debug__:\n    pass\n"


def main() -> None:
    """Measure the parser, the three runs, and the largest process."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "sources"
        shutil.copytree(sys.argv[1], root, symlinks=True, ignore_dangling_symlinks=True)
        shutil.rmtree(root / ".fieldstone_cache", ignore_errors=True)
        parsed(root)
        report = checked("cold", root)
        checked("nothing changed", root)
        changed = root / report.findings[0].path if report.findings else next(root.rglob("*.py"))
        changed.write_text(changed.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
        checked("a comment changed", root)
        changed.write_text(changed.read_text(encoding="utf-8") + CHANGE, encoding="utf-8")
        checked("a statement added", root)
    for who, name in (
        (resource.RUSAGE_SELF, "this process"),
        (resource.RUSAGE_CHILDREN, "its largest child"),
    ):
        print(f"{name}: {resource.getrusage(who).ru_maxrss / 1024:,.0f} MiB at most")


def parsed(root: Path) -> None:
    """Run the interpreter's parser over every file, in one process."""
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(root.rglob("*.py"))]
    gc.disable()
    with warnings.catch_warnings(), timed("the parser alone") as count:
        warnings.simplefilter("ignore")
        for text in texts:
            try:
                ast.parse(text)
                count(text.count("\n"))
            except (SyntaxError, ValueError):
                continue
    gc.enable()


def checked(name: str, root: Path) -> Report:
    """Run a check and print how long it took."""
    with timed(name) as count:
        report = check([root], Options(cached=True, configured=False))
        count(report.lines)
    return report


@contextmanager
def timed(name: str) -> Iterator[Callable[[int], None]]:
    """Print the time on the clock and on all processors, and what that is for the lines counted."""
    counted: list[int] = []
    started, used = time.perf_counter(), processors()
    yield counted.append
    seconds, work = time.perf_counter() - started, processors() - used
    lines = sum(counted)
    print(
        f"{name:18} {seconds:7.2f} s {work:7.2f} CPU s  {lines:>9,} lines"
        f"  {lines / seconds:>9,.0f} lines/s  {lines / work:>9,.0f} lines/CPU s",
        flush=True,
    )


def processors() -> float:
    """The seconds that this process and those that it started have run."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    main()
