"""Which model plays which kind of device: an explicit map."""

from collections.abc import Callable, Mapping

from drivers.profile import Profile
from simulators.machines.announcer import Announcer
from simulators.machines.api import Machine
from simulators.machines.camera import CameraMachine, ThermalCameraMachine
from simulators.machines.card_reader import CardReaderMachine
from simulators.machines.elevator import ElevatorMachine
from simulators.machines.generic import GenericMachine
from simulators.machines.meter import ElectricityMachine, FlowMachine
from simulators.machines.passage import BarrierMachine, DoorMachine, TurnstileMachine
from simulators.machines.pump import PumpMachine
from simulators.machines.reader import ReaderMachine
from simulators.machines.thermal import ThermalArrayMachine

MACHINES: Mapping[str, Callable[[Profile, float], Machine]] = {
    "pump": lambda profile, time_scale: PumpMachine(profile, time_scale=time_scale),
    "elevator": lambda profile, time_scale: ElevatorMachine(profile, time_scale=time_scale),
    "electricity-meter": lambda profile, time_scale: ElectricityMachine(profile, time_scale=time_scale),
    "water-meter": lambda profile, time_scale: FlowMachine(profile, time_scale=time_scale),
    "heat-meter": lambda profile, time_scale: FlowMachine(profile, time_scale=time_scale),
    "barrier": lambda profile, _time_scale: BarrierMachine(profile),
    "turnstile": lambda profile, _time_scale: TurnstileMachine(profile),
    "door": lambda profile, _time_scale: DoorMachine(profile),
    "camera": lambda profile, _time_scale: CameraMachine(profile),
    "thermal-camera": lambda profile, _time_scale: ThermalCameraMachine(profile),
}
"""A profile's `kind` to its machine; every other kind is a GenericMachine."""

BY_PROTOCOL: Mapping[str, Callable[[Profile, float], Machine]] = {
    "thermal-array": lambda profile, time_scale: ThermalArrayMachine(profile, time_scale=time_scale),
    "reader": lambda profile, time_scale: ReaderMachine(profile, time_scale=time_scale),
    "osdp": lambda profile, time_scale: CardReaderMachine(profile, visits_per_s=time_scale / 90),
}
"""Where the protocol decides what there is to play, whatever the kind."""


def make_machine(profile: Profile, *, time_scale: float = 1.0) -> Machine:
    """Make the machine that plays `profile`.

    `time_scale` speeds up the day and its traffic, never the mechanics: a pump takes as long to stop as a real one.
    """
    make = BY_PROTOCOL.get(profile.protocol) or MACHINES.get(profile.kind)
    machine = make(profile, time_scale) if make is not None else GenericMachine(profile)
    return Announcer(profile, machine) if profile.protocol == "json" else machine
