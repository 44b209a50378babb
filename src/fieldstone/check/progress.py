"""How far a long check is, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bars

from fieldstone.check.running import Done, Progress, unseen

# Fewer files than this are done before anybody has read how far it is.
FEW = 200


@contextmanager
def shown() -> Iterator[Progress]:
    """Show bars on the error stream while it is a terminal; they are gone when the block ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield unseen
        return
    with Bars(console=console, transient=True) as bars:

        def progress(what: str, done: Iterator[Done], total: int) -> Iterable[Done]:
            return done if total < FEW else bars.track(done, total=total, description=what)

        yield progress
