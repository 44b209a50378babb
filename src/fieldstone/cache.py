"""Remember what a pure function gave for its arguments, which here are mostly classes.

`functools.cache` as it is, with the function's own type kept: type checkers take a class whose
instances cannot be hashed (every Pydantic model) for one that cannot be hashed itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def cached(function: F) -> F:
    """Call the function once for each combination of arguments."""
    return cast(F, functools.cache(function))
