"""What lies in quarantine can be replayed; last values have room to change in their pages.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "why it could not be taken when it was replayed last"
    op.add_column("quarantine", sa.Column("replay_ms", sa.BigInteger(), nullable=True))
    op.add_column("quarantine", sa.Column("answer", sa.Text(), nullable=True, comment=comment))
    op.create_index("ix_quarantine_replay", "quarantine", ["replay_ms"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE last_value SET (fillfactor = 50)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE last_value RESET (fillfactor)")
    op.drop_index("ix_quarantine_replay", "quarantine")
    op.drop_column("quarantine", "answer")
    op.drop_column("quarantine", "replay_ms")
