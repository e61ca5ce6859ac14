"""Tables of skills and shifts."""

from sqlalchemy import Column, ForeignKey, Index, String, Table

from cloud.platform.database import id_column, metadata, time_ms

skill = Table(
    "skill",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("skill", String(64), primary_key=True),
)

shift = Table(
    "shift",
    metadata,
    id_column(),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    time_ms("starts_ms"),
    time_ms("ends_ms"),
    Index("ix_shift_community", "community_id", "starts_ms", "ends_ms"),
)
