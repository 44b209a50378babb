"""Which files a check reads: the project's own, and nothing that was installed or built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fieldstone.check.configuration import Configuration

SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "__pypackages__"})
# Names that a package may have as well.
BUILT = frozenset({"build", "dist", "env"})


def sources(root: Path, configuration: Configuration) -> Iterator[Path]:
    """Find the Python files below a root; environments, builds and hidden folders are left out."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not skipped(here / name, root, configuration)]
        for name in files:
            if name.endswith(".py") and not configuration.excludes(
                (here / name).relative_to(root).as_posix()
            ):
                yield here / name


def skipped(folder: Path, root: Path, configuration: Configuration) -> bool:
    """Whether nothing below a folder is the project's own."""
    if folder.name in SKIPPED or folder.name.startswith("."):
        return True
    if folder.name in BUILT and not (folder / "__init__.py").exists():
        return True
    return (folder / "pyvenv.cfg").exists() or configuration.excludes(folder.relative_to(root).as_posix())


def root_of(paths: list[Path]) -> Path:
    """Find the folder of the project that holds all paths: where pyproject.toml or the repository is."""
    shared = Path(os.path.commonpath(paths)) if paths else Path.cwd()
    start = shared if shared.is_dir() else shared.parent
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder
    return start


def asked_for(path: Path, wanted: list[Path]) -> bool:
    """Whether a file is one of the paths or below one."""
    return any(path == want or want in path.parents for want in wanted)
