"""Count the versions of tasks

Revision 8d459e3e3916, after 46b633209d44. 2026-11-22 00:06 UTC
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fieldstone.migrations import steps

revision = "8d459e3e3916"
down_revision = "46b633209d44"
branch_labels = None
depends_on = None


def upgrade() -> None:
    small = steps.safety_assured("no key of a worker is longer, and the assignments of one team are few")
    with small, op.batch_alter_table("assignment") as batch_op:
        batch_op.alter_column(
            "worker_id",
            existing_type=sa.String(),
            type_=sa.String(length=40),
            existing_nullable=False,
        )
    steps.replace_check(
        "assignment", "ck_assignment_worker_id_max_length", "length(worker_id) <= 40", dialect="sqlite"
    )
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    # task.version has its value; the models give it from here on.
    with op.batch_alter_table("task") as batch_op:
        batch_op.alter_column("version", existing_type=sa.Integer(), server_default=None)
        batch_op.add_column(sa.Column("contact", sa.String(length=200), nullable=True))
    steps.replace_check("task", "ck_task_contact_max_length", "length(contact) <= 200", dialect="sqlite")


def downgrade() -> None:
    steps.replace_check("task", "ck_task_contact_max_length", None, dialect="sqlite")
    with op.batch_alter_table("task") as batch_op:
        batch_op.drop_column("contact")
        batch_op.drop_column("version")
    steps.replace_check("assignment", "ck_assignment_worker_id_max_length", None, dialect="sqlite")
    with op.batch_alter_table("assignment") as batch_op:
        batch_op.alter_column(
            "worker_id", existing_type=sa.String(length=40), type_=sa.String(), existing_nullable=False
        )
