"""Lines of a GY-MCU90640 thermal array. Its framing is written here once more, and on purpose not the driver's."""

from collections.abc import Sequence
from random import Random
from typing import ClassVar, Literal

from drivers.api import Value
from drivers.profile import Profile
from simulators import disturbances as disturbing
from simulators.devices import Devices
from simulators.disturbances import Part
from simulators.lines.base import LineContext
from simulators.lines.speaking import SpeakingLine, SpeakingStation, serve
from simulators.machines.thermal import ThermalArrayMachine
from simulators.transmitter import Reply
from simulators.witness import Witness

_RATES = (0.5, 1.0, 2.0, 4.0, 8.0)
_COMMAND_BYTES = 4


class ThermalArrayLine(SpeakingLine):
    """A thermal array."""

    speaks: ClassVar[str] = "thermal-array"
    bus: ClassVar[str] = "thermal-array"

    protocol: Literal["thermal-array"]


class ThermalArrayStation(SpeakingStation[ThermalArrayMachine]):
    """The module: it sends pictures by itself, or when it is asked, and obeys commands."""

    def __init__(
        self, *, name: str, profile: Profile, machine: ThermalArrayMachine, witness: Witness, random: Random
    ) -> None:
        super().__init__(name=name, profile=profile, machine=machine, witness=witness, random=random)
        self.automatic = True
        self.rate = 4.0
        self.emissivity = 95
        """In per cent."""
        self._since_s = 0.0
        self._command = bytearray()
        self._shown: dict[str, Value | None] = {}
        self._note_changes(start=True)

    def tick(self, dt_s: float) -> None:
        """Let time pass, and send a picture when it is due."""
        self.machine.step(dt_s, self._random)
        self._note_changes()
        self._witness.flush()
        self._since_s += dt_s
        if self.automatic and self._since_s * self.rate >= 1:
            self._since_s = 0.0
            self.send_picture()

    def hear(self, data: bytes) -> None:
        """Obey commands: A5, command, argument, sum of the three."""
        self._command += data
        while (at := self._command.find(0xA5)) >= 0:
            del self._command[:at]
            if len(self._command) < _COMMAND_BYTES:
                return
            start, command, argument, told = self._command[:_COMMAND_BYTES]
            if (start + command + argument) % 256 == told:
                del self._command[:_COMMAND_BYTES]
                self._obey(command, argument)
            else:
                del self._command[0]
        self._command.clear()

    def send_picture(self) -> None:
        """Send the picture of this moment, disturbed as it may be."""
        struck = self.disturbances.draw(self._random)
        if not disturbing.hears(struck):
            return
        frame = picture_frame(self.machine.hundredths, self.machine.ambient_hundredths)
        sent = disturbing.transmit(struck, frame, self._random)
        points = dict(self.machine.shown())
        self.say(Reply(parts=sent.parts, note=lambda: self._witness.answer_points(points, mark=sent.mark)))

    def _obey(self, command: int, argument: int) -> None:
        if not disturbing.hears(self.disturbances.draw(self._random)):
            return
        if command == 0x25 and argument < len(_RATES):  # noqa: PLR2004 - the module's numbers, as its sources write them
            self.rate = _RATES[argument]
        elif command == 0x35:  # noqa: PLR2004 - likewise
            self.automatic = argument == 2  # noqa: PLR2004 - likewise
            if argument == 1:
                self.send_picture()
        elif command == 0x45:  # noqa: PLR2004 - likewise
            self.emissivity = argument
        elif command == 0x55:  # noqa: PLR2004 - likewise
            answer = bytes([0x5A, 0x5A, self.emissivity, (0x5A + 0x5A + self.emissivity) % 256])
            self.say(Reply(parts=(Part(after_s=0.0, data=answer),), note=lambda: None))

    def _note_changes(self, *, start: bool = False) -> None:
        shown = self.machine.shown()
        changed = {name: value for name, value in shown.items() if start or self._shown[name] != value}
        self._shown |= changed
        self._witness.changes(changed, start=start)


def picture_frame(hundredths: Sequence[int], ambient: int) -> bytes:
    """Give the frame of a picture: header, length, pixels, ambient temperature, sum of all words."""
    words = [0x5A5A, 0x0602, *(pixel & 0xFFFF for pixel in hundredths), ambient & 0xFFFF]
    words.append(sum(words) % 65536)
    return b"".join(word.to_bytes(2, "little") for word in words)


async def start(line: ThermalArrayLine, context: LineContext) -> tuple[Devices[ThermalArrayStation], str]:
    """Serve a line; gives its device, and where it is. LineUnavailable."""
    (device,) = line.devices
    profile = context.profiles[device.name]
    station = ThermalArrayStation(
        name=device.name,
        profile=profile,
        machine=ThermalArrayMachine(profile, time_scale=context.time_scale),
        witness=context.witness(device),
        random=context.random(device),
    )
    devices = Devices([station], transport=line.transport)
    return devices, await serve(line, devices, context)
