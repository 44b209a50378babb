"""What has been found safe: by a step of ours, or by a person who says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from fieldstone.migrations.failures import MigrationRefused

P = ParamSpec("P")
R = TypeVar("R")

_reason: ContextVar[str | None] = ContextVar("fieldstone_assured", default=None)


def assured() -> bool:
    """Say whether what runs now has been found safe."""
    return _reason.get() is not None


@contextmanager
def safety_assured(reason: str) -> Iterator[None]:
    """Accept, for the operations in the block, what the lint says about them; the reason is for readers."""
    if not reason.strip():
        raise MigrationRefused("safety_assured() has no reason. Say why the operation is safe here.")
    token = _reason.set(reason)
    try:
        yield
    finally:
        _reason.reset(token)


def safe_step(step: Callable[P, R]) -> Callable[P, R]:
    """Mark a step of ours, so that the lint does not look into it."""

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with safety_assured("a step of Fieldstone's"):
            return step(*args, **kwargs)

    return run
