"""What all kinds of line have in common: how a scene describes them, and what they are given to run."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar, Protocol, Self

from pydantic import Field, model_validator

from drivers.address import DeviceAddress
from drivers.profile import Profile, Slug
from drivers.registry import BUSES
from runtime.config import Problem, Strict
from simulators.disturbances import Transport
from simulators.machines.api import Machine
from simulators.machines.registry import make_machine
from simulators.people.stage import Stage, Stages
from simulators.witness import NoWitness, Witness

Link = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""A name in the data folder that points to a line's pseudo-terminal."""
Baudrate = Annotated[int, Field(ge=300, le=4_000_000)]


class SceneDevice(Strict):
    """One device: a profile of the catalogue, or the path of a `profile.toml` (from the scene's folder)."""

    name: Slug
    profile: str = Field(min_length=1)
    seed: int = 0

    @property
    def place(self) -> tuple[str, int | str]:
        """The key that places it on its line, and its value; ("name", its name) where it needs no place."""
        return "name", self.name


class UnitDevice(SceneDevice):
    """A device with a unit number."""

    unit: int = Field(ge=0, le=255)

    @property
    def place(self) -> tuple[str, int | str]:
        """Its unit."""
        return "unit", self.unit


class AddressedDevice(SceneDevice):
    """A device by the address that is printed on it."""

    address: str

    @property
    def place(self) -> tuple[str, int | str]:
        """Its address."""
        return "address", self.address


class SceneLine(Strict, ABC):
    """One line of a scene, with its devices."""

    speaks: ClassVar[str]
    """The protocol of the profiles that its devices have."""
    bus: ClassVar[str]
    """The protocol of the bus by which an agent reads it."""

    name: Slug
    process: Slug | None = Field(default=None, description="lines with the same word run in one process")
    copies: int = Field(default=1, ge=1, le=10_000, description="so many lines like this one, with a number behind")
    witness: bool = Field(default=True, description="write down what the devices say; big scenes do without")

    @property
    def runs_in(self) -> str:
        """The name of the process that plays it."""
        return self.process or self.name

    def numbered(self, number: int) -> Self:
        """Give one of the copies: names, seeds and endpoint are its own; all copies run in one process."""
        devices = tuple(
            device.model_copy(update={"name": f"{device.name}-{number}", "seed": device.seed + number})
            for device in self.members
        )
        changed = {"name": f"{self.name}-{number}", "process": self.runs_in, "copies": 1, "devices": devices}
        return self.model_copy(update=changed | self._endpoint_of(number))

    def _endpoint_of(self, number: int) -> dict[str, object]:  # noqa: ARG002 - by default a line cannot be copied
        """Give the fields by which a copy is elsewhere than the others."""
        return {}

    @property
    @abstractmethod
    def members(self) -> tuple[SceneDevice, ...]:
        """Its devices."""

    @property
    @abstractmethod
    def transport(self) -> Transport:
        """What carries its frames."""

    @property
    @abstractmethod
    def endpoint(self) -> tuple[str, object]:
        """The key that says where it is, and something that no other line may have equal."""

    @property
    def looks_at(self) -> str | None:
        """The stage that it looks at; None for what is no camera at a gate."""
        return None

    @property
    def seen_as(self) -> object:
        """What judges its devices' places; the settings of an agent's bus where those matter."""
        return self

    def problems(self) -> Iterator[Problem]:
        """Find what is wrong with the line by itself; the keys are its own."""
        places: set[int | str] = set()
        for d, device in enumerate(self.members):
            key, place = device.place
            if key == "name":
                continue  # names are compared over the whole scene
            if place in places:
                remedy = f"give each device of a line its own {key}"
                yield Problem(key=f"devices.{d}.{key}", message=f"{key} {place} is taken", remedy=remedy)
            places.add(place)
            address = DeviceAddress(unit=place) if isinstance(place, int) else DeviceAddress(address=place)
            if problem := BUSES[self.bus].problem(self.seen_as, address):
                yield Problem(key=f"devices.{d}.{key}", message=problem, remedy=f"correct the {key}")


