"""`fieldstone check --watch`: another report whenever a source or the configuration changes."""

from __future__ import annotations

from collections.abc import Iterator

from fieldstone.check.running import Progress, Report
from fieldstone.check.workspace import Workspace
from fieldstone.errors import ConfigurationError, MissingExtra

try:
    from watchfiles import Change, DefaultFilter, watch
except ModuleNotFoundError as error:
    raise MissingExtra("--watch", module=error.name or "watchfiles", extra="watch") from error

# Beside sources: what says which rules run, and which versions of its libraries the project has.
TELLING = (".py", ".toml", ".lock", ".cfg", "requirements.txt")


class Telling(DefaultFilter):
    """Let through what a check depends on; the default leaves out environments and caches."""

    def __call__(self, change: Change, path: str) -> bool:
        """Tell whether a change counts."""
        return path.endswith(TELLING) and super().__call__(change, path)


def reports(workspace: Workspace, progress: Progress) -> Iterator[Report | ConfigurationError]:
    """Yield a report at once and after each change, until somebody interrupts.

    A configuration that cannot be read is yielded in place of one: whoever broke it is about to mend it.
    """
    changes = watch(workspace.root, watch_filter=Telling(), yield_on_timeout=True, rust_timeout=1_000)
    next(changes, None)  # it watches from here on, so that nothing is lost while the first check runs
    yield _report(workspace, progress)
    for changed in changes:
        if changed:
            yield _report(workspace, progress)


def _report(workspace: Workspace, progress: Progress) -> Report | ConfigurationError:
    try:
        return workspace.check(progress=progress)
    except ConfigurationError as error:
        return error
