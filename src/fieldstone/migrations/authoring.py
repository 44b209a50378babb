"""From models and a database to a draft: the steps between them, in an order that works.

comparison.py finds what is different, and filing.py writes the draft down. What only a person can
know is asked for before anything is written.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection, MetaData, Table

from fieldstone.migrations import altering, arranging, enumerating, members
from fieldstone.migrations.arranging import Answers, Step, arranged
from fieldstone.migrations.comparison import comparison
from fieldstone.migrations.failures import MigrationRefused, shown
from fieldstone.migrations.filing import Draft
from fieldstone.migrations.project import Project, unimported
from fieldstone.migrations.renaming import Rename, answered, ask_about, candidates, renaming_steps
from fieldstone.migrations.rendering import Writer
from fieldstone.migrations.revisions import directory, heads
from fieldstone.migrations.running import current


def draft(
    connection: Connection, project: Project, answers: Answers, renames: Sequence[Rename] = ()
) -> Draft:
    """Compare models and database, and arrange the difference; the database is left as it was."""
    metadata = project.metadata()
    _refuse_unknown_columns(answers, metadata)
    with comparison(connection, project, metadata, renames) as difference:
        _refuse_to_drop_everything(difference, metadata, connection, project)
        found = tuple(candidates(difference, connection))
        open_ones = tuple(each for each in found if not answered(each, answers))
        if open_ones:
            return Draft((), (), open_ones)
        steps = [*renaming_steps(renames), *_steps(difference, metadata, connection, answers)]
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
    if found := tuple(candidates(difference, context.bind)):
        raise ask_about(found)
    steps = list(_steps(difference, parts, context.bind, Answers()))
    directives[0].upgrade_ops.ops = arranged(steps, down=False)
    directives[0].downgrade_ops.ops = arranged(steps, down=True)


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
    members.refuse_lost_members(found, key[1], connection, answers)
    yield from (
        arranging.indexing(each, writer, online=online) for each in found if isinstance(each, ops.DropIndexOp)
    )
    for each in found:
        if isinstance(each, ops.DropConstraintOp):
            naming = arranging.named(each, stored, model.metadata, connection)
            yield from arranging.constraining(each, key, connection, online=online, naming=naming)
    for column, renamed in _renamed_values(key, model, answers):
        yield members.renaming_values(key, column, renamed)
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
    key: arranging.Key, model: Table, answers: Answers
) -> Iterator[tuple[str, Mapping[str, str]]]:
    for column in model.columns:
        renamed = answers.renamed_values.get(f"{key[1]}.{column.name}")
        if renamed and enumerating.native_type(column.type) is None:
            yield column.name, renamed


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
