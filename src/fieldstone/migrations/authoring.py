"""Write revisions: compare models and database, and put down the steps between them.

Renames are carried out on the database first, within a transaction that is rolled back, and the
comparison looks at what they leave. So the rest of the difference is exact, whatever hangs on the
renamed thing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.operations import Operations, ops
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import Connection, DateTime, MetaData, Table, inspect

from fieldstone.migrations import altering, arranging, comparing, enumerating
from fieldstone.migrations.arranging import Answers, Step, arranged
from fieldstone.migrations.declarations import Place, between_zones, declared_datetimes
from fieldstone.migrations.environment import environment
from fieldstone.migrations.failures import MigrationRefused, Undecided, shown
from fieldstone.migrations.project import Project, unimported
from fieldstone.migrations.references import foreign_keys_off
from fieldstone.migrations.rendering import CallOp, Writer, frozen
from fieldstone.migrations.revisions import directory, heads, understood
from fieldstone.migrations.running import current


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


@dataclass(frozen=True)
class Draft:
    """What a revision would hold: the steps of a transaction, and those that follow it online."""

    steps: tuple[Step, ...]
    online: tuple[Step, ...]
    candidates: tuple[Rename, ...]

    @property
    def empty(self) -> bool:
        return not self.steps and not self.online


def parse_rename(text: str) -> Rename:
    """Read "task.state=status" (a column) or "tasks=task" (a table)."""
    found = re.fullmatch(r"(?:(\w+)\.)?(\w+)=(?:(\w+)\.)?(\w+)", text)
    if found is None or (found[3] and found[3] != found[1]):
        raise MigrationRefused(
            f"{text!r} is no rename. Write table.old=new for a column, old=new for a table."
        )
    return Rename(found[2], found[4], found[1])


def draft(
    connection: Connection, project: Project, answers: Answers, renames: Sequence[Rename] = ()
) -> Draft:
    """Compare models and database, and arrange the difference; the database is left as it was."""
    metadata = project.metadata()
    _refuse_unknown_columns(answers, metadata)
    with comparison(connection, project, metadata, renames) as difference:
        _refuse_to_drop_everything(difference, metadata, connection, project)
        candidates = tuple(_candidates(difference, connection))
        open_ones = tuple(each for each in candidates if not _answered(each, answers))
        if open_ones:
            return Draft((), (), open_ones)
        steps = [*_renaming(renames), *_steps(difference, metadata, connection, answers)]
    return Draft(tuple(s for s in steps if not s.online), tuple(s for s in steps if s.online), ())


def rewrite(context: Any, _revision: Any, directives: Sequence[Any]) -> None:
    """Arrange what `alembic revision --autogenerate` found: an env.py's process_revision_directives.

    Its questions can only be refused; `fieldstone migrate new` takes the answers.
    """
    difference = directives[0].upgrade_ops
    if context.bind is None or difference is None or difference.is_empty():
        return
    metadata = context.opts["target_metadata"]
    parts = list(metadata) if isinstance(metadata, list | tuple) else [metadata]
    if candidates := tuple(_candidates(difference, context.bind)):
        raise ask_about(candidates)
    steps = list(_steps(difference, parts, context.bind, Answers()))
    directives[0].upgrade_ops.ops = arranged(steps, down=False)
    directives[0].downgrade_ops.ops = arranged(steps, down=True)


@contextmanager
def comparison(
    connection: Connection, project: Project, metadata: list[MetaData], renames: Sequence[Rename] = ()
) -> Iterator[ops.UpgradeOps]:
    """Yield what Alembic finds different, with the renames done; they are undone when the block ends."""
    scripts = directory(project)
    _refuse_schemas(metadata)
    options: dict[str, Any] = {"target_metadata": metadata, **comparing.options(lambda: connection)}
    declared: dict[Place, DateTime] = {}
    if connection.dialect.name == "sqlite":
        with connection.begin():
            here = current(connection, project)
        declared = declared_datetimes(scripts, here)
    with foreign_keys_off(connection), connection.begin() as transaction:
        try:
            with environment(project, scripts, connection, options) as env:
                context = env.get_context()
                _carry_out(renames, Operations(context), connection)
                difference = produce_migrations(context, metadata).upgrade_ops  # type: ignore[arg-type]  # several are served
                assert difference is not None
                _add_zones(difference, between_zones(_renamed(declared, renames), metadata))
                yield difference
        finally:
            transaction.rollback()


def _add_zones(difference: ops.UpgradeOps, changes: Sequence[tuple[str | None, ops.AlterColumnOp]]) -> None:
    """Put changes that only the history shows beside those that were found."""
    found = {
        (each.schema, each.table_name): each
        for each in difference.ops
        if isinstance(each, ops.ModifyTableOps)
    }
    new = {each.table_name for each in difference.ops if isinstance(each, ops.CreateTableOp)}
    for schema, change in changes:
        known = found.get((schema, change.table_name))
        if known is not None:
            known.ops.append(change)
        elif change.table_name not in new:
            found[schema, change.table_name] = ops.ModifyTableOps(change.table_name, [change], schema=schema)
            difference.ops.append(found[schema, change.table_name])


def _renamed(declared: Mapping[Place, DateTime], renames: Sequence[Rename]) -> dict[Place, DateTime]:
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


def _refuse_schemas(metadata: Sequence[MetaData]) -> None:
    for schema, name in arranging.model_tables(metadata):
        if schema is not None:
            raise MigrationRefused(
                f"The table {name!r} stands in the schema {schema!r}, and only the default one is compared. "
                "Leave the schema out of the model and set it for the role that connects: ALTER ROLE ... SET "
                "search_path = ..., or write its revisions by hand with --empty."
            )


def _carry_out(renames: Sequence[Rename], operations: Operations, connection: Connection) -> None:
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


def _refuse_unknown_columns(answers: Answers, metadata: Sequence[MetaData]) -> None:
    """Refuse answers about columns that no model has: a misspelt one would change nothing, unseen."""
    known = {
        f"{table.name}.{column.name}"
        for table in arranging.model_tables(metadata).values()
        for column in table.columns
    }
    for option, names in (
        ("--fill", answers.fill),
        ("--zone", answers.zones),
        ("--rename-value", answers.renamed_values),
    ):
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"Did you mean {near[0]}?" if near else "Write a table, a dot and a column."
                raise MigrationRefused(f"{option} {name}: no model has this column. {hint}")


def _renaming(renames: Sequence[Rename]) -> Iterator[Step]:
    for rename in renames:
        yield Step(_rename_call(rename.operation()), _rename_call(rename.operation(back=True)))


def _rename_call(operation: Any) -> CallOp:
    if isinstance(operation, ops.RenameTableOp):
        return CallOp(f"op.rename_table({operation.table_name!r}, {operation.new_table_name!r})", imports=())
    table, old, new = operation.table_name, operation.column_name, operation.modify_name
    return CallOp(f"op.alter_column({table!r}, {old!r}, new_column_name={new!r})", imports=())


def _steps(
    difference: ops.UpgradeOps, metadata: list[MetaData], connection: Connection, answers: Answers
) -> Iterator[Step]:
    models = arranging.model_tables(metadata)
    created = [
        (each.schema, each.table_name) for each in difference.ops if isinstance(each, ops.CreateTableOp)
    ]
    going = list(arranging.stored_tables(difference))
    gone = {(table.schema, table.name) for table in going}
    yield from enumerating.creating(difference, metadata, connection)
    yield from arranging.creations([models[key] for key in created], connection)
    yield from enumerating.changing(metadata, connection, answers)
    writer = Writer(connection, metadata)
    for operation in difference.ops:
        if isinstance(operation, ops.ModifyTableOps):
            key = (operation.schema, operation.table_name)
            if key not in created and key not in gone:
                yield from _of_table(operation, models[key], connection, answers, writer)
    yield from (step.undone for step in reversed(arranging.creations(going, connection)))
    yield from enumerating.dropping(difference, metadata, connection)


def _of_table(
    changes: ops.ModifyTableOps, model: Table, connection: Connection, answers: Answers, writer: Writer
) -> Iterator[Step]:
    """Order the changes of one table so that each finds what it needs, going up and coming down."""
    key = (changes.schema, changes.table_name)
    stored = altering.stored_columns(connection, key)
    lengths, found = arranging.checking_on_one(changes.ops, key, model, connection)
    online = answers.online and not changes.schema
    altering.refuse_lost_members(found, key[1], connection, answers)
    yield from (
        arranging.indexing(each, writer, online=online) for each in found if isinstance(each, ops.DropIndexOp)
    )
    for each in found:
        if isinstance(each, ops.DropConstraintOp):
            naming = arranging.named(each, stored, model.metadata, connection)
            yield from arranging.constraining(each, key, connection, online=online, naming=naming)
    for column, renamed in _renamed_values(key, model, answers):
        yield altering.renaming_values(key, column, renamed)
    for each in found:
        if isinstance(each, ops.AddColumnOp):
            yield from altering.adding(each, key, answers)
            yield from arranging.checking_elsewhere(each, model, connection)
    for each in found:
        if isinstance(each, ops.AlterColumnOp):
            yield from altering.altering(each, key, model.c[_attribute(model, each.column_name)], answers)
            yield from arranging.checking_elsewhere(each, model, connection)
    for each in found:
        if isinstance(each, ops.AddConstraintOp):
            yield from arranging.constraining(each, key, connection, online=online)
    yield from lengths
    for each in found:
        if isinstance(each, ops.CreateTableCommentOp | ops.DropTableCommentOp):
            yield Step(each, each.reverse(), key)
    for each in found:
        if isinstance(each, ops.DropColumnOp):
            yield from altering.dropping(each, key, stored, answers)
    yield from (
        arranging.indexing(each, writer, online=online)
        for each in found
        if isinstance(each, ops.CreateIndexOp)
    )


def _attribute(model: Table, column_name: str) -> str:
    return next(column.key for column in model.columns if column.name == column_name)


def _renamed_values(
    key: altering.Key, model: Table, answers: Answers
) -> Iterator[tuple[str, Mapping[str, str]]]:
    for column in model.columns:
        renamed = answers.renamed_values.get(f"{key[1]}.{column.name}")
        if renamed and enumerating.native_type(column.type) is None:
            yield column.name, renamed


# What must be asked before


def _candidates(difference: ops.UpgradeOps, connection: Connection) -> Iterator[Rename]:
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


def _answered(rename: Rename, answers: Answers) -> bool:
    return (f"{rename.table}.{rename.old}" if rename.table else rename.old) in answers.drop


def ask_about(candidates: Sequence[Rename]) -> Undecided:
    """Say what looks renamed, and the two answers."""
    first = candidates[0]
    gone = f"{first.table}.{first.old}" if first.table else first.old
    choices = [str(each) for each in candidates if (each.table, each.old) == (first.table, first.old)]
    lines = "\n".join(f"  --rename {each}" for each in choices)
    return Undecided(
        f"{gone!r} goes and something like it comes: if it was renamed, dropping it would lose its "
        "rows' values. "
        f"Say which it is:\n{lines}\nor, to drop it with all its values:\n  --drop {gone}",
        kind="rename",
        subject=gone,
        choices=choices,
    )


def _refuse_to_drop_everything(
    difference: ops.UpgradeOps, metadata: Sequence[MetaData], connection: Connection, project: Project
) -> None:
    going = [table.name for table in arranging.stored_tables(difference)]
    if not going:
        return
    found = {table: module for module, table in unimported(project.root, going)}
    known = len(arranging.model_tables(metadata))
    if found:
        modules = ", ".join(sorted(set(found.values())))
        raise MigrationRefused(
            f"The models of {', '.join(sorted(found))} were not imported, so it would look as if they "
            "had been "
            f'removed. Add to [tool.fieldstone]: models = [..., "{modules}"], or import them from a module '
            "that stands there."
        )
    if known == 0:
        raise MigrationRefused(
            f"No model was found in {', '.join(project.models)}, and the database has {len(going)} "
            "tables: all of "
            "them would be dropped. Name the modules of the models in [tool.fieldstone]."
        )


# Files


def write(
    connection: Connection,
    project: Project,
    message: str,
    plan: Draft,
    *,
    scripts: ScriptDirectory | None = None,
) -> list[Path]:
    """Write a draft as one revision, or as two where some of it must run outside a transaction."""
    scripts = scripts or directory(project)
    project.versions.mkdir(parents=True, exist_ok=True)
    parts = [(message, plan.steps), (f"{message}, online" if plan.steps else message, plan.online)]
    wanted = [part for part in parts if part[1]] or [(message, ())]
    return [_write_one(connection, project, scripts, title, steps) for title, steps in wanted]


def _write_one(
    connection: Connection, project: Project, scripts: ScriptDirectory, message: str, steps: Sequence[Step]
) -> Path:
    writer = Writer(connection, project.metadata())
    up, down = writer.body(arranged(steps, down=False)), writer.body(arranged(steps, down=True))
    with understood(project):
        script = scripts.generate_revision(
            rev_id(),
            message.replace('"""', "'''"),
            head="head",
            upgrades=_within(up),
            downgrades=_within(down),
            imports="\n".join(writer.imports),
        )
    assert script is not None
    return Path(script.path)


def _within(body: str) -> str:
    return body.replace("\n", "\n    ")


def refuse_behind(connection: Connection, project: Project) -> None:
    """Refuse to compare with a database that has not run all revisions: they would be written again."""
    scripts = directory(project)
    with connection.begin():
        here = current(connection, project)
    wanted = heads(scripts, project)
    if len(wanted) > 1:
        raise MigrationRefused(
            f"The revisions have several heads ({shown(wanted)}): two branches of work each added one "
            "after the "
            "same revision. Join them with: fieldstone migrate merge"
        )
    if set(here) != set(wanted):
        raise MigrationRefused(
            f"The database is at {shown(here)}, and the newest revision is {shown(wanted)}. Run "
            "fieldstone migrate up "
            "first: a comparison now would write again what those revisions already do."
        )
