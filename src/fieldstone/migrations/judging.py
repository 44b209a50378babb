"""Which rule judges which operation, and what operations do together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from alembic.operations import ops

from fieldstone.migrations import constraint_dangers, table_dangers
from fieldstone.migrations.dangers import Danger
from fieldstone.migrations.recording import Seen

Rule = Callable[[Any, str], Iterator[Danger]]


def of(seen: Seen, dialect: str) -> Iterator[Danger]:
    """Yield what is dangerous about one operation, for users of one kind of database."""
    table = seen.table or "table"
    for kind, rule, everywhere in _RULES:
        if isinstance(seen.operation, kind) and (everywhere or dialect == "postgresql"):
            yield from rule(seen.operation, table)


def of_whole(seen: Sequence[Seen], dialect: str) -> Iterator[Danger]:
    """Yield what is dangerous about operations together."""
    if dialect != "postgresql":
        return
    inside = [each for each in seen if not each.outside and not _finds_itself_done(each)]
    if inside and any(each.outside for each in seen):
        yield Danger(
            "mixed-transaction",
            "steps inside and outside the transaction in one revision",
            "The steps inside are committed before those outside run, and the revision is recorded "
            "only at the "
            "end: if it is stopped between, it cannot be run again.",
            "Put what runs outside the transaction (steps.create_index, steps.backfill, "
            "steps.validate) into a "
            "revision of its own:\n  fieldstone migrate new --empty '... online'",
        )


def _finds_itself_done(seen: Seen) -> bool:
    """Say whether an operation may run twice: ours look first, and so does IF NOT EXISTS."""
    return seen.assured


NO_WAY_BACK = Danger(
    "no-downgrade",
    "no downgrade()",
    "If the new version fails, the database cannot go back with the program.",
    "def downgrade() -> None:\n    ...  # undo each step, the last one first",
)


_RULES: tuple[tuple[Any, Rule, bool], ...] = (
    (ops.DropTableOp, table_dangers.drop_table, True),
    (ops.RenameTableOp, table_dangers.rename_table, True),
    (ops.DropColumnOp, table_dangers.drop_column, True),
    (ops.AddColumnOp, table_dangers.add_column, False),
    (ops.AlterColumnOp, table_dangers.alter_column, True),
    (ops.AlterColumnOp, table_dangers.alter_on_postgresql, False),
    (ops.CreateIndexOp, constraint_dangers.create_index, False),
    (ops.DropIndexOp, constraint_dangers.drop_index, False),
    (ops.CreateForeignKeyOp, constraint_dangers.foreign_key, False),
    (ops.CreateCheckConstraintOp, constraint_dangers.check, False),
    (ops.CreateUniqueConstraintOp, constraint_dangers.unique, False),
    (ops.CreatePrimaryKeyOp, constraint_dangers.primary_key, False),
)
