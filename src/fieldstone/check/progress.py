"""How far a long check is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from fieldstone.check.running import Done, Progress, unseen

# Fewer files than this are done before anybody has read how far it is.
FEW = 200


@contextmanager
def shown() -> Iterator[Progress]:
    """Show bars on the error stream while it is a terminal; they are gone when the block ends."""
    if not sys.stderr.isatty():
        yield unseen
        return
    from rich.console import Console  # the quickest runs are those that show nothing
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    with Bars(console=console, transient=True) as bars:

        def progress(what: str, done: Iterator[Done], total: int) -> Iterable[Done]:
            return done if total < FEW else bars.track(done, total=total, description=what)

        yield progress
