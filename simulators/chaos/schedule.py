"""What goes wrong when: a pure function of the seed, so that a run that failed can be played again.

Times are seconds after everything was up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What can go wrong."""

    KILL = "kill -9"
    TEAR = "kill -9, and the journal's last write is torn"
    WIPE = "kill -9, and its persistence is wiped"
    CUT = "network cut"
    FREEZE = "network silent"
    DELAY = "network slow"
    DISK = "disk full"
    CLOCK = "clock stepped"
    LINE = "serial line dropped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """From `at` on, for `lasts` seconds, something is wrong with `target`; `amount` is a delay or a step in seconds."""

    at: float
    lasts: float
    kind: Kind
    target: str
    amount: float = 0.0

    @property
    def words(self) -> str:
        """Say it to people."""
        amount = f" by {self.amount:+g} s" if self.amount else ""
        return f"{self.target}: {self.kind.value}{amount}, for {self.lasts:g} s"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceFault:
    """A device shows the fault code `number`; each of a device's faults has a number of its own."""

    at: float
    lasts: float
    device: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Somebody commands a device to take `value`, which no other command to it has."""

    at: float
    device: str
    value: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Town:
    """What there is to break: agents with the lines and devices that they read."""

    lines: Mapping[str, Sequence[str]]
    """Line to devices; a line's name begins with its agent's, and a serial one ends in `-serial`."""
    postgresql: bool = False
    journal: str = ""
    """How much each agent's journal holds, as a site file says it; as much as usual when empty."""

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents, in order."""
        return tuple(dict.fromkeys(line.rsplit("-", 1)[0] for line in self.lines))

    @property
    def devices(self) -> tuple[str, ...]:
        """All devices, in order."""
        return tuple(device for devices in self.lines.values() for device in devices)

    def devices_of(self, agent: str) -> tuple[str, ...]:
        """Give the devices that an agent reads."""
        lines = (one for one in self.lines if one.rsplit("-", 1)[0] == agent)
        return tuple(device for line in lines for device in self.lines[line])


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Everything that a run does, in order of time."""

    seed: int
    seconds: float
    troubles: tuple[Trouble, ...]
    faults: tuple[DeviceFault, ...]
    orders: tuple[Order, ...]


_STEPS_S = (-900.0, -90.0, -20.0, -3.0, 3.0, 20.0, 90.0, 900.0)
CLOUD_MACHINE = "cloud"
"""The machine on which the whole service runs: its clock is that of all its processes."""
_CALM_S = 2.0
"""So long a target is left alone after a trouble, so that most of the time something works."""


def make_schedule(town: Town, *, seed: int, seconds: float, every: float = 2.5) -> Schedule:
    """Lay out a run: a trouble about every `every` seconds, faults of devices and commands all the time."""
    random = Random(f"{seed}/{seconds:g}/{sorted(town.lines)}/{town.postgresql}")  # noqa: S311 - repeatable, no secret
    return Schedule(
        seed=seed,
        seconds=seconds,
        troubles=tuple(_troubles(town, random, seconds=seconds, every=every)),
        faults=tuple(sorted(_faults(town, random, seconds=seconds), key=lambda one: one.at)),
        orders=tuple(_orders(town, random, seconds=seconds)),
    )


def choices(town: Town) -> tuple[tuple[Kind, str], ...]:
    """List everything that can go wrong in a town."""
    cloud = ("ingest", "worker", "web")
    found = [(Kind.KILL, name) for name in (*town.agents, "broker", *cloud)]
    found += [(Kind.TEAR, agent) for agent in town.agents]
    found.append((Kind.WIPE, "broker"))
    uplinks = [f"{agent}:broker" for agent in town.agents] + ["ingest:broker"]
    links = uplinks + [f"{line}:devices" for line in town.lines if not line.endswith("-serial")]
    if town.postgresql:
        found.append((Kind.KILL, "postgres"))
        links.append("cloud:postgres")
    found += [(kind, link) for kind in (Kind.CUT, Kind.FREEZE, Kind.DELAY) for link in links]
    found += [(Kind.DISK, name) for name in (*town.agents, "ingest", "web", "worker")]
    found += [(Kind.CLOCK, name) for name in (*town.agents, *cloud, CLOUD_MACHINE)]
    found += [(Kind.LINE, line) for line in town.lines if line.endswith("-serial")]
    return tuple(found)


def _troubles(town: Town, random: Random, *, seconds: float, every: float) -> Iterator[Trouble]:
    """Go through everything in a random order, and begin anew; kills of processes come twice as often."""
    all_of_them = choices(town)
    pool: list[tuple[Kind, str]] = []
    busy: dict[str, float] = {}
    at = 1.0
    while at < seconds - 1.0:
        if not pool:
            pool = [*all_of_them, *(one for one in all_of_them if one[0] in {Kind.KILL, Kind.TEAR, Kind.WIPE})]
            random.shuffle(pool)
        free = [one for one in pool if busy.get(_part(*one), 0.0) <= at]
        if free:
            kind, target = free[0]
            pool.remove(free[0])
            longer = _LONGER if kind in _MAY_LAST and seconds > _LONG_RUN_S and random.random() < _SOMETIMES else 1.0
            lasts = round(min(random.uniform(*_LASTS[kind]) * longer, seconds - at), 2)
            yield Trouble(at=round(at, 2), lasts=lasts, kind=kind, target=target, amount=_amount(kind, random))
            busy[_part(kind, target)] = at + lasts + _CALM_S
        at += random.uniform(0.4, 1.6) * every


def _part(kind: Kind, target: str) -> str:
    """Name what a trouble takes hold of: a process can be killed while its clock is wrong."""
    return f"clock of {target}" if kind is Kind.CLOCK else target


_MAY_LAST = frozenset({Kind.KILL, Kind.CUT, Kind.FREEZE, Kind.CLOCK})
_LONGER, _SOMETIMES, _LONG_RUN_S = 4.0, 0.12, 100.0
"""In a long run some outages last so much longer, with this chance: longer than any token of a command lives."""
_LASTS: Mapping[Kind, tuple[float, float]] = {
    Kind.KILL: (0.2, 6.0),
    Kind.TEAR: (0.2, 4.0),
    Kind.WIPE: (0.2, 5.0),
    Kind.CUT: (0.5, 8.0),
    Kind.FREEZE: (1.0, 12.0),
    Kind.DELAY: (3.0, 10.0),
    Kind.DISK: (2.0, 8.0),
    Kind.CLOCK: (4.0, 20.0),
    Kind.LINE: (0.5, 5.0),
}
"""How long each kind lasts, in seconds, at least and at most."""


def _amount(kind: Kind, random: Random) -> float:
    if kind is Kind.CLOCK:
        return random.choice(_STEPS_S)
    return round(random.uniform(0.05, 0.8), 2) if kind is Kind.DELAY else 0.0


def _faults(town: Town, random: Random, *, seconds: float) -> Iterator[DeviceFault]:
    for device in town.devices:
        number, at = 0, random.uniform(1.0, 5.0)
        while at < seconds - 4.0:
            number += 1
            lasts = round(random.uniform(1.5, 4.0), 2)
            yield DeviceFault(at=round(at, 2), lasts=lasts, device=device, number=number)
            at += lasts + random.uniform(2.0, 8.0)


def _orders(town: Town, random: Random, *, seconds: float) -> Iterator[Order]:
    at, value = 0.5, 0
    while at < seconds - 1.0:
        value += 1
        yield Order(at=round(at, 2), device=random.choice(town.devices), value=value)
        at += random.uniform(0.5, 1.5)
