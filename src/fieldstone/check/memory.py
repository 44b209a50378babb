"""What has been worked out of a project, each thing once, and from which files it was learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Known = TypeVar("Known")
MISSING = (None, None)


class Memory:
    """Answers by the question they belong to, with the files that each follows from.

    `consulted` are the files that were looked at since the last beginning, by whoever looked at one and by
    asking again what was learnt from it: the cache holds findings by them.
    """

    def __init__(self) -> None:
        self.consulted: set[str] = set()
        self._known: dict[object, tuple[object, frozenset[str] | None]] = {}
        self._noted: set[int] = set()  # the sets of files that `consulted` holds already
        self._alike: dict[frozenset[str], frozenset[str]] = {}

    def begin(self) -> None:
        """Note anew which files are looked at."""
        self.consulted, self._noted = set(), set()

    def remember(self, key: object, compute: Callable[[], Known], meanwhile: Known) -> Known:
        """Compute something once; note the files that it was learnt from each time it is asked for.

        Whoever asks again while it is being computed, in a circle, gets what holds meanwhile.
        """
        found = self._known.get(key, MISSING)
        if found is MISSING:
            found = self._learnt(key, compute, meanwhile)
        known, behind = found
        if behind is not None and id(behind) not in self._noted:
            self._noted.add(id(behind))
            self.consulted |= behind
        return known  # type: ignore[return-value]  # what was kept under a key is of its type

    def _learnt(
        self, key: object, compute: Callable[[], Known], meanwhile: Known
    ) -> tuple[object, frozenset[str] | None]:
        outer, self.consulted = self.consulted, set()
        noted, self._noted = self._noted, set()
        self._known[key] = meanwhile, None
        try:
            answer = compute()
            behind = frozenset(self.consulted)
            self._known[key] = found = answer, self._alike.setdefault(behind, behind)
        except BaseException:
            del self._known[key]
            raise
        finally:
            self.consulted, self._noted = outer, noted
        return found

    def knows(self, key: object) -> bool:
        """Whether something has been computed, or is being computed."""
        return key in self._known

    def forget(self, key: object) -> None:
        """Compute something anew when it is asked for again."""
        self._known.pop(key, None)
