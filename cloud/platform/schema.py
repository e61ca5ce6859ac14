"""All tables of the service in one place, for migrations and tests."""

from cloud.access import tables as access
from cloud.alarms import tables as alarms
from cloud.assets import tables as assets
from cloud.gate import tables as gate
from cloud.ingest import tables as ingest
from cloud.notify import tables as notify
from cloud.people import tables as people
from cloud.platform.database import metadata
from cloud.work_orders import tables as work_orders

__all__ = ["access", "alarms", "assets", "gate", "ingest", "metadata", "notify", "people", "work_orders"]
