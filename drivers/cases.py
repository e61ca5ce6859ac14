"""Cases: raw registers or frames from public documents, with the engineering values that those documents give for them.

A case proves a profile against the world outside: its numbers come from a manual or a recording, not from us.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from pydantic import Field, model_validator

from drivers.api import Value
from drivers.cjt188 import codec as cjt188
from drivers.dlt645 import codec as dlt645
from drivers.json_mqtt import shown as json_mqtt
from drivers.modbus import codec as modbus
from drivers.packed import decode as decode_packed
from drivers.places.meters import Cjt188Point, Dlt645Point
from drivers.places.osdp import OsdpPoint
from drivers.places.reader import ReaderPoint
from drivers.places.thermal import ThermalPoint
from drivers.profile import Identifier, ModbusPoint, Profile, Table
from drivers.reader.session import last_told
from runtime.config import Strict, load


class SaidMessage(Strict):
    """One MQTT message as a device sends it; `payload` is its text."""

    topic: str = Field(min_length=1)
    payload: str


class Case(Strict):
    """One situation: what the device says, and what the points then show.

    A Modbus device says `registers`: raw contents by table and zero-based address. A device on a serial line says
    `frames`, in hexadecimal. What speaks over MQTT says `messages`, each a topic and its JSON text. `absent` names
    points that the device declares not available. `source` says where the numbers stand.
    """

    name: str = Field(min_length=1)
    source: str = Field(min_length=1)
    registers: dict[Table, dict[str, int]] = Field(default_factory=dict)
    frames: tuple[str, ...] = ()
    messages: tuple[SaidMessage, ...] = ()
    expected: dict[Identifier, Value] = Field(default_factory=dict)
    absent: tuple[Identifier, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if [bool(self.registers), bool(self.frames), bool(self.messages)].count(True) != 1:
            raise ValueError("a case has one of `registers`, `frames`, `messages`")
        for frame in self.frames:
            bytes.fromhex(frame)
        return self


class Shown(Protocol):
    """What a point shows: a value, or the reason why there is none."""

    @property
    def value(self) -> Value | None:
        """The value in engineering units."""
        ...

    @property
    def reason(self) -> str:
        """Why there is none."""
        ...


class CaseFile(Strict):
    """A file in `cases/`; `note` says how its numbers were got."""

    note: str = Field(min_length=1)
    case: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """A point that does not show what the document says."""

    case: str
    point: str
    expected: Value | None
    shown: Value | None
    reason: str = ""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.case}: `{self.point}` shows {self.shown!r}, the source says {self.expected!r}{why}"


def load_cases(folder: Path) -> Mapping[Path, CaseFile]:
    """Read every `cases/*.toml` of a device type's folder; ConfigError says what is wrong."""
    return {file: load(file, CaseFile) for file in sorted((folder / "cases").glob("*.toml"))}


def check_case(profile: Profile, case: Case) -> tuple[Mismatch, ...]:
    """Decode what the device said by the profile, and give what differs from the source."""
    return tuple(_mismatches(profile, case))


def _mismatches(profile: Profile, case: Case) -> Iterator[Mismatch]:
    wanted: dict[str, Value | None] = {**case.expected, **dict.fromkeys(case.absent)}
    for name, expected in wanted.items():
        if name not in profile.points:
            yield Mismatch(case=case.name, point=name, expected=expected, shown=None, reason="no such point")
            continue
        shown = SHOWN[profile.protocol](profile, name, case)
        if shown is None:
            missing = "registers not given" if case.registers else "nothing in the case tells it"
            yield Mismatch(case=case.name, point=name, expected=expected, shown=None, reason=missing)
        elif not _same(expected, shown.value):
            yield Mismatch(case=case.name, point=name, expected=expected, shown=shown.value, reason=shown.reason)


def _by_modbus(profile: Profile, name: str, case: Case) -> Shown | None:
    point = profile.points[name].modbus
    raw = _raw(point, case.registers)
    return None if raw is None else modbus.decode(point, raw)


def _by_dlt645(profile: Profile, name: str, case: Case) -> Shown | None:
    point = profile.points[name].at(Dlt645Point)
    for text in case.frames:
        frame = dlt645.take(bytearray.fromhex(text))
        said = dlt645.contents(frame) if frame is not None else None
        if said is not None and said[0] == point.identifier:
            return decode_packed(point, said[1])
    return None


def _by_cjt188(profile: Profile, name: str, case: Case) -> Shown | None:
    point = profile.points[name].at(Cjt188Point)
    for text in case.frames:
        frame = cjt188.take(bytearray.fromhex(text))
        said = cjt188.contents(frame) if frame is not None else None
        if said is not None and point.identifier in said[0]:
            return cjt188.decode(point, said[1])
    return None


def _by_json(profile: Profile, name: str, case: Case) -> Shown | None:
    return json_mqtt.shown(profile, name, ((said.topic, said.payload) for said in case.messages))


def _by_camera(profile: Profile, name: str, case: Case) -> Shown | None:
    from drivers.camera.shown import shown  # noqa: PLC0415 - loads OpenCV

    return shown(profile, name, case.frames)


def _by_radiometric(profile: Profile, name: str, case: Case) -> Shown | None:
    from drivers.radiometric.shown import shown  # noqa: PLC0415 - loads numpy

    return shown(profile, name, case.frames)


def _by_osdp(profile: Profile, name: str, case: Case) -> Shown | None:
    from drivers.osdp import codec, showing  # noqa: PLC0415 - of the protocols, only those with cases are loaded

    place = profile.points[name].at(OsdpPoint)
    for text in case.frames:
        frame = codec.take(bytearray.fromhex(text))
        said = showing.shown(name, place, frame) if frame is not None else None
        if said is not None:
            return said
    return None


def _by_thermal_array(profile: Profile, name: str, case: Case) -> Shown | None:
    from drivers.thermal_array import codec  # noqa: PLC0415 - with the next, which brings numpy
    from drivers.thermal_array.driver import picture_of, shown  # noqa: PLC0415 - brings numpy

    decoder = codec.Decoder()
    for text in case.frames:
        for said in decoder.feed(bytes.fromhex(text)):
            if isinstance(said, codec.Frame):
                return shown(name, profile.points[name].at(ThermalPoint), picture_of(said))
    return None


def _by_reader(profile: Profile, name: str, case: Case) -> Shown | None:
    return last_told(profile.reader, profile.points[name].at(ReaderPoint), map(bytes.fromhex, case.frames))


SHOWN: Mapping[str, Callable[[Profile, str, Case], Shown | None]] = {
    "modbus": _by_modbus,
    "dlt645": _by_dlt645,
    "cjt188": _by_cjt188,
    "json": _by_json,
    "camera": _by_camera,
    "radiometric": _by_radiometric,
    "osdp": _by_osdp,
    "thermal-array": _by_thermal_array,
    "reader": _by_reader,
}
"""A profile's protocol to what gives a point's value out of a case; None where the case does not tell it."""


def _raw(point: ModbusPoint, registers: Mapping[Table, Mapping[str, int]]) -> list[int] | None:
    table = registers.get(point.table, {})
    words = [table.get(str(address)) for address in range(point.address, point.address + point.count)]
    return [word for word in words if word is not None] if None not in words else None


def _same(expected: Value | None, shown: Value | None) -> bool:
    if isinstance(expected, float) and isinstance(shown, float):
        return math.isclose(expected, shown, rel_tol=1e-9, abs_tol=1e-9)
    return expected == shown and type(expected) is type(shown)
