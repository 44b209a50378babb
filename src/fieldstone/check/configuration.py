"""What pyproject.toml says under [tool.fieldstone.check]."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from pathlib import Path

from fieldstone.errors import ConfigurationError

KEYS = ("select", "ignore", "exclude", "preview", "per-file-ignores", "baseline")


@dataclass(frozen=True, slots=True)
class Configuration:
    """Which rules run where."""

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    exclude: tuple[str, ...] = ()
    preview: bool = False
    baseline: str | None = None
    per_file: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Configuration:
        """Read the pyproject.toml of a folder; without one, or without the table, nothing is configured."""
        path = root / "pyproject.toml"
        if not path.is_file():
            return NO_CONFIGURATION
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}. Correct it.") from error
        table = document.get("tool", {}).get("fieldstone", {}).get("check", {})
        return cls.of(table)

    @classmethod
    def of(cls, table: Mapping[str, object]) -> Configuration:
        """Take the table apart."""
        unknown = sorted(set(table) - set(KEYS))
        if unknown:
            raise ConfigurationError(
                f"[tool.fieldstone.check] has no {unknown[0]!r}. Its keys are: {', '.join(KEYS)}."
            )
        per_file = table.get("per-file-ignores", {})
        if not isinstance(per_file, Mapping):
            raise ConfigurationError(
                'per-file-ignores of [tool.fieldstone.check] is no table. Write `"tests/**" = ["FS301"]`.'
            )
        baseline = table.get("baseline")
        return cls(
            select=frozenset(codes(table, "select")),
            ignore=frozenset(codes(table, "ignore")),
            exclude=codes(table, "exclude"),
            preview=table.get("preview") is True,
            baseline=baseline if isinstance(baseline, str) else None,
            per_file={str(pattern): frozenset(codes(per_file, pattern)) for pattern in per_file},
        )

    @property
    def fingerprint(self) -> str:
        """The same text in every process, as long as the same is configured."""
        per_file = [(pattern, sorted(some)) for pattern, some in self.per_file.items()]
        rules = (sorted(self.select), sorted(self.ignore), self.preview)
        return repr((*rules, self.exclude, self.baseline, per_file))

    def excludes(self, path: str) -> bool:
        """Whether a path below the root is left out of the check."""
        return any(fits(pattern, path) for pattern in self.exclude)

    def ignored_in(self, path: str) -> frozenset[str]:
        """The codes that are ignored in one file."""
        return frozenset(
            code for pattern, some in self.per_file.items() if fits(pattern, path) for code in some
        )


NO_CONFIGURATION = Configuration()


def codes(table: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Read a list of texts."""
    given = table.get(key, [])
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise ConfigurationError(
            f'{key!r} in [tool.fieldstone.check] is no list of texts. Write `{key} = ["..."]`.'
        )
    return tuple(given)


def fits(pattern: str, path: str) -> bool:
    """Whether a path, or a folder it is in, fits a pattern."""
    compiled = expression(pattern.rstrip("/").removesuffix("/**"))
    parts = path.split("/")
    return any(
        compiled.fullmatch("/".join(parts[: i + 1])) or compiled.fullmatch(parts[i])
        for i in range(len(parts))
    )


@cache
def expression(pattern: str) -> re.Pattern[str]:
    """Compile a pattern."""
    return re.compile(translate(pattern))


def matches(code: str, prefixes: frozenset[str]) -> bool:
    """Whether a code is named, in whole or by its beginning."""
    return any(code.startswith(prefix) for prefix in prefixes)
