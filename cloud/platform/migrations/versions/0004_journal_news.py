"""What agents tell of lost records, of their clocks, and whether anybody hears them.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REASONS = (
    ("the journal was full and dropped its oldest records", "overflow"),
    ("the journal no longer holds these records", "not held"),
)
"""What was written as a sentence, and the word for it that is shown in the reader's language."""

_UNKNOWN = "null where nobody knows how much was lost"
_DOUBT = "why `at_ms` is not to be trusted; null when it is"
_LOST = ("lost_telemetry", "lost_event", "lost_alarm", "lost_command")


def upgrade() -> None:
    with op.batch_alter_table("journal_gap") as table:
        table.alter_column("last_offset", existing_type=sa.BigInteger(), nullable=True, comment=_UNKNOWN)
        for name in (*_LOST, "from_ms", "to_ms"):
            table.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
    for before, after in _REASONS:
        op.execute(f"UPDATE journal_gap SET reason = '{after}' WHERE reason = '{before}'")  # noqa: S608 - constants
    op.add_column("node", sa.Column("unheard_ms", sa.BigInteger(), nullable=True))
    op.add_column("last_value", sa.Column("time_quality", sa.String(16), nullable=True, comment=_DOUBT))


def downgrade() -> None:
    op.drop_column("last_value", "time_quality")
    op.drop_column("node", "unheard_ms")
    for before, after in _REASONS:
        op.execute(f"UPDATE journal_gap SET reason = '{before}' WHERE reason = '{after}'")  # noqa: S608 - constants
    op.execute("DELETE FROM journal_gap WHERE last_offset IS NULL")
    with op.batch_alter_table("journal_gap") as table:
        for name in ("to_ms", "from_ms", *reversed(_LOST)):
            table.drop_column(name)
        table.alter_column("last_offset", existing_type=sa.BigInteger(), nullable=False, comment=None)
