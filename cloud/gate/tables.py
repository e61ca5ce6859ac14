"""Tables of who may pass: people, what they show, passes, rules, and what is needed to hand that to gates.

What somebody shows, and what a health provider knows them by, is encrypted with a key that lies outside the database.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from cloud.platform.database import BigId, id_column, metadata, time_ms

gate_person = Table(
    "gate_person",
    metadata,
    id_column(),
    Column("key", String(32), nullable=False, unique=True, comment="opaque; stands for them in journals"),
    Column("community_id", ForeignKey("community.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False, comment="resident, household or staff"),
    Column("name", String(80), nullable=False),
    Column("unit", String(80), nullable=False, comment="where they live or work"),
    Column("areas", Text, nullable=False, comment="JSON: texts; none: everywhere"),
    Column("hours", Text, nullable=False, comment="JSON: [[days], from_min, to_min]; none: always"),
    time_ms("valid_from_ms", nullable=True),
    time_ms("valid_until_ms", nullable=True),
    Column("blocked", Boolean, nullable=False),
    Column("block_reason", String(200), nullable=False),
    Column("health_sealed", Text, nullable=True, comment="what health providers know them by, encrypted"),
    Column("face", Boolean, nullable=False, comment="they asked for their face to be a way in"),
    Column("minor", Boolean, nullable=False),
    time_ms("created_ms"),
    time_ms("changed_ms"),
)

gate_credential = Table(
    "gate_credential",
    metadata,
    id_column(),
    Column("person_id", ForeignKey("gate_person.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("kind", String(8), nullable=False, comment="card or pin"),
    Column("sealed", Text, nullable=False, comment="the number, encrypted"),
    Column("tag", String(64), nullable=False, comment="keyed hash of the number: two people never have the same"),
    Column("hint", String(4), nullable=False, comment="the end of a card's number; nothing of a PIN"),
    time_ms("valid_until_ms", nullable=True),
    time_ms("created_ms"),
    UniqueConstraint("community_id", "kind", "tag"),
)

gate_pass = Table(
    "gate_pass",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("host", String(32), nullable=False, comment="the key of the person who invites"),
    Column("name", String(40), nullable=False),
    time_ms("valid_from_ms"),
    time_ms("valid_until_ms"),
    Column("gates", Text, nullable=False, comment="JSON: texts such as edge-1/north; none: all"),
    Column("areas", Text, nullable=False, comment="JSON: texts; none: all"),
    Column("uses", Integer, nullable=True, comment="null: without a limit"),
    Column("issued_by", ForeignKey("account.id"), nullable=False),
    time_ms("issued_ms"),
    time_ms("revoked_ms", nullable=True),
    Index("ix_gate_pass_community", "community_id", "issued_ms"),
    Index("ix_gate_pass_host", "host"),
)

gate_rule = Table(
    "gate_rule",
    metadata,
    id_column(),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("gate", String(130), nullable=False, comment="such as edge-1/north"),
    Column("demands", Text, nullable=False, comment="JSON: [[check, demand]]"),
    Column(
        "revision",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="of the list in which it came; 0 for one from before revisions were kept",
    ),
    time_ms("changed_ms", nullable=True),
    Column("changed_by", ForeignKey("account.id"), nullable=True),
    UniqueConstraint("community_id", "gate"),
)

gate_agent = Table(
    "gate_agent",
    metadata,
    id_column(),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True, comment="the token itself is only with the agent"),
    time_ms("created_ms"),
    time_ms("pulled_ms", nullable=True),
    Column("held", BigId, nullable=True, comment="the revision that it said it holds when it pulled"),
    time_ms("whole_ms", nullable=True),  # when it last got the whole roll: that is limited
    UniqueConstraint("community_id", "agent"),
)

gate_roll = Table(
    "gate_roll",
    metadata,
    Column("community_id", ForeignKey("community.id"), primary_key=True, autoincrement=False),
    Column("revision", BigId, nullable=False, comment="Unix ms of the newest change, or one more than the one before"),
)

gate_change = Table(
    "gate_change",
    metadata,
    id_column(),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("revision", BigId, nullable=False),
    Column("kind", String(8), nullable=False, comment="start, person, pass or rule"),
    Column("subject", String(130), nullable=False),
    Index("ix_gate_change", "community_id", "revision"),
)
