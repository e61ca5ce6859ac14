"""What can be wrong with the gates of a site file, before anything is connected."""

import difflib
from collections.abc import Iterable, Iterator, Mapping

from drivers.places.modbus import ModbusPoint
from drivers.places.osdp import OsdpPoint
from drivers.profile import Point, Profile
from edge.gate.api import Check, Demand
from edge.gate.config import DoorSettings, GatehouseSettings, GateSettings, ReaderSettings
from runtime.config import Problem

PROFILE = "linli-gate"
_VISIBLE = frozenset({"camera"})
_WARM = frozenset({"radiometric", "thermal-array"})
_NEEDS_EYES = (Check.LIVENESS, Check.TEMPERATURE, Check.MASK)


def check_gates(
    where: str,
    house: GatehouseSettings | None,
    gates: Mapping[str, GateSettings],
    profiles: Mapping[str, Profile],
) -> Iterator[Problem]:
    """Find what does not fit together. `profiles` are those of the agent's devices, by device."""
    if bool(gates) != (house is not None):
        missing, given = ("gatehouse", "gates") if gates else ("gates", "gatehouse")
        yield Problem(key=f"{where}.{missing}", message="missing", remedy=f"`{given}` needs it")
    if house is not None:
        yield from _check_house(f"{where}.gatehouse", house)
    stacks = {one.eyes.stack for one in gates.values() if one.eyes is not None}
    if len(stacks) > 1:
        message = f"the gates of an agent share their faces, and these use {' and '.join(sorted(stacks))}"
        yield Problem(key=f"{where}.gates", message=message, remedy="give all of them one `eyes.stack`")
    devices: dict[str, str] = {}
    doors: dict[str, str] = {}
    for name, gate in gates.items():
        key = f"{where}.gates.{name}"
        yield from _check_gate(key, gate, gates, profiles)
        for taken, device, part in ((devices, gate.device, "device"), (doors, gate.door.device, "door.device")):
            if (other := taken.setdefault(device, name)) != name:
                message = f"`{device}` is the gate `{other}`'s already"
                yield Problem(key=f"{key}.{part}", message=message, remedy="give each gate a device of its own")


def _check_house(where: str, house: GatehouseSettings) -> Iterator[Problem]:
    roll = house.roll
    if roll.url is not None:
        for part, value in (("token_file", roll.token_file), ("keys_file", roll.keys_file)):
            if value is None:
                yield Problem(key=f"{where}.roll.{part}", message="missing", remedy="`url` needs it")
    if (house.share or house.shared_with or house.backup_file) and house.community_key_file is None:
        message = "missing: it seals what leaves this machine"
        remedy = "make one with `linli gate keys`, and bring it to every gate of the community"
        yield Problem(key=f"{where}.community_key_file", message=message, remedy=remedy)


def _check_gate(
    where: str, gate: GateSettings, gates: Mapping[str, GateSettings], profiles: Mapping[str, Profile]
) -> Iterator[Problem]:
    for part, device in gate.devices():
        if device not in profiles:
            message = f"the agent has no device `{device}`"
            yield Problem(key=f"{where}.{part}", message=message, remedy=_suggest(device, profiles))
    own = profiles.get(gate.device)
    if own is not None and own.name != PROFILE:
        remedy = f"name a device with `profile = '{PROFILE}'` on a bus with `protocol = 'agent'`"
        yield Problem(key=f"{where}.device", message=f"`{gate.device}` is a {own.name}", remedy=remedy)
    if (door := profiles.get(gate.door.device)) is not None:
        yield from _check_door(f"{where}.door", gate.door, door)
    yield from _check_eyes(where, gate, profiles)
    for number, reader in enumerate(gate.readers):
        if (profile := profiles.get(reader.device)) is not None:
            yield from _check_reader(f"{where}.readers.{number}", reader, profile)
    for other in gate.interlock:
        if other not in gates:
            remedy = _suggest(other, gates)
            yield Problem(key=f"{where}.interlock", message=f"the agent has no gate `{other}`", remedy=remedy)


def _check_door(where: str, door: DoorSettings, profile: Profile) -> Iterator[Problem]:
    unlock = profile.points.get(door.unlock)
    if unlock is None:
        remedy = _suggest(door.unlock, profile.points)
        yield Problem(key=f"{where}.unlock", message=f"`{profile.name}` has no point `{door.unlock}`", remedy=remedy)
    elif not _is_timed(unlock):
        message = f"`{door.unlock}` stays on until it is told otherwise: a crash would leave the door open"
        yield Problem(key=f"{where}.unlock", message=message, remedy="name a point that the device times by itself")
    for part, name in (
        ("relay", door.relay),
        ("contact", door.contact),
        ("exit_button", door.exit_button),
        ("fire", door.fire),
        ("lock_power", door.lock_power),
        ("beam", door.beam),
    ):
        if name is None:
            continue
        point = profile.points.get(name)
        if point is None:
            message = f"`{profile.name}` has no point `{name}`"
            remedy = _suggest(name, profile.points)
            if part != "relay":
                remedy += f"; where the door has nothing of the kind, write `{part} = false`"
            yield Problem(key=f"{where}.{part}", message=message, remedy=remedy)
        elif point.value_type is not bool:
            message = f"`{name}` is no yes or no"
            yield Problem(key=f"{where}.{part}", message=message, remedy="name a point of type bool")


def _is_timed(point: Point) -> bool:
    table = point.table
    if isinstance(table, ModbusPoint):
        return table.is_pulse
    return isinstance(table, OsdpPoint) and table.signal == "output"


def _check_eyes(where: str, gate: GateSettings, profiles: Mapping[str, Profile]) -> Iterator[Problem]:
    eyes = gate.eyes
    if eyes is None:
        for check in _NEEDS_EYES:
            if check in gate.checks and gate.checks[check].demand is Demand.REQUIRED:
                message = "a gate without eyes can never check this, and would let nobody in"
                yield Problem(key=f"{where}.checks.{check.value}", message=message, remedy="give it `eyes`, or drop it")
        return
    if eyes.former == eyes.stack:
        remedy = "name the models that were there before, or drop the key"
        yield Problem(key=f"{where}.eyes.former", message=f"`{eyes.stack}` is what the gate uses now", remedy=remedy)
    kinds = [("eyes.camera", eyes.camera, _VISIBLE)]
    if eyes.thermal is not None:
        kinds.append(("eyes.thermal.device", eyes.thermal.device, _WARM))
    for part, device, protocols in kinds:
        profile = profiles.get(device)
        if profile is not None and profile.protocol not in protocols:
            message = f"`{device}` speaks {profile.protocol}"
            remedy = f"name a device that speaks {' or '.join(sorted(protocols))}"
            yield Problem(key=f"{where}.{part}", message=message, remedy=remedy)


def _check_reader(where: str, reader: ReaderSettings, profile: Profile) -> Iterator[Problem]:
    point = profile.points.get(reader.point)
    if point is None:
        message = f"`{profile.name}` has no point `{reader.point}`"
        yield Problem(key=f"{where}.point", message=message, remedy=_suggest(reader.point, profile.points))
    elif not point.event:
        events = [name for name, one in profile.points.items() if one.event]
        message = f"`{reader.point}` does not tell what was read"
        yield Problem(key=f"{where}.point", message=message, remedy=f"use one of: {', '.join(events)}")


def _suggest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"there is: {', '.join(sorted(names))}" if names else "there is none"
