"""Bytes in, events out: what is heard on a connection between two ends, or on a line where all speak. Pure."""

from collections.abc import Mapping
from typing import Protocol

from drivers.inspection.dialogue import Dialogue, Event
from drivers.inspection.frames import RtuSplitter, TcpSplitter
from drivers.inspection.meters import PROTOCOLS, MeterDialogue, MeterSplitter
from drivers.inspection.osdp import Osdp
from drivers.profile import Profile

Names = Mapping[int | str | None, Profile]
"""Device types by unit, or by a meter's address; under None that of all others."""


class ConnectionEar(Protocol):
    """An ear between a master and a port. Times are seconds."""

    def asked(self, data: bytes, at_s: float) -> list[Event]:
        """Take what the master sent."""
        ...

    def answered(self, data: bytes, at_s: float) -> list[Event]:
        """Take what came back."""
        ...

    def overdue(self, at_s: float) -> list[Event]:
        """Give up what nobody has answered for long."""
        ...


class LineEar(Protocol):
    """An ear on a two-wire line, where requests and answers pass by alike. Times are seconds."""

    def heard(self, data: bytes, at_s: float) -> list[Event]:
        """Take bytes as they come; none say that the line is silent."""
        ...

    def overdue(self, at_s: float) -> list[Event]:
        """Give up what nobody has answered for long."""
        ...


class ModbusConnection:
    """Modbus TCP."""

    def __init__(self, names: Names) -> None:
        self._dialogue = Dialogue(_by_unit(names))
        self._requests, self._answers = TcpSplitter(), TcpSplitter()

    def asked(self, data: bytes, at_s: float) -> list[Event]:
        """Take what the master sent."""
        return [event for one in self._requests.feed(data) for event in self._dialogue.request(one, at_s=at_s)]

    def answered(self, data: bytes, at_s: float) -> list[Event]:
        """Take what came back."""
        return [event for one in self._answers.feed(data) for event in self._dialogue.answer(one, at_s=at_s)]

    def overdue(self, at_s: float) -> list[Event]:
        """Give up what nobody has answered for long."""
        return self._dialogue.overdue(at_s=at_s)


class ModbusLine:
    """Modbus RTU."""

    def __init__(self, names: Names) -> None:
        self._dialogue = Dialogue(_by_unit(names))
        self._splitter = RtuSplitter()

    def heard(self, data: bytes, at_s: float) -> list[Event]:
        """Take bytes as they come."""
        taken = self._splitter.feed(data) if data else self._splitter.silence()
        return [event for one in taken for event in self._dialogue.heard(one, at_s=at_s)]

    def overdue(self, at_s: float) -> list[Event]:
        """Give up what nobody has answered for long."""
        return self._dialogue.overdue(at_s=at_s)


class Meters:
    """DL/T 645 or CJ/T 188, on a line or through a serial server: their frames say themselves who speaks."""

    def __init__(self, protocol: str, names: Names) -> None:
        spoken = PROTOCOLS[protocol]
        by_address = {key: profile for key, profile in names.items() if not isinstance(key, int)}
        self._dialogue = MeterDialogue(spoken, by_address)
        self._requests, self._answers = MeterSplitter(spoken), MeterSplitter(spoken)

    def asked(self, data: bytes, at_s: float) -> list[Event]:
        """Take what the master sent."""
        return [event for one in self._requests.feed(data) for event in self._dialogue.heard(one, at_s=at_s)]

    def answered(self, data: bytes, at_s: float) -> list[Event]:
        """Take what came back."""
        return [event for one in self._answers.feed(data) for event in self._dialogue.heard(one, at_s=at_s)]

    def heard(self, data: bytes, at_s: float) -> list[Event]:
        """Take bytes as they come."""
        taken = self._requests.feed(data) if data else self._requests.silence()
        return [event for one in taken for event in self._dialogue.heard(one, at_s=at_s)]

    def overdue(self, at_s: float) -> list[Event]:
        """Give up what nobody has answered for long."""
        return self._dialogue.overdue(at_s=at_s)


def line_ear(protocol: str, names: Names) -> LineEar:
    """Give an ear for a line of this protocol."""
    match protocol:
        case "modbus":
            return ModbusLine(names)
        case "osdp":
            return Osdp()
        case _:
            return Meters(protocol, names)


def connection_ear(protocol: str, names: Names) -> ConnectionEar:
    """Give an ear for a connection of this protocol."""
    match protocol:
        case "modbus":
            return ModbusConnection(names)
        case "osdp":
            return Osdp()
        case _:
            return Meters(protocol, names)


def _by_unit(names: Names) -> dict[int | None, Profile]:
    return {key: profile for key, profile in names.items() if not isinstance(key, str)}
