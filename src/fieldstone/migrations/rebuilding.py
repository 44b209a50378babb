"""How a table of SQLite is rebuilt without losing what stands around its columns.

SQLite alters little in place, so Alembic's batch makes a new table, copies the rows, drops the old
one and renames. Left alone that loses triggers, indexes over expressions, CHECKs without a name and
options of the table; it fails where a view reads the table; and a changed type is cast in a way
that turns text into 0. Here what can be carried over is, and what cannot is refused.

Source: sqlite.org, "ALTER TABLE", section 7, "Making Other Kinds Of Table Schema Changes".
"""

from __future__ import annotations

import re
from typing import Any

from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import JSON, Cast, CheckConstraint, Table, Text, cast, func, select, text

from fieldstone.migrations.failures import MigrationRefused

_TEMPORARY = "_alembic_tmp_"
_OPTIONS = {"AUTOINCREMENT": ("autoincrement", True), "STRICT": ("strict", True)}
_NOT_CARRIED = ("COLLATE", "ON CONFLICT", "GENERATED ALWAYS")


class RebuildingImpl(SQLiteImpl):
    """Alembic's SQLite, with transactional DDL, and rebuilds that keep what is theirs to keep."""

    transactional_ddl = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._carried: dict[str, tuple[str, list[str], int | None]] = {}

    def prep_table_for_batch(self, batch_impl: Any, table: Table) -> None:
        """Note what the old table has, once the new one is planned and before it is made."""
        super().prep_table_for_batch(batch_impl, table)
        if self.connection is None or self.as_sql:
            return
        _keep_unnamed_checks(table, batch_impl.new_table)
        self._refuse_lossy_casts(batch_impl, table)
        made = str(
            self._scalar("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :t", t=table.name)
        )
        _keep_options(made, batch_impl.new_table)
        known = {index.name for index in table.indexes}
        rows = self.connection.execute(
            text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :t AND sql IS NOT NULL"),
            {"t": table.name},
        ).all()
        again = [
            sql for kind, name, sql in rows if kind == "trigger" or (kind == "index" and name not in known)
        ]
        counted = _option(made, "AUTOINCREMENT") and self._scalar(
            "SELECT seq FROM sqlite_sequence WHERE name = :t", t=table.name
        )
        self._carried[batch_impl.temp_table_name] = (made, again, counted or None)
        # With it on, a rename does not look into the views that read the table.
        self._set_legacy(True)

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        super().rename_table(old_table_name, new_table_name, schema=schema)
        if old_table_name.startswith(_TEMPORARY) and old_table_name in self._carried:
            made, again, counted = self._carried.pop(old_table_name)
            self._set_legacy(False)
            self._refuse_losses(made, str(new_table_name))
            for statement in again:
                self._exec(text(re.sub(r"(?<!:):(?=\w)", r"\\:", statement)))
            if counted is not None:
                self._exec(
                    text(f"UPDATE sqlite_sequence SET seq = {int(counted)} WHERE name = '{new_table_name}'")  # noqa: S608  # of a revision
                )  # the name of a table that was just made

    def _set_legacy(self, on: bool) -> None:
        self._exec(text(f"PRAGMA legacy_alter_table = {'ON' if on else 'OFF'}"))

    def _scalar(self, statement: str, **values: Any) -> Any:
        assert self.connection is not None
        return self.connection.execute(text(statement), values).scalar()

    def _refuse_lossy_casts(self, batch_impl: Any, table: Table) -> None:
        """Refuse a changed type where a value would not come back the same from it."""
        assert self.connection is not None
        for name, transfer in batch_impl.column_transfers.items():
            new = transfer.get("expr")
            if not isinstance(new, Cast) or name not in table.c:
                continue
            old: Any = table.c[name]
            if isinstance(old.type, JSON):  # SQLite casts to JSON as it does to a number
                old, back = cast(old, Text), cast(new, Text)
            else:
                back = cast(new, old.type)
            lost = self.connection.scalar(
                select(func.count()).select_from(table).where(old.is_not(None), back.is_distinct_from(old))
            )
            if lost:
                raise MigrationRefused(
                    f"{table.name}.{name} cannot become {new.type!r}: {lost} rows hold values that "
                    "would change, "
                    "such as text where a number is wanted. Correct those rows in a revision before "
                    "this one."
                )

    def _refuse_losses(self, made: str, table: str) -> None:
        remade = str(
            self._scalar("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :t", t=table)
        )
        for words in (*_NOT_CARRIED, *_OPTIONS, "WITHOUT ROWID"):
            if _option(made, words) and not _option(remade, words):
                raise MigrationRefused(
                    f"The table {table!r} was made with {words}, which rebuilding it would lose. "
                    "Rebuild it by hand "
                    "in this revision: op.create_table(...), op.execute('INSERT ... SELECT ...'), "
                    "op.drop_table(...), "
                    "op.rename_table(...)."
                )


def _option(made: str, words: str) -> bool:
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "''", made)
    pattern = r"\s+".join(words.split())
    return re.search(rf"\b{pattern}\b", unquoted, re.IGNORECASE) is not None


def _keep_unnamed_checks(table: Table, new: Table) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and not constraint.name:
            new.append_constraint(CheckConstraint(constraint.sqltext))


def _keep_options(made: str, new: Table) -> None:
    for words, (option, value) in _OPTIONS.items():
        if _option(made, words):
            new.dialect_options["sqlite"][option] = value
    if _option(made, "WITHOUT ROWID"):
        new.dialect_options["sqlite"]["with_rowid"] = False
