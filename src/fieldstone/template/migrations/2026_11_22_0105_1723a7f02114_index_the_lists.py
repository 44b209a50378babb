"""Index the lists

Revision 1723a7f02114, after 3da78058dd4d. 2026-11-22 01:05 UTC
"""

from __future__ import annotations

from fieldstone.migrations import steps

revision = "1723a7f02114"
down_revision = "3da78058dd4d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_index("ix_task_created_at_id", "task", ["created_at", "id"])
    steps.create_index("ix_task_status_priority_due_date", "task", ["status", "priority", "due_date"])


def downgrade() -> None:
    steps.drop_index("ix_task_status_priority_due_date", table_name="task")
    steps.drop_index("ix_task_created_at_id", table_name="task")