class PortLine(SceneLine, ABC):
    """What is on the network: a TCP port; port 0 takes any free one, which `linli simulate status` tells."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(ge=0, le=65535)

    @property
    def transport(self) -> Transport:
        """TCP."""
        return Transport.TCP

    @property
    def endpoint(self) -> tuple[str, object]:
        """Its port; port 0 clashes with no other."""
        return "port", (self.host, self.port or self.name)

    def _endpoint_of(self, number: int) -> dict[str, object]:
        return {"port": self.port and self.port + number - 1}


class SerialLine(SceneLine, ABC):
    """A serial line: a pseudo-terminal at `<data>/<link>`, or (with `port`) a serial server's TCP port.

    With `baudrate` what is said takes the time that it would take on the wire.
    """

    protocol: str
    link: Link | None = None
    baudrate: Baudrate | None = None
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int | None = Field(default=None, ge=0, le=65535)

    @property
    def transport(self) -> Transport:
        """What carries the bytes."""
        return Transport.TCP if self.link is None else Transport.SERIAL

    @property
    def endpoint(self) -> tuple[str, object]:
        """Its link, or its port; port 0 clashes with no other."""
        return ("link", self.link) if self.link is not None else ("port", (self.host, self.port or self.name))

    def _endpoint_of(self, number: int) -> dict[str, object]:
        return {"link": self.link and f"{self.link}-{number}", "port": self.port and self.port + number - 1}

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.link is None) == (self.port is None):
            raise ValueError(f"a line with protocol `{self.protocol}` has either `link` or `port`")
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class LineContext:
    """What a line is given: the data folder, its devices' profiles by name, and the stack that closes what it opens.

    `time_scale` speeds up the day and its traffic, never the mechanics.
    """

    data: Path
    profiles: Mapping[str, Profile]
    time_scale: float
    stack: AsyncExitStack
    witnessed: bool = True
    stages: Stages = field(default_factory=Stages)

    def stage(self, name: str | None) -> Stage | None:
        """Give a stage of this process by name; None for a line that looks at none."""
        return None if name is None else self.stages.get(name)

    def machine(self, device: SceneDevice) -> Machine:
        """Make the machine that plays a device."""
        return make_machine(self.profiles[device.name], time_scale=self.time_scale)

    def witness(self, device: SceneDevice) -> Witness:
        """Open the witness of a device; one that writes nothing where the line has none."""
        if not self.witnessed:
            return NoWitness()
        return self.stack.enter_context(Witness(self.data, device.name, clock=time.time))

    def random(self, device: SceneDevice) -> Random:
        """Give a device's chance."""
        return Random(device.seed)  # noqa: S311 - a machine's noise, and repeatable


class ServeTerminal(Protocol):
    """Serves a line's devices on a pseudo-terminal."""

    def __call__(self, *, link: Path, baudrate: int | None) -> AbstractAsyncContextManager[Path]:
        """Serve at `link`; LineUnavailable."""
        ...


class ServePort(Protocol):
    """Serves a line's devices on a TCP port."""

    def __call__(self, *, host: str, port: int) -> AbstractAsyncContextManager[int]:
        """Serve, and give the port; LineUnavailable."""
        ...


async def serve_serial(line: SerialLine, context: LineContext, *, terminal: ServeTerminal, port: ServePort) -> str:
    """Serve a serial line where its scene wants it, until the context's stack is closed; gives where it is."""
    if line.link is not None:
        at = await context.stack.enter_async_context(terminal(link=context.data / line.link, baudrate=line.baudrate))
        return str(at)
    used = await context.stack.enter_async_context(port(host=line.host, port=line.port or 0))
    return f"{line.host}:{used}"
