"""A value put where a point lies, and read back: what a device of any protocol would show of it."""

from drivers import packed
from drivers.api import Value
from drivers.cjt188 import codec as cjt188
from drivers.modbus import codec as modbus
from drivers.places.camera import CameraPoint
from drivers.places.message import JsonPoint
from drivers.places.meters import Cjt188Point, Dlt645Point
from drivers.places.osdp import OsdpPoint
from drivers.places.reader import ReaderPoint
from drivers.places.thermal import ThermalPoint
from drivers.profile import Point
from tests.support import stored_messages, stored_pictures


def shown(point: Point, value: Value) -> Value | None:
    """Put a value into the point's registers or bytes, and read it back."""
    if isinstance(point.table, JsonPoint):
        return stored_messages.shown(point.table, value)
    if isinstance(point.table, ReaderPoint | OsdpPoint):
        return point.value_type(value)  # what was read is told as it was read
    if isinstance(point.table, CameraPoint | ThermalPoint):
        return stored_pictures.shown(point.table, value)
    if point.modbus_table is not None:
        return modbus.decode(point.modbus, modbus.encode(point.modbus, value)).value
    data = bytearray()
    if isinstance(point.table, Cjt188Point):
        cjt188.encode(point.table, value, data)
        return cjt188.decode(point.table, bytes(data)).value
    packed.encode(point.at(Dlt645Point), value, data)
    return packed.decode(point.at(Dlt645Point), bytes(data)).value
