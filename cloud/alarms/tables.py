"""Tables of alarms, of conditions that wait for their delay, of what happened to alarms, and of the engine itself."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from cloud.platform.database import id_column, metadata, time_ms

alarm = Table(
    "alarm",
    metadata,
    id_column(),
    Column("device_id", ForeignKey("device.id"), nullable=False),
    Column("asset_id", ForeignKey("asset.id"), nullable=False),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("building_id", ForeignKey("building.id"), nullable=True),
    Column("place_id", ForeignKey("place.id"), nullable=True),
    Column("rule", String(128), nullable=False, comment="alarm name in the profile, and `.code` for a fault code"),
    Column("profile_hash", ForeignKey("profile.hash"), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("latched", Boolean, nullable=False),
    Column("closed", Boolean, nullable=False, comment="back to normal in the sense of ISA-18.2"),
    Column("historical", Boolean, nullable=False, comment="its fault lay wholly in the past when it was learned of"),
    Column("occurrences", Integer, nullable=False),
    Column("value", Float, nullable=True, comment="the value that raised it, where that is a number"),
    time_ms("raised_ms"),
    time_ms("last_active_ms"),
    time_ms("cleared_ms", nullable=True),
    time_ms("acknowledged_ms", nullable=True),
    Column("acknowledged_by", ForeignKey("account.id"), nullable=True),
    time_ms("recorded_ms"),
    # One open alarm for a device and a rule: the database itself refuses a second.
    Index(
        "uq_alarm_open",
        "device_id",
        "rule",
        unique=True,
        sqlite_where=text("NOT closed"),
        postgresql_where=text("NOT closed"),
    ),
    Index("ix_alarm_community", "community_id", "closed", "raised_ms"),
)

condition = Table(
    "alarm_condition",
    metadata,
    Column("device_id", ForeignKey("device.id"), primary_key=True),
    Column("rule", String(128), primary_key=True),
    Column("met", Boolean, nullable=False, comment="whether the condition holds, deadband applied"),
    time_ms("since_ms"),
    Column("pending", String(8), nullable=True, comment="raise or clear, while a delay runs"),
    time_ms("due_ms", nullable=True),
    Column(
        "backlog", Boolean, nullable=False, comment="set from replayed data: the wall clock says nothing about it yet"
    ),
    Column("value", Float, nullable=True),
    time_ms("evaluated_ms"),
    Index("ix_alarm_condition_due", "pending", "due_ms"),
)

alarm_event = Table(
    "alarm_event",
    metadata,
    id_column(),
    Column("alarm_id", ForeignKey("alarm.id"), nullable=False, index=True),
    time_ms("at_ms"),
    Column("kind", String(24), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=True),
    Column("detail", Text, nullable=False),
)

heartbeat = Table(
    "engine_heartbeat",
    metadata,
    Column("process", String(64), primary_key=True, comment="which worker says that its timers still run"),
    time_ms("started_ms"),
    time_ms("at_ms"),
)
