"""Let deleted tasks come back

Revision 3da78058dd4d, after 8d459e3e3916. 2026-11-22 00:36 UTC
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fieldstone.migrations import steps

revision = "3da78058dd4d"
down_revision = "8d459e3e3916"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    _allow_actions("'created', 'changed', 'deleted', 'restored'")


def downgrade() -> None:
    # The version before knows no "restored"; and what was deleted shows again, since it deletes rows.
    op.execute("UPDATE history SET action = 'changed' WHERE action = 'restored'")
    _allow_actions("'created', 'changed', 'deleted'")
    with op.batch_alter_table("task") as batch_op:
        batch_op.drop_column("deleted_at")


def _allow_actions(listed: str) -> None:
    name = op.f("ck_history_action_allowed")
    small = steps.safety_assured("the history of one team is read in a moment")
    with small, op.batch_alter_table("history") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"action IN ({listed})")
