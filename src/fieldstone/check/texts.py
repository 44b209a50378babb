"""What the files of a project hold: on disk, or in an editor that has not saved them yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fieldstone.check.facts import FileFacts
from fieldstone.check.gathering import digest, gather, gather_text
from fieldstone.check.parsing import read

Stamp = list[int] | list[str]


class Texts:
    """The files below a root; `unsaved` are texts by path that stand for what the disk has."""

    def __init__(self, root: Path, unsaved: Mapping[Path, str] | None = None) -> None:
        self.root = root
        self.unsaved = unsaved or {}

    def text(self, relative: str) -> str:
        """Read a file. Raises Unparsable where it cannot be read."""
        path = self.root / relative
        return self.unsaved[path] if path in self.unsaved else read(path)

    def facts(self, path: Path) -> FileFacts:
        """Gather the facts of a file."""
        relative = path.relative_to(self.root).as_posix()
        if path in self.unsaved:
            return gather_text(self.unsaved[path], relative, encoded(self.unsaved[path]))
        return gather(path, relative)

    def stamp(self, path: Path) -> Stamp:
        """Give what a file that has not changed is known by."""
        if path in self.unsaved:
            return [digest(encoded(self.unsaved[path]))]
        return stamp(path)


def stamp(path: Path) -> list[int]:
    """When a file was written, and how long it is."""
    found = path.stat()
    return [found.st_mtime_ns, found.st_size]


def encoded(text: str) -> bytes:
    """Write a text as its file would be; half a surrogate pair, which an editor may send, stays one."""
    return text.encode("utf-8", "surrogatepass")
