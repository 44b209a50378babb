"""The tables of a database, brought to where this version of the app needs them.

`migrations/` tells their story, one revision for each change. A database that an earlier version
made with create_all knows nothing of it: the revision that its tables are at is recognised and
recorded, and only what follows is run. Any number of processes may do so at once.
"""

from __future__ import annotations

from pathlib import Path

from fieldstone import Database
from fieldstone.migrations import Project, Ran, upgrade, upgrade_async

HERE = Path(__file__).parent
MIGRATIONS = Project(models=("fieldstone.template.models",), location=HERE / "migrations", root=HERE)


def migrate(database: Database) -> list[Ran]:
    """Run the revisions that the database has not had yet, and return them."""
    return upgrade(database, project=MIGRATIONS, adopt=True)


async def migrate_async(database: Database) -> list[Ran]:
    """Run the revisions that the database has not had yet, asynchronously."""
    return await upgrade_async(database, project=MIGRATIONS, adopt=True)
