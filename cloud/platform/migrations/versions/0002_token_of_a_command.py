"""A command keeps the token that its agent had told when it was asked for.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "its agent's newest when it was asked for: proves its age"
    op.add_column("command", sa.Column("token", sa.String(length=64), nullable=True, comment=comment))


def downgrade() -> None:
    op.drop_column("command", "token")
