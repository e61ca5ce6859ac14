"""One simulated device on a line: its machine, its registers, and what it answers to a request."""

from collections.abc import Callable, Iterable, Mapping
from random import Random

from drivers.api import Value
from drivers.places.modbus import Table
from drivers.profile import Profile
from simulators import disturbances as disturbing
from simulators.devices import Devices
from simulators.disturbances import Disturbances, Part, Transport
from simulators.machines.api import Machine
from simulators.modbus import frames
from simulators.modbus.registers import IllegalAddress, IllegalValue, Pulse, RegisterImage
from simulators.transmitter import Reply
from simulators.witness import Witness

Wrap = Callable[[frames.Frame, bytes], bytes]
"""How a transport puts an answer's PDU into a frame."""


class Station:
    """A device with a unit id. The witness notes everything that it says."""

    def __init__(
        self, *, name: str, unit: int, profile: Profile, machine: Machine, witness: Witness, random: Random
    ) -> None:
        self.name = name
        self.unit = unit
        self.profile = profile
        self.machine = machine
        self.disturbances = Disturbances()
        self._witness = witness
        self._random = random
        self._image = RegisterImage(profile)
        self._pulses: dict[str, float] = {}  # coils that fall back by themselves, and in how many seconds
        self._witness.changes(self._image.show(machine.values()), start=True)

    def tick(self, dt_s: float) -> None:
        """Let time pass, and put the result into the registers."""
        self.machine.step(dt_s, self._random)
        for coil, left_s in tuple(self._pulses.items()):
            self._pulses[coil] = left_s - dt_s
            if self._pulses[coil] <= 0:
                del self._pulses[coil]
                self.machine.write(coil, False)  # noqa: FBT003 - what the coil then shows
        self._show()
        self._witness.flush()

    def reply(self, frame: frames.Frame, wrap: Wrap) -> Reply | None:
        """Give what goes out in answer to a request, disturbed as it may be; None when it stays silent."""
        struck = self.disturbances.draw(self._random)
        if not disturbing.hears(struck):
            return None
        request = frames.parse(frame.pdu)
        code = disturbing.refusal(struck, frames.addresses(request))
        words: tuple[int, ...] = ()
        if code is not None:
            pdu = frames.exception(request.function, code)
        else:
            pdu, words = self._answer(request)
        sent = disturbing.transmit(struck, wrap(frame, pdu), self._random)

        def note() -> None:
            if words and isinstance(request, frames.Read):
                self._witness.answer(
                    unit=self.unit,
                    function=request.function,
                    address=request.address,
                    words=words,
                    mark=sent.mark,
                )

        return Reply(parts=sent.parts, note=note)

    def obey(self, frame: frames.Frame) -> None:
        """Do what a broadcast asks, without an answer."""
        if disturbing.hears(self.disturbances.draw(self._random)):
            self._answer(frames.parse(frame.pdu))

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()

    def _answer(self, request: frames.Request) -> tuple[bytes, tuple[int, ...]]:
        """Give the answer's PDU, and what it says of the registers when it was a read."""
        try:
            match request:
                case frames.Read():
                    words = self._image.read(frames.READS[request.function], request.address, request.count)
                    return frames.read_answer(request.function, words), words
                case frames.Write() | frames.MaskWrite() | frames.CoilWord():
                    self._write(request)
                    return bytes([request.function]) + request.echo, ()
                case frames.Malformed():
                    return frames.exception(request.function, request.code), ()
        except IllegalAddress:
            return frames.exception(request.function, frames.ILLEGAL_ADDRESS), ()
        except IllegalValue:
            return frames.exception(request.function, frames.ILLEGAL_VALUE), ()

    def _write(self, request: frames.Write | frames.MaskWrite | frames.CoilWord) -> None:
        match request:
            case frames.MaskWrite(address=address, and_mask=and_mask, or_mask=or_mask):
                self._put(self._image.masked(address, and_mask=and_mask, or_mask=or_mask))
            case frames.CoilWord(address=address, word=word):
                pulse = self._image.pulse(Table.COIL, address, [word])
                if pulse is None:
                    raise IllegalValue
                self._hold(pulse)
            case frames.Write(function=function, address=address, words=words):
                table = frames.WRITES[function]
                # On and off are no times, so that function 5 with one of them is never a pulse.
                pulse = None if table is Table.COIL else self._image.pulse(table, address, words)
                if pulse is None:
                    self._put(self._image.written(table, address, words))
                else:
                    self._hold(pulse)
        self._show()

    def _put(self, meant: Iterable[tuple[str, Value]]) -> None:
        for point, value in meant:
            try:
                self.machine.write(point, value)
            except ValueError as error:
                self._witness.write(point, value, taken=False)
                raise IllegalValue from error
            self._witness.write(point, value, taken=True)
            self._pulses.pop(point, None)  # who switches a coil by hand ends its pulse

    def _hold(self, pulse: Pulse) -> None:
        """Switch a coil on, and off again by itself when its time is over."""
        self._put([(pulse.point, self.profile.points[pulse.point].value_type(pulse.seconds))])
        if pulse.coil is not None:
            self.machine.write(pulse.coil, True)  # noqa: FBT003 - what the coil then shows
            self._pulses[pulse.coil] = pulse.seconds

    def _show(self) -> None:
        self._witness.changes(self._image.show(self.machine.values()))


class Stations(Devices[Station]):
    """The Modbus devices of one line, by unit id and by name."""

    def __init__(self, stations: Iterable[Station], *, transport: Transport | None = None) -> None:
        super().__init__(stations, transport=transport)
        self._by_unit = {station.unit: station for station in self.by_name.values()}

    def reply_tcp(self, frame: frames.Frame) -> Reply | None:
        """Answer as a gateway does: for a unit that is not there, with exception 11."""
        station = self._by_unit.get(frame.unit)
        if station is None:
            absent = frames.tcp(frame, frames.exception(frame.pdu[0], frames.GATEWAY_TARGET_SILENT))
            return Reply(parts=(Part(after_s=0.0, data=absent),), note=lambda: None)
        return station.reply(frame, frames.tcp)

    def reply_rtu(self, frame: frames.Frame) -> Reply | None:
        """Answer as a serial line does: a unit that is not there stays silent, and so does everyone on a broadcast."""
        if frame.unit == 0:
            if frame.pdu[0] in frames.WRITES:
                for every in self._by_unit.values():
                    every.obey(frame)
            return None
        station = self._by_unit.get(frame.unit)
        return None if station is None else station.reply(frame, frames.rtu)
