"""Which model plays which kind of device: an explicit map."""

from collections.abc import Callable, Mapping

from drivers.profile import Profile
from simulators.machines.announcer import Announcer
from simulators.machines.api import Machine
from simulators.machines.camera import CameraMachine, ThermalCameraMachine
from simulators.machines.card_reader import CardReaderMachine
from simulators.machines.charger import ChargerMachine
from simulators.machines.detectors import GasMachine, LeakMachine, SmokeMachine
from simulators.machines.door import DoorMachine
from simulators.machines.elevator import ElevatorMachine
from simulators.machines.escalator import EscalatorMachine
from simulators.machines.generic import GenericMachine
from simulators.machines.meter import ElectricityMachine, FlowMachine
from simulators.machines.on_demand import on_demand
from simulators.machines.passage import BarrierMachine, TurnstileMachine
from simulators.machines.provider import HealthProviderMachine
from simulators.machines.pump import PumpMachine
from simulators.machines.reader import ReaderMachine
from simulators.machines.sensors import faulty_sensors
from simulators.machines.sump import SumpMachine
from simulators.machines.thermal import ThermalArrayMachine
from simulators.machines.ups import UpsMachine
from simulators.machines.water import TankMachine, WaterQualityMachine

MACHINES: Mapping[str, Callable[[Profile, float], Machine]] = {
    "pump": lambda profile, time_scale: PumpMachine(profile, time_scale=time_scale),
    "elevator": lambda profile, time_scale: ElevatorMachine(profile, time_scale=time_scale),
    "electricity-meter": lambda profile, time_scale: ElectricityMachine(profile, time_scale=time_scale),
    "water-meter": lambda profile, time_scale: FlowMachine(profile, time_scale=time_scale),
    "heat-meter": lambda profile, time_scale: FlowMachine(profile, time_scale=time_scale),
    "sump-pump": lambda profile, time_scale: SumpMachine(profile, time_scale=time_scale),
    "ups": lambda profile, _time_scale: UpsMachine(profile),
    "escalator": lambda profile, _time_scale: EscalatorMachine(profile),
    "ev-charger": lambda profile, time_scale: ChargerMachine(profile, time_scale=time_scale),
    "level-sensor": lambda profile, _time_scale: TankMachine(profile),
    "water-quality": lambda profile, _time_scale: WaterQualityMachine(profile),
    "gas-detector": lambda profile, _time_scale: GasMachine(profile),
    "smoke-detector": lambda profile, _time_scale: SmokeMachine(profile),
    "leak-sensor": lambda profile, _time_scale: LeakMachine(profile),
    "barrier": lambda profile, _time_scale: BarrierMachine(profile),
    "turnstile": lambda profile, _time_scale: TurnstileMachine(profile),
    "door": lambda profile, _time_scale: DoorMachine(profile),
    "camera": lambda profile, _time_scale: CameraMachine(profile),
    "health-provider": lambda profile, _time_scale: HealthProviderMachine(profile),
    "thermal-camera": lambda profile, _time_scale: ThermalCameraMachine(profile),
}
"""A profile's `kind` to its machine; every other kind is a GenericMachine."""

BY_PROTOCOL: Mapping[str, Callable[[Profile, float], Machine]] = {
    "thermal-array": lambda profile, time_scale: ThermalArrayMachine(profile, time_scale=time_scale),
    "reader": lambda profile, time_scale: ReaderMachine(profile, time_scale=time_scale),
    "osdp": lambda profile, time_scale: CardReaderMachine(profile, visits_per_s=time_scale / 90),
    "json": lambda profile, _time_scale: GenericMachine(profile),  # an Announcer has its states on demand
}
"""Where the protocol decides what there is to play, whatever the kind."""

_HOLDS_POINTS = frozenset({"modbus", "dlt645", "cjt188", "json"})
"""Protocols whose devices hold their points, so that any of their alarms can be brought about on demand."""


def make_machine(profile: Profile, *, time_scale: float = 1.0) -> Machine:
    """Make the machine that plays `profile`.

    `time_scale` speeds up the day and its traffic, never the mechanics: a pump takes as long to stop as a real one.
    """
    make = BY_PROTOCOL.get(profile.protocol) or MACHINES.get(profile.kind)
    machine = make(profile, time_scale) if make is not None else GenericMachine(profile)
    if profile.protocol in _HOLDS_POINTS:
        machine = on_demand(profile, faulty_sensors(profile, machine))
    return Announcer(profile, machine) if profile.protocol == "json" else machine
