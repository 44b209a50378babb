"""Look at revisions before they run: what locks, rewrites, loses data, or breaks the running version.

A revision's functions are called with an `op` that writes down what it is asked and does none of
it. dangers.py judges the operations, and statements.py the SQL that a revision executes as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

from alembic.operations import BatchOperations, Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy.exc import SQLAlchemyError

from fieldstone.migrations import dangers, statements
from fieldstone.migrations.assurance import assured
from fieldstone.migrations.dangers import Danger, Seen
from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.project import Project
from fieldstone.migrations.revisions import directory, file_of, title, understood


@dataclass(frozen=True)
class Finding:
    """What the lint says about one operation of a revision."""

    revision: str
    title: str
    file: str
    danger: Danger

    def __str__(self) -> str:
        safe = "\n".join(f"      {line}" for line in self.danger.safe.splitlines())
        return (
            f"{self.file}: {self.danger.what} ({self.danger.rule})\n"
            f"    why   {self.danger.why}\n    safe\n{safe}"
        )


def lint(
    project: Project,
    *,
    dialect: str = "postgresql",
    since: str | None = None,
    only: frozenset[str] | None = None,
) -> list[Finding]:
    """Look at the revisions after `since` (all), or at those of `only`, in the order in which they run."""
    scripts = directory(project)
    found: list[Finding] = []
    with understood(project):
        for script in reversed(list(scripts.walk_revisions(since or "base", "heads"))):
            if script.revision == since or (only is not None and script.revision not in only):
                continue
            where = (script.revision, title(script), file_of(script, project))
            found += [Finding(*where, danger) for danger in judged(script, dialect)]
    return found


def judged(script: Script, dialect: str) -> Iterator[Danger]:
    """Yield what is dangerous in one revision."""
    recorder = recorded(script, dialect)
    created = {seen.table for seen in recorder.seen if isinstance(seen.operation, ops.CreateTableOp)}
    for seen in recorder.seen:
        if seen.assured or (seen.table in created and not isinstance(seen.operation, ops.DropTableOp)):
            continue
        if isinstance(seen.operation, ops.ExecuteSQLOp):
            yield from statements.dangers_of(str(seen.operation.sqltext), dialect)
        else:
            yield from dangers.of(seen, dialect)
    yield from dangers.of_whole(recorder.seen, dialect)
    yield from _without_downgrade(script)


def _without_downgrade(script: Script) -> Iterator[Danger]:
    if not callable(getattr(script.module, "downgrade", None)):
        yield dangers.NO_WAY_BACK


def recorded(script: Script, dialect: str) -> Recorder:
    """Call a revision's upgrade, and give what it asked for."""
    options = {"as_sql": True, "output_buffer": StringIO(), "transactional_ddl": True}
    context = MigrationContext.configure(dialect_name=dialect, opts=options)
    recorder = Recorder(context)
    recorder._install_proxy()
    try:
        script.module.upgrade()
    except (SQLAlchemyError, AttributeError, TypeError, IndexError) as error:
        raise MigrationRefused(
            f"{script.path} cannot be looked at without a database: {type(error).__name__}: {error}. "
            "Where it "
            "reads rows, let it do so only if op.get_context().as_sql is false."
        ) from error
    finally:
        recorder._remove_proxy()
    return recorder


class Recorder(Operations):
    """Alembic's `op`, but for doing anything."""

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self.seen: list[Seen] = []
        self._outside = False
        context.autocommit_block = self._outside_transaction  # type: ignore[method-assign]  # to know what runs in it

    def invoke(self, operation: Any) -> Any:
        self.note(operation)
        return operation.to_table() if isinstance(operation, ops.CreateTableOp) else None

    def note(self, operation: Any) -> None:
        self.seen.append(Seen(operation, _table_of(operation), assured(), self._outside))

    @contextmanager
    def _outside_transaction(self) -> Iterator[None]:
        self._outside = True
        try:
            yield
        finally:
            self._outside = False

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *_: Any, **__: Any
    ) -> Iterator[Any]:
        yield _BatchRecorder(self, table_name, schema)


class _BatchRecorder(BatchOperations):
    def __init__(self, recorder: Recorder, table_name: str, schema: str | None) -> None:
        batch: Any = type("Batch", (), {"table_name": table_name, "schema": schema})()
        super().__init__(recorder.migration_context, impl=batch)
        self._recorder = recorder

    def invoke(self, operation: Any) -> Any:
        self._recorder.note(operation)


# Alembic hands `op` over by class, and knows only its own.
Operations._setups[Recorder] = Operations._setups[Operations]


def _table_of(operation: Any) -> str | None:
    found = getattr(operation, "table_name", None) or getattr(operation, "source_table", None)
    return None if found is None else str(found)
