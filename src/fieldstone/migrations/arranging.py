"""From the difference that Alembic found to steps that go up, come down, and lose no row.

Alembic's list is turned into pairs: what to do, and what really undoes it. Circles of foreign keys
are cut, tables made and dropped in an order that works, and new columns given a value for the rows
that are there. altering.py does the same for the columns that change, enumerating.py for enum types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alembic.autogenerate import render_op_text
from alembic.operations import ops
from sqlalchemy import CheckConstraint, Column, Connection, Index, MetaData, String, Table
from sqlalchemy.schema import ForeignKeyConstraint, sort_tables_and_constraints

from fieldstone.migrations import canonical
from fieldstone.migrations.rendering import DIALECTS, CallOp, NamingBatchOp, Writer

Key = tuple[str | None, str]


@dataclass(frozen=True)
class Answers:
    """What only a person can know about a change.

    `fill` gives the rows that are there a value ("task.priority": "medium"; "sql:..." for an
    expression), `zones` says in which time zone naive datetimes are ("task.created_at":
    "Europe/Berlin"), `renamed_values` maps "task.status" to old and new members, `drop` names what
    may go although it looks renamed. `online` writes what a busy PostgreSQL can bear.
    """

    fill: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    renamed_values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    online: bool = False


@dataclass(frozen=True)
class Step:
    """An operation and what undoes it.

    Steps on one `table` that follow each other share a batch. `online` ones leave the transaction,
    and so stand in a revision of their own. `naming` ones meet constraints without a name.
    """

    up: ops.MigrateOperation | None
    down: ops.MigrateOperation | None
    table: tuple[str | None, str] | None = None
    online: bool = False
    naming: bool = False

    @property
    def undone(self) -> Step:
        """Give the step that goes the other way."""
        return replace(self, up=self.down, down=self.up)


def arranged(steps: Sequence[Step], *, down: bool) -> list[ops.MigrateOperation]:
    """List the operations of steps in the order of one direction, with batches for each table."""
    found: list[ops.MigrateOperation] = []
    for step in reversed(steps) if down else steps:
        operation = step.down if down else step.up
        if operation is None:
            continue
        last = found[-1] if found else None
        if step.table is None:
            found.append(operation)
        elif isinstance(last, ops.ModifyTableOps) and (last.schema, last.table_name) == step.table:
            last.ops.append(operation)
        else:
            found.append(ops.ModifyTableOps(step.table[1], [operation], schema=step.table[0]))
        if step.naming and isinstance(found[-1], ops.ModifyTableOps):
            found[-1] = NamingBatchOp(found[-1].table_name, found[-1].ops, schema=found[-1].schema)
    return found


# Whole tables


def creations(tables: Sequence[Table], connection: Connection) -> list[Step]:
    """Create tables after those they refer to; in a circle, add the foreign key when both are there.

    Undone, the same steps drop them in an order that works.
    """
    found: list[Step] = []
    late: list[ForeignKeyConstraint] = []
    ordered = list(sort_tables_and_constraints(tables))  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no type
    for table, keys in ordered:
        if table is None:
            late += [key for key in keys if isinstance(key, ForeignKeyConstraint)]
    for table, _ in ordered:
        if table is None:
            continue
        create = ops.CreateTableOp.from_table(table)
        create.columns = [item for item in create.columns if not any(item is key for key in late)]
        found.append(Step(create, ops.DropTableOp(table.name, schema=table.schema)))
        # By name, because a table that was read through another's foreign key can have an index twice.
        indexes = {str(index.name): index for index in table.indexes}
        found += [_index_of_new(index) for _, index in sorted(indexes.items())]
    for key in sorted(late, key=lambda each: str(each.name)):
        name = canonical.constraint_name(key, connection)
        drop = ops.DropConstraintOp(name, key.table.name, type_="foreignkey", schema=key.table.schema)
        add = ops.CreateForeignKeyOp.from_constraint(key)
        found.append(Step(add, drop, (key.table.schema, key.table.name)))
    return found


def _index_of_new(index: Index) -> Step:
    return Step(ops.CreateIndexOp.from_index(index), None)  # it goes with its table


def dropped_table(drop: ops.DropTableOp) -> Table:
    """Give the stored table that a drop is about, as it was read."""
    assert drop._reverse is not None
    return next(item.table for item in drop._reverse.columns if isinstance(item, Column))


# Constraints and indexes of tables that have rows


def indexing(operation: Any, writer: Writer, *, online: bool) -> Step:
    """Create or drop an index, and undo it."""
    undo = operation.reverse()
    if not online:
        return Step(operation, undo)
    return Step(_online(operation, writer), _online(undo, writer), online=True)


def _online(operation: Any, writer: Writer) -> CallOp:
    written = render_op_text(writer.context, operation)
    return CallOp(re.sub(r"^op\.(create|drop)_index", r"steps.\1_index", written))


def constraining(
    operation: Any, key: tuple[str | None, str], connection: Connection, *, online: bool, naming: bool = False
) -> list[Step]:
    """Add or drop a constraint, and undo it; online, rows that are there are looked at without a lock."""
    undo = operation.reverse()
    step = Step(operation, undo, key, naming=naming)
    added = isinstance(operation, ops.AddConstraintOp)
    if not online or not added or key[0] is not None:
        return [step]
    constraint: Any = operation.to_constraint()
    name = canonical.constraint_name(constraint, connection) or str(getattr(operation, "constraint_name", ""))
    if isinstance(operation, ops.CreateUniqueConstraintOp):
        columns = [column.name for column in constraint.columns]
        add = CallOp(f"steps.create_unique_constraint({name!r}, {key[1]!r}, {columns!r})")
        return [Step(add, CallOp(f"steps.drop_unique_constraint({name!r}, {key[1]!r})"), online=True)]
    if isinstance(operation, ops.CreateCheckConstraintOp | ops.CreateForeignKeyOp):
        operation.kw["postgresql_not_valid"] = True
        return [step, Step(CallOp(f"steps.validate({key[1]!r}, {name!r})"), None, online=True)]
    return [step]


def checking_on_one(
    changes: Sequence[Any], key: tuple[str | None, str], model: Table, connection: Connection
) -> tuple[list[Step], list[Any]]:
    """Take out of changes the CHECKs that only one kind of database has; there alone they are replaced."""
    meant = {
        canonical.constraint_name(each, connection): each
        for each in model.constraints
        if isinstance(each, CheckConstraint) and each._ddl_if is not None and each._ddl_if.dialect is not None
    }
    old: dict[str, str] = {}
    new: dict[str, str] = {}
    left: list[Any] = []
    for change in changes:
        added = isinstance(change, ops.CreateCheckConstraintOp)
        if not added and not (isinstance(change, ops.DropConstraintOp) and change.constraint_type == "check"):
            left.append(change)
            continue
        constraint: Any = change.to_constraint()
        name = canonical.constraint_name(constraint, connection) or str(change.constraint_name)
        said = canonical.condition(constraint, connection)
        if name in meant or (connection.dialect.name == "sqlite" and not added and _only_length(name, said)):
            (new if added else old)[name] = said
        else:
            left.append(change)
    steps = [
        Step(
            _replacing(key, name, new.get(name), meant.get(name)),
            _replacing(key, name, old.get(name), meant.get(name)),
        )
        for name in sorted(old.keys() | new.keys())
    ]
    return steps, left


def _only_length(name: str, said: str) -> bool:
    """Recognise what models write for SQLite, where VARCHAR(n) limits nothing."""
    return name.endswith("_max_length") and re.fullmatch(r"length\(\S+\) <= \d+", said) is not None


def _replacing(key: tuple[str | None, str], name: str, said: str | None, model: Any) -> CallOp:
    dialect = model._ddl_if.dialect if model is not None else "sqlite"
    return CallOp(f"steps.replace_check({key[1]!r}, {name!r}, {said!r}, dialect={dialect!r})")


def checking_elsewhere(change: Any, model: Table, connection: Connection) -> Iterator[Step]:
    """Follow a column on the other kind of database, where that has a CHECK of its own for it."""
    if isinstance(change, ops.AddColumnOp):
        name, old, new = change.column.name, None, change.column.type
    elif isinstance(change, ops.AlterColumnOp) and change.modify_type is not None:
        name, old, new = change.column_name, change.existing_type, change.modify_type
    else:
        return
    key, here = (model.schema, model.name), connection.dialect.name
    meant = [
        each
        for each in model.constraints
        if isinstance(each, CheckConstraint)
        and each._ddl_if is not None
        and each._ddl_if.dialect not in (None, here)
        and name in each.columns
    ]
    for each in meant:
        said = canonical.written_for(each, DIALECTS[str(each._ddl_if.dialect)])  # type: ignore[union-attr]  # see above
        length = old.length if isinstance(old, String) else None
        before = None if length is None else re.sub(r"<= \d+$", f"<= {length}", said)
        constraint_name = str(canonical.constraint_name(each, connection))
        yield Step(
            _replacing(key, constraint_name, said, each), _replacing(key, constraint_name, before, each)
        )
    length = old.length if isinstance(old, String) else None
    if not meant and here != "sqlite" and length is not None and getattr(new, "length", None) is None:
        constraint_name = f"ck_{model.name}_{name}_max_length"
        before = f"length({name}) <= {length}"
        yield Step(
            _replacing(key, constraint_name, None, None), _replacing(key, constraint_name, before, None)
        )


def named(operation: Any, stored: Table, metadata: MetaData, connection: Connection) -> bool:
    """Give a constraint without a name, as SQLite has them, the convention's; say whether it had none."""
    if not isinstance(operation, ops.DropConstraintOp) or operation.constraint_name is not None:
        return False
    wanted = operation.to_constraint()
    copy = stored.to_metadata(MetaData(naming_convention=metadata.naming_convention))
    for constraint in copy.constraints:
        same = isinstance(constraint, type(wanted)) or constraint.__visit_name__ == wanted.__visit_name__
        if same and _columns(constraint) == _columns(wanted):
            operation.constraint_name = canonical.constraint_name(constraint, connection)
            return operation.constraint_name is not None
    return False


def _columns(constraint: Any) -> list[str]:
    return [column.name for column in constraint.columns]


def model_tables(metadata: Sequence[MetaData]) -> dict[tuple[str | None, str], Table]:
    return {(table.schema, table.name): table for part in metadata for table in part.tables.values()}


def stored_tables(difference: ops.UpgradeOps) -> Iterator[Table]:
    """Yield the tables that are to be dropped."""
    for operation in difference.ops:
        if isinstance(operation, ops.DropTableOp):
            yield dropped_table(operation)
