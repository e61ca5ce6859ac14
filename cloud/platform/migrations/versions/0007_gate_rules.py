"""A rule of a gate knows at which revision it was set, when and by whom: two people do not overwrite each other.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REVISION = "of the list in which it came; 0 for one from before revisions were kept"


def upgrade() -> None:
    with op.batch_alter_table("gate_rule") as table:
        table.add_column(sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0", comment=_REVISION))
        table.add_column(sa.Column("changed_ms", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("changed_by", _ID, nullable=True))
        table.create_foreign_key("fk_gate_rule_changed_by", "account", ["changed_by"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("gate_rule") as table:
        table.drop_constraint("fk_gate_rule_changed_by", type_="foreignkey")
        for name in ("changed_by", "changed_ms", "revision"):
            table.drop_column(name)
