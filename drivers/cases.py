"""Cases: raw registers from public documents, with the engineering values that those documents give for them.

A case proves a profile against the world outside: its numbers come from a manual or a recording, not from us.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from drivers.api import Value
from drivers.modbus.codec import decode
from drivers.profile import Identifier, ModbusPoint, Profile, Table
from runtime.config import Strict, load


class Case(Strict):
    """One situation: raw contents by table and zero-based address, and what the points then show.

    `absent` names points that the device declares not available. `source` says where the numbers stand.
    """

    name: str = Field(min_length=1)
    source: str = Field(min_length=1)
    registers: dict[Table, dict[str, int]] = Field(min_length=1)
    expected: dict[Identifier, Value] = Field(default_factory=dict)
    absent: tuple[Identifier, ...] = ()


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
    """Decode the case's registers by the profile, and give what differs from the source."""
    return tuple(_mismatches(profile, case))


def _mismatches(profile: Profile, case: Case) -> Iterator[Mismatch]:
    wanted: dict[str, Value | None] = {**case.expected, **dict.fromkeys(case.absent)}
    for name, expected in wanted.items():
        if name not in profile.points:
            yield Mismatch(case=case.name, point=name, expected=expected, shown=None, reason="no such point")
            continue
        raw = _raw(profile.points[name].modbus, case.registers)
        if raw is None:
            yield Mismatch(case=case.name, point=name, expected=expected, shown=None, reason="registers not given")
            continue
        shown = decode(profile.points[name].modbus, raw)
        if not _same(expected, shown.value):
            yield Mismatch(case=case.name, point=name, expected=expected, shown=shown.value, reason=shown.reason)


def _raw(point: ModbusPoint, registers: Mapping[Table, Mapping[str, int]]) -> list[int] | None:
    table = registers.get(point.table, {})
    words = [table.get(str(address)) for address in range(point.address, point.address + point.count)]
    return [word for word in words if word is not None] if None not in words else None


def _same(expected: Value | None, shown: Value | None) -> bool:
    if isinstance(expected, float) and isinstance(shown, float):
        return math.isclose(expected, shown, rel_tol=1e-9, abs_tol=1e-9)
    return expected == shown and type(expected) is type(shown)
