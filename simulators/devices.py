"""The devices of one line, whatever their protocol: their faults, those of their answers, and those of the line."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from drivers.api import Value
from drivers.profile import Profile
from simulators import disturbances as disturbing
from simulators.disturbances import Disturbances, Transport
from simulators.machines.api import Machine, UnknownFault


class Played(Protocol):
    """A simulated device, as its line and `linli simulate` see it."""

    @property
    def name(self) -> str:
        """Its name in the scene."""
        ...

    @property
    def unit(self) -> int | str:
        """Where it is on its line: a Modbus unit, or a meter's address."""
        ...

    @property
    def profile(self) -> Profile:
        """What it is."""
        ...

    @property
    def machine(self) -> Machine:
        """What moves in it."""
        ...

    @property
    def disturbances(self) -> Disturbances:
        """What is wrong with its answers."""
        ...

    def tick(self, dt_s: float) -> None:
        """Let time pass."""
        ...

    def values(self) -> Mapping[str, Value]:
        """Give what its machine shows now."""
        ...


Device = TypeVar("Device", bound=Played)


class Devices(Generic[Device]):
    """The devices of one line by name, and what is wrong with the line itself (`line`).

    `transport` says which disturbances there can be (None: any).
    """

    def __init__(self, devices: Iterable[Device], *, transport: Transport | None = None) -> None:
        self.by_name = {device.name: device for device in devices}
        self.transport = transport
        self.line = Disturbances(transport)
        self._watchers: list[Callable[[], None]] = []

    def tick(self, dt_s: float) -> None:
        """Let time pass for every device."""
        for device in self.by_name.values():
            device.tick(dt_s)

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called whenever something begins or ends to be wrong with the line."""
        self._watchers.append(changed)

    def unwatch(self, changed: Callable[[], None]) -> None:
        """Undo `watch`."""
        self._watchers.remove(changed)

    def faults(self, name: str) -> tuple[str, ...]:
        """Name the faults that a device's machine can have."""
        return self.by_name[name].machine.faults()

    def disturbances(self) -> tuple[str, ...]:
        """Name the disturbances that there can be on this line."""
        return tuple(disturbing.known(self.transport))

    def active(self, name: str) -> tuple[str, ...]:
        """Name what is wrong with a device now: its machine, its answers, its line."""
        device = self.by_name[name]
        return (*device.machine.active(), *device.disturbances.active, *self.line.active)

    def fault(self, name: str, fault: str) -> None:
        """Bring a fault about; UnknownFault, BadDisturbance."""
        device = self.by_name[name]
        if not disturbing.is_disturbance(fault):
            self._check(device, fault)
            device.machine.fault(fault)
        elif disturbing.parse(fault, self.transport).kind in disturbing.OF_THE_LINE:
            self.line.add(fault)
            self._changed()
        else:
            device.disturbances.add(fault)

    def clear(self, name: str, fault: str | None) -> None:
        """End one fault of a device, or all, those of its line too; UnknownFault."""
        device = self.by_name[name]
        if fault is None or not disturbing.is_disturbance(fault):
            self._check(device, fault)
            device.machine.clear(fault)
        if fault is None or disturbing.is_disturbance(fault):
            device.disturbances.remove(fault)
            self.line.remove(fault)
            self._changed()

    def _check(self, device: Played, fault: str | None) -> None:
        known = device.machine.faults()
        if fault is not None and fault.partition(":")[0] not in known:
            raise UnknownFault(fault, (*known, *self.disturbances()))

    def _changed(self) -> None:
        for changed in tuple(self._watchers):
            changed()
