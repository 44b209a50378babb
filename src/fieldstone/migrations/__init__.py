"""Migrations: Alembic without its set-up, that lose no row and can be run by many at once.

`project` says where a project keeps its models and revisions, `authoring` writes revisions,
`running` runs them, `steps` is what a revision may call. Nothing here is imported by `fieldstone`
itself: it needs the extra `migrations`.
"""

from fieldstone.errors import MissingExtra

try:
    import alembic as _alembic  # noqa: F401  # asked for here, so that the extra is named once
except ModuleNotFoundError as error:
    raise MissingExtra("Migrating", module="alembic", extra="migrations") from error

from fieldstone.migrations import steps
from fieldstone.migrations.checking import HistoryBroken, check_migrations
from fieldstone.migrations.failures import (
    MigrationError,
    MigrationFailed,
    MigrationRefused,
    Undecided,
    Unrecognised,
)
from fieldstone.migrations.linting import Finding
from fieldstone.migrations.project import Project
from fieldstone.migrations.running import Ran
from fieldstone.migrations.verbs import (
    Status,
    adopt,
    alembic_options,
    differences,
    differences_async,
    downgrade,
    downgrade_async,
    lint,
    merge,
    new,
    stamp,
    status,
    status_async,
    upgrade,
    upgrade_async,
)

__all__ = [
    "Finding",
    "HistoryBroken",
    "MigrationError",
    "MigrationFailed",
    "MigrationRefused",
    "Project",
    "Ran",
    "Status",
    "Undecided",
    "Unrecognised",
    "adopt",
    "alembic_options",
    "check_migrations",
    "differences",
    "differences_async",
    "downgrade",
    "downgrade_async",
    "lint",
    "merge",
    "new",
    "stamp",
    "status",
    "status_async",
    "steps",
    "upgrade",
    "upgrade_async",
]
