"""How far away a database is, as the statements of reads tell: the shortest of the last ones.

No statement is run to find out. The shortest is a round trip and little more; where all are long because
the server has much to do for each, saving one is worth as much.
"""

from __future__ import annotations

from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

# Few enough that a link which has become slow is noticed soon.
REMEMBERED = 64
# The first statements of a connection take longer than the way: they are prepared, and caches are cold.
ENOUGH = 16

_taken: WeakKeyDictionary[Any, deque[float]] = WeakKeyDictionary()


def note(owner: Any, seconds: float) -> None:
    """Remember how long a statement took, as long as `owner` lives, such as an engine's pool."""
    found = _taken.get(owner)
    if found is None:
        found = _taken.setdefault(owner, deque(maxlen=REMEMBERED))
    found.append(seconds)


def round_trip(owner: Any) -> float:
    """Give the seconds that the way there and back takes at most; 0 where too little is known yet."""
    found = _taken.get(owner)
    return min(found.copy()) if found is not None and len(found) >= ENOUGH else 0.0
