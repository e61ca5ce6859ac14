"""Tables of journals, their gaps, what could not be read, and who may write all that."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, String, Table, Text

from cloud.platform.database import id_column, metadata, time_ms

journal = Table(
    "journal",
    metadata,
    Column("node_id", ForeignKey("node.id"), primary_key=True),
    Column("journal_id", String(64), primary_key=True),
    Column("watermark", BigInteger, nullable=False, comment="the last offset that is committed"),
    time_ms("updated_ms"),
)

journal_gap = Table(
    "journal_gap",
    metadata,
    id_column(),
    Column("node_id", ForeignKey("node.id"), nullable=False, index=True),
    Column("journal_id", String(64), nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("last_offset", BigInteger, nullable=True, comment="null where nobody knows how much was lost"),
    Column("reason", String(200), nullable=False),
    # How many records of each class; null where that is not known.
    Column("lost_telemetry", BigInteger, nullable=True),
    Column("lost_event", BigInteger, nullable=True),
    Column("lost_alarm", BigInteger, nullable=True),
    Column("lost_command", BigInteger, nullable=True),
    # The times of the oldest and the newest of them, by the agent's clock.
    time_ms("from_ms", nullable=True),
    time_ms("to_ms", nullable=True),
    time_ms("found_ms"),
)

lease = Table(
    "ingest_lease",
    metadata,
    Column("name", String(16), primary_key=True, comment="what is held: all of ingest"),
    Column("owner", String(64), nullable=False, comment="random; a transaction of another owner stores nothing"),
    Column("process", String(200), nullable=False, comment="host and process id, for people"),
    Column("beats", BigInteger, nullable=False, comment="counts while the holder lives"),
    time_ms("beat_ms"),
)

quarantine = Table(
    "quarantine",
    metadata,
    id_column(),
    time_ms("received_ms"),
    Column("node_id", ForeignKey("node.id"), nullable=True),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("metric", String(200), nullable=True),
    Column("reason", Text, nullable=False),
    time_ms("replay_ms", nullable=True),
    Column("answer", Text, nullable=True, comment="why it could not be taken when it was replayed last"),
    Index("ix_quarantine_received", "received_ms"),
    Index("ix_quarantine_replay", "replay_ms"),
)
