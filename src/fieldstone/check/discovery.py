"""Which files a check reads: the project's own, and nothing that was installed or built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fieldstone.check.configuration import Configuration

SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "__pypackages__"})
# Names that a package may have as well.
BUILT = frozenset({"build", "dist", "env"})


def sources(root: Path, configuration: Configuration) -> Iterator[str]:
    """Find the Python files below a root, by their path from it.

    Environments, builds and hidden folders are left out. Paths are texts here: a large project has tens of
    thousands, and making objects of them takes longer than finding them.
    """
    above = len(str(root).rstrip(os.sep)) + 1
    for folder, folders, files in os.walk(root):
        here = folder[above:].replace(os.sep, "/")
        if here and built(here, files):
            folders.clear()
            continue
        start = f"{here}/" if here else ""
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED and not name.startswith(".") and not configuration.excludes(start + name)
        ]
        for name in files:
            if name.endswith(".py") and not configuration.excludes(start + name):
                yield start + name


def built(folder: str, files: list[str]) -> bool:
    """Whether a folder holds an environment, or what was built, and nothing of the project's own."""
    return "pyvenv.cfg" in files or (folder.rpartition("/")[2] in BUILT and "__init__.py" not in files)


def root_of(paths: list[Path]) -> Path:
    """Find the folder of the project that holds all paths: where pyproject.toml or the repository is."""
    shared = Path(os.path.commonpath(paths)) if paths else Path.cwd()
    start = shared if shared.is_dir() else shared.parent
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder
    return start


class AskedFor:
    """Tells whether a file is one of the paths that a check was asked for, or below one."""

    def __init__(self, root: Path, wanted: Iterable[Path]) -> None:
        self.whole = False
        self.below: set[str] = set()
        for path in wanted:
            if path == root or path in root.parents:
                self.whole = True
            elif root in path.parents:
                self.below.add(path.relative_to(root).as_posix())

    def __call__(self, path: str) -> bool:
        """Tell it of one path from the root."""
        return self.whole or path in self.below or any(path.startswith(f"{want}/") for want in self.below)
