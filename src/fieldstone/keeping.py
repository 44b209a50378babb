"""What is made once for each key and each owner, and kept no longer than the owner lives.

Statements are compiled for the connections of one engine, say, and go with its pool. Of the keys of one owner
only the last ones are kept, as a program may write any number of statements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy.util import LRUCache

T = TypeVar("T")

SHAPES = 500
"""How many keys are kept for one owner."""


class Kept(Generic[T]):
    """Things of one kind, by owner and key."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Any, LRUCache[Any, T]] = WeakKeyDictionary()

    def get(self, owner: Any, key: Any, make: Callable[[], T]) -> T:
        """Give what is kept, or make it."""
        known = self._of.get(owner)
        if known is None:
            known = self._of.setdefault(owner, LRUCache(SHAPES))
        found: Any = known.get(key, _UNKNOWN)
        if found is _UNKNOWN:
            found = known[key] = make()
        given: T = found
        return given


_UNKNOWN: Any = object()
