"""Keep projects, tasks and workers

Revision bdb5a93b6e17, the first. 2026-11-21 21:20 UTC
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "bdb5a93b6e17"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "project",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("color", sa.String(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "color IN ('moss', 'sky', 'amber', 'violet', 'rose', 'slate')",
            name=op.f("ck_project_color_allowed"),
        ),
        sa.CheckConstraint(
            "length(description) <= 2000", name=op.f("ck_project_description_max_length")
        ).ddl_if(dialect="sqlite"),
        sa.CheckConstraint("length(name) <= 80", name=op.f("ck_project_name_max_length")).ddl_if(
            dialect="sqlite"
        ),
        sa.CheckConstraint("length(name) >= 1", name=op.f("ck_project_name_min_length")),
        sa.CheckConstraint("length(slug) <= 40", name=op.f("ck_project_slug_max_length")).ddl_if(
            dialect="sqlite"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("slug", name=op.f("uq_project_slug")),
    )
    op.create_table(
        "worker",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.CheckConstraint("type IN ('human', 'agent')", name=op.f("ck_worker_type_allowed")),
        sa.CheckConstraint("length(id) <= 40", name=op.f("ck_worker_id_max_length")).ddl_if(dialect="sqlite"),
        sa.CheckConstraint("length(name) <= 80", name=op.f("ck_worker_name_max_length")).ddl_if(
            dialect="sqlite"
        ),
        sa.CheckConstraint("length(name) >= 1", name=op.f("ck_worker_name_min_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    op.create_table(
        "task",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=20000), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("progress_percent", sa.Integer(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("priority IN ('low', 'medium', 'high')", name=op.f("ck_task_priority_allowed")),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'completed')", name=op.f("ck_task_status_allowed")
        ),
        sa.CheckConstraint(
            "length(description) <= 20000", name=op.f("ck_task_description_max_length")
        ).ddl_if(dialect="sqlite"),
        sa.CheckConstraint("length(title) <= 200", name=op.f("ck_task_title_max_length")).ddl_if(
            dialect="sqlite"
        ),
        sa.CheckConstraint("length(title) >= 1", name=op.f("ck_task_title_min_length")),
        sa.CheckConstraint(
            "progress_percent >= 0 AND progress_percent <= 100", name=op.f("ck_task_progress_percent_range")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["task.id"], name=op.f("fk_task_parent_id_task"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_task_project_id_project"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index(op.f("ix_task_parent_id"), "task", ["parent_id"], unique=False)
    op.create_index(op.f("ix_task_project_id"), "task", ["project_id"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('assignee', 'reviewer')", name=op.f("ck_assignment_role_allowed")),
        sa.ForeignKeyConstraint(
            ["task_id"], ["task.id"], name=op.f("fk_assignment_task_id_task"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_assignment_worker_id_worker"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "worker_id", name=op.f("pk_assignment")),
    )
    op.create_index(op.f("ix_assignment_worker_id"), "assignment", ["worker_id"], unique=False)


def downgrade() -> None:
    op.drop_table("assignment")
    op.drop_table("task")
    op.drop_table("worker")
    op.drop_table("project")
