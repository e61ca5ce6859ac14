"""Tables of organisation, agents, devices, profiles and commands."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from cloud.platform.database import id_column, metadata, time_ms

company = Table("company", metadata, id_column(), Column("name", String(200), nullable=False, unique=True))

project = Table(
    "project",
    metadata,
    id_column(),
    Column("company_id", ForeignKey("company.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    UniqueConstraint("company_id", "name"),
)

community = Table(
    "community",
    metadata,
    id_column(),
    Column("project_id", ForeignKey("project.id"), nullable=False, index=True),
    Column("code", String(64), nullable=False, unique=True, comment="the Sparkplug group"),
    Column("name_zh", String(200), nullable=False),
    Column("name_en", String(200), nullable=False),
    Column("time_zone", String(64), nullable=False),
)

building = Table(
    "building",
    metadata,
    id_column(),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("name", String(200), nullable=False),
    UniqueConstraint("community_id", "name"),
)

place = Table(
    "place",
    metadata,
    id_column(),
    Column("building_id", ForeignKey("building.id"), nullable=False),
    Column("name", String(200), nullable=False),
    UniqueConstraint("building_id", "name"),
)

profile = Table(
    "profile",
    metadata,
    Column("hash", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("document", Text, nullable=False, comment="canonical JSON"),
    time_ms("seen_ms"),
)

node = Table(
    "node",
    metadata,
    id_column(),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("online", Boolean, nullable=False),
    Column("foreign_node", Boolean, nullable=False, comment="a Sparkplug node without our journal: best effort"),
    Column("version", String(64), nullable=False),
    Column("config_revision", String(64), nullable=False),
    time_ms("born_ms", nullable=True),
    time_ms("seen_ms", nullable=True),
    Column("command_token", String(64), nullable=True),
    time_ms("command_token_ms", nullable=True),
    time_ms("unheard_ms", nullable=True),  # since when ingest has no broker: whether it is online is not known
    UniqueConstraint("community_id", "name"),
)

asset = Table(
    "asset",
    metadata,
    id_column(),
    Column("community_id", ForeignKey("community.id"), nullable=False, index=True),
    Column("building_id", ForeignKey("building.id"), nullable=True),
    Column("place_id", ForeignKey("place.id"), nullable=True),
    Column("kind", String(64), nullable=False),
    Column("label_zh", String(200), nullable=False),
    Column("label_en", String(200), nullable=False),
    Index("ix_asset_label", "community_id", "place_id", "label_en"),
    comment="what is looked after; it outlives the device that watches it",
)

device = Table(
    "device",
    metadata,
    id_column(),
    Column("node_id", ForeignKey("node.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("asset_id", ForeignKey("asset.id"), nullable=False, index=True),
    Column("community_id", ForeignKey("community.id"), nullable=False, index=True),
    Column("building_id", ForeignKey("building.id"), nullable=True),
    Column("place_id", ForeignKey("place.id"), nullable=True),
    Column("profile_hash", ForeignKey("profile.hash"), nullable=True),
    Column("overrides", Text, nullable=False, comment="alarm overrides of this installation, JSON"),
    Column("label_zh", String(200), nullable=False),
    Column("label_en", String(200), nullable=False),
    Column("online", Boolean, nullable=False),
    time_ms("changed_ms", nullable=True),
    UniqueConstraint("node_id", "name"),
)

last_value = Table(
    "last_value",
    metadata,
    Column("device_id", ForeignKey("device.id"), primary_key=True),
    Column("point", String(64), primary_key=True),
    Column("number", Float, nullable=True, comment="numbers, and booleans as 0 and 1"),
    Column("text", Text, nullable=True),
    Column("quality", Integer, nullable=False),
    time_ms("at_ms"),
    time_ms("received_ms"),
    Column("time_quality", String(16), nullable=True, comment="why `at_ms` is not to be trusted; null when it is"),
    # Every row changes all the time: with room in its page, PostgreSQL need not touch the index again.
    postgresql_with={"fillfactor": 50},
)

command = Table(
    "command",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("device_id", ForeignKey("device.id"), nullable=False),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("building_id", ForeignKey("building.id"), nullable=True),
    Column("place_id", ForeignKey("place.id"), nullable=True),
    Column("name", String(64), nullable=False),
    Column("value", Text, nullable=False, comment="JSON"),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("requested_by", ForeignKey("account.id"), nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    time_ms("requested_ms"),
    time_ms("deadline_ms"),
    time_ms("sent_ms", nullable=True),
    time_ms("ended_ms", nullable=True),
    Column("token", String(64), nullable=True, comment="its agent's newest when it was asked for: proves its age"),
    Index("ix_command_state", "state", "requested_ms"),
    Index("ix_command_device", "device_id", "requested_ms"),
)
