"""What has been worked out of a project, each thing once, and from which files it was learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Known = TypeVar("Known")
MISSING = (None, 0)
# After so many answers they are forgotten, before they take more room than the trees; most were asked for by
# neighbours of the files that have been checked.
ENOUGH = 100_000


class Memory:
    """Answers by the question they belong to, with the files that each follows from.

    `consulted` are the files that were looked at since the last beginning, by whoever looked at one and by
    asking again what was learnt from it: the cache holds findings by them. Sets of files are the bits of a
    number here, since there are tens of thousands of such sets, and they are joined all day. Each file has
    two: one for all that it says, one for which methods its classes have.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.numbers = {path: 2 * number for number, path in enumerate(paths)}
        self.consulted = 0
        self._known: dict[object, tuple[object, int]] = {}
        self._alike: dict[int, int] = {}

    def begin(self) -> None:
        """Note anew which files are looked at."""
        self.consulted = 0
        if len(self._known) > ENOUGH:
            self._known = {key: found for key, found in self._known.items() if isinstance(key, str)}
            self._alike = {}

    def look_at(self, path: str) -> None:
        """Note that a file is looked at."""
        self.consulted |= 1 << self.numbers[path]

    def look_at_methods(self, path: str) -> None:
        """Note that nothing is asked of a file but which methods its classes have."""
        self.consulted |= 2 << self.numbers[path]

    def remember(self, key: object, compute: Callable[[], Known], meanwhile: Known) -> Known:
        """Compute something once; note the files that it was learnt from each time it is asked for.

        Whoever asks again while it is being computed, in a circle, gets what holds meanwhile. A question
        about the whole project has a mere text as its key, and is not forgotten before the end.
        """
        found = self._known.get(key, MISSING)
        if found is MISSING:
            found = self.learn(key, compute, meanwhile)
        self.consulted |= found[1]
        return found[0]  # type: ignore[return-value]  # what was kept under a key is of its type

    def learn(self, key: object, compute: Callable[[], Known], meanwhile: Known) -> tuple[Known, int]:
        """Compute something, and give with it the files that it follows from."""
        outer, self.consulted = self.consulted, 0
        self._known[key] = meanwhile, 0
        try:
            answer = compute()
            found = answer, self._alike.setdefault(self.consulted, self.consulted)
            self._known[key] = found
        except BaseException:
            del self._known[key]
            raise
        finally:
            self.consulted = outer
        return found

    def knows(self, key: object) -> bool:
        """Whether something has been computed, or is being computed."""
        return key in self._known

    def forget(self, key: object) -> None:
        """Compute something anew when it is asked for again."""
        self._known.pop(key, None)

    def forget_all(self) -> None:
        """Let everything go."""
        self._known, self._alike = {}, {}
