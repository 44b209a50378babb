"""The trees that will be asked for: a whole project's would not fit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from fieldstone.check.modules import Module

# The syntax trees of so many characters of source are kept at once by all processes together; they take
# about 28 bytes each. The facts of a file, which each process has, take as much room as the tree of some
# characters, and leave less for trees in a project of many files.
KEPT = 24_000_000
FACTS = 700
LEAST = 8_000_000


def room(files: int, processes: int = 1) -> int:
    """How many characters of source one of some processes may keep as trees, in a project of some files."""
    return max(LEAST, KEPT - FACTS * files) // processes


class Shelf:
    """Files as trees, as many as there is room for.

    Those that wait for their check stay longest, since they will surely be asked for. Of the others those go
    first that have been checked and that no other file asked for, then those that were asked for first.
    """

    def __init__(self, space: int) -> None:
        self._space = space
        self._taken = 0
        self._waiting: dict[str, Module] = {}
        self._others: OrderedDict[str, Module] = OrderedDict()
        self._shared: set[str] = set()
        self._checked = ""

    def get(self, path: str) -> Module | None:
        """Find a file; of the others, it was asked for last from now on."""
        found = self._others.get(path)
        if found is not None:
            self._others.move_to_end(path)
            return found
        if path != self._checked:
            self._shared.add(path)
        return self._waiting.get(path)

    def wait(self, module: Module) -> None:
        """Keep a file that will be checked."""
        self._waiting[module.facts.path] = module
        self._taken += len(module.source)

    def put(self, module: Module) -> Iterator[Module]:
        """Keep a file, and yield those that it leaves no room for."""
        self._others[module.facts.path] = module
        self._taken += len(module.source)
        while self._taken > self._space and len(self._others) > 1:
            _, gone = self._others.popitem(last=False)
            self._taken -= len(gone.source)
            yield gone

    def begin(self, path: str) -> None:
        """Know which file is checked from now on."""
        self._checked = path

    def done(self) -> None:
        """Forget what only the check of this file needed, and wait for it no more."""
        path = self._checked
        if path in self._waiting:
            self._others[path] = self._waiting.pop(path)
        if path in self._others:
            self._others[path].slim()
            if path not in self._shared:
                self._others.move_to_end(path, last=False)
