"""Devices that publish to an MQTT broker: one of the scene's own, or one that is there."""

import asyncio
import socket
import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from runtime.durations import Duration
from simulators.disturbances import Transport
from simulators.lines.base import AddressedDevice, LineContext, SceneLine
from simulators.machines.announcer import Announcer

if TYPE_CHECKING:
    from simulators.json_station import JsonStations, Letter
    from simulators.machines.api import Machine

_PATIENCE = timedelta(seconds=10)


class JsonLine(SceneLine):
    """Devices that publish. Without `host` the line starts a Mosquitto of its own on this computer's `port` (0: free).

    They report every `every`, when a state changes, and when something happens. `variables` fill in their topics.
    """

    speaks: ClassVar[str] = "json"
    bus: ClassVar[str] = "json-mqtt"

    protocol: Literal["json-mqtt"]
    devices: tuple[AddressedDevice, ...] = Field(min_length=1)
    host: str | None = Field(default=None, min_length=1)
    port: int = Field(default=0, ge=0, le=65535)
    every: Duration = timedelta(seconds=10)
    variables: dict[str, str] = Field(default_factory=dict)

    @property
    def members(self) -> tuple[AddressedDevice, ...]:
        """Its devices."""
        return self.devices

    @property
    def transport(self) -> Transport:
        """What carries the messages."""
        return Transport.TCP

    @property
    def endpoint(self) -> tuple[str, object]:
        """Its own broker's port; many lines may publish to a broker that is there."""
        own = self.host is None and self.port
        return "port", ("mqtt", self.port if own else self.name)

    @model_validator(mode="after")
    def _one_broker(self) -> Self:
        if self.host is not None and not self.port:
            raise ValueError("with `host`, `port` is the broker's")
        return self


async def start(line: JsonLine, context: LineContext) -> tuple["JsonStations", str]:
    """Start a broker if need be, and publish to it; gives the devices, and where the broker is. LineUnavailable."""
    from simulators.json_station import JsonStation, JsonStations, publishing

    host, port = (line.host, line.port) if line.host is not None else await _own_broker(line, context)
    outbox: deque[Letter] = deque()
    stations = JsonStations(
        [
            JsonStation(
                name=device.name,
                address=device.address,
                profile=context.profiles[device.name],
                machine=_announcer(context.machine(device)),
                witness=context.witness(device),
                random=context.random(device),
                variables=line.variables,
                every_s=line.every.total_seconds(),
                clock_ms=_now_ms,
                outbox=outbox,
            )
            for device in line.devices
        ],
        outbox,
    )
    served = publishing(stations, host=host, port=port, identifier=f"linli-simulator-{line.name}-{time.time_ns()}")
    await context.stack.enter_async_context(served)
    return stations, f"mqtt://{host}:{port}"


def _announcer(machine: "Machine") -> Announcer:
    if not isinstance(machine, Announcer):
        raise TypeError("what publishes is played by an Announcer")
    return machine


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _own_broker(line: JsonLine, context: LineContext) -> tuple[str, int]:
    from cloud.broker import BrokerError, find_program
    from runtime.children import Children
    from simulators.pseudo_terminal import LineUnavailable

    host, port = "127.0.0.1", line.port or _free_port()
    folder = context.data / f"{line.name}.broker"
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "mosquitto.conf"
    conf.write_text(_CONFIGURATION.format(host=host, port=port, folder=folder.resolve()), encoding="utf-8")
    try:
        program = find_program("mosquitto")
    except BrokerError as error:
        raise LineUnavailable(str(error)) from error
    children = await context.stack.enter_async_context(Children(logs=folder))
    child = await children.start("mosquitto", [program, "-c", str(conf)])
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE.total_seconds()
    while not await _listens(host, port):
        if not child.running or loop.time() > deadline:
            raise LineUnavailable(f"the broker does not listen on {host}:{port}; its log is {child.log}")
        await asyncio.sleep(0.05)
    return host, port


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_CONFIGURATION = """listener {port} {host}
allow_anonymous true
user root
persistence true
persistence_location {folder}/
queue_qos0_messages true
log_type error
log_type warning
"""
