"""What keeps its rows under another name, and what may have been renamed: asked for, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import Operations, ops
from sqlalchemy import Connection, DateTime, inspect

from fieldstone.migrations import arranging
from fieldstone.migrations.arranging import Answers, Step
from fieldstone.migrations.declarations import Place
from fieldstone.migrations.failures import MigrationRefused, Undecided
from fieldstone.migrations.rendering import CallOp, frozen


@dataclass(frozen=True)
class Rename:
    """A table (`old` and `new`) or a column (`table` too) that keeps its rows under another name."""

    old: str
    new: str
    table: str | None = None

    def __str__(self) -> str:
        return f"{self.table}.{self.old}={self.new}" if self.table else f"{self.old}={self.new}"

    def operation(self, *, back: bool = False) -> ops.MigrateOperation:
        old, new = (self.new, self.old) if back else (self.old, self.new)
        if self.table is None:
            return ops.RenameTableOp(old, new)
        return ops.AlterColumnOp(self.table, old, modify_name=new)


def parse_rename(text: str) -> Rename:
    """Read "task.state=status" (a column) or "tasks=task" (a table)."""
    found = re.fullmatch(r"(?:(\w+)\.)?(\w+)=(?:(\w+)\.)?(\w+)", text)
    if found is None or (found[3] and found[3] != found[1]):
        raise MigrationRefused(
            f"{text!r} is no rename. Write table.old=new for a column, old=new for a table."
        )
    return Rename(found[2], found[4], found[1])


def carry_out(renames: Sequence[Rename], operations: Operations, connection: Connection) -> None:
    for rename in renames:
        _refuse_unknown(rename, connection)
        operations.invoke(rename.operation())


def _refuse_unknown(rename: Rename, connection: Connection) -> None:
    found = inspect(connection)
    if rename.table is None:
        known = found.get_table_names()
    elif not found.has_table(rename.table):
        raise MigrationRefused(
            f"--rename {rename}: there is no table {rename.table!r}. There are: "
            f"{', '.join(found.get_table_names())}."
        )
    else:
        known = [column["name"] for column in found.get_columns(rename.table)]
    if rename.old not in known:
        raise MigrationRefused(
            f"--rename {rename}: {rename.old!r} is not there. There are: {', '.join(known)}."
        )


def renaming_steps(renames: Sequence[Rename]) -> Iterator[Step]:
    for rename in renames:
        yield Step(_rename_call(rename.operation()), _rename_call(rename.operation(back=True)))


def _rename_call(operation: Any) -> CallOp:
    if isinstance(operation, ops.RenameTableOp):
        return CallOp(f"op.rename_table({operation.table_name!r}, {operation.new_table_name!r})", imports=())
    table, old, new = operation.table_name, operation.column_name, operation.modify_name
    return CallOp(f"op.alter_column({table!r}, {old!r}, new_column_name={new!r})", imports=())


def candidates(difference: ops.UpgradeOps, connection: Connection) -> Iterator[Rename]:
    """Yield what may have been renamed: it goes, and something like it comes."""
    created = [each for each in difference.ops if isinstance(each, ops.CreateTableOp)]
    for old in arranging.stored_tables(difference):
        columns = {column.name for column in old.columns}
        for new in created:
            names = {column.name for column in new.to_table().columns}
            if len(columns & names) * 3 >= len(columns | names) * 2:
                yield Rename(old.name, new.table_name)
    for changes in difference.ops:
        if isinstance(changes, ops.ModifyTableOps):
            added = [each.column for each in changes.ops if isinstance(each, ops.AddColumnOp)]
            for drop in (each for each in changes.ops if isinstance(each, ops.DropColumnOp)):
                old_type = _told(drop.to_column().type, connection)
                for column in added:
                    if _told(column.type, connection) == old_type:
                        yield Rename(drop.column_name, column.name, changes.table_name)


def _told(type_: Any, connection: Connection) -> str:
    return str(frozen(type_).compile(dialect=connection.dialect)).partition("(")[0]


def answered(rename: Rename, answers: Answers) -> bool:
    return (f"{rename.table}.{rename.old}" if rename.table else rename.old) in answers.drop


def ask_about(renames: Sequence[Rename]) -> Undecided:
    """Say what looks renamed, and the two answers."""
    first = renames[0]
    gone = f"{first.table}.{first.old}" if first.table else first.old
    choices = [str(each) for each in renames if (each.table, each.old) == (first.table, first.old)]
    lines = "\n".join(f"  --rename {each}" for each in choices)
    return Undecided(
        f"{gone!r} goes and something like it comes: if it was renamed, dropping it would lose its "
        "rows' values. "
        f"Say which it is:\n{lines}\nor, to drop it with all its values:\n  --drop {gone}",
        kind="rename",
        subject=gone,
        choices=choices,
    )


def renamed_places(declared: Mapping[Place, DateTime], renames: Sequence[Rename]) -> dict[Place, DateTime]:
    found = dict(declared)
    for rename in renames:
        found = {
            (
                rename.new if rename.table is None and table == rename.old else table,
                rename.new if (rename.table, rename.old) == (table, name) else name,
            ): type_
            for (table, name), type_ in found.items()
        }
    return found
