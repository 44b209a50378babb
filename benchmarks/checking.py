"""How fast `fieldstone check` is: a directory of sources, cold, again, and after a change of one file.

    python -m benchmarks.checking DIRECTORY

DIRECTORY is copied first, since the run leaves a cache in it and changes one of its files.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from fieldstone.check.running import Options, Report, check


def main() -> None:
    """Measure the three runs, and the largest process."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "sources"
        shutil.copytree(sys.argv[1], root, symlinks=True, ignore_dangling_symlinks=True)
        shutil.rmtree(root / ".fieldstone_cache", ignore_errors=True)
        report = timed("cold", root)
        timed("nothing changed", root)
        changed = root / report.findings[0].path if report.findings else next(root.rglob("*.py"))
        changed.write_text(changed.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
        timed("one file changed", root)
    for who, name in (
        (resource.RUSAGE_SELF, "this process"),
        (resource.RUSAGE_CHILDREN, "its largest child"),
    ):
        print(f"{name}: {resource.getrusage(who).ru_maxrss / 1024:,.0f} MiB at most")


def timed(name: str, root: Path) -> Report:
    """Run a check and print how long it took."""
    started = time.perf_counter()
    report = check([root], Options(cached=True))
    seconds = time.perf_counter() - started
    print(f"{name:18} {seconds:7.2f} s  {report.lines:>9,} lines  {report.lines / seconds:>11,.0f} lines/s")
    return report


if __name__ == "__main__":
    main()
