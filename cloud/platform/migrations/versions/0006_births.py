"""The asset that a birth looks for is found at once, however many a community has.

Revision: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_asset_label", "asset", ["community_id", "place_id", "label_en"])


def downgrade() -> None:
    op.drop_index("ix_asset_label", "asset")
