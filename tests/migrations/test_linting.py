"""The lint finds the classic dangerous operations, says why, and is silent on safe ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstone import Field, Model
from fieldstone.migrations import Finding, MigrationRefused, Project, lint
from fieldstone.migrations.statements import by_squawk, squawk
from tests.migrations.workbench import Bench, models

HEAD = """
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from fieldstone.migrations import steps

revision = "r"
down_revision = None
branch_labels = None
depends_on = None

def upgrade():
"""


def linted(directory: Path, body: str, *, dialect: str = "postgresql", down: bool = True) -> list[Finding]:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    file = directory / f"r{len(list(directory.glob('*.py')))}.py"
    for other in directory.glob("r*.py"):
        other.unlink()
    file.write_text(f'"""Do it."""{HEAD}{lines}' + ("\ndef downgrade(): ...\n" if down else ""))
    return lint(project=Project(("none",), directory, directory), dialect=dialect)


CLASSIC = {
    "drop-column": "op.drop_column('task', 'title')",
    "drop-table": "op.drop_table('task')",
    "rename-column": "op.alter_column('task', 'title', new_column_name='name')",
    "rename-table": "op.rename_table('task', 'job')",
    "change-type": "op.alter_column('task', 'size', existing_type=sa.Integer(), type_=sa.BigInteger())",
    "set-not-null": "op.alter_column('task', 'title', existing_type=sa.String(), nullable=False)",
    "required-column": "op.add_column('task', sa.Column('size', sa.Integer(), nullable=False))",
    "volatile-default": (
        "op.add_column('task', sa.Column('key', sa.Uuid(), server_default=sa.text('gen_random_uuid()')))"
    ),
    "stored-column": (
        "op.add_column('task', sa.Column('twice', sa.Integer(), sa.Computed('size * 2', persisted=True)))"
    ),
    "create-index": "op.create_index('ix_title', 'task', ['title'])",
    "drop-index": "op.drop_index('ix_title', table_name='task')",
    "foreign-key": "op.create_foreign_key('fk', 'task', 'project', ['project_id'], ['id'])",
    "check": "op.create_check_constraint('ck', 'task', 'size > 0')",
    "unique": "op.create_unique_constraint('uq', 'task', ['title'])",
    "update-all": "op.execute(\"UPDATE task SET status = 'todo'\")",
}

MORE = {
    "json-column": "op.add_column('task', sa.Column('tags', sa.JSON(), nullable=True))",
    "primary-key": "op.create_primary_key('pk', 'task', ['id'])",
    "identity-column": "op.add_column('task', sa.Column('number', sa.Integer(), sa.Identity()))",
    "truncate": "op.execute('TRUNCATE task')",
    "rewrite": "op.execute('VACUUM FULL task')",
    "add-constraint": "op.execute('ALTER TABLE task ADD CONSTRAINT ck CHECK (size > 0)')",
    "mixed-transaction": (
        "op.add_column('task', sa.Column('size', sa.Integer()))\nsteps.create_index('ix_size', "
        "'task', ['size'])"
    ),
}


def test_there_are_fifteen_classic_operations() -> None:
    assert len(CLASSIC) == 15


@pytest.mark.parametrize("rule", [*CLASSIC, *MORE])
def test_a_dangerous_operation_is_found(tmp_path: Path, rule: str) -> None:
    (found,) = linted(tmp_path, (CLASSIC | MORE)[rule])
    assert found.danger.rule == rule
    assert found.danger.why
    assert found.danger.safe
    assert str(found).startswith(f"r0.py: {found.danger.what} ({rule})\n    why   ")


@pytest.mark.parametrize("rule", [*CLASSIC])
def test_what_is_assured_with_a_reason_is_accepted(tmp_path: Path, rule: str) -> None:
    accepted = f"with steps.safety_assured('the table is new'):\n    {CLASSIC[rule]}"
    assert linted(tmp_path, accepted) == []


BATCH = "with op.batch_alter_table('task') as batch_op:\n    "

SAFE = [
    "pass",
    "op.create_table('task', sa.Column('id', sa.Integer(), primary_key=True))",
    "op.create_table('task', sa.Column('id', sa.Integer()))\nop.create_index('ix', 'task', ['id'])",
    "op.create_table('task', sa.Column('p', sa.Integer()), sa.ForeignKeyConstraint(['p'], ['project.id']))",
    "op.add_column('task', sa.Column('size', sa.Integer(), nullable=True))",
    "op.add_column('task', sa.Column('size', sa.Integer(), nullable=False, server_default='0'))",
    "op.add_column('task', sa.Column('at', sa.DateTime(), server_default=sa.text('CURRENT_TIMESTAMP')))",
    "op.add_column('task', sa.Column('tags', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')))",
    BATCH + "batch_op.add_column(sa.Column('size', sa.Integer(), nullable=True))",
    BATCH + "batch_op.alter_column('title', existing_type=sa.String(80), type_=sa.String(100))",
    BATCH + "batch_op.alter_column('title', existing_type=sa.String(80), type_=sa.String())",
    BATCH + "batch_op.alter_column('title', existing_type=sa.String(80), nullable=True)",
    BATCH + "batch_op.alter_column('title', existing_type=sa.String(80), server_default='x')",
    BATCH + "batch_op.drop_constraint('ck', type_='check')",
    BATCH + "batch_op.create_check_constraint('ck', 'size > 0', postgresql_not_valid=True)",
    "op.create_foreign_key('fk', 'task', 'project', ['p'], ['id'], postgresql_not_valid=True)",
    "steps.validate('task', 'ck')",
    "steps.create_index('ix_title', 'task', ['title'])",
    "steps.drop_index('ix_title', table_name='task')",
    "steps.create_unique_constraint('uq', 'task', ['title'])",
    "steps.backfill('task', 'size', '0')\nsteps.set_not_null('task', 'size', sa.Integer())",
    "steps.create_enum('mood', ['good', 'bad'])",
    "op.execute(\"UPDATE task SET status = 'todo' WHERE status = 'open'\")",
    "op.execute(\"INSERT INTO setting (name) VALUES ('drop table')\")",
    "op.bulk_insert(sa.table('setting', sa.column('name')), [{'name': 'a'}])",
]


@pytest.mark.parametrize("body", SAFE)
def test_the_lint_is_silent_on_safe_operations(tmp_path: Path, body: str) -> None:
    assert linted(tmp_path, body) == []


def test_what_only_postgresql_locks_is_not_told_to_users_of_sqlite(tmp_path: Path) -> None:
    assert linted(tmp_path, CLASSIC["create-index"], dialect="sqlite") == []
    assert len(linted(tmp_path, CLASSIC["drop-column"], dialect="sqlite")) == 1


def test_a_revision_that_cannot_be_undone_is_found(tmp_path: Path) -> None:
    (found,) = linted(tmp_path, "pass", down=False)
    assert found.danger.rule == "no-downgrade"


def test_an_assurance_needs_a_reason(tmp_path: Path) -> None:
    with pytest.raises(MigrationRefused, match=r"safety_assured\(\) has no reason"):
        linted(tmp_path, "with steps.safety_assured(' '):\n    pass")


def test_a_revision_that_reads_rows_is_told_how_to_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(MigrationRefused, match=r"cannot be looked at without a database.*as_sql is false"):
        linted(tmp_path, "for row in op.get_bind().execute(sa.text('SELECT 1')).all(): pass")


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_what_new_writes_for_a_busy_database_is_safe(bench: Bench) -> None:
    class Before(Model, registry=models()):
        pass

    class After(Model, registry=models()):
        pass

    class Project(Before, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class SameProject(After, table=True):
        __tablename__ = "project"  # pyright: ignore[reportAssignmentType]  # as SQLModel documents it
        id: int | None = Field(default=None, primary_key=True)

    class Task(Before, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str | None = Field(default=None, max_length=80)
        project_id: int | None = None

    bench.start(Before, "INSERT INTO task (id) VALUES (1)")

    class Grown(After, table=True):
        __tablename__ = "task"  # pyright: ignore[reportAssignmentType]  # as SQLModel documents it
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(default="none", max_length=100, min_length=1, unique=True)
        project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
        size: int = Field(default=0, ge=0)

    said = bench.change(After)
    assert said.count("def upgrade()") == 2
    assert [str(each) for each in lint(project=bench.project)] == []


@pytest.mark.skipif(squawk() is None, reason="squawk is not installed")
def test_squawk_adds_what_our_rules_do_not_know(tmp_path: Path) -> None:
    assert [each.rule for each in by_squawk("DROP DATABASE app")] == ["ban-drop-database"]
    (found,) = linted(
        tmp_path, "op.execute('ALTER TABLE task ADD COLUMN x int GENERATED ALWAYS AS (1) STORED')"
    )
    assert found.danger.rule == "adding-field-with-default"
