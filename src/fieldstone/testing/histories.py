"""A project's migrations, tried on an empty database that is lent for it."""

from __future__ import annotations

from dataclasses import dataclass

from fieldstone.database import Database
from fieldstone.errors import ConfigurationError
from fieldstone.migrations import Project
from fieldstone.migrations import check_migrations as check
from fieldstone.migrations.project import read
from fieldstone.testing.templates import EMPTY, Templates


@dataclass(frozen=True)
class MigrationsCheck:
    """Run every revision up, down and up, and compare the end with the models."""

    templates: Templates

    def __call__(self, project: Project | None = None) -> None:
        """Raise HistoryBroken where a revision is not undone, or the last is not what the models say."""
        where = project or read()
        if not any(where.versions.glob("*.py")):
            raise ConfigurationError(
                f"There are no migrations in {where.location.name!r}, so there is nothing to check. Write "
                "the first with: fieldstone migrate new"
            )
        with self.templates.lend(EMPTY) as url, Database(url) as database:
            check(database, project=where)
