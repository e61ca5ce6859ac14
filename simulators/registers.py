"""A device's registers as its profile lays them out: what a read shows, and what a write means. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from drivers.api import Value
from drivers.modbus import codec
from drivers.profile import Profile, Table


class IllegalAddress(Exception):
    """The device has nothing at an address (Modbus exception 2)."""


class IllegalValue(Exception):
    """The device does not take a value (Modbus exception 3)."""


class RegisterImage:
    """The tables of one device.

    An address is readable when it belongs to a point, or lies in a gap of at most the profile's `max_gap` between two
    points of its table: there it reads as zero. A point is writable when a command of the profile writes to it.
    """

    def __init__(self, profile: Profile) -> None:
        self._points = {name: point.modbus for name, point in profile.points.items()}
        self._writable = {command.point for command in profile.commands.values()}
        self._cells: Mapping[Table, dict[int, int]] = {
            table: dict.fromkeys(_readable(profile, table), 0) for table in Table
        }
        self._held: dict[str, Value | None] = {}
        self._last: dict[str, Value] = {}  # spares the work of encoding the same value again

    def show(self, values: Mapping[str, Value]) -> dict[str, Value | None]:
        """Put values into the registers; gives those points whose content changed, as the registers now hold them.

        ValueError for a value that its registers cannot hold.
        """
        changed: dict[str, Value | None] = {}
        for name, value in values.items():
            if name in self._last and self._last[name] == value:
                continue
            self._last[name] = value
            point = self._points[name]
            cells = self._cells[point.table]
            span = range(point.address, point.address + point.count)
            words = codec.encode(point, value, current=cells[point.address])
            cells.update(zip(span, words, strict=True))
            held = codec.decode(point, words).value
            if name not in self._held or self._held[name] != held:
                self._held[name] = changed[name] = held
        return changed

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        """Give what `count` addresses hold; IllegalAddress when one of them is not there."""
        cells = self._cells[table]
        try:
            return tuple(cells[at] for at in range(address, address + count))
        except KeyError as error:
            raise IllegalAddress from error

    def written(self, table: Table, address: int, words: Sequence[int]) -> list[tuple[str, Value]]:
        """Say what a master means by writing `words` from `address` on: the points concerned and their new values.

        Nothing is stored: the machine decides, and shows the result. Bits that share a register count only when they
        change. IllegalAddress when an address belongs to no writable point, or a point is hit in part; IllegalValue for
        words that are no value.
        """
        end = address + len(words)
        meant: list[tuple[str, Value]] = []
        covered: set[int] = set()
        for name, point in self._points.items():
            last = point.address + point.count
            if point.table is not table or name not in self._writable or last <= address or point.address >= end:
                continue
            if point.address < address or last > end:
                raise IllegalAddress
            covered.update(range(point.address, last))
            raw = words[point.address - address : last - address]
            value = codec.decode(point, raw).value
            if value is None:
                raise IllegalValue
            shares = point.bit is not None or point.bits is not None
            if not shares or value != codec.decode(point, self.read(table, point.address, point.count)).value:
                meant.append((name, value))
        if len(covered) != len(words):
            raise IllegalAddress
        return meant


def _readable(profile: Profile, table: Table) -> Iterator[int]:
    end: int | None = None
    spans = sorted((p.modbus.address, p.modbus.count) for p in profile.points.values() if p.modbus.table is table)
    for address, count in spans:
        start = end if end is not None and end < address <= end + profile.modbus.max_gap else address
        yield from range(start, address + count)
        end = max(end or 0, address + count)
