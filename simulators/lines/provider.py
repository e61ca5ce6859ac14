"""A provider of health codes and records on the network: no device, but a scene has it as it has devices."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from runtime.durations import Duration
from simulators.devices import Devices
from simulators.lines.base import LineContext, PortLine, SceneDevice

if TYPE_CHECKING:
    from simulators.health_provider import ProviderStation

_PROFILE = Path(__file__).resolve().parent.parent / "health_provider.toml"


class ProviderLine(PortLine):
    """A provider on a TCP port, by the line's own name. It answers `after` a time, and says how long that `holds`.

    With a `token` it asks for that; `<data>/<line>.token` is the file for the agent.
    """

    speaks: ClassVar[str] = "agent"
    bus: ClassVar[str] = "agent"

    protocol: Literal["health-provider"]
    token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")] | None = None
    after: Duration = timedelta(milliseconds=50)
    holds: Duration | None = None
    seed: int = 0

    @property
    def members(self) -> tuple[SceneDevice, ...]:
        """Itself, so that faults find it."""
        return (SceneDevice(name=self.name, profile=str(_PROFILE), seed=self.seed),)


async def start(line: ProviderLine, context: LineContext) -> tuple["Devices[ProviderStation]", str]:
    """Serve a provider; gives it, and its URL. LineUnavailable."""
    from simulators.health_provider import PATH, ProviderStation, serve_provider
    from simulators.machines.provider import HealthProviderMachine

    (device,) = line.members
    machine = context.machine(device)
    if not isinstance(machine, HealthProviderMachine):
        raise TypeError(f"{device.name} is played by no provider")
    if line.token is not None:
        _write_token(context.data / f"{line.name}.token", line.token)
    station = ProviderStation(
        name=device.name,
        profile=context.profiles[device.name],
        machine=machine,
        witness=context.witness(device),
        random=context.random(device),
        token=line.token,
        takes_s=line.after.total_seconds(),
        holds_ms=None if line.holds is None else round(line.holds / timedelta(milliseconds=1)),
        clock_ms=lambda: time.time_ns() // 1_000_000,
    )
    devices = Devices([station], transport=line.transport)
    port = await context.stack.enter_async_context(serve_provider(devices, host=line.host, port=line.port))
    return devices, f"http://{line.host}:{port}{PATH}"


def _write_token(file: Path, token: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        written.write(token + "\n")
