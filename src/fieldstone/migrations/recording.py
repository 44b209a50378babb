"""What a revision asks for, written down and not done.

Its upgrade is called with an `op` that notes each operation. So the lint can judge a revision, and
a database without a history can be compared with what each revision would have left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import StringIO
from typing import Any

from alembic.operations import BatchOperations, Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from fieldstone.errors import FieldstoneError
from fieldstone.migrations.assurance import assured
from fieldstone.migrations.environment import alone
from fieldstone.migrations.failures import MigrationRefused


@dataclass(frozen=True)
class Seen:
    """An operation that a revision asked for, and where it stood."""

    operation: Any
    table: str | None
    assured: bool
    outside: bool


_looking: ContextVar[bool] = ContextVar("fieldstone_looking", default=False)


def recorded(script: Script, dialect: str) -> list[Seen]:
    """Call a revision's upgrade, and give what it asked for."""
    options = {"as_sql": True, "output_buffer": StringIO(), "transactional_ddl": True}
    context = MigrationContext.configure(dialect_name=dialect, opts=options)
    refused: Exception | None = None
    token = _looking.set(True)
    with alone(None), Operations.context(context) as operations:
        notes = _Notes(operations)
        try:
            script.module.upgrade()
        except Exception as error:  # noqa: BLE001  # raised below: left by it, Alembic's block would not end `op`
            refused = error
    _looking.reset(token)
    if isinstance(refused, FieldstoneError):
        raise refused
    if refused is not None:
        raise MigrationRefused(
            f"{script.path} cannot be looked at without a database: {type(refused).__name__}: {refused}. "
            "Where it reads rows, let it do so only if op.get_context().as_sql is false."
        ) from refused
    return notes.seen


def looking() -> bool:
    """Say whether a revision is only looked at."""
    return _looking.get()


class _Notes:
    """Put itself in the place of what Alembic's `op` would do."""

    def __init__(self, operations: Any) -> None:
        self.seen: list[Seen] = []
        self._operations = operations
        self._outside = False
        operations.invoke = self.invoke
        operations.batch_alter_table = self.batch_alter_table
        operations.migration_context.autocommit_block = self.outside_transaction

    def invoke(self, operation: Any) -> Any:
        self.note(operation)
        return operation.to_table() if isinstance(operation, ops.CreateTableOp) else None

    def note(self, operation: Any) -> None:
        self.seen.append(Seen(operation, _table_of(operation), assured(), self._outside))

    @contextmanager
    def outside_transaction(self) -> Iterator[None]:
        self._outside = True
        try:
            yield
        finally:
            self._outside = False

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *_: Any, **__: Any
    ) -> Iterator[Any]:
        place: Any = type("Place", (), {"table_name": table_name, "schema": schema})()
        batch: Any = BatchOperations(self._operations.migration_context, impl=place)
        batch.invoke = self.note
        yield batch


def _table_of(operation: Any) -> str | None:
    found = getattr(operation, "table_name", None) or getattr(operation, "source_table", None)
    return None if found is None else str(found)
