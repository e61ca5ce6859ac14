"""A device's registers as its profile lays them out: what a read shows, and what a write means. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from drivers.api import Value
from drivers.modbus import codec
from drivers.places.modbus import Table
from drivers.profile import Profile


class IllegalAddress(Exception):
    """The device has nothing at an address (Modbus exception 2)."""


class IllegalValue(Exception):
    """The device does not take a value (Modbus exception 3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulse:
    """A time for which the device holds an output: the point that was written, and the point of the coil that is on.

    `coil` is None where the profile does not say which coil it is, or has no point for it.
    """

    point: str
    seconds: float
    coil: str | None


class RegisterImage:
    """The tables of one device.

    An address is readable when it belongs to a point, or lies in a gap of at most the profile's `max_gap` between two
    points of its table: there it reads as zero. A point is writable when a command of the profile writes to it.
    """

    def __init__(self, profile: Profile) -> None:
        places = {name: point.modbus for name, point in profile.points.items()}
        self._points = {name: place for name, place in places.items() if not place.is_pulse}
        self._pulses = {name: place for name, place in places.items() if place.is_pulse}
        self._mute = frozenset(name for name, place in places.items() if not place.is_readable)
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
            if name in self._mute or (name in self._last and self._last[name] == value):
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

    def masked(self, address: int, *, and_mask: int, or_mask: int) -> list[tuple[str, Value]]:
        """Say what a master means by a mask write to a holding register, as `written` does."""
        (current,) = self.read(Table.HOLDING, address, 1)
        return self.written(Table.HOLDING, address, [current & and_mask | or_mask & ~and_mask])

    def pulse(self, table: Table, address: int, words: Sequence[int]) -> Pulse | None:
        """Say what pulse a master means by writing `words`; None when no pulse begins at this address.

        IllegalValue when one does, and the words are none.
        """
        here = [
            (name, place) for name, place in self._pulses.items() if (place.table, place.address) == (table, address)
        ]
        for name, place in here:
            if tuple(words[:-1]) == place.lead:
                seconds = codec.decode(place, words[-1:]).value
                if isinstance(seconds, int | float) and seconds > 0:
                    return Pulse(point=name, seconds=float(seconds), coil=self._coil(place.holds))
        if here:
            raise IllegalValue
        return None

    def _coil(self, address: int | None) -> str | None:
        coils = (name for name, place in self._points.items() if (place.table, place.address) == (Table.COIL, address))
        return next(coils, None)


def _readable(profile: Profile, table: Table) -> Iterator[int]:
    end: int | None = None
    places = [point.modbus for point in profile.points.values()]
    spans = sorted((place.address, place.count) for place in places if place.table is table and place.is_readable)
    for address, count in spans:
        start = end if end is not None and end < address <= end + profile.modbus.max_gap else address
        yield from range(start, address + count)
        end = max(end or 0, address + count)
