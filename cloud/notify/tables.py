"""Table of the transactional outbox."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from cloud.platform.database import BigId, id_column, metadata, time_ms

outbox = Table(
    "outbox",
    metadata,
    id_column(),
    Column("key", String(200), nullable=False, unique=True, comment="idempotency key: the same thing is told once"),
    Column("kind", String(32), nullable=False),
    Column("account_id", BigId, nullable=True, comment="whom it is for; null for everybody who watches"),
    Column("community_id", BigId, nullable=True),
    Column("body", Text, nullable=False, comment="JSON"),
    Column("channel", String(16), nullable=False, comment="how it was delivered: empty (not yet), apprise, or in-app"),
    Column("reached", Text, nullable=False, comment="JSON: the services, by a hash of their URL, that have it already"),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    time_ms("created_ms"),
    time_ms("due_ms"),
    time_ms("delivered_ms", nullable=True),
    Index("ix_outbox_due", "delivered_ms", "due_ms"),
)
