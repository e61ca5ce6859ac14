"""What polling asks of a bus: requests and readings a second, and how much of a serial line's time. Pure.

Counted are the bytes of requests and answers at the line's speed, and the silence that Modbus wants between frames.
The time that a device takes to think comes on top, and so do commands and repeats.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from drivers.cjt188.config import Cjt188Settings
from drivers.dlt645.config import Dlt645Settings
from drivers.modbus.blocks import plan
from drivers.modbus.config import ModbusRtuSettings
from drivers.places.meters import Cjt188Point, Dlt645Point, MeterPoint
from drivers.profile import Profile
from drivers.registry import BusSettings
from edge.line import poll_groups

BUSY = 0.7
"""A line that is busy for more of its time has too little left for commands, repeats and slow devices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What polling asks of one bus; `load` is the part of its time that it is busy, None where nobody can say."""

    requests_per_s: float
    readings_per_s: float
    load: float | None

    @property
    def too_much(self) -> bool:
        """Whether the line has too little time left."""
        return self.load is not None and self.load > BUSY


Exchange = tuple[int, int]
"""The bytes of a request, and those of its answer."""
Exchanges = Callable[[Profile, Sequence[str]], Iterable[Exchange]]


def _modbus(profile: Profile, points: Sequence[str]) -> Iterator[Exchange]:
    """Modbus over serial line 1.02: unit, function, 4 bytes, CRC; unit, function, count, data, CRC."""
    for block in plan({name: profile.points[name].modbus for name in points}, profile.modbus):
        data = (block.count + 7) // 8 if block.table.is_bits else 2 * block.count
        yield 8, 5 + data


def _meter(kind: type[MeterPoint], *, overhead: int, asks: int) -> Exchanges:
    def exchanges(profile: Profile, points: Sequence[str]) -> Iterator[Exchange]:
        longest: dict[str, int] = {}
        for name in points:
            point = profile.points[name]
            table = point.at(kind)
            unit_byte = isinstance(table, Cjt188Point) and table.quantity is not None
            end = table.offset + table.length + unit_byte
            longest[point.place] = max(longest.get(point.place, 0), end)
        for data in longest.values():
            yield overhead + asks, overhead + asks + data

    return exchanges


_EXCHANGES: Mapping[str, Exchanges] = {
    "modbus": _modbus,
    "dlt645": _meter(Dlt645Point, overhead=12, asks=4),
    "cjt188": _meter(Cjt188Point, overhead=13, asks=3),
}
"""A profile's protocol, to the exchanges that read some of its points; others speak by themselves, or as they like."""


def demand(bus: BusSettings, profiles: Iterable[Profile]) -> Demand:
    """Work out what devices with these profiles ask of a bus."""
    requests = readings = busy = 0.0
    countable = True
    for profile in profiles:
        exchanges = _EXCHANGES.get(profile.protocol)
        countable = countable and exchanges is not None
        for period, points in poll_groups(profile).items():
            polls_per_s = 1 / max(period.total_seconds(), 1e-3)
            readings += len(points) * polls_per_s
            for exchange in exchanges(profile, points) if exchanges is not None else ():
                requests += polls_per_s
                busy += (seconds_of(bus, exchange) or 0.0) * polls_per_s
    known = countable and seconds_of(bus, (0, 0)) is not None
    return Demand(requests_per_s=requests, readings_per_s=readings, load=busy if known else None)


def seconds_of(bus: BusSettings, exchange: Exchange) -> float | None:
    """Say how long an exchange takes on a serial line; None on a bus whose speed is not known here."""
    match bus:
        case ModbusRtuSettings():
            more, silence_s = 0, 2 * bus.silence.total_seconds()
        case Dlt645Settings(host=None) | Cjt188Settings(host=None):
            more, silence_s = bus.wake_up, 0.0
        case _:
            return None
    bits = 1 + bus.bytesize + (bus.parity != "N") + bus.stopbits
    return (sum(exchange) + more) * bits / bus.baudrate + silence_s
