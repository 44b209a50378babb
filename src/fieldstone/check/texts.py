"""What the files of a project hold: on disk, or in an editor that has not saved them yet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fieldstone.check.facts import FileFacts
from fieldstone.check.gathering import Keep, digest, dropped, gather, gather_text
from fieldstone.check.parsing import read

Stamp = list[int] | list[str]


class Texts:
    """The files below a root, by their path from it; `unsaved` are texts that stand for what the disk has."""

    def __init__(self, root: Path, unsaved: Mapping[Path, str] | None = None) -> None:
        self.root = root
        self.unsaved = {path.relative_to(root).as_posix(): text for path, text in (unsaved or {}).items()}

    def text(self, path: str) -> str:
        """Read a file. Raises Unparsable where it cannot be read."""
        return self.unsaved[path] if path in self.unsaved else read(self.root / path)

    def facts(self, path: str, keep: Keep = dropped) -> FileFacts:
        """Gather the facts of a file, and give its tree to who keeps it."""
        if path in self.unsaved:
            return gather_text(self.unsaved[path], path, encoded(self.unsaved[path]), keep)
        return gather(self.root / path, path, keep)

    def stamp(self, path: str) -> Stamp:
        """Give what a file that has not changed is known by."""
        if path in self.unsaved:
            return [digest(encoded(self.unsaved[path]))]
        return stamp(f"{self.root}/{path}")


def stamp(path: str) -> list[int]:
    """When a file was written, how long it is, and which file it is: another may have its name now."""
    found = os.stat(path)  # noqa: PTH116 - to make a Path of each takes longer than to ask
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def encoded(text: str) -> bytes:
    """Write a text as its file would be; half a surrogate pair, which an editor may send, stays one."""
    return text.encode("utf-8", "surrogatepass")
