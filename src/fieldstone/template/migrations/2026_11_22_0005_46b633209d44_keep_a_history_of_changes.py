"""Keep a history of changes

Revision 46b633209d44, after bdb5a93b6e17. 2026-11-22 00:05 UTC
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "46b633209d44"
down_revision = "bdb5a93b6e17"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=True),
        sa.Column("actor_kind", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("changes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.CheckConstraint(
            "action IN ('created', 'changed', 'deleted')", name=op.f("ck_history_action_allowed")
        ),
        sa.CheckConstraint("actor_kind IN ('human', 'agent')", name=op.f("ck_history_actor_kind_allowed")),
        sa.CheckConstraint("length(actor) <= 200", name=op.f("ck_history_actor_max_length")).ddl_if(
            dialect="sqlite"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    op.create_index(op.f("ix_history_model_key_at"), "history", ["model", "key", "at"], unique=False)


def downgrade() -> None:
    op.drop_table("history")
