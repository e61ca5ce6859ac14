"""Tables of work orders, their history, and their numbers."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from cloud.platform.database import id_column, metadata, time_ms

work_order = Table(
    "work_order",
    metadata,
    id_column(),
    Column("number", String(32), nullable=False, unique=True),
    Column("community_id", ForeignKey("community.id"), nullable=False),
    Column("building_id", ForeignKey("building.id"), nullable=True),
    Column("place_id", ForeignKey("place.id"), nullable=True),
    Column("asset_id", ForeignKey("asset.id"), nullable=True),
    Column("device_id", ForeignKey("device.id"), nullable=True),
    Column("alarm_id", ForeignKey("alarm.id"), nullable=True, unique=True, comment="one order for an alarm"),
    Column("source", String(16), nullable=False),
    Column("template", String(64), nullable=False),
    Column("title_zh", String(200), nullable=False),
    Column("title_en", String(200), nullable=False),
    Column("category", Text, nullable=False, comment="JSON: three levels of {zh, en}"),
    Column("checklist", Text, nullable=False, comment="JSON: list of {zh, en}"),
    Column("skill", String(64), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("closes", String(16), nullable=False, comment="who may end it: sensor or person"),
    Column("assignee_id", ForeignKey("account.id"), nullable=True),
    Column("historical", Boolean, nullable=False),
    Column("notice", Text, nullable=False, comment="JSON: what notices about it say"),
    time_ms("opened_ms"),
    time_ms("assigned_ms", nullable=True),
    time_ms("accepted_ms", nullable=True),
    time_ms("arrive_by_ms"),
    time_ms("restore_by_ms"),
    time_ms("restored_ms", nullable=True),
    time_ms("closed_ms", nullable=True),
    Index("ix_work_order_community", "community_id", "state", "opened_ms"),
    Index("ix_work_order_assignee", "assignee_id", "state"),
)

work_order_event = Table(
    "work_order_event",
    metadata,
    id_column(),
    Column("work_order_id", ForeignKey("work_order.id"), nullable=False, index=True),
    time_ms("at_ms"),
    Column("from_state", String(16), nullable=False),
    Column("to_state", String(16), nullable=False),
    Column("action", String(24), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=True),
    Column("note", Text, nullable=False),
)

work_order_number = Table(
    "work_order_number",
    metadata,
    Column("day", String(8), primary_key=True, comment="the community's local day, such as 20261122"),
    Column("last", Integer, nullable=False, comment="the last number given on that day, over all communities"),
)
