"""A project that is checked again and again while somebody works on it.

What a run learns stays in memory, so the next one looks only at what changed, and at what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from fieldstone.check.cache import Cache
from fieldstone.check.discovery import root_of
from fieldstone.check.running import Asked, Options, Progress, Report, run, unseen
from fieldstone.check.texts import Texts


class Workspace:
    """One project, and what the last run learnt of it."""

    def __init__(self, paths: Iterable[Path], options: Options | None = None) -> None:
        self.wanted = [path.resolve() for path in paths]
        self.root = root_of(self.wanted)
        self.options = options or Options()
        self._asked: Asked | None = None
        self._cache = Cache()

    def check(
        self,
        unsaved: Mapping[Path, str] | None = None,
        wanted: Iterable[Path] | None = None,
        progress: Progress = unseen,
    ) -> Report:
        """Check the project, or some of it, as it is now. Raises ConfigurationError for its pyproject.toml.

        `unsaved` are texts that an editor holds, by the resolved path of their files.
        """
        asked = Asked.of(self.root, self.options)
        if asked != self._asked:
            self._asked = asked
            self._cache = asked.cache() if self.options.cached else Cache()
        texts = Texts(self.root, unsaved)
        chosen = self.wanted if wanted is None else list(wanted)
        report = run(asked, texts, chosen, self._cache, progress)
        if not texts.unsaved:
            self._cache.write()
        self._cache = self._cache.again()
        return report
