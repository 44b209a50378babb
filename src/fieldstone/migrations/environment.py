"""The environment that Alembic asks of a project (alembic.ini, env.py): here, for every project.

`op` and `context` of Alembic's are of a whole process, whoever runs in it. So one environment is
entered at a time: a second thread, or a second task of an event loop, waits for the first.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from fieldstone.migrations import waiting
from fieldstone.migrations.project import Project
from fieldstone.migrations.rebuilding import RebuildingImpl

_ENTERED = threading.Lock()


@contextmanager
def alone(connection: Connection | None) -> Iterator[None]:
    """Be the only one in this process who uses `op` and `context`."""
    # Asked for again and again: who waits in the lock itself would stop the event loop of who holds it.
    while not _ENTERED.acquire(blocking=False):
        waiting.pause(connection, 0.01)
    try:
        yield
    finally:
        _ENTERED.release()


@contextmanager
def environment(
    project: Project,
    scripts: ScriptDirectory,
    connection: Connection | None,
    options: Mapping[str, Any],
) -> Iterator[EnvironmentContext]:
    """Be what env.py is in a project of Alembic's: `op` and `context` work inside."""
    with alone(connection), quiet(), EnvironmentContext(Config(), scripts) as env:
        env.configure(
            connection=connection,
            version_table=project.version_table,
            version_table_schema=project.version_table_schema,
            transactional_ddl=True,
            transaction_per_migration=True,
            render_as_batch=True,
            **options,
        )
        context = env.get_context()
        context._in_external_transaction = False  # ours was begun for it, and autocommit blocks may end it
        context._transaction = connection.get_transaction() if connection is not None else None
        if context.dialect.name == "sqlite":
            context.impl = RebuildingImpl(
                context.dialect, context.connection, context.as_sql, True, context.output_buffer, context.opts
            )
        yield env


# What Alembic and SQLAlchemy warn of and is dealt with here: CHECKs and indexes are kept in a rebuild
# (rebuilding.py) and compared (comparing.py), circles of foreign keys are cut (arranging.py).
_ANSWERED = (
    "Unnamed CHECK constraint on reflected table",
    "autogenerate skipping metadata-specified expression-based index",
    "Skipped unsupported reflection of expression-based index",
    "Cannot correctly sort tables",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out the warnings that are answered."""
    with warnings.catch_warnings():
        for message in _ANSWERED:
            warnings.filterwarnings("ignore", message=message)
        yield
