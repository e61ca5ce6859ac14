"""Lines with one device that speaks by itself: how a scene describes them, and how they are served.

As on a serial server's TCP port, everybody who is connected hears what the device says, and what nobody hears is lost.
"""

from abc import ABC
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Generic, Protocol, TypeVar

from pydantic import Field

from drivers.api import Value
from drivers.profile import Profile
from simulators.devices import Devices, Played
from simulators.disturbances import Disturbances
from simulators.lines.base import LineContext, SceneDevice, SerialLine, serve_serial
from simulators.machines.api import Machine
from simulators.transmitter import Reply, Transmitter
from simulators.transport import serve_port, serve_terminal
from simulators.witness import Witness

_BITS = 10  # of a byte on the wire: start, eight, stop


class SpeakingLine(SerialLine, ABC):
    """One device, on a pseudo-terminal or a serial server's port."""

    devices: tuple[SceneDevice, ...] = Field(min_length=1, max_length=1)

    @property
    def members(self) -> tuple[SceneDevice, ...]:
        """Its device."""
        return self.devices


MachineOf = TypeVar("MachineOf", bound=Machine)


class SpeakingStation(Generic[MachineOf]):
    """A device that speaks by itself, with its machine. The witness notes what it says."""

    def __init__(self, *, name: str, profile: Profile, machine: MachineOf, witness: Witness, random: Random) -> None:
        self.name = name
        self.unit = name
        self.profile = profile
        self.machine = machine
        self.disturbances = Disturbances()
        self.say: Callable[[Reply], None] = nobody_hears
        self._witness = witness
        self._random = random

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()


class Speaker(Played, Protocol):
    """A device that speaks by itself. Whoever serves its line sets `say`."""

    say: Callable[[Reply], None]

    def hear(self, data: bytes) -> None:
        """Take what a master sends, if anything."""
        ...


Heard = TypeVar("Heard", bound=Speaker)


def nobody_hears(reply: Reply) -> None:
    """Say something where no line is served yet."""


async def serve(line: SpeakingLine, devices: Devices[Heard], context: LineContext) -> str:
    """Serve a line until the context's stack is closed; gives where it is. LineUnavailable."""
    return await serve_serial(
        line,
        context,
        terminal=partial(speaking_pty, devices),
        port=partial(speaking_tcp, devices, baudrate=line.baudrate),
    )


@asynccontextmanager
async def speaking_tcp(
    devices: Devices[Heard], *, host: str, port: int, baudrate: int | None = None
) -> AsyncIterator[int]:
    """Serve on a TCP port; gives the port that is really used (for `port=0`). LineUnavailable when it is taken."""
    (speaker,) = devices.by_name.values()
    audience = _Audience(speaker)
    async with serve_port(devices, audience.join, host=host, port=port, byte_s=_byte_s(baudrate)) as used:
        with audience:
            yield used


@asynccontextmanager
async def speaking_pty(devices: Devices[Heard], *, link: Path, baudrate: int | None = None) -> AsyncIterator[Path]:
    """Serve on a new pseudo-terminal, which `link` points to while the context lasts; LineUnavailable."""
    (speaker,) = devices.by_name.values()
    audience = _Audience(speaker)
    async with serve_terminal(devices, audience.join, link=link, byte_s=_byte_s(baudrate)) as used:
        with audience:
            yield used


def _byte_s(baudrate: int | None) -> float:
    return _BITS / baudrate if baudrate else 0.0


class _Audience:
    """Everybody who is connected. While the context lasts, the device speaks to them."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._transmitters: list[Transmitter] = []

    def __enter__(self) -> None:
        self._speaker.say = self._say

    def __exit__(self, *_: object) -> None:
        self._speaker.say = nobody_hears

    def join(self, transmitter: Transmitter) -> "_Ear":
        """Take somebody in, until the transmitter is closed."""
        self._transmitters.append(transmitter)
        return _Ear(self._speaker)

    def _say(self, reply: Reply) -> None:
        """Send to everybody; noted once, however many hear it."""
        self._transmitters = [one for one in self._transmitters if not one.is_closed]
        for number, transmitter in enumerate(self._transmitters):
            transmitter.send(reply if number == 0 else replace(reply, note=_nothing))


class _Ear:
    silence_s: float | None = None

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def hear(self, data: bytes) -> bool:
        self._speaker.hear(data)
        return False

    def forget(self) -> None:
        """Forget nothing: the device keeps what it has heard."""


def _nothing() -> None:
    """Note nothing."""
