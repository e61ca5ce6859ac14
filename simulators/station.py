"""One simulated device on a line: its machine, its registers, and what it answers to a request."""

from collections.abc import Iterable, Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators import modbus_frames as frames
from simulators.machines.api import Machine
from simulators.registers import IllegalAddress, IllegalValue, RegisterImage
from simulators.witness import Witness


class Station:
    """A device with a unit id. The witness notes everything that it says."""

    def __init__(
        self, *, name: str, unit: int, profile: Profile, machine: Machine, witness: Witness, random: Random
    ) -> None:
        self.name = name
        self.unit = unit
        self.profile = profile
        self.machine = machine
        self._witness = witness
        self._random = random
        self._image = RegisterImage(profile)
        self._witness.changes(self._image.show(machine.values()), start=True)

    def tick(self, dt_s: float) -> None:
        """Let time pass, and put the result into the registers."""
        self.machine.step(dt_s, self._random)
        self._show()
        self._witness.flush()

    def answer(self, pdu: bytes) -> bytes:
        """Give the answer PDU to a request PDU; the caller sends it at once."""
        request = frames.parse(pdu)
        try:
            match request:
                case frames.Read():
                    return self._read(request)
                case frames.Write():
                    return self._write(request)
                case frames.Malformed():
                    return frames.exception(request.function, request.code)
        except IllegalAddress:
            return frames.exception(request.function, frames.ILLEGAL_ADDRESS)
        except IllegalValue:
            return frames.exception(request.function, frames.ILLEGAL_VALUE)

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()

    def _read(self, request: frames.Read) -> bytes:
        words = self._image.read(frames.READS[request.function], request.address, request.count)
        self._witness.answer(unit=self.unit, function=request.function, address=request.address, words=words)
        return frames.read_answer(request.function, words)

    def _write(self, request: frames.Write) -> bytes:
        meant = self._image.written(frames.WRITES[request.function], request.address, request.words)
        for point, value in meant:
            try:
                self.machine.write(point, value)
            except ValueError as error:
                self._witness.write(point, value, taken=False)
                raise IllegalValue from error
            self._witness.write(point, value, taken=True)
        self._show()
        return bytes([request.function]) + request.echo

    def _show(self) -> None:
        self._witness.changes(self._image.show(self.machine.values()))


class Stations:
    """The devices of one line, by unit id and by name."""

    def __init__(self, stations: Iterable[Station]) -> None:
        self._by_unit = {station.unit: station for station in stations}
        self.by_name = {station.name: station for station in self._by_unit.values()}

    def tick(self, dt_s: float) -> None:
        """Let time pass for every device."""
        for station in self._by_unit.values():
            station.tick(dt_s)

    def answer_tcp(self, frame: frames.Frame) -> bytes:
        """Answer as a gateway does: for a unit that is not there, with exception 11."""
        station = self._by_unit.get(frame.unit)
        if station is None:
            return frames.tcp(frame, frames.exception(frame.pdu[0], frames.GATEWAY_TARGET_SILENT))
        return frames.tcp(frame, station.answer(frame.pdu))

    def answer_rtu(self, frame: frames.Frame) -> bytes | None:
        """Answer as a serial line does: a unit that is not there stays silent, and so does everyone on a broadcast."""
        if frame.unit == 0:
            if frame.pdu[0] in frames.WRITES:
                for every in self._by_unit.values():
                    every.answer(frame.pdu)
            return None
        station = self._by_unit.get(frame.unit)
        return None if station is None else frames.rtu(frame, station.answer(frame.pdu))
