"""Lines of OSDP readers."""

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from simulators.devices import Devices
from simulators.lines.base import LineContext, SerialLine, UnitDevice, serve_serial

if TYPE_CHECKING:
    from simulators.machines.card_reader import CardReaderMachine
    from simulators.osdp.station import ReaderStation

_HEX_KEY = r"^[0-9A-Fa-f]{32}$"


class ReaderDevice(UnitDevice):
    """One reader. `key` is the key of its secure channel; without one it has a key of its own, made from its name."""

    key: Annotated[str, Field(pattern=_HEX_KEY)] | None = None

    @property
    def base_key(self) -> bytes:
        """The key of its secure channel; simulated readers guard nothing."""
        if self.key is not None:
            return bytes.fromhex(self.key)
        return hashlib.blake2s(self.name.encode(), digest_size=16, person=b"osdp-sim").digest()


class OsdpLine(SerialLine):
    """Readers on one serial line, or behind a serial server's port. `<data>/<line>.keys` is the agent's key file."""

    speaks: ClassVar[str] = "osdp"
    bus: ClassVar[str] = "osdp"

    protocol: Literal["osdp"]
    devices: tuple[ReaderDevice, ...] = Field(min_length=1)

    @property
    def members(self) -> tuple[ReaderDevice, ...]:
        """Its devices."""
        return self.devices


def write_key_file(file: Path, keys: dict[int, bytes]) -> None:
    """Write a key file as the driver reads it, for its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    lines = ["[keys]", *(f'{unit} = "{key.hex()}"' for unit, key in sorted(keys.items()))]
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        written.write("\n".join(lines) + "\n")


def _machine(context: LineContext, device: ReaderDevice) -> "CardReaderMachine":
    from simulators.machines.card_reader import CardReaderMachine

    machine = context.machine(device)
    if not isinstance(machine, CardReaderMachine):
        raise TypeError(f"{device.name} is played by no card reader")
    return machine


async def start(line: OsdpLine, context: LineContext) -> tuple[Devices["ReaderStation"], str]:
    """Serve a line; gives its devices, and where it is. LineUnavailable."""
    from simulators.osdp.server import serve_readers_pty, serve_readers_tcp
    from simulators.osdp.station import ReaderStation, ReaderStations

    write_key_file(context.data / f"{line.name}.keys", {one.unit: one.base_key for one in line.devices})
    stations = ReaderStations(
        [
            ReaderStation(
                name=device.name,
                unit=device.unit,
                key=device.base_key,
                profile=context.profiles[device.name],
                machine=_machine(context, device),
                witness=context.witness(device),
                random=context.random(device),
            )
            for device in line.devices
        ],
        transport=line.transport,
    )
    return stations, await serve_serial(
        line, context, terminal=partial(serve_readers_pty, stations), port=partial(serve_readers_tcp, stations)
    )
